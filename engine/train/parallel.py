"""A network that several GPUs or several processes train together."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from utils.devices import visible_cards
from utils.distributed import Ranks


def wrap_parallel(model: nn.Module, device: torch.device, ranks: Ranks) -> nn.Module:
    """Return the model that takes a rank's share of a batch and averages its gradients with those of the others.

    Args:
        model: on the device, with the same weights on all ranks.
        device: of this rank.

    Returns:
        DistributedDataParallel where there are several ranks; DataParallel where one process has several cards, as the
        original's command starts it; else the model itself.
    """
    if ranks.size > 1:
        model = DistributedDataParallel(model)
        if device.type == "cpu":  # GPUs round differently each time anyway
            model.register_comm_hook(ranks.size, _average_one_by_one)
        return model
    return nn.DataParallel(model) if len(visible_cards(device)) > 1 else model


def _average_one_by_one(ranks: int, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Average gradients over the ranks, each tensor for itself.

    DistributedDataParallel puts many into one tensor, and others after its first step. Where in a tensor a number lies
    decides in which order those of three ranks or more are added, so that a run that goes on would round otherwise.
    """
    for gradient in bucket.gradients():
        dist.all_reduce(gradient)
    averaged = torch.futures.Future()
    averaged.set_result(bucket.buffer().div_(ranks))
    return averaged

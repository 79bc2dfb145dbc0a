"""DistributedDataParallel or DataParallel around a model, where several ranks or GPUs share its batches."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from utils.devices import visible_gpus
from utils.distributed import Ranks


def wrap_parallel(model: nn.Module, device: torch.device, ranks: Ranks) -> nn.Module:
    """Wrap a model for this rank's share of each batch.

    Args:
        model: on the device, with the same weights on all ranks.
        device: device of this rank.

    Returns:
        DistributedDataParallel for several ranks; DataParallel for one process with several GPUs; else the model.
    """
    if ranks.size > 1:
        model = DistributedDataParallel(model)
        if device.type == "cpu":  # on GPUs results differ in rounding from run to run anyway
            model.register_comm_hook(ranks.size, _average_each_gradient)
        return model
    return nn.DataParallel(model) if len(visible_gpus(device)) > 1 else model


def _average_each_gradient(ranks: int, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    """Average gradients over the ranks, one tensor at a time.

    DDP reduces buckets of gradients, and rebuilds the buckets after its first step. With three or more ranks, the
    position of a value in its bucket decides the order of summation, so that a resumed run would round differently.
    """
    for gradient in bucket.gradients():
        dist.all_reduce(gradient)
    averaged = torch.futures.Future()
    averaged.set_result(bucket.buffer().div_(ranks))
    return averaged

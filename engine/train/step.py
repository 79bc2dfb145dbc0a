"""What learns: the network and its loss, with the optimizer, the schedule and the average that make its weights."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.train.loader import Batch
from engine.train.optim import Average, Phase, build_optimizer, build_scheduler, restore_optimizer
from engine.train.parallel import wrap_parallel
from engine.train.state import Checkpoint
from layers.modules import MultiBoxLoss
from models.retinaface import RetinaFace
from utils.checkpoint import load_into
from utils.devices import HALF_PRECISION
from utils.distributed import Ranks
from utils.errors import UserError
from utils.pixels import normalize


class Learner:
    """Takes the steps of a training; begin() comes before the first.

    Args:
        network: a RetinaFace in phase "train", the same on all ranks; trained in place.
        criterion: its loss.
        loc_weight: of the box loss, beside 1 of the other two.
        flags: those of train.py, filled in.
        device: where this rank computes.

    Attributes:
        network: with the weights of the last step.
        model: the network as it is called: compiled, or spread over GPUs and ranks.
    """

    def __init__(
        self,
        network: RetinaFace,
        criterion: MultiBoxLoss,
        loc_weight: float,
        flags: Namespace,
        device: torch.device,
        ranks: Ranks,
    ):
        self.criterion, self.flags, self.device, self.ranks = criterion, flags, device, ranks
        self.loss_weights = torch.tensor([loc_weight, 1.0, 1.0], device=device)
        if flags.sync_bn:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        self.network = network.to(device, memory_format=torch.channels_last).train()
        # The batches have two sizes at most: a kernel for each is quicker than one for any.
        model = torch.compile(self.network, dynamic=False) if flags.compile else self.network
        self.model = wrap_parallel(model, device, ranks)
        self.scaler = torch.amp.GradScaler(device.type, enabled=flags.amp == "fp16")

    def begin(self, phase: Phase, steps_per_epoch: int, steps: int) -> None:
        """Make a new optimizer, schedule and average for a phase of which `steps` are done."""
        flags = self.flags
        self.optimizer = build_optimizer(self.network, flags.optimizer, phase.lr, flags.momentum, flags.weight_decay)
        self.scheduler = build_scheduler(self.optimizer, phase, steps_per_epoch, steps)
        self.average = Average(self.network, flags.ema) if flags.ema else None

    @property
    def product(self) -> RetinaFace:
        """The network that is written and scored: the average of the weights where there is one."""
        return self.network if self.average is None else self.average.network

    def step(self, batches: Sequence[Batch], counts: Sequence[float]) -> Tensor:
        """Take one step of the optimizer, with the gradients of one or more batches.

        Its loss is divided by the counts of all batches and all ranks, so that neither matters to the gradients.

        Args:
            counts: the sums of the Matches' counts of the step's batches on all ranks.

        Returns:
            (3,) float32 on the device: box, class and landmark loss; their mean over the ranks is that of the step.
        """
        # DistributedDataParallel takes the mean over the ranks, while the gradients of a batch's parts are to be added.
        ranks = self.ranks.size
        factors = [ranks / divisor for divisor in self.criterion.divisors(counts)]
        losses = torch.zeros(3, device=self.device)
        for i, batch in enumerate(batches):
            matches = batch.matches.to(self.device, non_blocking=True)
            images = normalize(batch.images.to(self.device, non_blocking=True))
            is_last = i == len(batches) - 1
            # Only the last batch's backward pass adds up the gradients of the ranks.
            with nullcontext() if is_last or ranks == 1 else self.model.no_sync():
                with torch.autocast(
                    self.device.type, HALF_PRECISION.get(self.flags.amp), enabled=self.flags.amp in HALF_PRECISION
                ):
                    predictions = self.model(images)
                sums = self.criterion.sums(predictions, matches)
                parts = torch.stack([value * factor for value, factor in zip(sums, factors, strict=True)])
                self.scaler.scale((parts * self.loss_weights).sum()).backward()
            losses += parts.detach()
        if self.flags.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.flags.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.scheduler.step()
        if self.average is not None:
            self.average.update()
        return losses

    def has_finite_weights(self) -> bool:
        """Whether a run can go on from the weights."""
        values = [value for value in self.network.state_dict().values() if value.is_floating_point()]
        return bool(torch.stack([value.isfinite().all() for value in values]).all())

    def state_dicts(self) -> dict[str, dict | None]:
        """Return what a Checkpoint keeps of this, by its attributes' names."""
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": None if self.average is None else self.average.network.state_dict(),
        }

    def restore(self, checkpoint: Checkpoint, source: Path) -> None:
        """Take over what state_dicts() returned in another run.

        Args:
            source: the checkpoint's file, for messages.

        Raises:
            UserError: it does not fit.
        """
        load_into(self.network, checkpoint.model, source)
        if self.average is not None:
            load_into(self.average.network, checkpoint.ema or checkpoint.model, source)
        if checkpoint.flags.get("optimizer") != self.flags.optimizer:
            raise UserError(
                f"{source}: is of a run with --optimizer {checkpoint.flags.get('optimizer')}; go on with that, or start"
                " from its weights with --resume_net"
            )
        try:
            restore_optimizer(self.optimizer, checkpoint.optimizer)
            if self.scaler.is_enabled() and checkpoint.scaler:
                self.scaler.load_state_dict(checkpoint.scaler)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"{source}: is damaged: what its optimizer remembers does not fit ({error})") from error

"""One optimizer step."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from engine.train.loader import Batch
from engine.train.state import Run
from layers.modules import MultiBoxLoss
from utils.devices import HALF_PRECISION
from utils.pixels import normalize


def train_step(run: Run, criterion: MultiBoxLoss, batches: Sequence[Batch], counts: Sequence[float]) -> Tensor:
    """Take one optimizer step with the gradients of one or more batches, without a GPU synchronization.

    The loss is divided by the counts of all batches and all ranks, so that gradients depend on neither.

    Args:
        run: updated in place.
        counts: the batches' `matches.counts`, summed over batches and ranks.

    Returns:
        (3,) float32 on the device: box, class, and landmark loss of this rank. Their mean over the ranks is the loss of
        the step.
    """
    device, amp, ranks = run.device, run.config.amp, run.ranks.size
    # DDP averages gradients over the ranks; those of the shares of a batch add up.
    factors = [ranks / divisor for divisor in criterion.divisors(counts)]
    losses = torch.zeros(3, device=device)
    for i, batch in enumerate(batches):
        matches = batch.matches.to(device, non_blocking=True)
        images = normalize(batch.images.to(device, non_blocking=True))
        is_last = i == len(batches) - 1
        with nullcontext() if is_last or ranks == 1 else run.model.no_sync():  # DDP reduces gradients once per step
            with torch.autocast(device.type, HALF_PRECISION.get(amp), enabled=amp in HALF_PRECISION):
                predictions = run.model(images)
            sums = criterion.sums(predictions, matches)
            parts = torch.stack([value * factor for value, factor in zip(sums, factors, strict=True)])
            loss = (parts * run.loss_weights).sum()
            run.scaler.scale(loss).backward()
        losses += parts.detach()
    if run.config.clip_norm:
        run.scaler.unscale_(run.optimizer)
        nn.utils.clip_grad_norm_(run.network.parameters(), run.config.clip_norm)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.optimizer.zero_grad(set_to_none=True)
    run.scheduler.step()
    if run.ema is not None:
        run.ema.update()
    return losses

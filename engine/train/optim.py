"""The optimizer, its learning rate over a phase, and the average of the weights."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import get_ema_multi_avg_fn


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs with an optimizer of its own.

    Attributes:
        number: 1 or 2.
        start, end: epochs done before and after it, counted from the start of phase one.
        lr: at its beginning.
        gamma: factor of each decay.
        decay_epochs: the epochs after which lr is multiplied by gamma; those up to `start` are over.
        cosine: lr goes down to 0 along half a cosine instead.
        warmup_epochs: over which lr grows from 0.
    """

    number: int
    start: int
    end: int
    lr: float
    gamma: float
    decay_epochs: tuple[int, ...]
    cosine: bool = False
    warmup_epochs: float = 0.0

    def factor(self, step: int, steps_per_epoch: int) -> float:
        """Return what lr is multiplied with at a step of the optimizer, counted from 0 at the phase's start."""
        warmup_steps = self.warmup_epochs * steps_per_epoch
        warmth = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
        if self.cosine:
            part = min(1.0, step / ((self.end - self.start) * steps_per_epoch))
            return warmth * (1 + math.cos(math.pi * part)) / 2
        epoch = self.start + step // steps_per_epoch
        return warmth * self.gamma ** sum(self.start < decay <= epoch for decay in self.decay_epochs)


def build_optimizer(
    model: nn.Module, name: str, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Build `sgd` or `adamw` over all weights, as one fused kernel."""
    if name == "adamw":
        return torch.optim.AdamW(model.parameters(), lr, weight_decay=weight_decay, fused=True)
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=momentum, weight_decay=weight_decay, fused=True)
    if momentum:
        # PyTorch makes these in the first step, and with fp16 leaves them unset where that step overflows.
        for parameter in model.parameters():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: dict) -> None:
    """Take over what an optimizer remembers of past steps; its lr and other settings stay those of this run.

    Raises:
        KeyError, ValueError, RuntimeError: it is of another optimizer or other weights.
    """
    own = optimizer.state_dict()
    optimizer.load_state_dict({**own, "state": {**own["state"], **saved["state"]}})


def build_scheduler(optimizer: torch.optim.Optimizer, phase: Phase, steps_per_epoch: int, step: int) -> LambdaLR:
    """Build the schedule of a phase, in which `step` steps of the optimizer are done; step() it after each."""
    for group in optimizer.param_groups:
        group["initial_lr"] = phase.lr
    return LambdaLR(optimizer, lambda step: phase.factor(step, steps_per_epoch), last_epoch=step - 1)


class Average:
    """The exponential moving average of a network's weights and batch statistics over the steps.

    Args:
        network: which is followed; its present values are the first average.
        decay: part of the average that a step leaves.

    Attributes:
        network: with the averages.
    """

    def __init__(self, network: nn.Module, decay: float):
        self.followed = network
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.update_floats = get_ema_multi_avg_fn(decay)

    def update(self) -> None:
        """Take a step of the followed network into account, without waiting for a GPU."""
        # Counters of batches, which are integers and of no use to this network, stay as they are.
        self.update_floats(_floats(self.network), _floats(self.followed), None)


def _floats(network: nn.Module) -> list[Tensor]:
    return [value.detach() for value in [*network.parameters(), *network.buffers()] if value.is_floating_point()]

"""Phases, optimizer, learning-rate schedule, and EMA."""

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

from engine.train.config import TrainConfig


@dataclass(frozen=True)
class Phase:
    """A part of a training with its own optimizer and learning rate.

    Attributes:
        number: 1 or 2.
        start, end: its first and last epoch, as numbers of finished epochs from the start of phase one.
        lr: initial learning rate.
        gamma: factor of each decay.
        decay_epochs: epochs after which the learning rate is multiplied by gamma; those up to `start` do not apply.
        cosine: decay from lr to 0 along half a cosine instead.
        warmup_epochs: epochs in which the learning rate grows from 0.
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
        """Return the factor of the learning rate at an optimizer step, counted from 0 at the start of the phase."""
        warmup_steps = self.warmup_epochs * steps_per_epoch
        warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
        if self.cosine:
            progress = min(1.0, step / ((self.end - self.start) * steps_per_epoch))
            return warmup * (1 + math.cos(math.pi * progress)) / 2
        epoch = self.start + step // steps_per_epoch
        return warmup * self.gamma ** sum(self.start < decay <= epoch for decay in self.decay_epochs)


def phase_of(config: TrainConfig, number: int, start: int) -> Phase:
    """Return phase 1 or 2 of a resolved configuration, with `start` epochs before it."""
    decays = tuple(config.decay_epochs)
    if number == 2:
        return Phase(2, start, start + config.finetune_epochs, config.finetune_lr, config.gamma, decays)
    cosine = config.schedule == "cosine"
    return Phase(1, start, config.epochs, config.lr, config.gamma, decays, cosine, config.warmup_epochs)


def build_optimizer(
    model: nn.Module, name: str, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Build a fused `sgd` or `adamw` optimizer over all parameters that are trained."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr, weight_decay=weight_decay, fused=True)
    optimizer = torch.optim.SGD(parameters, lr, momentum=momentum, weight_decay=weight_decay, fused=True)
    if momentum:
        # PyTorch creates these in the first step. In fp16 it leaves them uninitialized if that step overflows.
        for parameter in parameters:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: dict) -> None:
    """Load the state of an optimizer, such as momentum, but keep the learning rate and settings of this run.

    Raises:
        KeyError, ValueError, RuntimeError: the state is of another optimizer or other parameters.
    """
    own = optimizer.state_dict()
    optimizer.load_state_dict({**own, "state": {**own["state"], **saved["state"]}})


def build_scheduler(optimizer: torch.optim.Optimizer, phase: Phase, steps_per_epoch: int, step: int) -> LambdaLR:
    """Build the schedule of a phase, `step` optimizer steps after its start; call its step() after each step."""
    for group in optimizer.param_groups:
        group["initial_lr"] = phase.lr
    return LambdaLR(optimizer, lambda step: phase.factor(step, steps_per_epoch), last_epoch=step - 1)


class EMA:
    """Exponential moving average of a network's weights and batch statistics.

    Args:
        network: network to average; its present values are the first average.
        decay: weight of the old average in each update.
        warmup: whether the decay grows, from 0.1 in the first update; after n updates it is at most (1 + n) / (10 + n).
        updates: number of updates before these.

    Attributes:
        network: copy with the averages.
    """

    def __init__(self, network: nn.Module, decay: float, warmup: bool = False, updates: int = 0):
        self.source = network
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay, self.warmup, self.updates = decay, warmup, updates

    def update(self) -> None:
        """Update the average after an optimizer step, without a GPU synchronization."""
        # num_batches_tracked is an integer and unused in evaluation; it is not averaged.
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.warmup else self.decay
        get_ema_multi_avg_fn(decay)(_floats(self.network), _floats(self.source), None)
        self.updates += 1


def _floats(network: nn.Module) -> list[Tensor]:
    return [value.detach() for value in [*network.parameters(), *network.buffers()] if value.is_floating_point()]

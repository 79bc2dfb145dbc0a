"""The state of a run: the network, its optimizer, schedule, and EMA, and how far the training is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from engine.train.config import TrainConfig
from engine.train.freezing import freeze
from engine.train.loader import StepBatches
from engine.train.optim import EMA, build_optimizer, build_scheduler, phase_of, restore_optimizer
from engine.train.parallel import wrap_parallel
from models.retinaface import RetinaFace
from utils.distributed import Ranks


@dataclass
class EpochTotals:
    """Sums over the steps of an epoch.

    Attributes:
        losses: sums over `steps` of the box, class, and landmark losses.
        images, clipped, dropped, unreadable: images processed, boxes clipped, empty boxes dropped, and images that
            could not be read, on all ranks.
        notes: kind of ImageNote -> number of images, on all ranks.
        seconds: duration of the steps.
        data_time: seconds of them that the loop waited for batches.
    """

    losses: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    steps: int = 0
    images: int = 0
    clipped: int = 0
    dropped: int = 0
    unreadable: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    data_time: float = 0.0

    def add_steps(self, losses: list[list[float]], seconds: float) -> None:
        """Add the box, class, and landmark losses of steps, and their duration."""
        for step in losses:
            self.losses = [total + value for total, value in zip(self.losses, step, strict=True)]
        self.steps += len(losses)
        self.seconds += seconds


@dataclass
class RunState:
    """How far a run is, between two optimizer steps.

    Attributes:
        epoch: finished epochs, counted from the start of phase one.
        phase: 1 or 2.
        start: finished epochs at the start of this phase.
        iterations: optimizer steps of this run.
        images_done: images of the current epoch that are processed.
        totals: sums of the current epoch.
        history: a row for each finished epoch; engine/train/history.py describes its keys.
        best_ap, best_epoch: highest AP on the dev set, 0 to 1, and its epoch.
        evals_since_best: scores of the dev set since then, in this phase.
    """

    epoch: int = 0
    phase: int = 1
    start: int = 0
    iterations: int = 0
    images_done: int = 0
    totals: EpochTotals = field(default_factory=EpochTotals)
    history: list[dict] = field(default_factory=list)
    best_ap: float | None = None
    best_epoch: int | None = None
    evals_since_best: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunState":
        """Undo `to_dict`."""
        return cls(**{**values, "totals": EpochTotals(**values["totals"])})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def next_epoch(self, row: dict) -> None:
        """Finish the current epoch with its row of the history."""
        self.history.append(row)
        self.epoch += 1
        self.images_done, self.totals = 0, EpochTotals()

    def start_phase_two(self, start: int) -> None:
        """Begin phase two after `start` epochs. A shorter --epochs can end phase one in the middle of an epoch."""
        self.phase, self.start, self.epoch, self.evals_since_best = 2, start, start, 0
        self.images_done, self.totals = 0, EpochTotals()

    def update_best(self, ap: float) -> bool:
        """Compare the dev AP of the epoch that just ended with the best; return whether it is the new best."""
        if self.best_ap is not None and ap <= self.best_ap:
            self.evals_since_best += 1
            return False
        self.best_ap, self.best_epoch, self.evals_since_best = ap, self.epoch, 0
        return True


class Run:
    """A network in training.

    Args:
        network: a RetinaFace of phase "train", the same on all ranks; trained in place.
        cfg: its configuration.
        config: resolved options.
        state: how far the run is.

    Attributes:
        model: the network as it is called: compiled, or wrapped for several GPUs or ranks.
        phase: current phase.
        optimizer, scheduler, ema: those of the current phase; ema is None without --ema.
    """

    def __init__(
        self,
        network: RetinaFace,
        cfg: dict,
        config: TrainConfig,
        state: RunState,
        *,
        steps_per_epoch: int,
        device: torch.device,
        ranks: Ranks,
    ):
        self.cfg, self.config, self.state = cfg, config, state
        self.steps_per_epoch, self.device, self.ranks = steps_per_epoch, device, ranks
        if config.sync_bn:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        self.network = network.to(device, memory_format=torch.channels_last).train()
        freeze(self.network, cfg, config.freeze, config.freeze_bn)
        # Batches have at most two sizes: a kernel compiled for each is faster than a dynamic one.
        model = torch.compile(self.network, dynamic=False) if config.compile else self.network
        self.model = wrap_parallel(model, device, ranks)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.amp == "fp16")
        self.loss_weights = torch.tensor([cfg["loc_weight"], 1.0, 1.0], device=device)

    @property
    def name(self) -> str:
        return self.cfg["name"]

    def start_phase(self, steps_done: int = 0) -> None:
        """Create the optimizer, schedule, and EMA of the phase that the state names.

        Args:
            steps_done: optimizer steps of the current epoch that are done.
        """
        config, state = self.config, self.state
        self.phase = phase = phase_of(config, state.phase, state.start)
        self.optimizer = build_optimizer(self.network, config.optimizer, phase.lr, config.momentum, config.weight_decay)
        steps = (state.epoch - phase.start) * self.steps_per_epoch + steps_done
        self.scheduler = build_scheduler(self.optimizer, phase, self.steps_per_epoch, steps)
        self.ema = EMA(self.network, config.ema, config.ema_warmup, steps) if config.ema else None

    @property
    def eval_model(self) -> RetinaFace:
        """The network that is written and scored: the EMA if there is one."""
        return self.network if self.ema is None else self.ema.network

    def lr(self, step: int) -> float:
        """Return the learning rate at a step of the current epoch, counted from 0."""
        before = (self.state.epoch - self.phase.start) * self.steps_per_epoch
        return self.phase.lr * self.phase.factor(before + step, self.steps_per_epoch)

    def advance(self, step: StepBatches) -> None:
        """Count an optimizer step."""
        self.state.iterations += 1
        self.state.images_done = step.images_done
        self.state.totals.data_time += step.data_time

    def total_loss(self, losses: Sequence[float]) -> float:
        """Return the weighted sum of a box, class, and landmark loss."""
        box, class_, landmark = losses
        return self.cfg["loc_weight"] * box + class_ + landmark

    @property
    def patience_is_over(self) -> bool:
        return 0 < self.config.patience <= self.state.evals_since_best

    @property
    def phase_is_over(self) -> bool:
        return self.patience_is_over or self.state.epoch >= self.phase.end

    @property
    def is_over(self) -> bool:
        return self.phase_is_over and (self.phase.number == 2 or not self.config.finetune_epochs)

    @property
    def is_scoring_due(self) -> bool:
        """Whether the current epoch, whose steps are done, is one after which the dev set is scored."""
        epoch = self.state.epoch + 1
        return epoch == self.phase.end or epoch % self.config.val_every == 0

    @property
    def is_saving_due(self) -> bool:
        """Whether the epoch that just ended is one whose weights are kept."""
        epoch = self.state.epoch
        return epoch % self.config.save_every == 0 or str(epoch) == self.config.finetune_from or self.phase_is_over

    def has_finite_weights(self) -> bool:
        values = [value for value in self.network.state_dict().values() if value.is_floating_point()]
        return bool(torch.stack([value.isfinite().all() for value in values]).all())

    def state_dicts(self) -> dict[str, dict | None]:
        """Return the state dicts that a checkpoint holds, by its field names."""
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": None if self.ema is None else self.ema.network.state_dict(),
        }

    def restore_optimizer(self, optimizer: dict, scaler: dict) -> None:
        """Load the state dicts of the optimizer and of the gradient scaler.

        Raises:
            AttributeError, KeyError, TypeError, ValueError, RuntimeError: they do not fit.
        """
        restore_optimizer(self.optimizer, optimizer)
        if self.scaler.is_enabled() and scaler:
            self.scaler.load_state_dict(scaler)

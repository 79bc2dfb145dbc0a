"""How far a run is, and `{name}_last.ckpt`, from which it goes on exactly."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from utils.checkpoint import read_checkpoint
from utils.errors import UserError

FORMAT = 1


@dataclass
class EpochTotals:
    """What an epoch adds up to.

    Attributes:
        losses: sums over its `steps` of the box, class and landmark loss.
        images, clipped, dropped, unreadable: images learnt, boxes mended, boxes without a size, images that
            could not be read; of all ranks.
        seconds: that it took.
        waited: seconds of them in which the loop waited for images.
    """

    losses: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    steps: int = 0
    images: int = 0
    clipped: int = 0
    dropped: int = 0
    unreadable: int = 0
    seconds: float = 0.0
    waited: float = 0.0


@dataclass
class RunState:
    """Where a run stands between two steps of the optimizer.

    Attributes:
        epoch: epochs done, counted from the start of phase one.
        phase: 1 or 2.
        start: epochs that were done when this phase began.
        iterations: steps of the optimizer in this run.
        done: images of the epoch under way that are learnt.
        totals: of the epoch under way.
        history: a row for each epoch done, as engine.train.curves describes them.
        best_ap, best_epoch: highest AP on the dev set so far and the epoch that had it.
        worse_scores: scores of the dev set since then, in this phase.
    """

    epoch: int = 0
    phase: int = 1
    start: int = 0
    iterations: int = 0
    done: int = 0
    totals: EpochTotals = field(default_factory=EpochTotals)
    history: list[dict] = field(default_factory=list)
    best_ap: float | None = None
    best_epoch: int | None = None
    evals_since_best: int = 0

    @classmethod
    def of(cls, values: dict[str, Any]) -> "RunState":
        """Undo dataclasses.asdict."""
        return cls(**{**values, "totals": EpochTotals(**values["totals"])})


@dataclass
class Checkpoint:
    """What `{name}_last.ckpt` holds, as plain values and tensors.

    Attributes:
        name: of the network's configuration.
        flags: of train.py, filled in.
        dataset: FaceDataset.fingerprint() of the training images.
        ranks: number of processes that share the batches.
        computer: what it was computed on; utils.devices.describe_computer.
        state: dataclasses.asdict of the RunState.
        model, optimizer, scaler, ema: their state dicts; ema is None without --ema.
    """

    name: str
    flags: dict[str, Any]
    dataset: str
    ranks: int
    computer: str
    state: dict[str, Any]
    model: dict
    optimizer: dict
    scaler: dict
    ema: dict | None
    format: int = FORMAT


def last_checkpoint(save_folder: str | Path, name: str) -> Path:
    """Return the path of `{name}_last.ckpt`."""
    return Path(save_folder, f"{name}_last.ckpt")


def read_last(path: Path, name: str) -> Checkpoint:
    """Read a run's checkpoint.

    Args:
        name: of the network's configuration that the run must have.

    Raises:
        UserError: a file that is truncated, holds code, or is no checkpoint of such a run.
    """
    content = read_checkpoint(path)
    if not isinstance(content, dict) or content.keys() != {each.name for each in fields(Checkpoint)}:
        raise UserError(f"{path}: is no checkpoint of a run; --resume needs one, and --resume_net takes weights")
    checkpoint = Checkpoint(**content)
    if checkpoint.format != FORMAT:
        raise UserError(f"{path}: has format {checkpoint.format!r}; this version of the program goes on from {FORMAT}")
    if checkpoint.name != name:
        raise UserError(f"{path}: is of the network {checkpoint.name!r}, not {name!r}; name the one with --network")
    parts = (checkpoint.flags, checkpoint.state, checkpoint.model, checkpoint.optimizer, checkpoint.scaler)
    try:
        sound = all(isinstance(part, dict) for part in parts) and RunState.of(checkpoint.state).phase in (1, 2)
    except (TypeError, KeyError):
        sound = False
    if not sound:
        raise UserError(f"{path}: is damaged: its parts are not those of a run")
    return checkpoint

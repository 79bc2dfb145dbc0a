"""The table of a run: its history, one row for each finished epoch, as CSV."""

from collections.abc import Sequence
from pathlib import Path

import torch

from engine.train.state import Run
from utils.files import write_text

# lr: at the start of the epoch; total: weighted sum of the mean losses; data_wait: share of the time, 0 to 1, spent
# waiting for batches; memory_gb: None on a CPU; dev_ap: 0 to 1, None in an epoch that was not scored; recipe: --recipe.
FIELDS = (
    "epoch",
    "phase",
    "lr",
    "box",
    "class",
    "landmark",
    "total",
    "pictures_per_s",
    "data_wait",
    "seconds",
    "memory_gb",
    "unreadable",
    "dev_ap",
    "recipe",
)


def epoch_row(run: Run, ap: float | None) -> dict:
    """Return the row of the history for the current epoch, whose steps are done.

    Args:
        ap: AP on the dev set, 0 to 1; None if it was not scored.
    """
    totals = run.state.totals
    box, class_, landmark = (total / totals.steps for total in totals.losses)
    return {
        "epoch": run.state.epoch + 1,
        "phase": run.phase.number,
        "lr": run.lr(0),
        "box": box,
        "class": class_,
        "landmark": landmark,
        "total": run.total_loss([box, class_, landmark]),
        "pictures_per_s": totals.images / totals.seconds,
        "data_wait": totals.data_time / totals.seconds,
        "seconds": totals.seconds,
        "memory_gb": gpu_memory(run.device),
        "unreadable": totals.unreadable,
        "dev_ap": ap,
        "recipe": run.config.recipe,
    }


def gpu_memory(device: torch.device) -> float | None:
    """Return the peak GPU memory of the run in GB; None on a CPU."""
    return torch.cuda.max_memory_reserved(device) / 1e9 if device.type == "cuda" else None


def write_log(path: Path, history: Sequence[dict]) -> None:
    """Write a history as CSV; None becomes an empty cell.

    Args:
        history: dicts with the keys of FIELDS; rows of an older version lack some.

    Raises:
        UserError: the file cannot be written.
    """
    rows = [FIELDS, *([_format(row.get(name)) for name in FIELDS] for row in history)]
    write_text(path, "".join(",".join(row) + "\n" for row in rows))


def _format(value: float | str | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int | str) else f"{value:.6g}"

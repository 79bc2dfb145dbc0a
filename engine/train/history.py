"""The table of a run: its history, one row for each finished epoch, as CSV."""

from collections.abc import Sequence
from pathlib import Path

from utils.files import write_text

# lr: at the start of the epoch; total: weighted sum of the mean losses; data_wait: share of the time, 0 to 1, spent
# waiting for batches; memory_gb: None on a CPU; dev_ap: 0 to 1, None in an epoch that was not scored.
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
)


def write_log(path: Path, history: Sequence[dict]) -> None:
    """Write a history as CSV; None becomes an empty cell.

    Args:
        history: dicts with the keys of FIELDS.

    Raises:
        UserError: the file cannot be written.
    """
    rows = [FIELDS, *([_format(row[name]) for name in FIELDS] for row in history)]
    write_text(path, "".join(",".join(row) + "\n" for row in rows))


def _format(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"

"""Scores of a detector: faces as draft labels, which a person corrects before they are a ground truth."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from data.annotations.record import Annotations
from utils.errors import UserError
from utils.wording import counted

DRAFT_SCORE = 0.5  # lowest score of a draft, the default threshold of detect.py
DROPPED = "dropped: {} of {} with a score below {} (--min_score)"


def keep_scores(path: Path, annotations: Annotations, min_score: float) -> Annotations:
    """Drop the faces with a lower score; a note counts them. A face without score, which a person added, stays.

    Raises:
        UserError: the annotations have no scores.
    """
    scores = annotations.scores
    if scores is None and len(annotations.boxes):
        raise UserError(f"--min_score {min_score:g}: {path} has no scores; omit it")
    if scores is None:
        return annotations
    mask = ~(scores < min_score)
    if mask.all():
        return annotations
    dropped = int((~mask).sum())
    return annotations.select(mask, DROPPED.format(f"{dropped:,}", counted(len(mask), "face"), f"{min_score:g}"))


def draft_notes(counts: Iterable[int]) -> list[str]:
    """Return what to say of images without faces in a draft, by the numbers of faces of all images."""
    empty = sum(1 for count in counts if count == 0)
    if not empty:
        return []
    return [
        f"nothing is detected in {counted(empty, 'image')}, which a training takes as background: look at them too, or"
        " drop them with --faces_only of tools.convert"
    ]


def refuse_scores(path: Path, annotations: Annotations) -> None:
    """Raise UserError where all faces have a score, so that they are a detector's and nobody's ground truth."""
    scores = annotations.scores
    if scores is not None and len(scores) and not np.isnan(scores).any() and (scores != 1).any():
        raise UserError(f"{path}: all faces have scores ({len(scores):,}), as a detector's output has; {INSTEAD}")


def refuse_predictions(path: Path, description: str) -> None:
    """Raise UserError for a file or folder of a detector's output."""
    raise UserError(f"{path}: is {description}, a detector's output; {INSTEAD}")


INSTEAD = (
    "expected a ground truth. Detections belong to --pred of eval.py; python -m tools.convert makes labels of them, to"
    " correct and to train on"
)

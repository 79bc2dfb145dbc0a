"""Sentences on what a user may not expect of an annotation."""

from collections.abc import Iterable, Sequence

import numpy as np

from utils.wording import counted

MARKS_IN_FILES = {"crowd": "iscrowd"}  # attribute -> what its file calls it, where that is something else


def describe_ignored(faces: int, ignored: int, marks: Iterable[str]) -> str:
    """Return a sentence on how many of the faces are marked to be ignored, by which attributes."""
    names = ", ".join(MARKS_IN_FILES.get(name, name) for name in marks)
    if faces == 1:
        return f"the only face is marked to be ignored ({names})"
    share = "all" if ignored == faces else f"{ignored:,} of"
    return f"{share} {counted(faces, 'face')} {'is' if ignored == 1 else 'are'} marked to be ignored ({names})"


def describe_repeated(names: Sequence[str]) -> list[str]:
    """Return at most one sentence on images with several records: in each, the faces of the others are background."""
    hashes = np.fromiter(map(hash, names), np.int64, len(names))
    repeated = int((np.unique(hashes, return_counts=True)[1] > 1).sum())
    if not repeated:
        return []
    return [f"listed more than once: {counted(repeated, 'image')}; python -m tools.check --fix joins their faces"]


def describe_scores(scores: np.ndarray, faces: int) -> list[str]:
    """Return at most one sentence on the scores that some or all of the faces have."""
    if not len(scores):
        return []
    if faces == 1:
        return [f"the only face has a score, as a detector gives it: {scores[0]:g}"]
    share = "all" if len(scores) == faces else f"{len(scores):,} of"
    limits = f"from {scores.min():g} to {scores.max():g}"
    return [f"{share} {faces:,} faces have scores, as a detector gives them, {limits}"]

"""What is wrong with the labels of a part, as arrays over its records and faces."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.check.parts import Part

SAME_FACE = 0.9  # IoU from which two boxes of a picture are one face's


@dataclass
class Labels:
    """What was seen of a part's labels; P records, F faces.

    Attributes:
        file: (P,) int64, the index of a record's picture among the part's files, -1 where it is missing.
        first: (P,) int64, the first record of the same picture, its own index as a rule.
        record: (F,) int64, the record of each face.
        clipped: (F, 4) float64 x1 y1 x2 y2, moved into the picture where its size is known.
        overreach: (F,) float64, by how many pixels a box leaves its picture; 0 where the size is not known.
        empty: (F,) bool, no width or no height.
        outside: (F,) bool, nothing of it is in the picture, though it has a size.
        repeats: (F,) int64, an earlier face of the same picture with the same box, -1 where there is none.
        counted: (F,) bool, those that an evaluation counts.
    """

    file: np.ndarray
    first: np.ndarray
    record: np.ndarray
    clipped: np.ndarray
    overreach: np.ndarray
    empty: np.ndarray
    outside: np.ndarray
    repeats: np.ndarray
    counted: np.ndarray

    @property
    def whole(self) -> np.ndarray:
        """(F,) bool: the faces that have a size inside their picture and are labelled once."""
        return ~self.empty & ~self.outside & (self.repeats < 0)

    def used(self, files: int) -> np.ndarray:
        """(files,) bool: the pictures that have a record."""
        return np.isin(np.arange(files), self.file)


def examine(part: Part, sizes: np.ndarray) -> Labels:
    """Look at all labels of a part.

    Args:
        sizes: (files, 2) height and width of the part's files in pixels, 0 where not known.
    """
    annotations, file = part.annotations, part.file_of
    first = _first_records(part)
    record = np.repeat(np.arange(len(annotations)), np.diff(annotations.ends, prepend=0))
    size = np.vstack([sizes, [[0, 0]]])[file][record]  # of the missing, whose file is -1, it is not known
    known = size[:, 0] > 0
    boxes = annotations.boxes
    width, height = size[:, 1], size[:, 0]
    clipped = np.where(known[:, None], np.clip(boxes, 0, np.stack([width, height, width, height], axis=1)), boxes)
    empty = (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    outside = ~empty & (clipped[:, 2:] <= clipped[:, :2]).any(axis=1)
    overreach = np.abs(clipped - boxes).max(axis=1, initial=0)
    counted = ~np.concatenate([[], *(annotation.ignored for annotation in annotations)]).astype(bool)
    repeats = _repeats(boxes, first[record], empty)
    return Labels(file, first, record, clipped, overreach, empty, outside, repeats, counted)


def _first_records(part: Part) -> np.ndarray:
    """Return (P,) the first record with the same picture, or, where it is missing, the same name."""
    firsts = {}
    found = [
        firsts.setdefault(int(file) if file >= 0 else name, i)
        for i, (file, name) in enumerate(zip(part.file_of, part.annotations.names, strict=True))
    ]
    return np.array(found, np.int64)


def _repeats(boxes: np.ndarray, picture: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Return (F,) the first face of the same picture that overlaps each by SAME_FACE, -1 where there is none."""
    repeats = np.full(len(boxes), -1, np.int64)
    for faces in _groups(picture):
        faces = faces[~empty[faces]]
        if len(faces) > 1:
            same = np.tril(_overlaps(boxes[faces]) >= SAME_FACE, -1)
            found = same.any(axis=1)
            repeats[faces[found]] = faces[same.argmax(axis=1)[found]]
    return repeats


def _overlaps(boxes: np.ndarray) -> np.ndarray:
    """Return (N, N) the IoU of (N, 4) boxes x1 y1 x2 y2 with each other; none is empty."""
    shared = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - np.maximum(boxes[:, None, :2], boxes[:, :2])
    shared = shared.clip(0).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return shared / (areas[:, None] + areas - shared)


def _groups(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Give the indices of equal keys together, ascending."""
    order = np.argsort(keys, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(keys) else ()

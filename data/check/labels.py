"""What is wrong with the labels of a part, as arrays over its records and faces."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.check.parts import Part
from data.check.pictures import Looks

SAME_FACE = 0.9  # IoU from which two boxes of a picture are one face's
TOLERANCE = 1.0  # pixels that a box may leave its picture by: rounding
USUAL = 0.95  # of a part's pictures or faces, from which what they have in common is the rule
FEW = 20  # of which there is no rule
BLOCK = 512  # faces that are compared with all others of their picture at a time


@dataclass
class Labels:
    """What was seen of a part's labels; P records, F faces.

    Attributes:
        file: (P,) int64, the index of a record's picture among the part's files, -1 where it is missing.
        first: (P,) int64, the first record of the same picture, its own index as a rule.
        record: (F,) int64, the record of each face.
        clipped: (F, 4) float64 x1 y1 x2 y2, moved into the picture where its size is known.
        overreach: (F,) float64, by how many pixels a box leaves its picture; 0 where the size is not known.
        empty: (F,) bool, less than a pixel wide or high.
        outside: (F,) bool, less than half of it is in the picture, though it has a size.
        repeats: (F,) int64, an earlier face of the same picture with the same box, -1 where there is none.
        counted: (F,) bool, those that an evaluation counts.
        broken: (P,) bool, the records of which a row could not be read.
        are_corners: whether the file seems to have x1 y1 x2 y2 in place of x y w h.
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
    broken: np.ndarray
    are_corners: bool

    @property
    def whole(self) -> np.ndarray:
        """(F,) bool: the faces that have a size inside their picture and are labelled once."""
        return ~self.empty & ~self.outside & (self.repeats < 0)

    @property
    def bereft(self) -> np.ndarray:
        """(P,) bool: the records of pictures that have faces, none of which is whole or could be read.

        Without them a training would take their pictures for some in which there is no face.
        """
        every = np.bincount(self.first[self.record], minlength=len(self.first))
        whole = np.bincount(self.first[self.record[self.whole]], minlength=len(self.first))
        broken = np.bincount(self.first, weights=self.broken, minlength=len(self.first))
        return ((every + broken > 0) & (whole == 0))[self.first]

    def count_faces(self, files: int) -> np.ndarray:
        """(files,) int64: the faces of each picture."""
        owners = self.file[self.record[self.whole]]
        return np.bincount(owners[owners >= 0], minlength=files)

    def used(self, files: int) -> np.ndarray:
        """(files,) bool: the pictures that have a record."""
        return np.isin(np.arange(files), self.file)


@dataclass
class Seen:
    """A part with what was seen of its pictures and labels."""

    part: Part
    looks: Looks
    labels: Labels


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
    empty = (boxes[:, 2:] - boxes[:, :2] < 1).any(axis=1)
    area, area_inside = ((corners[:, 2:] - corners[:, :2]).clip(0).prod(axis=1) for corners in (boxes, clipped))
    outside = ~empty & (area_inside < area / 2)
    overreach = np.abs(clipped - boxes).max(axis=1, initial=0)
    return Labels(
        file,
        first,
        record,
        clipped,
        overreach,
        empty,
        outside,
        repeats=_repeats(boxes, first[record], empty),
        counted=~annotations.ignored,
        broken=np.isin(np.arange(len(annotations)), [one.record for one in part.problems if one.record is not None]),
        are_corners=_look_like_corners(boxes[known & ~empty], size[known & ~empty], overreach[known & ~empty]),
    )


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
    for faces in groups(picture):
        faces = faces[~empty[faces]]
        for start in range(0, len(faces) if len(faces) > 1 else 0, BLOCK):
            rows, earlier = faces[start : start + BLOCK], faces[: start + BLOCK]
            same = (_overlaps(boxes[rows], boxes[earlier]) >= SAME_FACE) & (earlier < rows[:, None])
            found = same.any(axis=1)
            repeats[rows[found]] = earlier[same.argmax(axis=1)[found]]
    return repeats


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (N, M) the IoU of boxes x1 y1 x2 y2, none of which is empty."""
    (x1, y1, x2, y2), (left, top, right, bottom) = boxes.T[..., None], others.T
    width, height = np.minimum(x2, right) - np.maximum(x1, left), np.minimum(y2, bottom) - np.maximum(y1, top)
    shared = width.clip(0) * height.clip(0)
    return shared / ((x2 - x1) * (y2 - y1) + (right - left) * (bottom - top) - shared)


def _look_like_corners(boxes: np.ndarray, size: np.ndarray, overreach: np.ndarray) -> bool:
    """Whether most boxes are too large as x y w h, and nearly all are right as corners."""
    if len(boxes) < FEW or (overreach > TOLERANCE).mean() < 0.5:
        return False
    low, high = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]  # the four columns as they are in the file
    return float(((high > low) & (high <= size[:, ::-1] + TOLERANCE)).all(axis=1).mean()) >= USUAL


def groups(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Give the indices of equal keys together, ascending."""
    order = np.argsort(keys, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(keys) else ()

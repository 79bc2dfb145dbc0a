"""What is wrong with the labels of a part, as arrays over its records and faces."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.annotations.record import have_landmarks
from tools.check.image_checks import Looks
from tools.check.parts import Part

SAME_FACE = 0.9  # IoU from which two boxes of an image are one face's
TOLERANCE = 1.0  # pixels that a box may leave its image by: rounding
USUAL = 0.95  # of a part's images or faces, from which what they have in common is the rule
FEW = 20  # of which there is no rule
DIGITS = 6  # of a pixel; beyond them is what a width and a height lose that stand for corners


@dataclass
class Labels:
    """What was seen of a part's labels; P records, F faces.

    Attributes:
        file: (P,) int64, the index of a record's image among the part's files, -1 where it is missing.
        first: (P,) int64, the first record of the same image, its own index as a rule.
        record: (F,) int64, the record of each face.
        clipped: (F, 4) float64 x1 y1 x2 y2, moved into the image where its size is known.
        overreach: (F,) float64, by how many pixels a box leaves its image; 0 where the size is not known.
        empty: (F,) bool, less than a pixel wide or high, in its image or altogether.
        outside: (F,) bool, less than half of it is in the image, though it has a size.
        repeats: (F,) int64, a better face of the same image with the same box that itself repeats none, -1 where
            there is none: one that counts, else one with landmarks, else an earlier one.
        stray: (F,) int64, a landmark outside the image or far from its box, -1 where there is none.
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
    stray: np.ndarray
    counted: np.ndarray
    broken: np.ndarray
    are_corners: bool

    @property
    def whole(self) -> np.ndarray:
        """(F,) bool: the faces that have a size inside their image and are labelled once."""
        return ~self.empty & ~self.outside & (self.repeats < 0)

    @property
    def bereft(self) -> np.ndarray:
        """(P,) bool: the records of images that have faces, none of which is whole or could be read.

        Without them a training would take their images for some in which there is no face.
        """
        every = np.bincount(self.first[self.record], minlength=len(self.first))
        whole = np.bincount(self.first[self.record[self.whole]], minlength=len(self.first))
        broken = np.bincount(self.first, weights=self.broken, minlength=len(self.first))
        return ((every + broken > 0) & (whole == 0))[self.first]

    def count_faces(self, files: int) -> np.ndarray:
        """(files,) int64: the faces of each image."""
        owners = self.file[self.record[self.whole]]
        return np.bincount(owners[owners >= 0], minlength=files)

    def used(self, files: int) -> np.ndarray:
        """(files,) bool: the images that have a record."""
        return np.isin(np.arange(files), self.file)


@dataclass
class Seen:
    """A part with what was seen of its images and labels."""

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
    tiny, tiny_inside = _are_tiny(boxes), _are_tiny(clipped)
    area, area_inside = ((corners[:, 2:] - corners[:, :2]).clip(0).prod(axis=1) for corners in (boxes, clipped))
    outside = ~tiny & (area_inside < area / 2)
    empty = tiny_inside & ~outside
    overreach = np.abs(clipped - boxes).max(axis=1, initial=0).round(DIGITS)
    counted, landmarks = ~annotations.ignored, annotations.landmarks
    has_place = ~empty & ~outside
    stray = np.where(has_place, _stray(landmarks, boxes, size, known), -1)
    return Labels(
        file,
        first,
        record,
        clipped,
        overreach,
        empty,
        outside,
        repeats=find_repeats(clipped, first[record], has_place, 2 * counted + have_landmarks(landmarks)),
        stray=stray,
        counted=counted,
        broken=np.isin(np.arange(len(annotations)), [one.record for one in part.problems if one.record is not None]),
        are_corners=_look_like_corners(boxes[known & ~empty], size[known & ~empty], overreach[known & ~empty]),
    )


def _first_records(part: Part) -> np.ndarray:
    """Return (P,) the first record with the same image, or, where it is missing, the same name."""
    firsts = {}
    found = [
        firsts.setdefault(int(file) if file >= 0 else name, i)
        for i, (file, name) in enumerate(zip(part.file_of, part.annotations.names, strict=True))
    ]
    return np.array(found, np.int64)


def _are_tiny(boxes: np.ndarray) -> np.ndarray:
    """Return (F,) bool: the boxes less than a pixel wide or high."""
    return ((boxes[:, 2:] - boxes[:, :2]).round(DIGITS) < 1).any(axis=1)


def _stray(landmarks: np.ndarray, boxes: np.ndarray, size: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (F,) the first landmark of each face outside its image or farther from its box than that is large.

    Args:
        size: (F, 2) height and width of the image.
        known: (F,) bool, whether these are known.
    """
    far, beyond = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[:, None], np.where(known, TOLERANCE, np.inf)[:, None]
    low, high = np.maximum(boxes[:, :2] - far, -beyond), np.minimum(boxes[:, 2:] + far, size[:, ::-1] + beyond)
    strays = ((landmarks < low[:, None]) | (landmarks > high[:, None])).any(axis=2) & (landmarks != -1).any(axis=2)
    return np.where(strays.any(axis=1), strays.argmax(axis=1), -1)


def find_repeats(boxes: np.ndarray, image: np.ndarray, has_place: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Return (F,) the best face of the same image that repeats none and overlaps each by SAME_FACE, or -1.

    Args:
        boxes: (F, 4) x1 y1 x2 y2.
        image: (F,) int, equal for faces of the same image.
        has_place: (F,) bool, the faces that are compared, none of which is empty.
        worth: (F,) int, larger for better faces; of equal ones, the first is the best.
    """
    repeats = np.full(len(boxes), -1, np.int64)
    order = np.argsort(-worth, kind="stable")
    rank = np.empty(len(boxes), np.int64)
    rank[order] = np.arange(len(boxes))
    for faces in groups(image):
        faces = faces[has_place[faces]]
        faces = faces[np.argsort(boxes[faces, 0])]
        left, width = boxes[faces, 0], boxes[faces, 2] - boxes[faces, 0]
        # Boxes that overlap by so much begin close to each other: what they share is that part of the width of each.
        reach = width / SAME_FACE - width + 10**-DIGITS
        starts, ends = np.searchsorted(left, left - reach), np.searchsorted(left, left + reach, side="right")
        crowded = np.flatnonzero(ends - starts > 1)
        for i in crowded[np.argsort(rank[faces[crowded]])].tolist():
            face, near = faces[i], faces[starts[i] : ends[i]]
            if repeats[face] < 0:
                near = near[(rank[near] > rank[face]) & (repeats[near] < 0)]
                repeats[near[_overlaps(boxes[face], boxes[near]) >= SAME_FACE]] = face
    return repeats


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (N,) the IoU of a box x1 y1 x2 y2 with others, none of which is empty."""
    (x1, y1, x2, y2), (left, top, right, bottom) = box, others.T
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

"""Checks of the labels of one split, as arrays over its records and faces."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from data.annotations.record import have_landmarks
from tools.check.dataset_splits import DatasetSplit
from tools.check.image_checks import ImageChecks
from utils.box_utils import paired_iou

DUPLICATE_IOU = 0.9  # two boxes of an image with at least this IoU label the same face
TOLERANCE = 1.0  # pixels by which a box may exceed its image: rounding
USUAL_SHARE = 0.95  # of a split's images or faces that makes a common property the rule
MIN_FOR_RULE = 20  # fewer images or faces make no rule
DIGITS = 6  # of a pixel; a width computed from two corners is exact to these digits


@dataclass
class LabelChecks:
    """Results for P records and F faces of a split.

    Attributes:
        file: (P,) int64, index of the record's image among the split's files, -1 if it is missing.
        first: (P,) int64, first record of the same image, usually the record itself.
        record: (F,) int64, record of each face.
        clipped: (F, 4) float64 x1 y1 x2 y2, clipped to the image if its size is known.
        excess: (F,) float64, pixels by which a box exceeds its image, 0 if the size is unknown.
        empty: (F,) bool, boxes that are less than a pixel wide or high, clipped or not.
        outside: (F,) bool, boxes of which less than half lies in the image; never also empty.
        duplicate_of: (F,) int64, the face of the same image that is kept in place of this one, -1 if none.
        bad_landmark: (F,) int64, a landmark outside the image or far from its box, -1 if none.
        ignored: (F,) bool, ignored faces.
        unread: (P,) bool, records with a row that cannot be read.
        has_corners: whether the file seems to hold x1 y1 x2 y2 instead of x y w h.
    """

    file: np.ndarray
    first: np.ndarray
    record: np.ndarray
    clipped: np.ndarray
    excess: np.ndarray
    empty: np.ndarray
    outside: np.ndarray
    duplicate_of: np.ndarray
    bad_landmark: np.ndarray
    ignored: np.ndarray
    unread: np.ndarray
    has_corners: bool

    @property
    def valid(self) -> np.ndarray:
        """(F,) bool: faces that are neither empty, nor outside, nor duplicates."""
        return ~self.empty & ~self.outside & (self.duplicate_of < 0)

    @property
    def lost_all_faces(self) -> np.ndarray:
        """(P,) bool: records of images with faces of which none is valid.

        Without faces, training would take these images for background images.
        """
        count = len(self.first)
        faces = np.bincount(self.first[self.record], minlength=count)
        valid = np.bincount(self.first[self.record[self.valid]], minlength=count)
        unread = np.bincount(self.first, weights=self.unread, minlength=count)
        return ((faces + unread > 0) & (valid == 0))[self.first]

    def count_faces(self, files: int) -> np.ndarray:
        """Return (files,) int64, the number of valid faces of each image."""
        owners = self.file[self.record[self.valid]]
        return np.bincount(owners[owners >= 0], minlength=files)

    def listed(self, files: int) -> np.ndarray:
        """Return (files,) bool, whether each image has a record."""
        return np.isin(np.arange(files), self.file)


@dataclass
class CheckedSplit:
    """A split with the checks of its images and labels."""

    split: DatasetSplit
    images: ImageChecks
    labels: LabelChecks


def check_labels(split: DatasetSplit, sizes: np.ndarray) -> LabelChecks:
    """Check all labels of a split.

    Args:
        sizes: (files, 2) height and width of the split's files in pixels, 0 if unknown.
    """
    annotations, file = split.annotations, split.file_of
    first = _first_records(split)
    record = np.repeat(np.arange(len(annotations)), np.diff(annotations.ends, prepend=0))
    size = np.vstack([sizes, [[0, 0]]])[file][record]  # file -1, of a missing image, takes the last row
    known = size[:, 0] > 0
    boxes, landmarks, ignored = annotations.boxes, annotations.landmarks, annotations.ignored
    limits = size[:, [1, 0, 1, 0]]
    clipped = np.where(known[:, None], np.clip(boxes, 0, limits), boxes)
    tiny, tiny_inside = _are_tiny(boxes), _are_tiny(clipped)
    area, area_inside = ((corners[:, 2:] - corners[:, :2]).clip(0).prod(axis=1) for corners in (boxes, clipped))
    outside = ~tiny & (area_inside < area / 2)
    empty = tiny_inside & ~outside
    excess = np.abs(clipped - boxes).max(axis=1, initial=0).round(DIGITS)
    is_placed = ~empty & ~outside
    measured = known & ~empty
    return LabelChecks(
        file,
        first,
        record,
        clipped,
        excess,
        empty,
        outside,
        # Better labels are not ignored or, among these, have landmarks.
        duplicate_of=find_duplicates(clipped, first[record], is_placed, 2 * ~ignored + have_landmarks(landmarks)),
        bad_landmark=np.where(is_placed, _bad_landmarks(landmarks, boxes, size, known), -1),
        ignored=ignored,
        unread=np.isin(np.arange(len(annotations)), [one.record for one in split.problems if one.record is not None]),
        has_corners=_look_like_corners(boxes[measured], size[measured], excess[measured]),
    )


def _first_records(split: DatasetSplit) -> np.ndarray:
    """Return (P,) the first record of the same image or, if the image is missing, of the same name."""
    firsts = {}
    found = [
        firsts.setdefault(int(file) if file >= 0 else name, i)
        for i, (file, name) in enumerate(zip(split.file_of, split.annotations.names, strict=True))
    ]
    return np.array(found, np.int64)


def _are_tiny(boxes: np.ndarray) -> np.ndarray:
    """Return (F,) bool: boxes that are less than a pixel wide or high."""
    return ((boxes[:, 2:] - boxes[:, :2]).round(DIGITS) < 1).any(axis=1)


def _bad_landmarks(landmarks: np.ndarray, boxes: np.ndarray, size: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (F,) the first landmark of each face outside its image, or farther from its box than the box's long side.

    Args:
        size: (F, 2) height and width of the image.
        known: (F,) bool, whether the size is known.
    """
    far, beyond = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[:, None], np.where(known, TOLERANCE, np.inf)[:, None]
    low, high = np.maximum(boxes[:, :2] - far, -beyond), np.minimum(boxes[:, 2:] + far, size[:, ::-1] + beyond)
    bad = ((landmarks < low[:, None]) | (landmarks > high[:, None])).any(axis=2) & (landmarks != -1).any(axis=2)
    return np.where(bad.any(axis=1), bad.argmax(axis=1), -1)


def find_duplicates(boxes: np.ndarray, image: np.ndarray, is_placed: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Find faces that are labelled twice, as NMS does: the best face is kept, its duplicates are not, and so on.

    Args:
        boxes: (F, 4) x1 y1 x2 y2.
        image: (F,) int, equal for faces of the same image.
        is_placed: (F,) bool, faces that are compared; their boxes are not empty.
        worth: (F,) int, larger for better faces; the first of equal faces is the best.

    Returns:
        (F,) int64, for each duplicate the kept face with an IoU of at least DUPLICATE_IOU, else -1.
    """
    duplicate_of = np.full(len(boxes), -1, np.int64)
    order = np.argsort(-worth, kind="stable")
    rank = np.empty(len(boxes), np.int64)
    rank[order] = np.arange(len(boxes))
    for faces in groups(image):
        faces = faces[is_placed[faces]]
        faces = faces[np.argsort(boxes[faces, 0])]
        left, width = boxes[faces, 0], boxes[faces, 2] - boxes[faces, 0]
        # Duplicates have nearly the same left edge, so that few pairs of a crowd are compared: the shared width is at
        # least DUPLICATE_IOU of either width.
        reach = width / DUPLICATE_IOU - width + 10**-DIGITS
        starts, ends = np.searchsorted(left, left - reach), np.searchsorted(left, left + reach, side="right")
        crowded = np.flatnonzero(ends - starts > 1)
        for i in crowded[np.argsort(rank[faces[crowded]])].tolist():
            face, near = faces[i], faces[starts[i] : ends[i]]
            if duplicate_of[face] < 0:
                near = near[(rank[near] > rank[face]) & (duplicate_of[near] < 0)]
                duplicate_of[near[paired_iou(boxes[face], boxes[near]) >= DUPLICATE_IOU]] = face
    return duplicate_of


def _look_like_corners(boxes: np.ndarray, size: np.ndarray, excess: np.ndarray) -> bool:
    """Whether most boxes exceed their image as x y w h, and nearly all fit it as x1 y1 x2 y2."""
    if len(boxes) < MIN_FOR_RULE or (excess > TOLERANCE).mean() < 0.5:
        return False
    low, high = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]  # the four columns of the file
    return float(((high > low) & (high <= size[:, ::-1] + TOLERANCE)).all(axis=1).mean()) >= USUAL_SHARE


def groups(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the indices of equal keys together, ascending."""
    order = np.argsort(keys, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(keys) else ()

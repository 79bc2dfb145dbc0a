"""The rows of YOLO labels: which layout a row has, and what it says."""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.annotations.formats.yolo_names import ClassNames
from data.annotations.problems import Problem, skip_or_raise
from data.annotations.text_lines import LONGEST_ROW
from utils.errors import UserError
from utils.expansion import check_lines
from utils.files import read_text

FARTHEST = 1e4  # of a landmark, as a fraction of the image's size; less than LARGEST pixels in any image
FARTHEST_CORNER = 2.0  # of an outline or rotated box, which may reach beyond the image; a farther one is in pixels
TOLERANCE = 0.001  # coordinates are rounded when they are written
MARGIN = 0.25  # of a box's side, by which landmarks may lie outside it
PIXEL = 0.01  # a missing landmark is at -1 -1, in fractions or in pixels
EXPECTED = "'class cx cy w h', alone or with landmarks or keypoints, or 'class' and the corners 'x y' of an outline"


class Layout(Enum):
    """What follows the class in a row."""

    BOX = "cx cy w h"
    TRACK = "cx cy w h and the number of a track"
    PREDICTION = "cx cy w h and a confidence"
    POINTS = "cx cy w h and x y of keypoints"
    SEEN_POINTS = "cx cy w h and x y visibility of keypoints"
    OUTLINE = "x y of the corners of an outline or a rotated box"
    UNKNOWN = "anything else"


class Row(NamedTuple):
    """A row: its file and line, the name of its class, and the numbers behind it."""

    path: Path
    number: int
    name: str
    values: Sequence[float]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}"


@dataclass(frozen=True)
class Faces:
    """The F faces of rows.

    Attributes:
        boxes: (F, 4) cx cy w h as fractions of the image.
        landmarks: (F, 5, 2) x y as fractions of the image, nan for a missing one.
        hidden: the number of landmarks with visibility 1.
        outlines, keypoints, tracks: how many faces have a box around an outline, keypoints other than five, and the
            number of a track.
    """

    boxes: np.ndarray
    landmarks: np.ndarray
    hidden: int
    outlines: int
    keypoints: int
    tracks: int


def read_rows(path: Path, names: ClassNames, problems: list[Problem] | None, record: int) -> list[Row]:
    """Return the rows of the label file of a record; `problems` as for `read_annotations`."""
    rows, text = [], read_text(path)
    check_lines(path, text)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(Row(path, number, *_parse(f"{path}:{number}", line, names)))
            except UserError as error:
                skip_or_raise(error, problems, record)
    return rows


def _parse(place: str, line: str, names: ClassNames) -> tuple[str, array]:
    """Return the name of the class and the numbers of a row."""
    found = f"{place}: found {line.strip()[:80]!r}"
    if len(line) > LONGEST_ROW:
        raise UserError(f"{found} and {len(line):,} letters in all; expected {EXPECTED}")
    words = line.replace(",", " ").split()
    start = next((index for index, word in enumerate(words) if _number(word) is not None), len(words))
    values = [_number(word) for word in words[start:]]
    if None in values or not all(map(math.isfinite, values)):
        raise UserError(f"{found}; expected {EXPECTED}")
    if start == 0:
        number, *values = values
        if number < 0 or number != int(number):
            raise UserError(f"{found}; the class must be a whole number")
        if names.names and number not in names.names:
            listed = ", ".join(map(str, list(names.names)[:10]))
            raise UserError(f"{found}; {names.source} names the classes {listed}, but not {number:g}")
        name = names.names.get(int(number), str(int(number)))
    else:
        name = " ".join(words[:start])
        listed = [each for each in names.names.values() if each.casefold() == name.casefold()]
        if names.names and not listed:
            raise UserError(f"{found}; {names.source} does not name the class {name[:40]!r}")
        name = next(iter(listed), name)
    if len(values) < 4:
        raise UserError(f"{found}; expected {EXPECTED}")
    return name, array("d", values)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def choose_layouts(rows: Iterable[Row], keypoints: tuple[int, int] | None) -> dict[int, Layout]:
    """Return number of values -> layout, for the rows of a dataset.

    Rows of one length have one layout, so all of them decide together where a length allows several:

    - 5: the number of a track if all are whole; else the confidence of a prediction.
    - 14: five landmarks x y, as yolov5-face and Ultralytics write them, if one is -1 -1, or if in most rows the points
      look like a face in the box; otherwise an outline of seven corners.
    - an even number that also fits keypoints x y visibility: these if every visibility is 0, 1 or 2; otherwise an
      outline.

    Args:
        keypoints: (count, values of each) that the dataset's file says; it decides for rows of that length.
    """
    by_length = defaultdict(list)
    for row in rows:
        by_length[len(row.values)].append(row.values)
    return {length: _layout(length, values, keypoints) for length, values in by_length.items()}


def _layout(length: int, rows: Sequence[Sequence[float]], keypoints: tuple[int, int] | None) -> Layout:
    if length == 4:
        return Layout.BOX
    if keypoints and length == 4 + keypoints[0] * keypoints[1]:
        return Layout.POINTS if keypoints[1] == 2 else Layout.SEEN_POINTS
    if length == 5:
        return Layout.TRACK if all(row[4] == int(row[4]) for row in rows) else Layout.PREDICTION
    if length == 14 and (any(map(_misses_point, rows)) or sum(map(_look_like_face, rows)) > len(rows) / 2):
        return Layout.POINTS
    if length >= 7 and (length - 4) % 3 == 0 and (length % 2 or all(set(row[6::3]) <= {0, 1, 2} for row in rows)):
        return Layout.SEEN_POINTS
    return Layout.OUTLINE if length >= 6 and length % 2 == 0 else Layout.UNKNOWN


def _misses_point(row: Sequence[float]) -> bool:
    """Whether one of the points behind the box is -1 -1, in fractions or (a small negative number) in pixels."""
    points = zip(row[4::2], row[5::2], strict=True)
    return any(x == y == -1 or -PIXEL < max(x, y) < 0 for x, y in points)


def _look_like_face(row: Sequence[float]) -> bool:
    """Whether five points lie in the box before them, the mouth below the eyes, and each pair from left to right.

    The left corner of a mouth is also left of the right eye, unlike in a convex outline whose corners go to the right.
    """
    cx, cy, w, h = row[:4]
    points = np.reshape(row[4:], (5, 2))
    is_inside = (np.abs(points - (cx, cy)) <= np.array((w, h)) * (0.5 + MARGIN)).all()
    left_eye, right_eye, _, left_mouth, right_mouth = points
    in_order = left_eye[0] <= right_eye[0] and left_mouth[0] <= min(right_mouth[0], right_eye[0])
    return bool(is_inside and in_order and left_eye[1] + right_eye[1] < left_mouth[1] + right_mouth[1])


def row_problem(row: Row, layout: Layout) -> str | None:
    """Return what is wrong with the numbers of a row, None where it is valid."""
    values = row.values
    if layout is Layout.PREDICTION:
        return "six columns are a prediction with its confidence; expected the ground truth, 'class cx cy w h'"
    if layout is Layout.UNKNOWN:
        return f"{len(values) + 1} columns are in no known layout; expected {EXPECTED}"
    pixels = "expected parts of the image, from 0 to 1"
    if layout is Layout.OUTLINE:
        largest = max(map(abs, values))
        return f"{pixels}; are these pixels?" if largest > FARTHEST_CORNER else None
    if values[2] < 0 or values[3] < 0:
        return "a face's width and height cannot be negative"
    if not all(-TOLERANCE <= value <= 1 + TOLERANCE for value in values[:4]):
        return f"{pixels}; are these pixels?" if max(values[:4]) > FARTHEST_CORNER else pixels
    if layout is not Layout.TRACK and not all(abs(value) <= FARTHEST for value in values[4:]):
        return "landmarks are parts of the image, too"
    return None


def read_faces(rows: Sequence[Row], layouts: Mapping[int, Layout]) -> Faces:
    """Return what valid rows say."""
    boxes, landmarks = np.empty((len(rows), 4)), np.full((len(rows), 5, 2), np.nan)
    hidden = outlines = keypoints = tracks = 0
    for index, row in enumerate(rows):
        layout, values = layouts[len(row.values)], row.values
        if layout is Layout.OUTLINE:
            x, y = values[::2], values[1::2]
            boxes[index] = (min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)
            outlines += 1
            continue
        boxes[index] = values[:4]
        tracks += layout is Layout.TRACK
        step = {Layout.POINTS: 2, Layout.SEEN_POINTS: 3}.get(layout)
        if step and len(values) != 4 + 5 * step:
            keypoints += 1
        elif step:
            points = np.reshape(values[4:], (5, step))
            known = points[:, 2] > 0 if step == 3 else ~((points == -1) | (points == 0)).all(axis=1)
            landmarks[index] = np.where(known[:, None], points[:, :2], np.nan)
            hidden += int((points[:, 2] == 1).sum()) if step == 3 else 0
    return Faces(boxes, landmarks, hidden, outlines, keypoints, tracks)

"""Ways to write a box in a row of numbers, other than x y w h in pixels.

A convention says where the box is in the row, what its four numbers are, and in which unit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# The four numbers of a box -> their kind, and the columns of x1 y1 x2 y2, x y w h or cx cy w h.
LAYOUTS = {
    "x y w h": ("sizes", (0, 1, 2, 3)),
    "x1 y1 x2 y2": ("corners", (0, 1, 2, 3)),
    "cx cy w h": ("center", (0, 1, 2, 3)),
    "y1 x1 y2 x2": ("corners", (1, 0, 3, 2)),
    "y x h w": ("sizes", (1, 0, 3, 2)),
    "x y h w": ("sizes", (0, 1, 3, 2)),
    "y1 x2 y2 x1": ("corners", (3, 0, 1, 2)),
    "x1 x2 y1 y2": ("corners", (0, 2, 1, 3)),
    "y1 y2 x1 x2": ("corners", (2, 0, 3, 1)),
}
# How the boxes' image is turned or its axes point -> whether x and y are exchanged, and then x and y are flipped.
TURNS = {
    "": (False, (False, False)),
    "y from the bottom": (False, (False, True)),
    "x from the right": (False, (True, False)),
    "the image turned by 180 degrees": (False, (True, True)),
    "the image turned clockwise by 90 degrees": (True, (False, True)),
    "the image turned counterclockwise by 90 degrees": (True, (True, False)),
}
# What 1 is the share of; a multiple of it is the unit of detections in resized images.
SIDES = ("sides", "long side", "short side", "square")
# Coordinates of these maxima are shares of the image, per cent, or per mille as language models write them.
SHARES = (1, 100, 1000)
# A size is likely a multiple of these pixels, a factor of these numbers.
ROUND = ((32, 20, 1), (0.1, 0.01, 0.001))
# Scales are counted in bins of this many per cent.
BIN = 4
# A face and a detection fit one scale where their sizes and their places give the same one, up to this factor.
SAME_SCALE = 1.3
MOST_BOXES = 12  # of an image, compared to find the scale


@dataclass(frozen=True)
class LabeledRows:
    """The rows of an image's predictions, and its faces.

    Attributes:
        rows: (N, C) numbers as in the file.
        faces: (F, 4) float64, x1 y1 x2 y2 in pixels.
        size: (height, width) of the image in pixels; None: unknown.
    """

    rows: np.ndarray
    faces: np.ndarray
    size: tuple[int, int] | None


@dataclass(frozen=True)
class BoxConvention:
    """A way to write boxes.

    Attributes:
        layout: one of LAYOUTS.
        first: the column of the row in which the box begins.
        side: one of SIDES, whose `length` is the unit; None: pixels, multiplied by `length`.
        length: the coordinates x and y of the end of that side.
        turn: one of TURNS.
    """

    layout: str = "x y w h"
    first: int = 0
    side: str | None = None
    length: tuple[float, float] = (1, 1)
    turn: str = ""

    def boxes(self, image: LabeledRows) -> np.ndarray:
        """Return (N, 4) float64, x1 y1 x2 y2 in pixels of the image, as this convention reads its rows."""
        kind, columns = LAYOUTS[self.layout]
        box = image.rows[:, self.first : self.first + 4][:, columns].astype(np.float64)
        if kind == "center":
            box[:, :2] -= box[:, 2:] / 2
        if kind != "corners":
            box[:, 2:] += box[:, :2]
        is_exchanged, flips = TURNS[self.turn]
        if is_exchanged:
            box = box[:, [1, 0, 3, 2]]
        unit, origin = pixel_unit(image.size, self.side)
        box = box * (unit / self.length)[[0, 1, 0, 1]] - origin[[0, 1, 0, 1]]
        for axis, flipped in enumerate(flips):
            if flipped:
                box[:, [axis, axis + 2]] = image.size[1 - axis] - box[:, [axis + 2, axis]]
        return box

    @property
    def unit(self) -> str:
        """What its numbers are, for a message; empty for pixels of the image."""
        turn = f", {self.turn}" if self.turn else ""
        x, y = (f"{length:.3g}" if length < 1000 else f"{length:.0f}" for length in self.length)
        if self.side is None:
            return (f" in an image of {x} times the size" if self.length != (1, 1) else "") + turn
        if self.side == "sides" and self.length in [(share, share) for share in SHARES]:
            return f" in parts of the image (0 to {x}){turn}"
        where = {"sides": f"resized to {x} x {y}", "square": f"padded to a square of {x} pixels"}
        return f" in an image {where.get(self.side, f'whose {self.side} is {x} pixels')}{turn}"


def pixel_unit(size: tuple[int, int] | None, side: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return (2,) pixels in x and y of a length of 1, and the (2,) x y of the image's corner in them."""
    if side is None:
        return np.ones(2), np.zeros(2)
    sides = np.array(size[::-1], np.float64)
    if side == "sides":
        return sides, np.zeros(2)
    length = sides.min() if side == "short side" else sides.max()
    padding = (length - sides) / 2 if side == "square" else np.zeros(2)
    return np.full(2, length), padding


def plain_conventions(columns: int, sizes_known: bool) -> Iterator[BoxConvention]:
    """Yield the conventions that have no scale to be estimated, for rows of so many columns."""
    for first in range(min(columns - 4, 2) + 1):
        for layout in LAYOUTS:
            turns = TURNS if sizes_known and layout in list(LAYOUTS)[:3] else [""]
            yield from (BoxConvention(layout, first, turn=turn) for turn in turns)
            for share in SHARES if sizes_known else ():
                yield from (BoxConvention(layout, first, "sides", (share, share), turn) for turn in turns)


def scaled_conventions(columns: int, images: Sequence[LabeledRows]) -> Iterator[BoxConvention]:
    """Yield the conventions of detections in resized images, of the scale that most boxes agree on."""
    sides = (None, *SIDES) if all(image.size for image in images) else (None,)
    for first in range(min(columns - 4, 2) + 1):
        for layout in list(LAYOUTS)[:4]:
            for side in sides:
                if found := find_length(images, BoxConvention(layout, first, side)):
                    steps = ROUND[side is None]
                    rounded = [tuple(round(length / step) * step or length for length in found) for step in steps]
                    yield from (BoxConvention(layout, first, side, each) for each in dict.fromkeys(rounded))


def find_length(images: Sequence[LabeledRows], convention: BoxConvention) -> tuple[float, float] | None:
    """Return the lengths with which most detections of a convention lie on a face; None if few agree.

    Each pair of a detection and a face has a scale by the ratio of their sizes, and one by the ratio of their places.
    Only for a true pair are both the same, in x and in y, and the same as for other true pairs. Only in parts of both
    sides may the scales in x and y differ.
    """
    found = [np.empty((0, 2)), *(_log_scales(image, convention) for image in images)]
    lengths = np.concatenate(found)
    if not len(lengths):
        return None
    values, counts = np.unique(np.round(lengths * 100 / BIN), axis=0, return_counts=True)
    most = values[counts.argmax()] * BIN / 100
    for width in (1.5 * BIN, BIN / 2, BIN / 4):
        near = lengths[(np.abs(lengths - most) <= width / 100).all(axis=1)]
        most = np.median(near, axis=0) if len(near) else most
    x, y = np.exp(most).tolist()
    return x, y


def _log_scales(image: LabeledRows, convention: BoxConvention) -> np.ndarray:
    """Return (P, 2) logarithms of the scales in x and y of the pairs that have the same by size and by place."""
    origin = pixel_unit(image.size, convention.side)[1]
    found = _centers(convention.boxes(LabeledRows(image.rows[:MOST_BOXES], image.faces, image.size)))
    faces = _centers(image.faces[:MOST_BOXES])
    found[:, :2] += origin
    faces[:, :2] += origin
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(found[:, None] / faces[None])  # (N, F, 4)
        scales = ratio[..., :2]
        if convention.side != "sides":
            scales = np.broadcast_to(scales.mean(axis=-1, keepdims=True), scales.shape)
        same = np.abs(ratio - np.tile(scales, 2)).max(axis=-1) <= np.log(SAME_SCALE)
    return scales[same]


def _centers(boxes: np.ndarray) -> np.ndarray:
    """Return (N, 4) cx cy w h of boxes x1 y1 x2 y2."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)

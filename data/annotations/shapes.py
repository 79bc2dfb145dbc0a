"""Shapes that labelling tools draw, and the boxes around them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Box = tuple[float, float, float, float]  # x y w h
DIGITS = 4  # of computed pixels, so that 10 percent of 640 are 64 and not 64.00000000000001
LARGEST_PART = 1.5  # of an image's size, of a coordinate; boxes may reach beyond the image
RECTANGLE = "rectangle"


class Shape(NamedTuple):
    """What a tool drew around an object.

    Attributes:
        kind: what messages call it.
        box: x y w h around it, in pixels or in parts of the image; None: it has no area.
    """

    kind: str
    box: Box | None


def rectangle(x1: float, y1: float, x2: float, y2: float) -> Shape:
    """Return the rectangle of two opposite corners."""
    return Shape(RECTANGLE, _around([(x1, y1), (x2, y2)]))


def outline(kind: str, points: Sequence[tuple[float, float]]) -> Shape:
    """Return an outline of (x, y) points; fewer than two enclose nothing."""
    return Shape(kind, _around(points) if len(points) > 1 else None)


def ellipse(x: float, y: float, rx: float, ry: float, radians: float = 0, kind: str = "ellipse") -> Shape:
    """Return an ellipse by its center, half axes and angle."""
    half_width = math.hypot(rx * math.cos(radians), ry * math.sin(radians))
    half_height = math.hypot(rx * math.sin(radians), ry * math.cos(radians))
    return Shape(kind, rounded((x - half_width, y - half_height, 2 * half_width, 2 * half_height)))


def rotated(box: Box, degrees: float, pivot: tuple[float, float]) -> Shape:
    """Return an x y w h rectangle that is rotated clockwise around a point."""
    x, y, w, h = box
    if degrees % 360 == 0:
        return Shape(RECTANGLE, box)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(u - pivot[0], v - pivot[1]) for u in (x, x + w) for v in (y, y + h)]
    points = [(pivot[0] + u * cos - v * sin, pivot[1] + u * sin + v * cos) for u, v in corners]
    return Shape("rotated rectangle", rounded(_around(points)))


def rounded(values: Sequence[float]) -> tuple[float, ...]:
    """Return computed pixels without the errors of their last digits."""
    return tuple(round(value, DIGITS) for value in values)


def _around(points: Sequence[tuple[float, float]]) -> Box:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)

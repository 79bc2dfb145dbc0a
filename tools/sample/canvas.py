"""Surfaces to draw on, and the curves and colors that everything in the sample is made of.

Coordinates are image pixels as floats, x to the right and y down. Colors are BGR, 0..255.
"""

import functools
import math
from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike

FRACTION_BITS = 4  # cv2 takes fixed-point coordinates; 1/16 pixel keeps small faces smooth
FONT = cv2.FONT_HERSHEY_DUPLEX
CAPITALS = 22  # pixels, the height of that font's capitals at size 1

Color = tuple[float, float, float]
T = TypeVar("T")


class Surface:
    """A rectangle of the image with an alpha channel.

    Colors are premultiplied by alpha, which is what antialiased drawing onto zeros gives, so a surface can be blurred
    and reduced without dark edges. `scale` is stored pixels per image pixel: 2 draws at twice the size, for `reduce` to
    average.
    """

    def __init__(self, left: int, top: int, width: int, height: int, scale: int = 1):
        self.left, self.top, self.width, self.height, self.scale = left, top, width, height, scale
        self.pixels = np.zeros((height * scale, width * scale, 4), np.uint8)

    def polygon(self, points: ArrayLike, color: Color) -> None:
        """Fill a polygon, points (N, 2)."""
        cv2.fillPoly(self.pixels, [self._fixed(points)], (*color, 255), cv2.LINE_AA, FRACTION_BITS)

    def line(self, points: ArrayLike, color: Color, width: float, closed: bool = False) -> None:
        """Stroke a polyline, points (N, 2), `width` image pixels wide (at least one stored pixel)."""
        width = max(1, round(width * self.scale))
        cv2.polylines(self.pixels, [self._fixed(points)], closed, (*color, 255), width, cv2.LINE_AA, FRACTION_BITS)

    def box(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        """Fill an upright rectangle."""
        self.polygon([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], color)

    def tint(
        self, points: ArrayLike, color: Color, opacity: float, radius: float = 0, within: ArrayLike | None = None
    ) -> None:
        """Mix a color into the drawing through a polygon (N, 2): a shadow, a blush, a highlight.

        Its edge fades over `radius` image pixels, and does not leave the polygon `within` (M, 2).
        """
        radius, fixed = round(radius * self.scale), self._fixed(points)
        x0, y0 = ((fixed.min(axis=0) >> FRACTION_BITS) - 2 * radius - 1).clip(0)
        x1, y1 = ((fixed.max(axis=0) >> FRACTION_BITS) + 2 * radius + 2).clip(0)
        target = self.pixels[y0:y1, x0:x1]
        if target.size == 0:
            return
        corner = np.array([x0, y0], np.int32) << FRACTION_BITS
        mask = _mask(fixed - corner, target.shape[:2])
        for _ in range(2 if radius else 0):  # two box blurs are close to a Gaussian, and as fast for any radius
            mask = cv2.blur(mask, (radius | 1, radius | 1), borderType=cv2.BORDER_REPLICATE)
        if within is not None:
            mask = cv2.min(mask, _mask(self._fixed(within) - corner, mask.shape))
        mask = cv2.min(mask, cv2.extractChannel(target, 3))  # a tint does not spill over the edge of the drawing
        weight = cv2.merge([cv2.convertScaleAbs(mask, alpha=opacity)] * 4)
        rest = cv2.multiply(target, cv2.bitwise_not(weight), scale=1 / 255)
        tint = np.empty_like(target)
        tint[:] = (*color, 255)
        target[:] = cv2.add(cv2.multiply(tint, weight, scale=1 / 255), rest)

    def text(self, words: str, x: float, y: float, height: float, color: Color) -> None:
        """Write `words` with capitals `height` pixels high and the baseline at y."""
        size = height * self.scale / CAPITALS
        at = (round((x - self.left) * self.scale), round((y - self.top) * self.scale))
        cv2.putText(self.pixels, words, at, FONT, size, (*color, 255), max(1, round(2 * size)), cv2.LINE_AA)

    def gradient(self, *stops: tuple[float, Color]) -> None:
        """Fill the surface with colors that change down the image, from stops (position 0..1, color)."""
        places, colors = zip(*stops, strict=True)
        for channel, values in enumerate(zip(*colors, strict=True)):
            self.pixels[..., channel] = np.interp(np.linspace(0, 1, len(self.pixels)), places, values)[:, None]
        self.pixels[..., 3] = 255

    def reduce(self) -> None:
        """Average down to one stored pixel per image pixel."""
        self.pixels = cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)
        self.scale = 1

    def _fixed(self, points: ArrayLike) -> np.ndarray:
        """Turn image coordinates into cv2's fixed point, in which whole numbers are the middles of pixels."""
        corner = (self.left * self.scale + 0.5, self.top * self.scale + 0.5)
        return np.rint((np.asarray(points) * self.scale - corner) * (1 << FRACTION_BITS)).astype(np.int32)


def _mask(fixed: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.fillPoly(np.zeros(shape, np.uint8), [fixed], 255, cv2.LINE_AA, FRACTION_BITS)


def text_width(words: str, height: float) -> float:
    """Return the width in pixels of `words` written with capitals `height` pixels high."""
    (width, _), _ = cv2.getTextSize(words, FONT, 4.0, 4)  # measured large, since cv2 rounds to whole pixels
    return width * height / CAPITALS / 4.0


@functools.cache
def circle(count: int = 28) -> np.ndarray:
    """Return `count` points (count, 2) of the unit circle."""
    turn = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def ellipse(x: float, y: float, width: float, height: float, angle: float = 0.0) -> np.ndarray:
    """Return an ellipse around (x, y) as a polygon (28, 2); width and height are its radii, `angle` is in radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    return circle() @ [[cos * width, sin * width], [-sin * height, cos * height]] + (x, y)


def read_points(text: str) -> np.ndarray:
    """Read "x y, x y, ..." as an array (N, 2)."""
    return np.array([pair.split() for pair in text.split(",")], np.float64)


def curve(text: str, closed: bool = True, mirrored: bool = False) -> np.ndarray:
    """Read "x y, x y, ..." as a smooth polyline (M, 2), a Catmull-Rom curve in six steps from point to point.

    `mirrored` adds the other half of a shape that is symmetric in x.
    """
    corners = read_points(text)
    if mirrored:
        corners = np.concatenate([corners, corners[corners[:, 0] != 0][::-1] * (-1, 1)])
    count = len(corners)
    neighbors = np.arange(count if closed else count - 1)[:, None] + np.arange(-1, 3)
    neighbors = neighbors % count if closed else neighbors.clip(0, count - 1)
    powers = (np.arange(6)[:, None] / 6) ** np.arange(4)
    weights = powers @ [[0, 1, 0, 0], [-0.5, 0, 0.5, 0], [1, -2.5, 2, -0.5], [-0.5, 1.5, -1.5, 0.5]]
    line = (weights @ corners[neighbors]).reshape(-1, 2)
    return line if closed else np.concatenate([line, corners[-1:]])


def palette(text: str) -> list[Color]:
    """Read colors "rrggbb rrggbb ...", as in HTML."""
    return [tuple(bytes.fromhex(code))[::-1] for code in text.split()]


BLACK, WHITE = palette("000000 ffffff")
BRIGHT = palette("d73c3c ebaa46 5abe50 3282d2 aa5ab4 e1cd3c 3cbec8")


def mix(first: Color, second: Color, share: float) -> Color:
    """Return the color `share` of the way from `first` to `second`."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of a list."""
    return options[int(rng.integers(len(options)))]

"""Surfaces to draw on, and the few curves that everything in the sample is made of.

All coordinates are image pixels as floats, x to the right and y down, and all colours are BGR, 0..255.
"""

import functools
import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import ArrayLike

FRACTION_BITS = 4  # cv2 takes fixed-point coordinates; 1/16 pixel keeps small faces smooth
FONT = cv2.FONT_HERSHEY_DUPLEX
CAPITALS = 22  # pixels, the height of that font's capitals at size 1

Colour = tuple[float, float, float]


class Surface:
    """A rectangle of the image to draw on.

    With four channels it is a transparent layer. Its colours are premultiplied by alpha, which is what
    antialiased drawing onto zeros gives, so a layer can be blurred and reduced without dark edges.

    Args:
        left, top, width, height: the rectangle, in whole image pixels.
        channels: 3 (opaque) or 4 (transparent).
        scale: stored pixels per image pixel; 2 draws at twice the size, for `reduce` to average.
    """

    def __init__(self, left: int, top: int, width: int, height: int, channels: int = 4, scale: int = 1):
        self.left, self.top, self.scale, self.channels = left, top, scale, channels
        self.width, self.height = width, height
        self.pixels = np.zeros((height * scale, width * scale, channels), np.uint8)

    def polygon(self, points: ArrayLike, colour: Colour, opacity: float = 1.0) -> None:
        """Fill a polygon, points (N, 2)."""
        self._blend(
            self._fixed(points),
            colour,
            opacity,
            lambda pixels, fixed, value: cv2.fillPoly(pixels, [fixed], value, cv2.LINE_AA, FRACTION_BITS),
        )

    def line(self, points: ArrayLike, colour: Colour, width: float, closed: bool = False, opacity: float = 1.0) -> None:
        """Stroke a polyline, points (N, 2), `width` image pixels wide (at least one stored pixel)."""
        thickness = max(1, round(width * self.scale))
        self._blend(
            self._fixed(points),
            colour,
            opacity,
            lambda pixels, fixed, value: cv2.polylines(
                pixels, [fixed], closed, value, thickness, cv2.LINE_AA, FRACTION_BITS
            ),
            thickness,
        )

    def ellipse(
        self, centre: ArrayLike, radii: tuple[float, float], colour: Colour, angle: float = 0.0, opacity: float = 1.0
    ) -> None:
        """Fill an ellipse; `angle` in radians."""
        self.polygon(ellipse(centre, radii, angle), colour, opacity)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, opacity: float = 1.0) -> None:
        """Fill an upright rectangle."""
        self.polygon(rectangle(x, y, width, height), colour, opacity)

    def soft(
        self,
        shapes: np.ndarray | list[np.ndarray],
        colour: Colour,
        opacity: float,
        radius: float,
        within: np.ndarray | None = None,
    ) -> None:
        """Tint what is already there through blurred polygons: a shadow, a blush, a highlight.

        Args:
            shapes: a polygon (N, 2) or a list of polygons.
            radius: how far the edge fades, in image pixels.
            within: optional (M, 2) polygon that the tint does not leave.
        """
        radius = max(1, round(radius * self.scale))
        fixed = [self._fixed(points) for points in (shapes if isinstance(shapes, list) else [shapes])]
        rows, columns = self._span(fixed[0] if len(fixed) == 1 else np.concatenate(fixed), 2 * radius)
        target = self.pixels[rows, columns]
        if target.size == 0:
            return
        mask = np.zeros(target.shape[:2], np.uint8)
        offset = (-columns.start, -rows.start)
        corner = np.array(offset, np.int32) << FRACTION_BITS
        cv2.fillPoly(mask, [points + corner for points in fixed], 255, cv2.LINE_AA, FRACTION_BITS)
        # Two box blurs are close to a Gaussian and their cost does not grow with the radius.
        for _ in range(2):
            mask = cv2.blur(mask, (radius | 1, radius | 1), borderType=cv2.BORDER_REPLICATE)
        if within is not None:
            inside = np.zeros_like(mask)
            cv2.fillPoly(inside, [self._fixed(within) + corner], 255, cv2.LINE_AA, FRACTION_BITS)
            mask = cv2.min(mask, inside)
        if self.channels == 4:  # a tint must not spill over the edge of what is drawn
            mask = cv2.min(mask, cv2.extractChannel(target, 3))
        weight = cv2.merge([cv2.convertScaleAbs(mask, alpha=opacity)] * self.channels)
        tint = np.empty_like(target)
        cv2.rectangle(tint, (0, 0), tint.shape[1::-1], self._value(colour), cv2.FILLED)
        rest = cv2.multiply(target, cv2.bitwise_not(weight), scale=1 / 255)
        target[:] = cv2.add(cv2.multiply(tint, weight, scale=1 / 255), rest)

    def text(self, words: str, x: float, y: float, height: float, colour: Colour, bold: bool = False) -> None:
        """Write `words` with capitals `height` pixels high and the baseline at y."""
        size = height * self.scale / CAPITALS
        thickness = max(1, round(size * (2.4 if bold else 1.3)))
        at = (round((x - self.left) * self.scale), round((y - self.top) * self.scale))
        cv2.putText(self.pixels, words, at, FONT, size, self._value(colour), thickness, cv2.LINE_AA)

    def shade(self, first: float, last: float, angle: float) -> None:
        """Multiply by a linear gradient of gains from `first` to `last` along `angle` (radians, 0: rightwards)."""
        corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) @ [np.cos(angle), np.sin(angle)]
        gains = first + (last - first) * (corners / np.abs(corners).max() + 1) / 2
        field = cv2.resize(
            (gains.reshape(2, 2) * 128).clip(0, 255).astype(np.uint8),
            self.pixels.shape[1::-1],
            interpolation=cv2.INTER_LINEAR,
        )
        if self.channels == 3:
            self.pixels = cv2.multiply(self.pixels, cv2.merge([field] * 3), scale=1 / 128)
            return
        bright = cv2.multiply(self.pixels, cv2.merge([field] * 3 + [np.full_like(field, 128)]), scale=1 / 128)
        alpha = cv2.extractChannel(self.pixels, 3)
        self.pixels = cv2.min(bright, cv2.merge([alpha] * 4))  # premultiplied colours stay under alpha

    def blur(self, sigma: float, direction: float | None = None) -> None:
        """Blur by `sigma` image pixels: out of focus, or along `direction` (radians) as by motion."""
        sigma *= self.scale
        if direction is None:
            self.pixels = cv2.GaussianBlur(self.pixels, (0, 0), max(sigma, 0.1))
            return
        half = max(1, round(1.7 * sigma))
        kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
        step = np.array([np.cos(direction), np.sin(direction)]) * half
        start, end = np.rint([half - step, half + step]).astype(int).tolist()
        cv2.line(kernel, start, end, 1.0, 1)
        self.pixels = cv2.filter2D(self.pixels, -1, kernel / kernel.sum())

    def reduce(self) -> None:
        """Average down to one stored pixel per image pixel."""
        if self.scale > 1:
            self.pixels = cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)
            self.scale = 1

    def _value(self, colour: Colour) -> tuple[float, ...]:
        return (*colour, 255.0) if self.channels == 4 else colour

    def _fixed(self, points: ArrayLike) -> np.ndarray:
        """Turn image coordinates into cv2's fixed point, in which whole numbers are the middles of pixels."""
        scale = self.scale << FRACTION_BITS
        half = 1 << (FRACTION_BITS - 1)
        offset = np.array((self.left * scale + half, self.top * scale + half))
        return np.rint(np.asarray(points) * scale - offset).astype(np.int32)

    def _span(self, fixed: np.ndarray, margin: int) -> tuple[slice, slice]:
        """Return the slices of rows and columns that hold the points and a margin, within the surface."""
        x0, y0 = (fixed.min(axis=0) >> FRACTION_BITS).tolist()
        x1, y1 = (fixed.max(axis=0) >> FRACTION_BITS).tolist()
        height, width = self.pixels.shape[:2]
        x0, y0 = max(0, x0 - margin - 1), max(0, y0 - margin - 1)
        return (slice(y0, max(y0, min(height, y1 + margin + 2))), slice(x0, max(x0, min(width, x1 + margin + 2))))

    def _blend(
        self,
        fixed: np.ndarray,
        colour: Colour,
        opacity: float,
        draw: Callable[[np.ndarray, np.ndarray, tuple[float, ...]], object],
        margin: int = 0,
    ) -> None:
        if opacity >= 1:
            draw(self.pixels, fixed, self._value(colour))
            return
        rows, columns = self._span(fixed, margin)
        target = self.pixels[rows, columns]
        if target.size == 0:
            return
        over = target.copy()
        draw(over, fixed - (np.array([columns.start, rows.start], np.int32) << FRACTION_BITS), self._value(colour))
        target[:] = cv2.addWeighted(over, opacity, target, 1 - opacity, 0)


def text_width(words: str, height: float, bold: bool = False) -> float:
    """Return the width in pixels of `words` written with capitals `height` pixels high."""
    # Measured large, since cv2 rounds to whole pixels.
    (width, _), _ = cv2.getTextSize(words, FONT, 4.0, 5 if bold else 3)
    return width * height / CAPITALS / 4.0


def rectangle(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Return an upright rectangle as a (4, 2) polygon."""
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float64)


def ellipse(centre: ArrayLike, radii: tuple[float, float], angle: float = 0.0, count: int = 28) -> np.ndarray:
    """Return an ellipse as a (count, 2) polygon; `angle` in radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    axes = np.array([[cos * radii[0], sin * radii[0]], [-sin * radii[1], cos * radii[1]]])
    return _circle(count) @ axes + centre


@functools.cache
def _circle(count: int) -> np.ndarray:
    turn = np.arange(count) * (2 * np.pi / count)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def smooth(points: ArrayLike, closed: bool = True, steps: int = 6) -> np.ndarray:
    """Return a Catmull-Rom curve through points (N, 2), as a polyline of N * steps (closed) or so points."""
    points = np.asarray(points, np.float64)
    count = len(points)
    neighbours = np.arange(count if closed else count - 1)[:, None] + np.arange(-1, 3)
    neighbours = neighbours % count if closed else neighbours.clip(0, count - 1)
    curve = (_basis(steps) @ points[neighbours]).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


@functools.cache
def _basis(steps: int) -> np.ndarray:
    """Return weights (steps, 4) of four neighbouring points along the piece between the middle two."""
    t = np.arange(steps)[:, None] / steps
    powers = np.concatenate([t**0, t, t**2, t**3], axis=1)
    return powers @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour `share` of the way from `first` to `second`."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))


def vertical_gradient(pixels: np.ndarray, stops: list[tuple[float, Colour]]) -> None:
    """Fill pixels (H, W, 3) with colours that change down the image.

    Args:
        stops: [(position 0..1, colour), ...] in increasing order.
    """
    height, width = pixels.shape[:2]
    where = np.linspace(0, 1, height)
    positions = [position for position, _ in stops]
    columns = [np.interp(where, positions, [colour[c] for _, colour in stops]) for c in range(3)]
    column = np.stack(columns, axis=1)[:, None].clip(0, 255).astype(np.uint8)
    pixels[:] = cv2.resize(column, (width, height), interpolation=cv2.INTER_NEAREST)

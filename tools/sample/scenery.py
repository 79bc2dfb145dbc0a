"""Backgrounds, with round and skin-colored things that are not faces, so that features matter and not ovals."""

from collections.abc import Callable, Sequence

import numpy as np

from tools.sample.canvas import BLACK, BRIGHT, WHITE, Surface, circle, curve, ellipse, mix, palette, pick, read_points
from tools.sample.looks import SKINS

SKIES = [
    palette(pair) for pair in ("5aa0dc bee1f5", "6e96be c3d2e1", "3c4678 f5a078", "28325a 3c5082", "c3c8cd e1e4e6")
]
WOODS = palette("a06e46 aa9678 50785a 8c3c3c cdcdc8 2c2c32")
DARK, METAL = palette("24262a aaacac")

# Round things around (0, 0), about 2 high: shape, the part behind it, and colors.
BALLOON = curve("0 -1, 0.85 -0.3, 0.5 0.6, 0 1.02", mirrored=True)
STRING = curve("0 1, 0.2 1.7, 0 2.6, 0.1 1.7")
FRUIT = curve("0 -0.8, 0.7 -0.85, 1 0, 0.5 0.9, 0 0.84", mirrored=True)
STALK = curve("0 -0.7, 0.15 -1.2, 0.2 -0.7")
BUST = curve("0.32 0.5, 0.4 1.4, 1.3 1.8, 1.3 2.4", mirrored=True)
ROUND = [
    (circle(), circle(), BRIGHT),
    (BALLOON, STRING, BRIGHT + SKINS[1:6]),
    (FRUIT, STALK, palette("f08c28 c83232 78b45a f5aa82")),
    (circle() * (0.76, 1), BUST, [METAL, *SKINS]),
]
MOUNTAINS = read_points("-0.86 0.84, -0.86 0.1, -0.3 -0.25, 0.2 0.3, 0.86 0, 0.86 0.84")
FIR = read_points("0 -3.4, 1 -0.6, -1 -0.6")
CAR = curve("-1.9 0, -1.9 -0.6, -1.1 -0.7, -0.6 -1.4, 0.7 -1.4, 1.2 -0.7, 1.9 -0.5, 1.9 0")
CAR_WINDOW = read_points("-0.8 -0.75, -0.45 -1.25, 0.55 -1.25, 0.9 -0.75")

Thing = Callable[[Surface, np.ndarray, float, np.random.Generator], None]


def draw_round(s: Surface, at: np.ndarray, r: float, rng: np.random.Generator) -> None:
    """Draw a ball, a balloon, a fruit or a mannequin's bust, with its shadow and a highlight."""
    shape, behind, colors = pick(rng, ROUND)
    color, shape = pick(rng, colors), at + r * shape
    s.polygon(at + r * behind, mix(color, (40, 40, 50), 0.25))
    s.polygon(shape, color)
    s.tint(at + r * ellipse(0.4, 0.4, 0.55, 0.55), mix(color, (20, 20, 40), 0.6), 0.6, 0.5 * r, shape)
    s.tint(at + r * ellipse(-0.35, -0.4, 0.23, 0.23), WHITE, 0.6, 0.25 * r, shape)


def draw_clock(s: Surface, at: np.ndarray, r: float, rng: np.random.Generator) -> None:
    """Draw a wall clock."""
    s.polygon(at + r * circle(), pick(rng, WOODS))
    s.polygon(at + 0.86 * r * circle(), (236, 240, 242))
    for mark in circle(12):
        s.line([at + 0.68 * r * mark, at + 0.8 * r * mark], DARK, 0.05 * r)
    for length in (0.45, 0.68):
        s.line([at, at + length * r * pick(rng, circle(60))], DARK, 0.07 * r)


def draw_lamp(s: Surface, at: np.ndarray, r: float, rng: np.random.Generator) -> None:
    """Draw a round lamp that glows."""
    s.tint(at + 1.5 * r * circle(), (200, 235, 255), 0.5, 1.2 * r)
    s.line([at - (0, r), at - (0, 3 * r)], DARK, 0.06 * r)
    s.polygon(at + r * circle(), mix((170, 215, 250), pick(rng, BRIGHT), 0.2))
    s.tint(at + 0.5 * r * circle(), (245, 252, 255), 0.8, 0.6 * r)


def draw_painting(s: Surface, at: np.ndarray, r: float, rng: np.random.Generator) -> None:
    """Draw a framed landscape."""
    (x, y), w = at, r * rng.uniform(1.1, 1.8)
    s.box(x - w, y - r, 2 * w, 2 * r, pick(rng, WOODS))
    s.box(x - 0.86 * w, y - 0.84 * r, 1.72 * w, 1.68 * r, mix(pick(rng, BRIGHT), (240, 230, 220), 0.7))
    s.polygon(ellipse(x + 0.3 * w, y - 0.3 * r, 0.2 * r, 0.2 * r), (160, 215, 250))
    s.polygon(at + MOUNTAINS * (w, r), mix(pick(rng, BRIGHT), (60, 80, 60), 0.5))


def scatter(s: Surface, rng: np.random.Generator, things: Sequence[Thing], number: tuple[int, int], place: str) -> None:
    """Draw at least and less than `number` things in the rectangle `place`, "left top, right bottom" in shares."""
    for _ in range(int(rng.integers(*number))):
        at = rng.uniform(*read_points(place)) * (s.width, s.height)
        pick(rng, things)(s, at, rng.uniform(0.04, 0.11) * s.height, rng)


def paint_studio(s: Surface, rng: np.random.Generator) -> None:
    """Paint a news studio: light panels and a wall screen."""
    w, h, base = s.width, s.height, pick(rng, palette("143c6e 1e1e46 503c3c 14505a 383232 6e1e28"))
    s.gradient((0, mix(base, BLACK, 0.5)), (0.7, base), (1, mix(base, BLACK, 0.4)))
    for x in np.linspace(0.05, 0.95, int(rng.integers(4, 8))) * w:
        foot = x + rng.uniform(-0.04, 0.04) * w
        bar = [[x, 0], [x + 0.02 * w, 0], [foot + 0.02 * w, h], [foot, h]]
        s.tint(bar, mix(base, (255, 235, 215), 0.55), rng.uniform(0.3, 0.9), 0.02 * h)
    if rng.random() < 0.3:
        scatter(s, rng, [draw_clock, draw_lamp, draw_painting], (2, 4), "0.1 0.1, 0.9 0.4")
        return
    x, y = int(rng.uniform(0.05, 0.5) * w), int(rng.uniform(0.06, 0.14) * h)
    screen = Surface(0, 0, int(rng.uniform(0.3, 0.45) * w), int(rng.uniform(0.32, 0.46) * h))
    pick(rng, [paint_hills, paint_city])(screen, rng)
    s.box(x - 3, y - 3, screen.width + 6, screen.height + 6, DARK)
    s.pixels[y : y + screen.height, x : x + screen.width] = screen.pixels


def paint_set(s: Surface, rng: np.random.Generator) -> None:
    """Paint a plain set: a gradient with large soft shapes."""
    dim = rng.uniform(0.1, 0.7)
    s.gradient((0, mix(pick(rng, BRIGHT), (40, 40, 40), dim)), (1, mix(pick(rng, BRIGHT), (60, 60, 60), dim)))
    for _ in range(int(rng.integers(2, 6))):
        disc = rng.uniform((0, 0), (s.width, s.height)) + rng.uniform(0.1, 0.4) * s.height * circle()
        s.tint(disc, mix(pick(rng, BRIGHT), WHITE, rng.uniform(0, 0.6)), rng.uniform(0.1, 0.5))
    scatter(s, rng, [draw_round, draw_clock, draw_lamp, draw_painting], (1, 5), "0 0.15, 1 0.8")


def paint_hills(s: Surface, rng: np.random.Generator) -> None:
    """Paint hills, trees and a sky."""
    w, h, (top, low) = s.width, s.height, pick(rng, SKIES)
    s.gradient((0, top), (0.6, low))
    s.polygon(rng.uniform((0.1 * w, 0.1 * h), (0.9 * w, 0.5 * h)) + 0.07 * h * circle(), (190, 235, 252))
    for depth in range(3):
        green = mix((150, 140, 110), pick(rng, palette("467832 6e8c3c 3c6428")), 0.4 + 0.3 * depth)
        across, waves = np.linspace(0, 1, 40), rng.uniform(0, 6, 2)
        ridge = 0.42 + 0.16 * depth + 0.06 * np.sin(5 * across + waves[0]) + 0.03 * np.sin(11 * across + waves[1])
        s.polygon(np.concatenate([np.stack([across, ridge], axis=1), [[1, 1.1], [0, 1.1]]]) * (w, h), green)
        for x in rng.uniform(0, 1, int(rng.integers(1, 5))):
            r = (0.04 + 0.03 * depth) * h
            foot = np.array([x * w, np.interp(x, across, ridge) * h + 0.3 * r])
            s.line([foot, foot - (0, r)], (40, 60, 80), 0.2 * r)
            tree = FIR if rng.random() < 0.5 else ellipse(0, -1.8, 1, 1.2)
            s.polygon(foot + r * tree, mix(green, (24, 70, 30), 0.55))


def paint_city(s: Surface, rng: np.random.Generator) -> None:
    """Paint a street of houses with windows, a road and cars."""
    w, h, (top, low) = s.width, s.height, pick(rng, SKIES)
    s.gradient((0, top), (0.6, low))
    is_night = sum(top) < 260
    x = -0.05 * w
    while x < w:
        wide, y = rng.uniform(0.1, 0.22) * w, rng.uniform(0.05, 0.4) * h
        wall = mix(pick(rng, palette("aa8c78 78645a 969696 8c5a50 beaa96")), (30, 24, 24), 0.6 if is_night else 0.15)
        s.box(x, y, wide, 0.8 * h - y, wall)
        count = rng.integers((2, 3), (5, 7))
        step = np.array([wide, 0.76 * h - y]) / count
        for place in np.ndindex(*count):
            glass = (140, 210, 250) if rng.random() < (0.5 if is_night else 0.15) else mix(wall, (50, 40, 30), 0.6)
            s.box(*((x, y) + step * np.add(place, 0.25)), *(0.5 * step), glass)
        x += wide + rng.uniform(0, 0.02) * w
    s.box(0, 0.76 * h, w, 0.06 * h, (130, 132, 134))
    s.box(0, 0.81 * h, w, 0.2 * h, (74, 72, 72))
    for x in rng.uniform(0, w, int(rng.integers(0, 3))):
        at, r = np.array([x, 0.84 * h]), rng.uniform(0.1, 0.16) * h
        s.polygon(at + r * CAR, pick(rng, BRIGHT))
        s.polygon(at + r * CAR_WINDOW, (90, 70, 60))
        for side in (-1.1, 1.1):
            s.polygon(at + r * ellipse(side, 0, 0.42, 0.42), DARK)
            s.polygon(at + r * ellipse(side, 0, 0.22, 0.22), METAL)


def paint_stage(s: Surface, rng: np.random.Generator) -> None:
    """Paint a show: dark, beams of colored light, bulbs, a floor."""
    w, h, tone = s.width, s.height, pick(rng, palette("3c145a 14286e 5a141e 14323c"))
    s.gradient((0, (16, 10, 12)), (0.75, tone), (0.76, mix(tone, (200, 190, 200), 0.25)), (1, (20, 16, 20)))
    for _ in range(int(rng.integers(3, 7))):
        x, to, wide = rng.uniform((0, 0, 0.05), (1, 1, 0.14)) * w
        beam = [[x - 2, 0], [x + 2, 0], [to + wide, 0.9 * h], [to - wide, 0.9 * h]]
        s.tint(beam, mix(pick(rng, BRIGHT), WHITE, 0.4), 0.4, 0.03 * h)
    for x in np.linspace(0.03, 0.97, int(rng.integers(8, 16))):
        s.polygon((x * w, (0.12 + 0.05 * np.sin(9 * x)) * h) + 0.012 * h * circle(), (180, 230, 255))
    scatter(s, rng, [draw_lamp, draw_round], (1, 5), "0 0.15, 1 0.6")


# Painters, each with the share of its images in which people sit behind a desk.
SCENES = [
    *[(paint_studio, 1.0)] * 2,
    (paint_set, 0.5),
    *[(paint, 0.0) for paint in (paint_hills, paint_city, paint_stage)],
]


def draw_desk(size: tuple[int, int], height: float, rng: np.random.Generator) -> Surface:
    """Draw the desk that people sit behind, with its edge at `height` (a share of the image's). Returns a layer."""
    (w, h), wood = size, pick(rng, WOODS)
    top = int(height * h)
    layer = Surface(0, top - h // 25, w, h - top + h // 25)
    for drop, color in ((0, mix(wood, WHITE, 0.2)), (0.05, mix(wood, BLACK, 0.35))):
        layer.polygon(circle(200) * (2 * w, 1.5 * h) + (w / 2, top + (1.5 + drop) * h), color)
    for x in rng.uniform(0, w, int(rng.integers(0, 3))):  # cups
        layer.box(x, top - 0.03 * h, 0.025 * w, 0.06 * h, mix(pick(rng, BRIGHT), WHITE, 0.5))
    return layer

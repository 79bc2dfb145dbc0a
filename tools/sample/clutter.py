"""Round and skin-coloured things that are not faces, so that features have to be learnt and not ovals.

Each painter draws one thing on a surface around (x, y), about 2 r high, with random details from `rng`.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from tools.sample.canvas import Surface, ellipse, mix, smooth
from tools.sample.looks import SKINS

BRIGHT = [(60, 60, 215), (70, 170, 235), (80, 190, 90), (210, 130, 50), (180, 90, 170), (60, 205, 225), (200, 190, 60)]

T = TypeVar("T")
Painter = Callable[[Surface, float, float, float, np.random.Generator], None]


def pick(rng: np.random.Generator, colours: list[T]) -> T:
    """Return one of a list."""
    return colours[int(rng.integers(len(colours)))]


def draw_ball(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a football, a basketball or a plain ball."""
    kind = rng.integers(3)
    colour = [(238, 238, 238), (50, 110, 205), pick(rng, BRIGHT)][kind]
    disc = ellipse((x, y), (r, r))
    surface.polygon(disc, colour)
    if kind == 0:
        for turn in np.arange(5) * 1.2566 + rng.uniform(0, 1):
            at = (x + 0.72 * r * np.cos(turn), y + 0.72 * r * np.sin(turn))
            surface.polygon(ellipse(at, (0.22 * r, 0.22 * r), count=5), (40, 40, 40))
        surface.polygon(ellipse((x, y), (0.3 * r, 0.3 * r), rng.uniform(0, 1), count=5), (40, 40, 40))
    elif kind == 1:
        for bend in (-0.5, 0.0, 0.5):
            surface.line(
                smooth(
                    [[x + bend * 0.9 * r, y - r * 0.85], [x + bend * 0.4 * r, y], [x + bend * 0.9 * r, y + r * 0.85]],
                    closed=False,
                ),
                (30, 40, 60),
                0.06 * r,
            )
        surface.line([[x - r, y], [x + r, y]], (30, 40, 60), 0.06 * r)
    surface.soft(ellipse((x + 0.35 * r, y + 0.4 * r), (0.6 * r, 0.5 * r)), (20, 20, 30), 0.45, 0.5 * r, disc)
    surface.soft(ellipse((x - 0.35 * r, y - 0.4 * r), (0.25 * r, 0.2 * r)), (255, 255, 255), 0.6, 0.25 * r, disc)


def draw_clock(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a wall clock."""
    rim = pick(rng, [(40, 40, 44), (60, 90, 140), (170, 170, 170), (50, 50, 170)])
    surface.ellipse((x, y), (r, r), rim)
    surface.ellipse((x, y), (0.86 * r, 0.86 * r), (236, 240, 242))
    for turn in np.arange(12) * np.pi / 6:
        way = np.array([np.cos(turn), np.sin(turn)]) * r
        surface.line([(x, y) + way * 0.68, (x, y) + way * 0.8], (40, 40, 40), 0.05 * r)
    for length, width in ((0.45, 0.09), (0.68, 0.06)):
        turn = rng.uniform(0, 2 * np.pi)
        surface.line([(x, y), (x + length * r * np.cos(turn), y + length * r * np.sin(turn))], (30, 30, 30), width * r)


def draw_balloon(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a balloon on its string."""
    colour = pick(rng, BRIGHT + SKINS[1:6])
    string = smooth([[x, y + r], [x + 0.2 * r, y + 1.7 * r], [x - 0.1 * r, y + 2.6 * r]], closed=False)
    surface.line(string, (200, 200, 200), 0.05 * r)
    skin = smooth(
        [
            [x, y - r],
            [x + 0.85 * r, y - 0.3 * r],
            [x + 0.5 * r, y + 0.6 * r],
            [x, y + 1.02 * r],
            [x - 0.5 * r, y + 0.6 * r],
            [x - 0.85 * r, y - 0.3 * r],
        ]
    )
    surface.polygon(skin, colour)
    surface.soft(ellipse((x - 0.3 * r, y - 0.45 * r), (0.2 * r, 0.25 * r)), (255, 255, 255), 0.65, 0.2 * r, skin)


def draw_plate(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a plate on the wall, with a ring."""
    surface.ellipse((x, y), (r, r), (232, 234, 232))
    surface.ellipse((x, y), (0.92 * r, 0.92 * r), pick(rng, BRIGHT))
    surface.ellipse((x, y), (0.8 * r, 0.8 * r), (240, 240, 238))
    surface.ellipse((x, y), (0.5 * r, 0.5 * r), mix(pick(rng, BRIGHT), (255, 255, 255), 0.6))


def draw_flower(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a flower with a stem."""
    surface.line(smooth([[x, y], [x + 0.15 * r, y + 1.2 * r], [x, y + 2.4 * r]], closed=False), (50, 130, 60), 0.12 * r)
    colour = pick(rng, [*BRIGHT, (230, 230, 240), (190, 150, 240)])
    petals = int(rng.integers(6, 11))
    for turn in np.arange(petals) * 2 * np.pi / petals:
        at = (x + 0.62 * r * np.cos(turn), y + 0.62 * r * np.sin(turn))
        surface.ellipse(at, (0.4 * r, 0.22 * r), mix(colour, (0, 0, 0), 0.15 * (turn % 1)), turn)
    surface.ellipse((x, y), (0.32 * r, 0.32 * r), (50, 170, 230))


def draw_wheel(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a wheel."""
    surface.ellipse((x, y), (r, r), (36, 36, 38))
    surface.ellipse((x, y), (0.66 * r, 0.66 * r), (170, 172, 176))
    for turn in np.arange(5) * 1.2566 + rng.uniform(0, 1):
        surface.line([(x, y), (x + 0.62 * r * np.cos(turn), y + 0.62 * r * np.sin(turn))], (90, 90, 96), 0.16 * r)
    surface.ellipse((x, y), (0.16 * r, 0.16 * r), (60, 60, 64))


def draw_lamp(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a round lamp that glows."""
    surface.soft(ellipse((x, y), (1.5 * r, 1.5 * r)), (200, 235, 255), 0.5, 1.2 * r)
    surface.line([(x, y - r), (x, y - 3 * r)], (60, 60, 60), 0.06 * r)
    surface.ellipse((x, y), (r, r), mix((170, 215, 250), pick(rng, BRIGHT), 0.2))
    surface.soft(ellipse((x, y), (0.5 * r, 0.5 * r)), (245, 252, 255), 0.8, 0.6 * r)


def draw_mannequin(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a bust without features, of wood, plastic or skin colour, sometimes with a wig."""
    colour = pick(rng, [(140, 180, 214), (206, 206, 206), (90, 130, 170), *SKINS[:7]])
    shade = mix(colour, (20, 20, 40), 0.4)
    surface.polygon(
        smooth(
            [
                [x - 0.32 * r, y + 0.5 * r],
                [x + 0.32 * r, y + 0.5 * r],
                [x + 0.4 * r, y + 1.4 * r],
                [x + 1.3 * r, y + 1.8 * r],
                [x + 1.3 * r, y + 2.4 * r],
                [x - 1.3 * r, y + 2.4 * r],
                [x - 1.3 * r, y + 1.8 * r],
                [x - 0.4 * r, y + 1.4 * r],
            ]
        ),
        mix(colour, shade, 0.3),
    )
    head = ellipse((x, y), (0.76 * r, r))
    surface.polygon(head, colour)
    surface.soft(ellipse((x + 0.5 * r, y + 0.3 * r), (0.35 * r, 0.7 * r)), shade, 0.6, 0.4 * r, head)
    surface.soft(ellipse((x - 0.25 * r, y - 0.35 * r), (0.25 * r, 0.3 * r)), (240, 245, 255), 0.4, 0.3 * r, head)
    if rng.random() < 0.4:
        wig = mix((30, 40, 60), pick(rng, BRIGHT), rng.uniform(0, 0.5))
        surface.polygon(
            smooth(
                [
                    [x - 0.85 * r, y + 0.1 * r],
                    [x - 0.8 * r, y - 0.7 * r],
                    [x, y - 1.15 * r],
                    [x + 0.8 * r, y - 0.7 * r],
                    [x + 0.85 * r, y + 0.1 * r],
                    [x + 0.6 * r, y - 0.5 * r],
                    [x, y - 0.65 * r],
                    [x - 0.6 * r, y - 0.5 * r],
                ]
            ),
            wig,
        )


def draw_fruit(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw an orange, an apple or a peach."""
    colour = pick(rng, [(40, 140, 240), (50, 50, 200), (90, 180, 120), (130, 170, 245)])
    body = smooth(
        [
            [x, y - 0.82 * r],
            [x + 0.7 * r, y - 0.85 * r],
            [x + r, y],
            [x + 0.55 * r, y + 0.9 * r],
            [x, y + 0.84 * r],
            [x - 0.55 * r, y + 0.9 * r],
            [x - r, y],
            [x - 0.7 * r, y - 0.85 * r],
        ]
    )
    surface.polygon(body, colour)
    surface.soft(ellipse((x - 0.35 * r, y - 0.35 * r), (0.25 * r, 0.25 * r)), (240, 250, 255), 0.5, 0.3 * r, body)
    surface.line([(x, y - 0.8 * r), (x + 0.12 * r, y - 1.15 * r)], (40, 70, 90), 0.1 * r)
    surface.ellipse((x + 0.4 * r, y - 1.02 * r), (0.32 * r, 0.14 * r), (60, 140, 60), -0.3)


def draw_painting(surface: Surface, x: float, y: float, r: float, rng: np.random.Generator) -> None:
    """Draw a framed landscape."""
    w = r * rng.uniform(1.1, 1.8)
    surface.box(x - w, y - r, 2 * w, 2 * r, pick(rng, [(40, 70, 110), (60, 150, 190), (40, 40, 44), (220, 222, 224)]))
    surface.box(x - 0.86 * w, y - 0.84 * r, 1.72 * w, 1.68 * r, mix(pick(rng, BRIGHT), (240, 230, 220), 0.7))
    surface.ellipse((x + 0.3 * w, y - 0.3 * r), (0.2 * r, 0.2 * r), mix((90, 200, 250), (255, 255, 255), 0.3))
    surface.polygon(
        [
            [x - 0.86 * w, y + 0.84 * r],
            [x - 0.86 * w, y + 0.1 * r],
            [x - 0.3 * w, y - 0.25 * r],
            [x + 0.2 * w, y + 0.3 * r],
            [x + 0.86 * w, y],
            [x + 0.86 * w, y + 0.84 * r],
        ],
        mix(pick(rng, BRIGHT), (60, 80, 60), 0.5),
    )


HANGING = [draw_clock, draw_plate, draw_painting, draw_balloon, draw_lamp]
STANDING = [draw_ball, draw_flower, draw_mannequin, draw_fruit, draw_wheel]


def scatter(
    surface: Surface,
    rng: np.random.Generator,
    kinds: list[Painter],
    count: int,
    left: float,
    right: float,
    top: float,
    bottom: float,
    low: float,
    high: float,
) -> None:
    """Draw `count` things of some `kinds` in a rectangle, with radii from `low` to `high` pixels."""
    for _ in range(count):
        draw = kinds[int(rng.integers(len(kinds)))]
        draw(surface, rng.uniform(left, right), rng.uniform(top, bottom), rng.uniform(low, high), rng)

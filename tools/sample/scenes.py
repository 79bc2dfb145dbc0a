"""Backgrounds: where an image is set.

Each painter fills an opaque `Surface` and returns the height of the desk or counter that people sit behind, as a
share of the image's height, or None where they stand in the open.
"""

import numpy as np

from tools.sample.canvas import Colour, Surface, mix, rectangle, smooth, vertical_gradient
from tools.sample.clutter import (
    BRIGHT,
    HANGING,
    STANDING,
    draw_ball,
    draw_flower,
    draw_fruit,
    draw_lamp,
    draw_plate,
    pick,
    scatter,
)

SKIES = [
    ((220, 160, 90), (245, 225, 190)),
    ((190, 150, 110), (225, 210, 195)),
    ((120, 70, 60), (120, 160, 245)),
    ((90, 50, 40), (130, 80, 60)),
    ((205, 200, 195), (230, 228, 225)),
]


def paint_studio(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a news studio: light panels, a wall screen, a desk."""
    w, h = s.width, s.height
    base = pick(rng, [(110, 60, 20), (70, 30, 30), (60, 40, 80), (90, 80, 20), (50, 50, 56), (40, 30, 110)])
    vertical_gradient(s.pixels, [(0, mix(base, (0, 0, 0), 0.5)), (0.7, base), (1, mix(base, (0, 0, 0), 0.4))])
    glow = mix(base, (255, 235, 215), 0.55)
    for x in np.linspace(0.05, 0.95, int(rng.integers(4, 8))) * w:
        lean = rng.uniform(-0.04, 0.04) * w
        bar = np.array([[x, 0], [x + 0.02 * w, 0], [x + 0.02 * w + lean, h], [x + lean, h]])
        s.soft(bar, glow, rng.uniform(0.3, 0.9), 0.02 * h)
    if rng.random() < 0.75:
        x, wide = rng.uniform(0.05, 0.5) * w, rng.uniform(0.3, 0.45) * w
        y, high = rng.uniform(0.06, 0.14) * h, rng.uniform(0.32, 0.46) * h
        s.box(x - 3, y - 3, wide + 6, high + 6, (30, 28, 28))
        screen = Surface(0, 0, max(8, int(wide)), max(8, int(high)), channels=3)
        pick(rng, [paint_hills, paint_city, paint_map])(screen, rng)
        part = s.pixels[int(y) : int(y) + screen.height, int(x) : int(x) + screen.width]
        part[:] = screen.pixels[: part.shape[0], : part.shape[1]]
    else:
        scatter(s, rng, HANGING, 2, 0.1 * w, 0.9 * w, 0.1 * h, 0.4 * h, 0.05 * h, 0.1 * h)
    return rng.uniform(0.72, 0.84)


def paint_set(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a plain set: a gradient with large soft shapes."""
    w, h = s.width, s.height
    first, second = pick(rng, BRIGHT), pick(rng, BRIGHT)
    dim = rng.uniform(0.1, 0.7)
    vertical_gradient(s.pixels, [(0, mix(first, (40, 40, 40), dim)), (1, mix(second, (60, 60, 60), dim))])
    for _ in range(int(rng.integers(2, 6))):
        at, r = (rng.uniform(0, w), rng.uniform(0, h)), rng.uniform(0.1, 0.4) * h
        colour = mix(pick(rng, BRIGHT), (255, 255, 255), rng.uniform(0, 0.6))
        s.ellipse(at, (r, r), colour, opacity=rng.uniform(0.1, 0.5))
    scatter(s, rng, HANGING + STANDING, int(rng.integers(1, 4)), 0, w, 0.15 * h, 0.8 * h, 0.05 * h, 0.14 * h)
    return rng.uniform(0.75, 0.86) if rng.random() < 0.3 else None


def paint_map(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a weather map with suns and clouds."""
    w, h = s.width, s.height
    vertical_gradient(s.pixels, [(0, (170, 110, 50)), (1, (190, 140, 80))])
    for _ in range(2):
        x, y, r = rng.uniform(0.2, 0.8) * w, rng.uniform(0.3, 0.7) * h, rng.uniform(0.25, 0.45) * h
        turns = np.arange(12) * np.pi / 6
        reach = r * rng.uniform(0.6, 1.3, 12)
        land = smooth(np.stack([x + 1.4 * reach * np.cos(turns), y + reach * np.sin(turns)], axis=1))
        s.polygon(land, (80, 160, 110))
        s.line(land, (220, 230, 225), 0.006 * h, closed=True)
    for _ in range(int(rng.integers(3, 7))):
        x, y, r = rng.uniform(0.1, 0.9) * w, rng.uniform(0.1, 0.9) * h, 0.045 * h
        if rng.random() < 0.6:
            s.ellipse((x, y), (r, r), (60, 210, 250))
        for dx in (-1, 0, 1):
            s.ellipse((x + dx * 0.9 * r, y + (0.5 - 0.3 * (dx == 0)) * r), (0.9 * r, 0.7 * r), (236, 236, 236))
        s.text(str(int(rng.integers(-5, 35))), x + 1.8 * r, y + 0.4 * r, max(5.0, 0.04 * h), (250, 250, 250))
    return None


def paint_hills(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint hills, trees and a sky."""
    w, h = s.width, s.height
    top, low = pick(rng, SKIES)
    vertical_gradient(s.pixels, [(0, top), (0.6, low), (1, low)])
    if rng.random() < 0.6:
        s.ellipse((rng.uniform(0.1, 0.9) * w, rng.uniform(0.08, 0.3) * h), (0.07 * h, 0.07 * h), (190, 235, 252))
    for depth in range(3):
        y = (0.42 + 0.16 * depth) * h
        green = mix((150, 140, 110), pick(rng, [(50, 120, 70), (60, 140, 110), (40, 100, 60)]), 0.4 + 0.3 * depth)
        ridge = y + rng.normal(0, 0.06 * h, 7)
        line = smooth(np.stack([np.linspace(-0.1 * w, 1.1 * w, 7), ridge], axis=1), closed=False)
        s.polygon(np.concatenate([line, [[1.1 * w, h + 2], [-0.1 * w, h + 2]]]), green)
        for x in rng.uniform(0, w, int(rng.integers(1, 5))):
            r = (0.04 + 0.03 * depth) * h
            foot = np.interp(x, line[:, 0], line[:, 1]) + 0.3 * r
            s.box(x - 0.1 * r, foot - r, 0.2 * r, 1.2 * r, (40, 60, 80))
            if rng.random() < 0.5:
                fir = [[x, foot - 3.4 * r], [x + r, foot - 0.6 * r], [x - r, foot - 0.6 * r]]
                s.polygon(fir, mix(green, (20, 50, 20), 0.6))
            else:
                s.ellipse((x, foot - 1.8 * r), (r, 1.2 * r), mix(green, (30, 90, 40), 0.5))
    if rng.random() < 0.5:
        scatter(s, rng, [draw_flower], int(rng.integers(2, 7)), 0, w, 0.8 * h, h, 0.02 * h, 0.05 * h)
    return None


def paint_city(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a street of houses with windows, a road and cars."""
    w, h = s.width, s.height
    top, low = pick(rng, SKIES)
    vertical_gradient(s.pixels, [(0, top), (0.6, low), (1, low)])
    night = sum(top) < 260
    x = -0.05 * w
    while x < w:
        wide, y = rng.uniform(0.1, 0.22) * w, rng.uniform(0.05, 0.4) * h
        wall = mix(
            pick(rng, [(120, 140, 170), (90, 100, 120), (150, 150, 150), (80, 90, 140), (150, 170, 190)]),
            (30, 24, 24),
            0.6 if night else rng.uniform(0, 0.3),
        )
        s.box(x, y, wide, 0.8 * h - y, wall)
        rows, columns = int(rng.integers(3, 7)), int(rng.integers(2, 5))
        for row in range(rows):
            for column in range(columns):
                lit = rng.random() < (0.5 if night else 0.15)
                glass = (140, 210, 250) if lit else mix(wall, (90, 60, 40), 0.6)
                s.box(
                    x + wide * (column + 0.25) / columns,
                    y + (0.76 * h - y) * (row + 0.25) / rows,
                    0.5 * wide / columns,
                    0.5 * (0.76 * h - y) / rows,
                    glass,
                )
        x += wide + rng.uniform(0, 0.02) * w
    s.box(0, 0.76 * h, w, 0.06 * h, (130, 132, 134))
    s.box(0, 0.81 * h, w, 0.2 * h, (74, 72, 72))
    for _ in range(int(rng.integers(0, 3))):
        paint_car(s, rng.uniform(0, w), 0.84 * h, rng.uniform(0.1, 0.16) * h, pick(rng, BRIGHT))
    if rng.random() < 0.5:
        for x in rng.uniform(0, w, 2):
            s.box(x, 0.3 * h, 0.006 * w, 0.5 * h, (50, 50, 50))
            draw_lamp(s, x + 0.003 * w, 0.29 * h, 0.03 * h, rng)
    return None


def paint_car(s: Surface, x: float, y: float, r: float, colour: Colour) -> None:
    """Paint a car from the side, wheels at y; r is half its height."""
    shell = [[-1.9, 0], [-1.9, -0.6], [-1.1, -0.7], [-0.6, -1.4], [0.7, -1.4], [1.2, -0.7], [1.9, -0.5], [1.9, 0]]
    s.polygon(np.add(smooth(shell) * r, (x, y)), colour)
    s.polygon(
        [
            [x - 0.8 * r, y - 0.75 * r],
            [x - 0.45 * r, y - 1.25 * r],
            [x + 0.55 * r, y - 1.25 * r],
            [x + 0.9 * r, y - 0.75 * r],
        ],
        (90, 70, 60),
    )
    for dx in (-1.1, 1.1):
        s.ellipse((x + dx * r, y), (0.42 * r, 0.42 * r), (34, 34, 36))
        s.ellipse((x + dx * r, y), (0.22 * r, 0.22 * r), (170, 172, 176))


def paint_field(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a stadium: a crowd of dots, boards, mown grass with lines, a ball."""
    w, h = s.width, s.height
    horizon = rng.uniform(0.38, 0.5) * h
    vertical_gradient(s.pixels, [(0, (60, 44, 40)), (1, (80, 60, 50))])
    dots = rng.integers(30, 220, (max(2, int(horizon / 4)), max(2, w // 4), 3))
    crowd = np.kron(dots, np.ones((4, 4, 1))).astype(np.uint8)[: int(horizon), :w]
    part = s.pixels[: crowd.shape[0], : crowd.shape[1]]
    part[:] = part // 2 + crowd // 3
    s.blur(0.9)
    for column in range(6):
        s.box(column * w / 6 + 1, horizon - 0.08 * h, w / 6 - 2, 0.08 * h, mix(pick(rng, BRIGHT), (255, 255, 255), 0.2))
    first, second = (60, 150, 70), (50, 130, 58)
    vanish = w * rng.uniform(0.2, 0.8)
    for stripe in range(-8, 9):
        x0, x1 = vanish + stripe * 0.09 * w, vanish + stripe * 0.34 * w
        strip = [[x0, horizon], [x0 + 0.09 * w, horizon], [x1 + 0.34 * w, h], [x1, h]]
        s.polygon(strip, first if stripe % 2 else second)
    s.line([[0, horizon + 0.05 * h], [w, horizon + 0.02 * h]], (235, 240, 238), 0.008 * h)
    s.line([[vanish, horizon], [vanish + rng.uniform(-1, 1) * w, h]], (235, 240, 238), 0.012 * h)
    scatter(s, rng, [draw_ball], int(rng.integers(1, 3)), 0.1 * w, 0.9 * w, 0.6 * h, 0.95 * h, 0.03 * h, 0.08 * h)
    return None


def paint_kitchen(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a cookery show: tiles, cupboards, plates, fruit on the counter."""
    w, h = s.width, s.height
    tile = pick(rng, [(225, 228, 226), (190, 205, 215), (200, 190, 160), (170, 190, 200)])
    vertical_gradient(s.pixels, [(0, tile), (1, mix(tile, (90, 90, 90), 0.25))])
    step = h * rng.uniform(0.06, 0.1)
    for y in np.arange(0, h, step):
        s.line([[0, y], [w, y]], mix(tile, (80, 80, 80), 0.3), 0.004 * h)
    for x in np.arange(0, w, step * 1.5):
        s.line([[x, 0], [x, h]], mix(tile, (80, 80, 80), 0.3), 0.004 * h)
    wood = pick(rng, [(70, 110, 160), (120, 150, 170), (90, 120, 80), (60, 60, 140), (200, 205, 205)])
    count = int(rng.integers(4, 7))
    for i in range(count):
        if rng.random() < 0.7:
            s.box(i * w / count + 2, 0, w / count - 4, 0.24 * h, wood)
            panel = rectangle(i * w / count + 8, 7, w / count - 16, 0.24 * h - 14)
            s.line(panel, mix(wood, (0, 0, 0), 0.3), 2, closed=True)
            s.ellipse(((i + 0.85) * w / count, 0.19 * h), (0.012 * h, 0.012 * h), (60, 60, 60))
    scatter(s, rng, [draw_plate, *HANGING[:2]], int(rng.integers(1, 4)), 0, w, 0.32 * h, 0.5 * h, 0.05 * h, 0.09 * h)
    s.box(0, 0.62 * h, w, 0.4 * h, mix(wood, (20, 20, 20), 0.3))
    scatter(s, rng, [draw_fruit], int(rng.integers(3, 8)), 0, w, 0.57 * h, 0.6 * h, 0.025 * h, 0.05 * h)
    return rng.uniform(0.78, 0.86)


def paint_stage(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a show: dark, beams of coloured light, bulbs, a floor."""
    w, h = s.width, s.height
    tone = pick(rng, [(90, 20, 60), (110, 40, 20), (30, 20, 90), (60, 50, 20)])
    floor = mix(tone, (200, 190, 200), 0.25)
    vertical_gradient(s.pixels, [(0, (16, 10, 12)), (0.75, tone), (0.76, floor), (1, (20, 16, 20))])
    for _ in range(int(rng.integers(3, 7))):
        x, to, wide = rng.uniform(0, w), rng.uniform(0, w), rng.uniform(0.05, 0.14) * w
        colour = mix(pick(rng, BRIGHT), (255, 255, 255), 0.4)
        s.soft(np.array([[x - 2, 0], [x + 2, 0], [to + wide, 0.9 * h], [to - wide, 0.9 * h]]), colour, 0.4, 0.03 * h)
        s.ellipse((x, 0.01 * h), (0.02 * h, 0.02 * h), (240, 250, 255))
    for x in np.linspace(0.03, 0.97, int(rng.integers(8, 16))) * w:
        y = 0.12 * h + 0.05 * h * np.sin(x / w * 9)
        s.ellipse((x, y), (0.012 * h, 0.012 * h), (180, 230, 255))
    scatter(s, rng, HANGING[3:], int(rng.integers(1, 5)), 0, w, 0.15 * h, 0.6 * h, 0.04 * h, 0.1 * h)
    return None


def paint_room(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a living room: wallpaper, a window, paintings, a sofa, a lamp."""
    w, h = s.width, s.height
    wall = mix(
        pick(rng, [(150, 180, 200), (170, 190, 160), (190, 180, 170), (120, 140, 190), (140, 170, 210)]),
        (60, 60, 60),
        rng.uniform(0, 0.4),
    )
    top = mix(wall, (255, 255, 255), 0.1)
    vertical_gradient(s.pixels, [(0, top), (0.8, wall), (0.81, (60, 80, 110)), (1, (50, 70, 100))])
    if rng.random() < 0.5:
        for x in np.arange(0, w, 0.05 * w):
            s.box(x, 0, 0.012 * w, 0.8 * h, mix(wall, (255, 255, 255), 0.15))
    if rng.random() < 0.6:
        x, y, wide, high = rng.uniform(0, 0.7) * w, 0.1 * h, 0.24 * w, 0.42 * h
        s.box(x, y, wide, high, (235, 238, 240))
        s.box(x + 5, y + 5, wide - 10, high - 10, mix(pick(rng, SKIES)[1], (255, 255, 255), 0.2))
        s.box(x + wide / 2 - 2, y, 4, high, (235, 238, 240))
        for side in (0, 1):
            s.box(x - 0.05 * w + side * (wide + 0.02 * w), y - 5, 0.08 * w, high + 0.12 * h, pick(rng, BRIGHT), 0.85)
    scatter(s, rng, HANGING, int(rng.integers(2, 5)), 0.05 * w, 0.95 * w, 0.12 * h, 0.4 * h, 0.05 * h, 0.12 * h)
    sofa = mix(pick(rng, BRIGHT), (60, 60, 70), 0.5)
    x, wide = rng.uniform(-0.1, 0.4) * w, rng.uniform(0.5, 0.8) * w
    right = x + wide + 0.05 * w
    s.polygon(
        smooth(
            [
                [x, h],
                [x, 0.62 * h],
                [x + 0.05 * w, 0.56 * h],
                [right - 0.05 * w, 0.56 * h],
                [right, 0.62 * h],
                [right, h],
            ]
        ),
        sofa,
    )
    scatter(s, rng, STANDING[1:4], int(rng.integers(0, 3)), 0, w, 0.55 * h, 0.75 * h, 0.05 * h, 0.12 * h)
    return None


def paint_shop(s: Surface, rng: np.random.Generator) -> float | None:
    """Paint a fashion shop or a museum: shelves, busts without faces, lamps."""
    w, h = s.width, s.height
    wall = mix(pick(rng, BRIGHT), (215, 215, 215), 0.75)
    low = mix(wall, (120, 120, 120), 0.2)
    vertical_gradient(s.pixels, [(0, wall), (0.78, low), (0.79, (110, 120, 130)), (1, (80, 90, 100))])
    for y in (0.3, 0.56):
        s.box(0, y * h, w, 0.02 * h, (90, 110, 130))
        scatter(s, rng, STANDING[2:4], int(rng.integers(2, 5)), 0, w, (y - 0.14) * h, (y - 0.1) * h, 0.05 * h, 0.08 * h)
    scatter(s, rng, [draw_lamp], 3, 0.1 * w, 0.9 * w, 0.05 * h, 0.12 * h, 0.025 * h, 0.04 * h)
    return rng.uniform(0.74, 0.84) if rng.random() < 0.5 else None


SCENES = [
    paint_studio,
    paint_set,
    paint_hills,
    paint_city,
    paint_field,
    paint_kitchen,
    paint_stage,
    paint_room,
    paint_shop,
    paint_map,
]
SCENE_ODDS = [0.22, 0.12, 0.1, 0.13, 0.09, 0.08, 0.08, 0.1, 0.05, 0.03]


def draw_desk(size: tuple[int, int], height: float, rng: np.random.Generator) -> Surface:
    """Draw the desk that people sit behind, with its edge at `height` (a share of the image's). Returns a layer."""
    w, h = size
    top = int(height * h)
    surface = Surface(0, max(0, top - 40), w, h - max(0, top - 40))
    wood = pick(rng, [(60, 90, 140), (50, 44, 44), (190, 190, 190), (110, 70, 40), (40, 40, 120)])
    bow = rng.uniform(0, 0.05) * h
    edge = smooth([[-0.05 * w, top + bow], [0.25 * w, top], [0.75 * w, top], [1.05 * w, top + bow]], closed=False)
    surface.polygon(np.concatenate([edge, [[1.05 * w, h + 2], [-0.05 * w, h + 2]]]), mix(wood, (0, 0, 0), 0.35))
    surface.polygon(np.concatenate([edge, np.add(edge, (0, 0.05 * h))[::-1]]), mix(wood, (255, 255, 255), 0.2))
    for x in rng.uniform(0, w, int(rng.integers(0, 4))):
        if rng.random() < 0.5:  # a cup
            surface.box(x, top - 0.045 * h, 0.025 * w, 0.06 * h, mix(pick(rng, BRIGHT), (255, 255, 255), 0.5))
        else:  # papers
            surface.polygon(
                [
                    [x, top + 0.01 * h],
                    [x + 0.1 * w, top + 0.005 * h],
                    [x + 0.12 * w, top + 0.035 * h],
                    [x + 0.01 * w, top + 0.04 * h],
                ],
                (238, 240, 240),
            )
    return surface

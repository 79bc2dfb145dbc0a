"""Neck, shoulders, clothes, arms and legs, in head-sized coordinates that roll and turn less than the head does."""

import numpy as np
from numpy.typing import ArrayLike

from tools.sample.canvas import Colour, Surface, ellipse, mix, smooth
from tools.sample.faces import Head
from tools.sample.looks import Look

HIPS, FEET, LENGTH = 6.4, 13.2, 13.6  # below the eyes; a head is 2.8 high


class Body:
    """Body coordinates to image pixels: upright, under the head, swung a little by its roll and yaw."""

    def __init__(self, head: Head):
        self.unit, self.turn = head.unit, head.turn
        self._base = head.flat([[-0.16 * head.turn, 1.0]])[0]

    def place(self, points: ArrayLike) -> np.ndarray:
        """Turn points (N, 2), x from the spine, y with the chin near 1.4, into image pixels."""
        points = np.array(points, np.float64)
        points[:, 0] *= 1 - 0.12 * abs(self.turn)
        return (points - (0, 1.0)) * self.unit + self._base


def draw_body(surface: Surface, body: Body, look: Look, rng: np.random.Generator) -> None:
    """Draw the body from neck to feet; most of it is usually outside the image."""
    unit, cloth, skin = body.unit, look.cloth, look.skin
    dark, light = mix(cloth, (0, 0, 0), 0.35), mix(cloth, (255, 255, 255), 0.25)
    wide = rng.uniform(2.05, 2.45) * (0.9 if look.lipstick else 1.0)
    if surface.top + surface.height > body.place([[0, HIPS]])[0, 1]:
        trousers = mix(look.accent, (40, 36, 34), 0.6)
        for side in (-1, 1):
            stride = rng.uniform(0.5, 1.0) * side
            leg = [
                [0, HIPS - 0.6],
                [1.35 * side, HIPS - 0.6],
                [1.2 * side + stride * 0.4, 9.6],
                [stride + 0.5 * side, FEET],
                [stride - 0.25 * side, FEET],
                [0.25 * side, 9.4],
            ]
            surface.polygon(body.place(leg), trousers)
            shoe = body.place([[stride + 0.3 * side, FEET + 0.1]])[0]
            surface.ellipse(shoe, (0.65 * unit, 0.25 * unit), (30, 28, 30))
    # Arms hang a little off the torso and are a shade darker, which separates them from it.
    for side in (-1, 1):
        bend = rng.uniform(0.0, 0.5)
        arm = smooth(
            [
                [side * (wide - 0.5), 2.2],
                [side * (wide + 0.05), 2.9],
                [side * (wide + 0.25 + bend), 4.6],
                [side * (wide + 0.05), 6.4],
                [side * (wide - 0.35), 6.4],
                [side * (wide - 0.45), 4.6],
            ]
        )
        surface.polygon(body.place(arm), mix(cloth, dark, 0.55))
        surface.ellipse(body.place([[side * (wide - 0.12), 6.6]])[0], (0.3 * unit, 0.36 * unit), skin)
    torso = [
        [-0.5, 1.72],
        [-1.2, 1.95],
        [-wide + 0.25, 2.3],
        [-wide, 3.0],
        [-wide + 0.25, 4.6],
        [-1.5, HIPS],
        [1.5, HIPS],
        [wide - 0.25, 4.6],
        [wide, 3.0],
        [wide - 0.25, 2.3],
        [1.2, 1.95],
        [0.5, 1.72],
    ]
    torso = body.place(smooth(torso))
    surface.polygon(torso, cloth)
    draw_neck(surface, body, look)
    draw_clothes(surface, body, look, torso, dark, light)
    surface.soft(body.place(ellipse((-1.5, 2.6), (0.7, 0.4))), light, 0.35, 0.5 * unit, torso)
    surface.soft(body.place(ellipse((1.9, 4.0), (0.5, 1.8))), dark, 0.5, 0.6 * unit, torso)


def draw_neck(surface: Surface, body: Body, look: Look) -> None:
    """Draw the neck and the neckline's skin, with the chin's shadow."""
    unit, skin = body.unit, look.skin
    shade = mix(skin, (20, 20, 60), 0.3)
    depth = {"vneck": 2.95, "blouse": 2.7, "suit": 2.6, "shirt": 2.5}.get(look.outfit, 2.15)
    neck = smooth(
        [
            [-0.56, 0.6],
            [-0.54, 1.5],
            [-0.72, 1.84],
            [-0.4, 2.05],
            [0, depth],
            [0.4, 2.05],
            [0.72, 1.84],
            [0.54, 1.5],
            [0.56, 0.6],
        ]
    )
    neck = body.place(neck)
    surface.polygon(neck, mix(skin, shade, 0.35))
    surface.soft(body.place(ellipse((0.05, 1.35), (0.75, 0.36))), mix(skin, (10, 10, 40), 0.55), 0.7, 0.2 * unit, neck)


def draw_clothes(surface: Surface, body: Body, look: Look, torso: np.ndarray, dark: Colour, light: Colour) -> None:
    """Draw what tells a suit from a jersey."""
    unit, accent = body.unit, look.accent
    white = (232, 230, 226)
    if look.outfit == "suit":
        shirt = white if sum(accent) < 420 else (214, 190, 170)
        surface.polygon(
            body.place(
                [
                    [-0.62, 1.75],
                    [-0.2, 2.0],
                    [0, 2.25],
                    [0.2, 2.0],
                    [0.62, 1.75],
                    [0.72, 2.1],
                    [0.05, 4.6],
                    [-0.05, 4.6],
                    [-0.72, 2.1],
                ]
            ),
            shirt,
        )
        if not look.lipstick:
            surface.polygon(
                body.place(
                    [[-0.17, 2.12], [0.17, 2.12], [0.12, 2.4], [0.26, 4.2], [0, 4.5], [-0.26, 4.2], [-0.12, 2.4]]
                ),
                accent,
            )
        for side in (-1, 1):
            lapel = [
                [0.6 * side, 1.74],
                [1.0 * side, 1.95],
                [1.12 * side, 2.8],
                [0.86 * side, 2.9],
                [0.92 * side, 3.05],
                [0.03 * side, 4.7],
                [0.45 * side, 2.9],
            ]
            surface.polygon(body.place(lapel), mix(look.cloth, light, 0.3))
            surface.line(body.place(lapel), dark, 0.03 * unit, closed=True, opacity=0.6)
        surface.line(body.place([[0.02, 4.6], [0.05, HIPS]]), dark, 0.05 * unit, opacity=0.7)
    elif look.outfit in ("shirt", "blouse"):
        for side in (-1, 1):
            collar = [[0.58 * side, 1.62], [0.86 * side, 1.9], [0.5 * side, 2.62], [0.12 * side, 2.5]]
            surface.polygon(body.place(collar), light)
            surface.line(body.place(collar), dark, 0.03 * unit, closed=True, opacity=0.5)
        surface.line(body.place([[0, 2.55], [0, HIPS]]), dark, 0.04 * unit, opacity=0.6)
        for y in (3.0, 3.7, 4.4, 5.1):
            surface.ellipse(body.place([[0, y]])[0], (0.05 * unit, 0.05 * unit), white)
    elif look.outfit == "vneck":
        surface.line(body.place([[-0.72, 1.8], [-0.4, 2.1], [0, 3.0], [0.4, 2.1], [0.72, 1.8]]), dark, 0.1 * unit)
    elif look.outfit == "turtleneck":
        surface.polygon(
            body.place(smooth([[-0.58, 1.42], [0, 1.6], [0.58, 1.42], [0.76, 2.0], [0, 2.25], [-0.76, 2.0]])),
            mix(look.cloth, light, 0.3),
        )
        surface.line(body.place(smooth([[-0.6, 1.5], [0, 1.68], [0.6, 1.5]], closed=False)), dark, 0.04 * unit)
    elif look.outfit == "jersey":
        for x in (-1.25, -0.42, 0.42, 1.25):
            stripe = [[x - 0.18, 2.2], [x + 0.18, 2.2], [x + 0.18, HIPS], [x - 0.18, HIPS]]
            surface.polygon(body.place(stripe), accent, opacity=0.75)
        surface.line(body.place(smooth([[-0.72, 1.82], [0, 2.25], [0.72, 1.82]], closed=False)), white, 0.14 * unit)
    else:
        neckline = smooth([[-0.74, 1.8], [-0.4, 2.1], [0, 2.2], [0.4, 2.1], [0.74, 1.8]], closed=False)
        surface.line(body.place(neckline), dark, 0.1 * unit)
        if look.age < 0.4:
            surface.polygon(body.place([[-2.3, 3.4], [2.3, 3.4], [2.3, 4.0], [-2.3, 4.0]]), accent, opacity=0.5)
            surface.line(torso, look.cloth, 0.08 * unit, closed=True)

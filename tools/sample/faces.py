"""A head in a pose, and the drawing of its face.

A face is drawn in its own coordinates: x from -1 (ear) to 1 (ear), y down with the eyes at 0. The frontal face is
wrapped around a round head, so that features move and narrow as the head turns.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from tools.sample.canvas import Colour, Surface, ellipse, mix, smooth
from tools.sample.looks import Look, Pose

CROWN, HAIRLINE, BROW, NOSE, MOUTH, CHIN = -1.38, -0.95, -0.3, 0.56, 0.9, 1.42


class Head:
    """Face coordinates to image pixels, for one pose."""

    def __init__(self, pose: Pose, look: Look):
        self.pose, self.look = pose, look
        self.unit = pose.height / (CHIN - HAIRLINE)  # pixels per face coordinate
        self.turn = np.sin(pose.yaw)
        self.side = 1.0 if pose.yaw >= 0 else -1.0  # the far side
        cos, sin = math.cos(pose.roll) * self.unit, math.sin(pose.roll) * self.unit
        self._rotation = np.array([[cos, sin], [-sin, cos]])
        self._origin = np.array([pose.x, pose.y]) - np.array([0, (CHIN + HAIRLINE) / 2]) @ self._rotation
        self.edge = self.flat(self.outline(back=-0.02))  # of all bare skin in front of the ear

    def flat(self, points: ArrayLike) -> np.ndarray:
        """Place points (N, 2) of the silhouette, which does not turn: roll, scale and shift only."""
        return np.asarray(points) @ self._rotation + self._origin

    def wrap(self, points: ArrayLike, lift: float = 0.0) -> np.ndarray:
        """Place points (N, 2) of the frontal face on the turned head; `lift` is how far they stand out of it."""
        points = np.array(points, np.float64)
        angle = (np.arcsin(points[:, 0].clip(-1, 1)) + self.pose.yaw).clip(-np.pi / 2, np.pi / 2)
        points[:, 0] = np.sin(angle) + (lift + 0.04) * self.turn
        points[:, 1] += self.pose.pitch * (0.4 * np.cos(angle) + lift)
        return self.flat(points)

    @property
    def ear(self) -> float:
        """The x of the near ear, on the silhouette's scale: it comes forward as the head turns away from it."""
        return -self.side * np.cos(self.pose.yaw)

    def outline(self, low: float = -9.0, back: float = 0.0) -> np.ndarray:
        """Return the face's edge from `low` down to the chin and up again, as silhouette points (N, 2).

        The jaw swings out on the far side and the near side ends at the ear, or `back` units behind it.
        """
        jaw, chin = self.look.jaw, self.look.chin
        half = np.array(
            [
                [0, CROWN],
                [0.4, -1.32],
                [0.74, -1.08],
                [0.94, -0.66],
                [1.0, -0.15],
                [0.97, 0.3],
                [0.9 * jaw, 0.72],
                [0.72 * jaw, 1.06],
                [0.42 * jaw * chin, 1.33],
                [0.16, CHIN],
            ]
        )
        mirrored = half[1:][::-1] * (-1, 1)
        points = smooth(np.concatenate([half, mirrored]), steps=4)
        down = np.clip((points[:, 1] + 0.1) / 1.5, 0, 1)
        points[:, 0] += self.turn * (0.06 + 0.34 * down * down * (3 - 2 * down))
        edge = self.ear - self.side * back
        near = (points[:, 0] - edge) * self.side < 0
        points[near, 0] = edge
        points[:, 1] = np.maximum(points[:, 1], low)
        return points

    def face(self) -> np.ndarray:
        """Return the outline of the face from hairline to chin and ear to ear, in image pixels (N, 2)."""
        return self.flat(self.outline(low=HAIRLINE))


def draw_head(surface: Surface, head: Head, look: Look) -> None:
    """Draw ears and bare skin, shaded; features, hair and headwear go on top."""
    skin, dark = look.skin, mix(look.skin, (20, 20, 60), 0.35)
    unit = head.unit
    sides = (-1, 1) if abs(head.pose.yaw) < 0.2 else (-head.side,)
    for side in sides:
        x = side * np.cos(head.pose.yaw) + 0.04 * side
        y = 0.17 + 0.3 * head.pose.pitch * -1
        ear = smooth(
            [
                [x - 0.04 * side, y - 0.27],
                [x + 0.12 * side, y - 0.26],
                [x + 0.16 * side, y - 0.05],
                [x + 0.08 * side, y + 0.2],
                [x - 0.04 * side, y + 0.26],
            ]
        )
        surface.polygon(head.flat(ear), mix(skin, (60, 60, 170), 0.12))
        surface.soft(head.flat(ellipse((x + 0.05 * side, y - 0.02), (0.05, 0.13))), dark, 0.5, 0.04 * unit)
    outline = head.edge
    surface.polygon(outline, skin)
    # One soft shadow on the side that the head turns from, one under the cheekbones, light on the forehead.
    surface.soft(head.flat(ellipse((-head.side * 1.0, 0.5), (0.35, 1.1))), dark, 0.35, 0.35 * unit, outline)
    surface.soft(head.flat(ellipse((head.turn * 0.4, CHIN + 0.05), (0.7, 0.2))), dark, 0.4, 0.16 * unit, outline)
    light = mix(skin, (225, 240, 255), 0.5)
    surface.soft(head.wrap(ellipse((0.05, -0.62), (0.45, 0.2))), light, 0.45, 0.25 * unit, outline)


def draw_face(surface: Surface, head: Head, look: Look) -> None:
    """Draw eyes, brows, nose, mouth, beard and glasses."""
    outline = head.edge
    unit, pose, skin = head.unit, head.pose, look.skin
    dark = mix(skin, (20, 16, 50), 0.5)
    blush = mix(skin, (70, 60, 225), 0.45)
    cheeks = [head.wrap(ellipse((0.55 * side, 0.5), (0.22, 0.17))) for side in (-1, 1)]
    sockets = [head.wrap(ellipse((0.42 * side, -0.07), (0.28, 0.17))) for side in (-1, 1)]
    surface.soft(cheeks, blush, 0.42, 0.2 * unit, outline)
    surface.soft(sockets, dark, 0.38, 0.12 * unit, outline)
    if look.beard:
        draw_beard(surface, head, look, outline)
    if look.age > 0.5 and unit > 14:
        for side in (-1, 1):
            fold = smooth([[0.26 * side, 0.5], [0.42 * side, 0.7], [0.46 * side, 0.9]], closed=False)
            surface.line(head.wrap(fold), dark, 0.035 * unit, opacity=look.age * 0.6)
        for y in (-0.62, -0.73):
            surface.line(
                head.wrap(smooth([[-0.4, y], [0, y - 0.03], [0.4, y]], closed=False)),
                dark,
                0.03 * unit,
                opacity=max(0.0, look.age - 0.45),
            )
    draw_nose(surface, head, look, dark, outline)
    draw_mouth(surface, head, look, dark)
    for side in (-1, 1):
        if look.glasses != "dark":
            draw_eye(surface, head, look, side)
        lift = -0.09 * pose.raised
        inner = lift - 0.02 * pose.raised
        thick = 0.045 * look.brows
        brow = [
            [0.17, BROW + inner + 0.05],
            [0.4, BROW + lift - 0.07],
            [0.68, BROW + lift + 0.05],
            [0.42, BROW + lift - 0.07 + 2 * thick],
            [0.18, BROW + inner + 0.05 + 2 * thick],
        ]
        colour = mix(mix(look.hair, (20, 24, 34), 0.35), skin, 0.12)
        surface.polygon(head.wrap(smooth(np.array(brow) * (side, 1)), lift=0.03), colour)
    if look.glasses:
        draw_glasses(surface, head, look)


def draw_eye(surface: Surface, head: Head, look: Look, side: int) -> None:
    """Draw one eye: white, iris, pupil, a highlight, lids and lashes."""
    pose, unit, skin = head.pose, head.unit, look.skin
    gaze = float(np.clip(pose.gaze, -1, 1))
    size, x = 0.21 * look.eye, 0.42 * side
    rise, fall = 0.15 * look.eye * pose.lids, 0.1 * look.eye * min(1.0, pose.lids)
    if pose.smile > 0.6:
        fall *= 0.7
    corners = np.array(
        [[-1, 0.02], [-0.5, -0.8 * rise], [0.1, -rise], [0.65, -0.65 * rise], [1, 0], [0.5, 0.8 * fall], [-0.3, fall]]
    )
    corners[:, 0] *= size * side
    shape = smooth(np.add(corners, (x, 0.0)))
    lash = mix((24, 20, 24), skin, 0.06)
    if pose.lids < 0.3:
        lid = smooth([[x - size, -0.01], [x, 0.07], [x + size, -0.01]], closed=False)
        surface.line(head.wrap(lid), lash, 0.05 * unit)
        return
    surface.polygon(head.wrap(shape), (236, 238, 240))
    # The iris must not leave the eye: clip its y to the lids, which are nearly flat where it is.
    iris = ellipse((x + 0.09 * gaze, -0.02), (0.105 * look.eye, 0.115 * look.eye))
    iris[:, 1] = iris[:, 1].clip(-0.93 * rise, 0.93 * fall)
    surface.polygon(head.wrap(iris), look.iris)
    pupil = ellipse((x + 0.09 * gaze, -0.02), (0.055, 0.06))
    pupil[:, 1] = pupil[:, 1].clip(-0.93 * rise, 0.93 * fall)
    surface.polygon(head.wrap(pupil), (16, 14, 14))
    if unit > 10:
        glint = ellipse((x + 0.09 * gaze + 0.03, -0.05), (0.026, 0.026), count=10)
        surface.polygon(head.wrap(glint), (255, 255, 255))
    upper = smooth(np.add(corners[:5], (x, 0.0)), closed=False)
    surface.line(head.wrap(upper), lash, (0.05 if look.lipstick else 0.036) * unit)
    if unit > 14:
        crease = upper * (1, 1.15) - (0, 0.05)
        surface.line(head.wrap(crease), mix(skin, (20, 16, 50), 0.5), 0.02 * unit, opacity=0.5)


def draw_nose(surface: Surface, head: Head, look: Look, dark: Colour, outline: np.ndarray) -> None:
    """Draw bridge shadow, light on the tip, wings and nostrils."""
    unit, wide = head.unit, 0.17 * look.nose
    side = -head.side
    bridge = np.array([[0.06 * side, -0.05], [0.08 * side, 0.25], [wide * side * 1.2, 0.5], [0.02 * side, 0.45]])
    surface.soft(head.wrap(smooth(bridge), lift=0.1), dark, 0.45, 0.05 * unit, outline)
    surface.soft(head.wrap(ellipse((0, NOSE + 0.05), (wide, 0.05)), lift=0.08), dark, 0.5, 0.06 * unit, outline)
    light = mix(look.skin, (230, 242, 255), 0.6)
    surface.soft(head.wrap(ellipse((0, 0.34), (0.07, 0.16)), lift=0.2), light, 0.5, 0.06 * unit, outline)
    wing = smooth(
        [
            [-wide, NOSE - 0.1],
            [-wide * 1.05, NOSE],
            [-wide * 0.5, NOSE + 0.03],
            [0, NOSE + 0.06],
            [wide * 0.5, NOSE + 0.03],
            [wide * 1.05, NOSE],
            [wide, NOSE - 0.1],
        ],
        closed=False,
    )
    surface.line(head.wrap(wing, lift=0.14), dark, 0.032 * unit, opacity=0.75)
    for x in (-0.08, 0.08) if unit > 10 else ():
        nostril = ellipse((x * look.nose, NOSE + 0.005), (0.04, 0.022), count=12)
        surface.polygon(head.wrap(nostril, lift=0.15), mix(dark, (10, 8, 20), 0.5), opacity=0.85)


def draw_mouth(surface: Surface, head: Head, look: Look, dark: Colour) -> None:
    """Draw lips, and teeth and tongue where the mouth is open."""
    pose, unit = head.pose, head.unit
    half = (0.3 + 0.07 * max(pose.smile, 0)) * look.mouth
    corner = MOUTH - 0.11 * pose.smile
    gap = 0.26 * pose.opening
    lip = mix(look.skin, (70, 50, 190), 0.55 if look.lipstick else 0.28)
    lip = mix(lip, (30, 20, 60), 0.1)
    top = [
        [-half, corner],
        [-half * 0.45, MOUTH - 0.075],
        [0, MOUTH - 0.055],
        [half * 0.45, MOUTH - 0.075],
        [half, corner],
    ]
    low = [[half * 0.55, MOUTH + 0.1 + gap], [0, MOUTH + 0.13 + gap], [-half * 0.55, MOUTH + 0.1 + gap]]
    surface.polygon(head.wrap(smooth(top + low), lift=0.05), lip)
    seam = [[-half, corner], [-half * 0.5, MOUTH - 0.0], [0, MOUTH + 0.01], [half * 0.5, MOUTH - 0.0], [half, corner]]
    if gap > 0.05:
        below = [[half * 0.55, MOUTH + 0.03 + gap], [0, MOUTH + 0.06 + gap], [-half * 0.55, MOUTH + 0.03 + gap]]
        inside = smooth(np.array(seam + below) * (0.94, 1))
        surface.polygon(head.wrap(inside, lift=0.04), (36, 22, 70))
        teeth = np.array(
            [
                [-half * 0.6, MOUTH + 0.0],
                [0, MOUTH + 0.01],
                [half * 0.6, MOUTH + 0.0],
                [half * 0.5, MOUTH + 0.02 + 0.35 * gap],
                [-half * 0.5, MOUTH + 0.02 + 0.35 * gap],
            ]
        )
        surface.polygon(head.wrap(teeth, lift=0.05), (228, 236, 240))
        if gap > 0.14:
            surface.polygon(
                head.wrap(ellipse((0, MOUTH + 0.8 * gap), (half * 0.42, 0.25 * gap)), lift=0.04), (84, 70, 190)
            )
    else:
        surface.line(head.wrap(smooth(seam, closed=False), lift=0.05), mix(dark, (20, 10, 40), 0.6), 0.04 * unit)
    if unit > 10:
        surface.soft(head.wrap(ellipse((0, MOUTH + 0.22 + gap), (0.18, 0.04))), dark, 0.4, 0.06 * unit)


def draw_beard(surface: Surface, head: Head, look: Look, outline: np.ndarray) -> None:
    """Draw stubble, full beard, goatee or moustache, below the mouth and nose."""
    unit, hair = head.unit, mix(look.hair, look.skin, 0.12)
    rim = np.array(
        [
            [-0.99, 0.05],
            [-0.9, 0.55],
            [-0.52, 0.66],
            [-0.3, 0.68],
            [0, 0.66],
            [0.3, 0.68],
            [0.52, 0.66],
            [0.9, 0.55],
            [0.99, 0.05],
            [1.0, 0.7],
            [0.9, 1.15],
            [0.6, 1.5],
            [0, 1.6],
            [-0.6, 1.5],
            [-0.9, 1.15],
            [-1.0, 0.7],
        ]
    )
    if look.beard == "stubble":
        surface.soft(head.wrap(smooth(rim)), hair, 0.4, 0.1 * unit, outline)
    elif look.beard == "full":
        surface.soft(head.wrap(smooth(rim)), hair, 0.96, 0.05 * unit, outline)
    elif look.beard == "goatee":
        goatee = smooth(
            [[-0.4, 0.68], [0, 0.62], [0.4, 0.68], [0.42, 1.1], [0.3, 1.45], [0, 1.5], [-0.3, 1.45], [-0.42, 1.1]]
        )
        surface.soft(head.wrap(goatee, lift=0.03), hair, 0.95, 0.05 * unit, outline)
    if look.beard == "moustache":
        moustache = smooth(
            [[-0.42, 0.9], [-0.25, 0.7], [0, 0.66], [0.25, 0.7], [0.42, 0.9], [0.2, 0.84], [0, 0.8], [-0.2, 0.84]]
        )
        surface.polygon(head.wrap(moustache, lift=0.1), hair)


def draw_glasses(surface: Surface, head: Head, look: Look) -> None:
    """Draw glasses; the frame's near temple runs back to the ear."""
    unit = head.unit
    frame = mix(look.accent, (20, 20, 24), 0.8 if look.glasses == "thin" else 0.6)
    width = {"thin": 0.035, "thick": 0.075, "dark": 0.06}[look.glasses] * unit
    for side in (-1, 1):
        lens = smooth(
            [
                [0.14 * side, -0.14],
                [0.42 * side, -0.19],
                [0.7 * side, -0.14],
                [0.68 * side, 0.12],
                [0.43 * side, 0.23],
                [0.19 * side, 0.13],
            ]
        )
        if look.glasses == "dark":
            surface.polygon(head.wrap(lens, lift=0.1), (34, 28, 26))
            shine = smooth([[0.3 * side, -0.1], [0.5 * side, -0.12], [0.36 * side, 0.08], [0.24 * side, 0.06]])
            surface.polygon(head.wrap(shine, lift=0.1), (150, 130, 120), opacity=0.45)
        else:
            surface.polygon(head.wrap(lens, lift=0.1), (240, 236, 230), opacity=0.12)
        surface.line(head.wrap(lens, lift=0.1), frame, width, closed=True)
        if (side == -head.side) or abs(head.pose.yaw) < 0.2:
            hinge = head.wrap([[0.7 * side, -0.08]], lift=0.1)
            surface.line(np.concatenate([hinge, head.flat([[side * np.cos(head.pose.yaw), 0.0]])]), frame, width)
    surface.line(head.wrap([[-0.15, -0.06], [0, -0.1], [0.15, -0.06]], lift=0.12), frame, width)

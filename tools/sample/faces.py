"""A head in a pose, and the drawing of its face.

A face is drawn in its own coordinates: x from -1 (ear) to 1 (ear), y down with the eyes at 0. The frontal face is
wrapped around a round head, so that features move and narrow as the head turns.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from tools.sample.canvas import WHITE, Surface, curve, ellipse, mix, read_points
from tools.sample.looks import Look, Pose

HAIRLINE, NOSE, MOUTH, CHIN = -0.95, 0.56, 0.9, 1.42

SKULL = "0 -1.38, 0.4 -1.32, 0.74 -1.08, 0.94 -0.66, 1 -0.15"
OUTLINE = curve(SKULL + ", 0.97 0.3, 0.9 0.72, 0.72 1.06, 0.42 1.33, 0.16 1.42", mirrored=True)
EAR = curve("-0.04 -0.27, 0.12 -0.26, 0.16 -0.05, 0.08 0.2, -0.04 0.26")
EYE = curve(
    "-1 0.02, -0.5 -0.8, 0.1 -1, 0.65 -0.65, 1 0, 0.5 0.8, -0.3 1"
)  # to be scaled; the first 25 points are the upper lid
BROW = curve("0.17 -0.25, 0.4 -0.37, 0.68 -0.25, 0.42 -0.28, 0.18 -0.16")
BRIDGE = curve("0.06 -0.05, 0.08 0.25, 0.2 0.5, 0.02 0.45")
WINGS = curve("-0.17 0.46, -0.18 0.56, -0.09 0.59, 0 0.62, 0.09 0.59, 0.18 0.56, 0.17 0.46", closed=False)
LIPS = curve("-1 0, -0.45 -0.075, 0 -0.055, 0.45 -0.075, 1 0, 0.55 0.1, 0 0.13, -0.55 0.1")
SEAM = curve("-1 0, -0.5 0, 0 0.01, 0.5 0, 1 0", closed=False)
OPEN_MOUTH = curve("-0.94 0, -0.5 0, 0 0.01, 0.5 0, 0.94 0, 0.5 0.09, 0 0.1, -0.5 0.09")
TEETH = read_points("-0.6 0, 0 0.01, 0.6 0, 0.5 0.035, -0.5 0.035")
FOLD = curve("0.26 0.5, 0.42 0.7, 0.46 0.9", closed=False)
WRINKLE = curve("-0.4 -0.62, 0 -0.65, 0.4 -0.62", closed=False)
LENS = curve("0.14 -0.14, 0.42 -0.19, 0.7 -0.14, 0.68 0.12, 0.43 0.23, 0.19 0.13")
JAW = curve("0 0.66, 0.3 0.68, 0.52 0.66, 0.9 0.55, 0.99 0.05, 1 0.7, 0.9 1.15, 0.6 1.5, 0 1.6", mirrored=True)
GOATEE = curve("0 0.62, 0.4 0.68, 0.42 1.1, 0.3 1.45, 0 1.5", mirrored=True)
MOUSTACHE = curve("0 0.66, 0.25 0.7, 0.42 0.9, 0.2 0.84, 0 0.8", mirrored=True)
BEARDS = {"stubble": (JAW, 0.4), "full": (JAW, 0.96), "goatee": (GOATEE, 0.95), "moustache": (MOUSTACHE, 0.98)}


class DrawnHead:
    """Face coordinates to image pixels, for one pose.

    Attributes:
        unit: pixels per face coordinate.
        turn: -1..1, how far the head is turned to the right.
        side: 1 or -1, the far side.
        ear: x of an ear; it comes forward as the head turns away from it.
        edge: (N, 2) the outline in image pixels of all bare skin in front of the near ear.
    """

    def __init__(self, pose: Pose, look: Look):
        self.pose, self.look = pose, look
        self.unit = pose.height / (CHIN - HAIRLINE)
        self.turn, self.side, self.ear = math.sin(pose.yaw), 1 if pose.yaw >= 0 else -1, math.cos(pose.yaw)
        cos, sin = math.cos(pose.roll) * self.unit, math.sin(pose.roll) * self.unit
        self._rotation = np.array([[cos, sin], [-sin, cos]])
        self._origin = (pose.x, pose.y) - np.array([0, (CHIN + HAIRLINE) / 2]) @ self._rotation
        self.edge = self.flat(self._outline())

    def flat(self, points: ArrayLike) -> np.ndarray:
        """Place points (N, 2) of the silhouette, which does not turn: roll, scale and shift only."""
        return np.asarray(points) @ self._rotation + self._origin

    def wrap(self, points: ArrayLike, lift: float = 0.0) -> np.ndarray:
        """Place points (N, 2) of the frontal face on the turned head; `lift` is how far they stand out of it."""
        x, y = np.asarray(points).T
        angle = (np.arcsin(x.clip(-1, 1)) + self.pose.yaw).clip(-np.pi / 2, np.pi / 2)
        y = y + self.pose.pitch * (0.4 * np.cos(angle) + lift)
        return self.flat(np.stack([np.sin(angle) + (lift + 0.04) * self.turn, y], axis=1))

    def face(self) -> np.ndarray:
        """Return the outline of the face from hairline to chin and ear to ear, in image pixels (N, 2)."""
        return self.flat(np.maximum(self._outline(), (-9, HAIRLINE)))

    def _outline(self) -> np.ndarray:
        """Return the head's edge (N, 2): the jaw swings out on the far side, and the near side ends at the ear."""
        x, y = OUTLINE.T
        down = np.clip((y + 0.1) / 1.5, 0, 1)
        x = x * (1 + (self.look.jaw - 1) * np.clip(y / 0.7, 0, 1))
        x = x + self.turn * (0.06 + 0.34 * down * down * (3 - 2 * down))
        return np.stack([np.maximum(x * self.side, -self.ear) * self.side, y], axis=1)


def draw_head(s: Surface, head: DrawnHead) -> None:
    """Draw ears and bare skin, shaded; features, hair and headwear go on top."""
    skin, dark, unit = head.look.skin, mix(head.look.skin, (20, 20, 60), 0.35), head.unit
    for side in (-1, 1) if abs(head.pose.yaw) < 0.2 else (-head.side,):
        x, y = side * (head.ear + 0.04), 0.17 - 0.3 * head.pose.pitch
        s.polygon(head.flat(np.add(EAR * (side, 1), (x, y))), mix(skin, (60, 60, 170), 0.12))
        s.tint(head.flat(ellipse(x + 0.05 * side, y, 0.05, 0.13)), dark, 0.5, 0.04 * unit)
    s.polygon(head.edge, skin)
    # One shadow on the side that the head turns from, one along the chin, light on the forehead.
    s.tint(head.flat(ellipse(-head.side, 0.5, 0.35, 1.1)), dark, 0.35, 0.35 * unit, head.edge)
    s.tint(head.flat(ellipse(head.turn * 0.4, CHIN + 0.05, 0.7, 0.2)), dark, 0.4, 0.16 * unit, head.edge)
    s.tint(head.wrap(ellipse(0.05, -0.62, 0.45, 0.2)), mix(skin, (225, 240, 255), 0.5), 0.45, 0.25 * unit, head.edge)


def draw_face(s: Surface, head: DrawnHead) -> None:
    """Draw eyes, brows, nose, mouth, beard, wrinkles and glasses."""
    look, unit, skin, edge = head.look, head.unit, head.look.skin, head.edge
    dark, blush = mix(skin, (20, 16, 50), 0.5), mix(skin, (70, 60, 225), 0.45)
    for side in (-1, 1):
        s.tint(head.wrap(ellipse(0.55 * side, 0.5, 0.22, 0.17)), blush, 0.42, 0.2 * unit, edge)
        s.tint(head.wrap(ellipse(0.42 * side, -0.07, 0.28, 0.17)), dark, 0.38, 0.12 * unit, edge)
    if look.beard:
        shape, opacity = BEARDS[look.beard]
        s.tint(head.wrap(shape, lift=0.03), mix(look.hair, skin, 0.12), opacity, 0.05 * unit, edge)
    for line in (FOLD, FOLD * (-1, 1), WRINKLE, WRINKLE * (1, 1.15)) if look.age > 0.5 and unit > 14 else ():
        s.line(head.wrap(line), mix(skin, dark, look.age * 0.5), 0.03 * unit)
    # The nose: bridge, shadow under the tip, light on it, wings and nostrils.
    s.tint(head.wrap(BRIDGE * (-head.side, 1), lift=0.1), dark, 0.45, 0.05 * unit, edge)
    s.tint(head.wrap(ellipse(0, NOSE + 0.05, 0.17, 0.05), lift=0.08), dark, 0.5, 0.06 * unit, edge)
    s.tint(head.wrap(ellipse(0, 0.34, 0.07, 0.16), lift=0.2), mix(skin, (230, 242, 255), 0.6), 0.5, 0.06 * unit, edge)
    s.line(head.wrap(WINGS, lift=0.14), mix(skin, dark, 0.75), 0.032 * unit)
    for x in (-0.08, 0.08) if unit > 10 else ():
        s.polygon(head.wrap(ellipse(x, NOSE, 0.04, 0.022), lift=0.15), mix(dark, (10, 8, 20), 0.4))
    draw_mouth(s, head)
    for side in (-1, 1):
        if look.glasses != "dark":
            draw_eye(s, head, side)
        s.polygon(head.wrap(BROW * (side, 1), lift=0.03), mix(mix(look.hair, (20, 24, 34), 0.35), skin, 0.12))
    if look.glasses:
        draw_glasses(s, head)


def draw_eye(s: Surface, head: DrawnHead, side: int) -> None:
    """Draw one eye: white, iris, pupil, a highlight, lids and lashes."""
    pose, look, unit, x = head.pose, head.look, head.unit, 0.42 * side
    lash = mix((24, 20, 24), look.skin, 0.06)
    rise, fall = 0.16 * pose.lids, 0.11 * min(1, pose.lids) * (0.7 if pose.smile > 0.6 else 1)
    eye = EYE * (0.22 * side, 1)
    eye[:, 1] *= np.where(eye[:, 1] < 0, rise, fall)
    eye[:, 0] += x
    s.polygon(head.wrap(eye), (236, 238, 240))
    for radius, color in ((0.115, look.iris), (0.06, (16, 14, 14))):
        disc = ellipse(x + 0.09 * pose.gaze, -0.02, radius, radius)
        disc[:, 1] = disc[:, 1].clip(-0.93 * rise, 0.93 * fall)  # behind the lids
        s.polygon(head.wrap(disc), color)
    s.line(head.wrap(eye[:25]), lash, (0.05 if look.female else 0.036) * unit)
    if unit > 10 and pose.lids > 0.3:
        s.polygon(head.wrap(ellipse(x + 0.09 * pose.gaze + 0.03, -0.05, 0.026, 0.026)), WHITE)


def draw_mouth(s: Surface, head: DrawnHead) -> None:
    """Draw lips, and teeth and tongue where the mouth is open."""
    pose, skin, unit, gap = head.pose, head.look.skin, head.unit, 0.26 * head.pose.opening

    def place(shape: np.ndarray) -> np.ndarray:
        """Raise a smile's corners, and lower the lower lip of an open mouth."""
        x, y = shape.T
        y = y + gap * (y / 0.1).clip(0, 1) - 0.11 * pose.smile * np.abs(x) ** 3
        return head.wrap(np.stack([(0.3 + 0.07 * max(pose.smile, 0)) * x, MOUTH + y], axis=1), lift=0.05)

    s.polygon(place(LIPS), mix(skin, (66, 47, 178), 0.58 if head.look.female else 0.32))
    if gap > 0.05:
        s.polygon(place(OPEN_MOUTH), (36, 22, 70))
        s.polygon(place(TEETH), (228, 236, 240))
        s.polygon(place(ellipse(0, 0.075, 0.42, 0.025)), (84, 70, 190))
    else:
        s.line(place(SEAM), mix(skin, (20, 12, 44), 0.8), 0.04 * unit)
    s.tint(head.wrap(ellipse(0, MOUTH + 0.22 + gap, 0.18, 0.04)), mix(skin, (20, 16, 50), 0.5), 0.4, 0.06 * unit)


def draw_glasses(s: Surface, head: DrawnHead) -> None:
    """Draw glasses; the near temple runs back to the ear."""
    frame = mix(head.look.accent, (20, 20, 24), 0.7)
    width = {"thin": 0.035, "thick": 0.075, "dark": 0.06}[head.look.glasses] * head.unit
    for side in (-1, 1):
        lens = head.wrap(LENS * (side, 1), lift=0.1)
        if head.look.glasses == "dark":
            s.polygon(lens, (34, 28, 26))
            s.tint(head.wrap(ellipse(0.36 * side, -0.05, 0.12, 0.06), lift=0.1), (150, 130, 120), 0.5, 0.04 * head.unit)
        s.line(lens, frame, width, closed=True)
        if side == -head.side or abs(head.pose.yaw) < 0.2:
            hinge = head.wrap([[0.7 * side, -0.08]], lift=0.1)
            s.line(np.concatenate([hinge, head.flat([[side * head.ear, 0.0]])]), frame, width)
    s.line(head.wrap([[-0.15, -0.06], [0, -0.1], [0.15, -0.06]], lift=0.12), frame, width)

"""People as layers: from the front with a face, or from behind without one; and a microphone before a face."""

import numpy as np
from numpy.typing import ArrayLike

from tools.sample.canvas import BLACK, BRIGHT, WHITE, Surface, curve, ellipse, mix, pick, read_points
from tools.sample.faces import DrawnHead, draw_face, draw_head
from tools.sample.hair import draw_back_hair, draw_hair, draw_skull
from tools.sample.looks import Look, Pose

# In face coordinates; a head is 2.8 high.
HIPS, FEET, LENGTH = 6.4, 13.2, 13.6  # below the eyes
LEG = read_points("0 5.8, 1.35 6.4, 1.5 9.6, 1.25 13.2, 0.5 13.2, 0.25 9.4")
ARM = curve("1.75 2.2, 2.3 2.9, 2.75 4.6, 2.3 6.4, 1.9 6.4, 1.8 4.6")
TORSO = curve("0.5 1.72, 1.2 1.95, 2 2.3, 2.25 3, 2 4.6, 1.5 6.4", mirrored=True)
NECK = curve("0.56 0.6, 0.54 1.5, 0.72 1.84, 0.4 2.05, 0 2.15", mirrored=True)
NECKLINE = curve("-0.74 1.8, -0.4 2.1, 0 2.2, 0.4 2.1, 0.74 1.8", closed=False)
V_NECK = read_points("-0.72 1.8, -0.4 2.1, 0 3, 0.4 2.1, 0.72 1.8")
SHIRT_FRONT = read_points("-0.62 1.75, 0 2.25, 0.62 1.75, 0.72 2.1, 0.05 4.6, -0.05 4.6, -0.72 2.1")
TIE = read_points("-0.17 2.12, 0.17 2.12, 0.12 2.4, 0.26 4.2, 0 4.5, -0.26 4.2, -0.12 2.4")
LAPEL = read_points("0.6 1.74, 1 1.95, 1.12 2.8, 0.86 2.9, 0.92 3.05, 0.03 4.7, 0.45 2.9")
COLLAR = read_points("0.58 1.62, 0.86 1.9, 0.5 2.62, 0.12 2.5")
TURTLENECK = curve("0 1.6, 0.58 1.42, 0.76 2, 0 2.25", mirrored=True)
STRIPE = read_points("-0.18 2.2, 0.18 2.2, 0.18 6.4, -0.18 6.4")


class Body:
    """Body coordinates to image pixels: upright, under the head, swung a little by its roll and yaw."""

    def __init__(self, head: DrawnHead):
        self.unit, self.look = head.unit, head.look
        self._base = head.flat([-0.16 * head.turn, 1.0])

    def place(self, points: ArrayLike) -> np.ndarray:
        """Turn points (N, 2), x from the spine, y with the chin near 1.4, into image pixels."""
        return (np.asarray(points) - (0, 1)) * self.unit + self._base


def draw_body(s: Surface, body: Body, rng: np.random.Generator) -> None:
    """Draw the body from neck to feet; most of it is usually outside the image."""
    look, unit, place = body.look, body.unit, body.place
    dark, light = mix(look.cloth, BLACK, 0.35), mix(look.cloth, WHITE, 0.25)
    girth = rng.uniform(0.91, 1.09) * (0.9 if look.female else 1)
    for side in (-1, 1):
        s.polygon(place(LEG * (side * rng.uniform(0.8, 1.1), 1)), mix(look.accent, (40, 36, 34), 0.6))
        s.polygon(place(ellipse(side, FEET, 0.65, 0.25)), (30, 28, 30))
        s.polygon(place(ARM * (side * girth, 1)), mix(look.cloth, dark, 0.55))  # darker, to stand out from the torso
        s.polygon(place(ellipse(side * 2.12 * girth, 6.6, 0.3, 0.36)), look.skin)
    torso = place(TORSO * (girth, 1))
    s.polygon(torso, look.cloth)
    depth = {"vneck": 8, "suit": 4.5, "shirt": 3.5}.get(look.outfit, 0)
    neck = place(NECK + np.outer((NECK[:, 1] - 2.05).clip(0), (0, depth)))
    s.polygon(neck, mix(look.skin, (20, 20, 60), 0.1))
    s.tint(place(ellipse(0.05, 1.35, 0.75, 0.36)), mix(look.skin, (10, 10, 40), 0.55), 0.7, 0.2 * unit, neck)
    draw_clothes(s, body)
    s.tint(place(ellipse(-1.5, 2.6, 0.7, 0.4)), light, 0.35, 0.5 * unit, torso)
    s.tint(place(ellipse(1.9, 4, 0.5, 1.8)), dark, 0.5, 0.6 * unit, torso)


def draw_clothes(s: Surface, body: Body) -> None:
    """Draw the details that tell a suit from a jersey."""
    look, unit, place = body.look, body.unit, body.place
    dark, light, white = mix(look.cloth, BLACK, 0.3), mix(look.cloth, WHITE, 0.1), (232, 230, 226)
    if look.outfit == "suit":
        s.polygon(place(SHIRT_FRONT), white if sum(look.accent) < 420 else (214, 190, 170))
        if not look.female:
            s.polygon(place(TIE), look.accent)
    if look.outfit in ("suit", "shirt"):
        for side in (-1, 1):
            part = place((LAPEL if look.outfit == "suit" else COLLAR) * (side, 1))
            s.polygon(part, light)
            s.line(part, dark, 0.03 * unit, closed=True)
        s.line(place([[0.02, 4.6 if look.outfit == "suit" else 2.55], [0.02, HIPS]]), dark, 0.04 * unit)
        for y in (3.0, 3.7, 4.4, 5.1) if look.outfit == "shirt" else ():
            s.polygon(place(ellipse(0, y, 0.05, 0.05)), white)
    elif look.outfit == "turtleneck":
        s.polygon(place(TURTLENECK), light)
    else:
        for x in (-1.25, -0.42, 0.42, 1.25) if look.outfit == "jersey" else ():
            s.polygon(place(np.add(STRIPE, (x, 0))), mix(look.cloth, look.accent, 0.75))
        s.line(place(V_NECK if look.outfit == "vneck" else NECKLINE), dark, 0.1 * unit)


def person_layer(pose: Pose, size: tuple[int, int]) -> Surface:
    """Return an empty layer for one person in an image of `size` (width, height)."""
    left, right = max(0, int(pose.x - 1.75 * pose.height)), min(size[0], int(pose.x + 1.75 * pose.height) + 1)
    top = max(0, int(pose.y - 1.2 * pose.height))
    bottom = min(size[1], int(pose.y + LENGTH / 2.37 * pose.height) + 2)
    scale = 1 if pose.height > 90 else 2 if pose.height > 32 else 3  # eyes of two pixels need averaging most
    return Surface(left, top, right - left, bottom - top, scale)


def draw_person(
    pose: Pose, look: Look, size: tuple[int, int], rng: np.random.Generator, faces_away: bool = False
) -> tuple[Surface, np.ndarray]:
    """Draw one person, from the front or from behind; return the layer, and the outline (N, 2) of the face."""
    head, s = DrawnHead(pose, look), person_layer(pose, size)
    if faces_away:
        draw_body(s, Body(head), rng)
        draw_skull(s, head)
        draw_back_hair(s, head)
        s.tint(head.flat(ellipse(-0.3, -0.9, 0.4, 0.25)), WHITE, 0.15, 0.3 * head.unit, head.edge)
        s.tint(head.flat(ellipse(0.4, 0.6, 0.6, 0.4)), (10, 10, 20), 0.35, 0.4 * head.unit, head.edge)
    else:
        draw_back_hair(s, head)
        draw_body(s, Body(head), rng)
        draw_skull(s, head)
        draw_head(s, head)
        draw_face(s, head)
        draw_hair(s, head, rng)
    s.reduce()
    gains = np.linspace(*(1 + rng.uniform(0.1, 0.25) * rng.permutation([0.5, -1])), s.width)  # light from a side
    s.pixels[..., :3] = np.minimum(s.pixels[..., :3] * gains[:, None], s.pixels[..., 3:])  # premultiplied
    return s, head.face()


def draw_microphone(pose: Pose, size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw a microphone that reaches from below to the chin, sometimes to the mouth. Returns the layer."""
    s, h, lean, color = person_layer(pose, size), pose.height, rng.uniform(-0.35, 0.35), pick(rng, BRIGHT)
    x, y = pose.x + h * (0.25 * np.sin(pose.yaw) + rng.normal(0, 0.06)), pose.y + h * rng.uniform(0.36, 0.62)
    top, down = np.array([x, y]), h * np.array([np.sin(lean), np.cos(lean)])
    s.line([top, top + 1.6 * down], (44, 42, 42), 0.1 * h)
    s.line([top + 0.16 * down, top + 0.32 * down], color, 0.2 * h)  # the station's cube
    ball = ellipse(x, y, 0.11 * h, 0.13 * h, -lean)
    s.polygon(ball, mix(color, (50, 50, 50), 0.6))
    s.tint(ellipse(x - 0.03 * h, y - 0.04 * h, 0.04 * h, 0.04 * h), WHITE, 0.5, 0.05 * h, ball)
    s.reduce()
    return s

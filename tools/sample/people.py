"""People as layers: from the front with a face, or from behind without one; and what hides part of a face."""

import numpy as np

from tools.sample.bodies import LENGTH, Body, draw_body
from tools.sample.canvas import Surface, ellipse, mix, rectangle, smooth
from tools.sample.faces import Head, draw_face, draw_head
from tools.sample.hair import draw_back_hair, draw_hair, draw_skull
from tools.sample.looks import Look, Pose


def person_layer(pose: Pose, size: tuple[int, int]) -> Surface | None:
    """Return an empty layer for one person in an image of `size` (width, height), or None when outside of it."""
    reach = 1.75 * pose.height
    left, right = max(0, int(pose.x - reach)), min(size[0], int(pose.x + reach) + 1)
    top = max(0, int(pose.y - 1.2 * pose.height))
    bottom = min(size[1], int(pose.y + LENGTH / 2.37 * pose.height) + 2)
    if right <= left or bottom <= top:
        return None
    # The smaller a face, the more stored pixels: eyes of two pixels need the averaging most.
    scale = 1 if pose.height > 90 else 2 if pose.height > 32 else 3
    return Surface(left, top, right - left, bottom - top, scale=scale)


def draw_person(look: Look, pose: Pose, size: tuple[int, int], rng: np.random.Generator) -> tuple[Surface, np.ndarray]:
    """Draw one person.

    Args:
        look, pose: a `Look` and a `Pose`.
        size: (width, height) of the image in pixels.
        rng: places the small things, such as strands of hair.

    Returns:
        the layer, and the outline of the face (hairline to chin, ear to ear) in image pixels (N, 2).
    """
    head = Head(pose, look)
    surface = person_layer(pose, size)
    draw_back_hair(surface, head, look)
    draw_body(surface, Body(head), look, rng)
    draw_skull(surface, head, look)
    draw_head(surface, head, look)
    draw_face(surface, head, look)
    draw_hair(surface, head, look, rng)
    surface.reduce()
    strength = rng.uniform(0.08, 0.3)
    surface.shade(1 + strength * 0.5, 1 - strength, rng.uniform(0, 2 * np.pi))
    return surface, head.face()


def draw_back(look: Look, pose: Pose, size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw the same person from behind: hair or a bare skull over shoulders, and no face. Returns the layer."""
    head = Head(pose, look)
    surface, unit = person_layer(pose, size), head.unit
    bare = look.style in ("bald", "receding", "buzz")
    hair = look.cloth if look.style in ("headscarf", "beanie", "helmet", "cap", "hat") else look.hair
    draw_body(surface, Body(head), look, rng)
    for side in (-1, 1):
        surface.polygon(head.flat(ellipse((side * 1.02, 0.15), (0.14, 0.25))), mix(look.skin, (60, 60, 170), 0.12))
    low = 2.2 if look.style in ("long", "waves", "fringe") else 0.95
    skull = [
        [0, -1.5],
        [0.75, -1.25],
        [1.08, -0.5],
        [1.02, 0.3],
        [0.85, low * 0.9],
        [0, low + 0.1],
        [-0.85, low * 0.9],
        [-1.02, 0.3],
        [-1.08, -0.5],
        [-0.75, -1.25],
    ]
    skull = head.flat(smooth(skull))
    surface.polygon(skull, look.skin if bare else hair)
    surface.soft(
        head.flat(ellipse((-0.3, -0.9), (0.4, 0.25))),
        mix(look.skin if bare else hair, (225, 240, 255), 0.3),
        0.5,
        0.3 * unit,
        skull,
    )
    surface.soft(head.flat(ellipse((0.5, 0.6), (0.6, 0.4))), (10, 10, 20), 0.35, 0.4 * unit, skull)
    surface.reduce()
    surface.shade(1.05, 0.8, rng.uniform(0, 2 * np.pi))
    return surface


def draw_microphone(pose: Pose, size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw a microphone that reaches from below to the chin, sometimes to the mouth. Returns the layer."""
    surface, h = person_layer(pose, size), pose.height
    lean = rng.uniform(-0.35, 0.35)
    x, y = pose.x + h * (0.5 * np.sin(pose.yaw) * 0.5 + rng.normal(0, 0.06)), pose.y + h * rng.uniform(0.36, 0.62)
    foot = (x + lean * 1.6 * h, y + 1.6 * h)
    across = np.array([np.cos(lean), -np.sin(lean)]) * 0.05 * h
    top = np.array([x, y])
    surface.polygon([top - across, top + across, foot + across, foot - across], (44, 42, 42))
    colour = [(60, 60, 64), (40, 40, 190), (180, 90, 30), (40, 150, 60), (30, 150, 220)][rng.integers(5)]
    ball = ellipse((x, y), (0.11 * h, 0.13 * h), lean)
    surface.polygon(ball, mix(colour, (70, 70, 70), 0.3))
    surface.soft(ellipse((x - 0.03 * h, y - 0.04 * h), (0.04 * h, 0.04 * h)), (255, 255, 255), 0.5, 0.05 * h, ball)
    if rng.random() < 0.6:  # the station's cube
        cube = top + np.array([np.sin(lean), np.cos(lean)]) * 0.24 * h
        surface.polygon(rectangle(cube[0] - 0.1 * h, cube[1] - 0.09 * h, 0.2 * h, 0.18 * h), colour)
        surface.ellipse(cube, (0.05 * h, 0.05 * h), (240, 240, 240))
    surface.reduce()
    return surface


def draw_hand(look: Look, pose: Pose, size: tuple[int, int], rng: np.random.Generator) -> Surface:
    """Draw the person's own hand at the chin or the cheek, with a sleeve. Returns the layer."""
    surface, h = person_layer(pose, size), pose.height
    side = rng.choice([-1, 1])
    x, y = pose.x + side * h * rng.uniform(0.16, 0.34), pose.y + h * rng.uniform(0.3, 0.48)
    shade = mix(look.skin, (20, 20, 60), 0.35)
    wrist, elbow = np.array([x + side * 0.08 * h, y + 0.34 * h]), np.array([x + side * 0.5 * h, y + 1.5 * h])
    surface.line([wrist, wrist + (elbow - wrist) * 0.4], mix(look.skin, shade, 0.3), 0.2 * h)
    surface.line([wrist + (elbow - wrist) * 0.22, elbow], look.cloth, 0.32 * h)
    palm = smooth(
        np.array([[-0.13, 0.05], [-0.11, -0.08], [0.11, -0.1], [0.16, 0.05], [0.12, 0.32], [-0.05, 0.34]])
        * (h * side, h)
        + (x, y)
    )
    surface.polygon(palm, look.skin)
    for finger in range(4):
        base = np.array([x + side * h * (-0.09 + 0.065 * finger), y + 0.02 * h])
        tip = base + np.array([-side * 0.03, -0.16 - 0.025 * (finger in (1, 2))]) * h
        surface.line([base, tip], shade, 0.078 * h)
        surface.line([base, tip], look.skin, 0.064 * h)
    surface.reduce()
    return surface

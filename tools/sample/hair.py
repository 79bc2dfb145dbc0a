"""Hair and headwear, around and over a head that is already drawn."""

import numpy as np

from tools.sample.canvas import Surface, ellipse, mix, smooth
from tools.sample.faces import Head
from tools.sample.looks import Look

# How far each style stands off the skull at the sides and on top, in face coordinates.
VOLUME = {
    "short": (0.07, 0.14),
    "part": (0.09, 0.2),
    "buzz": (0.02, 0.04),
    "receding": (0.06, 0.05),
    "quiff": (0.07, 0.34),
    "long": (0.16, 0.2),
    "bob": (0.2, 0.2),
    "fringe": (0.16, 0.2),
    "bun": (0.08, 0.14),
    "ponytail": (0.07, 0.13),
    "waves": (0.22, 0.24),
    "curly": (0.3, 0.36),
}
FLOWING = {"long": 2.5, "bob": 1.25, "fringe": 1.9, "waves": 2.3}  # how low the hair falls


def draw_back_hair(surface: Surface, head: Head, look: Look) -> None:
    """Draw what lies behind the neck and the face; call it before the body is drawn."""
    centre = -0.3 * head.turn
    if look.style in FLOWING:
        low, wide = FLOWING[look.style], 1.12 + VOLUME[look.style][0]
        shape = [
            [-0.9, -0.9],
            [0.9, -0.9],
            [wide, 0.0],
            [wide * 1.06, 0.5 * low],
            [wide * 0.98, low],
            [0.4, low + 0.12],
            [-0.4, low + 0.12],
            [-wide * 0.98, low],
            [-wide * 1.06, 0.5 * low],
            [-wide, 0.0],
        ]
        surface.polygon(head.flat(smooth(np.add(shape, (centre, 0)))), mix(look.hair, (0, 0, 0), 0.3))
    elif look.style == "ponytail" and abs(head.turn) > 0.15:
        x = -head.side
        tail = smooth([[x * 1.0, -0.7], [x * 1.5, -0.4], [x * 1.55, 0.6], [x * 1.25, 1.6], [x * 1.1, 0.8], [x, 0.1]])
        surface.polygon(head.flat(tail), mix(look.hair, (0, 0, 0), 0.2))
    elif look.style == "bun":
        at = (-0.7 * head.turn, -1.62)
        surface.polygon(head.flat(ellipse(at, (0.42, 0.36))), look.hair)
        surface.soft(
            head.flat(ellipse((at[0] - 0.1, at[1] - 0.1), (0.16, 0.1))),
            mix(look.hair, (255, 255, 255), 0.4),
            0.5,
            0.12 * head.unit,
        )


def draw_skull(surface: Surface, head: Head, look: Look) -> None:
    """Draw the back of the head, which shows behind a turned face's near ear; call it before the face's skin."""
    # A skull is longer than wide.
    centre, wide = -0.3 * head.turn, 1.0 + 0.12 * abs(head.turn)
    if look.style in ("bald", "receding", "buzz"):
        surface.polygon(head.flat(ellipse((centre, -0.3), (wide, 1.08))), look.skin)
        return
    side = VOLUME[look.style][0] if look.style in VOLUME else 0.0
    surface.polygon(head.flat(ellipse((centre, -0.22), (wide + side - 0.02, 1.16))), mix(look.hair, (0, 0, 0), 0.18))


def stretch(head: Head, x: np.ndarray, volume: float) -> np.ndarray:
    """Turn x of a frontal outline (-1..1) into silhouette x: `volume` wider, and longer behind a turned head."""
    behind = np.where(x * head.side < 0, 0.36, 0.04) * abs(head.turn)
    return x * (1 + volume + behind) - 0.1 * head.turn * (1 - abs(x))


def cap_outline(head: Head, look: Look, temple: float = -0.1) -> np.ndarray:
    """Return the hair over the forehead as a polygon (N, 2): outer edge on the silhouette, hairline on the face."""
    side, top = VOLUME[look.style]
    lean = 0.12 * look.parting if look.style in ("part", "quiff") else 0.0
    outer = np.array(
        [
            [-1, temple + 0.1],
            [-1, -0.5],
            [-0.82, -1.0],
            [-0.45 + lean, -1.32 - 0.8 * top],
            [lean, -1.38 - top],
            [0.45 + lean, -1.32 - 0.8 * top],
            [0.82, -1.0],
            [1, -0.5],
            [1, temple + 0.1],
        ]
    )
    outer[:, 0] = stretch(head, outer[:, 0], side)
    line = {
        "part": [
            [0.97, temple],
            [0.88, -0.52],
            [0.6, -0.84],
            [look.parting * 0.7, -1.06],
            [look.parting * 0.7 - 0.2, -0.86],
            [-0.6, -0.84],
            [-0.88, -0.52],
            [-0.97, temple],
        ],
        "receding": [
            [0.98, temple],
            [0.93, -0.5],
            [0.86, -0.9],
            [0.5, -1.22],
            [0, -1.1],
            [-0.5, -1.22],
            [-0.86, -0.9],
            [-0.93, -0.5],
            [-0.98, temple],
        ],
        "quiff": [[0.97, temple], [0.9, -0.56], [0.6, -0.92], [0, -1.0], [-0.6, -0.92], [-0.9, -0.56], [-0.97, temple]],
        "fringe": [
            [0.97, temple + 0.2],
            [0.84, -0.42],
            [0.4, -0.5],
            [0, -0.47],
            [-0.4, -0.5],
            [-0.84, -0.42],
            [-0.97, temple + 0.2],
        ],
        "long": [
            [0.97, temple + 0.3],
            [0.84, -0.34],
            [0.5, -0.74],
            [look.parting * 0.6, -1.06],
            [-0.5, -0.74],
            [-0.84, -0.34],
            [-0.97, temple + 0.3],
        ],
    }
    line["waves"] = line["bob"] = line["long"]
    plain = [
        [0.97, temple],
        [0.89, -0.5],
        [0.62, -0.82],
        [0.2, -0.93],
        [-0.2, -0.93],
        [-0.62, -0.82],
        [-0.89, -0.5],
        [-0.97, temple],
    ]
    hairline = smooth(line.get(look.style, plain), closed=False)
    return np.concatenate([head.flat(smooth(outer, closed=False)), head.wrap(hairline)])


def draw_hair(surface: Surface, head: Head, look: Look, rng: np.random.Generator) -> None:
    """Draw the hair in front of the face, with gloss and strands; `rng` places strands and curls."""
    unit, hair = head.unit, look.hair
    if look.style not in VOLUME:
        if look.style != "bald":
            draw_headwear(surface, head, look)
        return
    cap = cap_outline(head, look)
    light, dark = mix(hair, (210, 230, 255), 0.28), mix(hair, (0, 0, 0), 0.4)
    if look.style == "buzz":
        surface.soft(cap, hair, 0.9, 0.06 * unit)
        return
    surface.polygon(cap, hair)
    if look.style == "curly":
        centre = -0.26 * head.turn
        for turn in np.linspace(np.pi * 0.96, np.pi * 2.04, 15):
            at = (centre + 1.1 * np.cos(turn) + rng.normal(0, 0.03), -0.3 + 1.22 * np.sin(turn))
            if abs(head.turn) > 0.2 and np.cos(turn) * head.side > 0.6:
                continue  # on the far side these would hang over the eye
            surface.polygon(head.flat(ellipse(at, (0.26, 0.26), count=16)), mix(hair, dark, rng.random() * 0.4))
        for x in np.linspace(-0.75, 0.75, 6):
            if x * head.side * abs(head.turn) < 0.2:  # a curl on the far edge would hang over the eye
                at = head.wrap([[x, -1.0 + 0.35 * x * x]])[0]
                surface.polygon(ellipse(at, (0.2 * unit, 0.16 * unit), count=16), hair)
    if look.style in FLOWING:
        low = FLOWING[look.style] * 0.96
        for side in (-1, 1):
            # The locks in front of the ears: near ones hang from the temple, far ones along the cheek's edge.
            far = side == head.side and abs(head.turn) > 0.2
            inner = head.turn * 0.06 + side * (1.0 if far else np.cos(head.pose.yaw) * 0.97)
            wide = 0.1 if far else 0.3 + 0.2 * abs(head.turn)
            wave = 0.06 if look.style == "waves" else 0.0
            lock = [
                [inner - side * 0.05, -0.6],
                [inner + side * wave, 0.1],
                [inner - side * 0.02, 0.55],
                [inner + side * (0.02 + wave), low * 0.75],
                [inner + side * 0.06, low],
                [inner + side * wide, low * 0.98],
                [inner + side * (wide + wave), low * 0.5],
                [inner + side * wide, -0.3],
            ]
            surface.polygon(head.flat(smooth(lock)), hair)
            strand = smooth(
                [
                    [inner + side * 0.5 * wide, -0.5],
                    [inner + side * 0.55 * wide, 0.3],
                    [inner + side * 0.45 * wide, low * 0.9],
                ],
                closed=False,
            )
            surface.line(head.flat(strand), light, 0.03 * unit, opacity=0.5)
    gloss = ellipse((-0.26 * head.turn - 0.2, -1.12), (0.55, 0.12))
    surface.soft(head.flat(gloss), light, 0.6, 0.14 * unit, cap)
    surface.soft(head.wrap(ellipse((0, -0.88), (0.9, 0.07))), dark, 0.3, 0.08 * unit, cap)
    if unit > 9 and look.style != "curly":
        for start in np.linspace(-0.75, 0.75, 7) + rng.normal(0, 0.05, 7):
            root = np.array([look.parting * 0.3, -1.36])
            tip = np.array([start, -0.98 + 0.3 * start**2])
            middle = (root + tip) / 2 + (start * 0.22, -0.07)
            strand = smooth(np.add([root, middle, tip], (-0.2 * head.turn, 0)), closed=False)
            surface.line(head.flat(strand), light if rng.random() < 0.5 else dark, 0.022 * unit, opacity=0.35)


def draw_headwear(surface: Surface, head: Head, look: Look) -> None:
    """Draw cap, beanie, hat, helmet or headscarf, at the hairline so that the face stays free."""
    unit, cloth = head.unit, look.cloth
    dark, light = mix(cloth, (0, 0, 0), 0.35), mix(cloth, (255, 255, 255), 0.3)
    centre = -0.22 * head.turn
    if look.style == "headscarf":
        inner = head.wrap(
            smooth(
                [[0.93, 0.3], [0.9, -0.35], [0.62, -0.8], [0, -0.93], [-0.62, -0.8], [-0.9, -0.35], [-0.93, 0.3]],
                closed=False,
            )
        )
        chin = np.add([[-0.82, 0.85], [-0.45, 1.36], [0, 1.5], [0.45, 1.36], [0.82, 0.85]], (0.3 * head.turn, 0))
        shape = [
            [0, -1.56],
            [-0.7, -1.36],
            [-1.1, -0.8],
            [-1.2, 0.1],
            [-1.15, 1.0],
            [-1.3, 1.9],
            [0, 2.4],
            [1.3, 1.9],
            [1.15, 1.0],
            [1.2, 0.1],
            [1.1, -0.8],
            [0.7, -1.36],
        ]
        outer = head.flat(smooth(np.add(shape, (0.8 * centre, 0))))
        # The ring between outer edge and face opening, cut open at the crown to be one polygon.
        opening = np.concatenate([inner, head.flat(chin)])
        start = int(np.argmin(np.linalg.norm(opening - outer[0], axis=1)))
        opening = np.roll(opening, -start, axis=0)
        surface.polygon(np.concatenate([outer, outer[:1], opening, opening[:1]]), cloth)
        surface.line(opening, dark, 0.05 * unit, closed=True, opacity=0.7)
        for x in (-0.8, 0.85):
            fold = smooth([[x * 1.2 + centre, -0.5], [x * 1.28 + centre, 0.6], [x * 0.7, 1.7]], closed=False)
            surface.line(head.flat(fold), dark, 0.05 * unit, opacity=0.5)
        surface.soft(head.flat(ellipse((centre - 0.2, -1.25), (0.5, 0.12))), light, 0.5, 0.15 * unit)
        return
    fall = -0.42 if look.style != "beanie" else -0.3
    top = {"cap": -1.62, "beanie": -1.72, "hat": -1.95, "helmet": -1.75}[look.style]
    dome = np.array([[-1, fall], [-1, -0.85], [-0.68, top + 0.12], [0, top], [0.68, top + 0.12], [1, -0.85], [1, fall]])
    dome[:, 0] = stretch(head, dome[:, 0], 0.1)
    rim = [[0.97, fall], [0.72, -0.78], [0, -0.93], [-0.72, -0.78], [-0.97, fall]]
    shape = np.concatenate([head.flat(smooth(dome, closed=False)), head.wrap(smooth(rim, closed=False))])
    surface.polygon(shape, cloth)
    surface.soft(head.flat(ellipse((centre - 0.3, top + 0.35), (0.4, 0.16))), light, 0.55, 0.2 * unit, shape)
    band = head.wrap(smooth(np.array(rim) - (0, 0.07), closed=False))
    surface.line(band, look.accent if look.style != "helmet" else dark, 0.16 * unit)
    if look.style == "cap":
        peak = [
            [-0.62, -0.88],
            [0, -1.0],
            [0.62, -0.88],
            [0.72, -0.78],
            [0.3, -0.8],
            [0, -0.82],
            [-0.3, -0.8],
            [-0.72, -0.78],
        ]
        surface.polygon(head.wrap(smooth(peak), lift=0.35), dark)
    elif look.style == "hat":
        brim = ellipse((centre + 0.1 * head.turn, -0.98), (1.75, 0.2))
        surface.polygon(head.flat(brim), dark)
        surface.line(head.flat(brim[18:]), light, 0.03 * unit, opacity=0.6)
    elif look.style == "beanie":
        for x in np.linspace(-0.8, 0.8, 7):
            rib = smooth([[x, -0.95 + 0.25 * x * x], [x * 0.9, -1.3], [x * 0.5, top + 0.12]], closed=False)
            surface.line(head.flat(np.add(rib, (centre, 0))), dark, 0.03 * unit, opacity=0.5)

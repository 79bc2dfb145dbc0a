"""Hair and headwear, around and over a head."""

import numpy as np

from tools.sample.canvas import BLACK, WHITE, Surface, curve, ellipse, mix
from tools.sample.faces import DrawnHead

VOLUME = {  # how far each style stands off the skull at the sides and on top, in face coordinates
    **{"short": (0.07, 0.14), "part": (0.09, 0.24), "buzz": (0.02, 0.04), "receding": (0.06, 0.05)},
    **{"long": (0.16, 0.2), "bob": (0.2, 0.2), "fringe": (0.16, 0.2), "bun": (0.08, 0.14), "curly": (0.3, 0.36)},
}
FLOWING = {"long": 2.5, "bob": 1.25, "fringe": 1.9}  # how low the hair falls
HEADWEAR = {"cap": -1.62, "beanie": -1.72, "hat": -1.95, "headscarf": -1.6}  # y of its top
BARE = ("bald", "receding", "buzz")

CAP = curve("-1 0, -1 -0.5, -0.82 -1, -0.45 -1.32, 0 -1.38, 0.45 -1.32, 0.82 -1, 1 -0.5, 1 0", closed=False)
HAIRLINE = curve("0.97 -0.1, 0.89 -0.5, 0.62 -0.84, 0 -0.95, -0.62 -0.84, -0.89 -0.5, -0.97 -0.1", closed=False)
LONG = curve("0.97 0.2, 0.84 -0.34, 0.5 -0.74, 0 -1.06, -0.5 -0.74, -0.84 -0.34, -0.97 0.2", closed=False)
FRINGE = curve("0.97 0.1, 0.84 -0.42, 0.4 -0.5, 0 -0.47, -0.4 -0.5, -0.84 -0.42, -0.97 0.1", closed=False)
RECEDING = curve("0.98 -0.1, 0.93 -0.5, 0.86 -0.9, 0.5 -1.22, 0 -1.1, -0.5 -1.22, -0.9 -0.7, -0.98 -0.1", closed=False)
HAIRLINES = {"long": LONG, "bob": LONG, "fringe": FRINGE, "receding": RECEDING}
FALL = curve("0.9 -0.9, 1.28 0, 1.34 0.5, 1.26 1, 0.4 1.05", mirrored=True)  # of long hair, to be lengthened
SCARF = curve("0 -1.56, 0.7 -1.36, 1.1 -0.8, 1.2 0.1, 1.15 1, 1.3 1.9, 0 2.5", mirrored=True)
DOME = curve("-1 -0.4, -1 -0.85, -0.68 -0.92, 0 -1, 0.68 -0.92, 1 -0.85, 1 -0.4", closed=False)  # top to be raised
RIM = curve("0.97 -0.4, 0.72 -0.78, 0 -0.93, -0.72 -0.78, -0.97 -0.4", closed=False)
PEAK = curve("0 -1, 0.62 -0.88, 0.72 -0.78, 0.3 -0.8, 0 -0.82", mirrored=True)


def draw_back_hair(s: Surface, head: DrawnHead) -> None:
    """Draw the hair behind the neck and the face, before the body is drawn."""
    if head.look.style in FLOWING:
        fall = FALL + np.outer(FALL[:, 1].clip(0), (0, FLOWING[head.look.style] - 1)) - (0.3 * head.turn, 0)
        s.polygon(head.flat(fall), mix(head.look.hair, BLACK, 0.3))
    elif head.look.style == "bun":
        s.polygon(head.flat(ellipse(-0.7 * head.turn, -1.62, 0.42, 0.36)), head.look.hair)


def draw_skull(s: Surface, head: DrawnHead) -> None:
    """Draw the back of the head, which shows behind a turned face's near ear, before the face's skin."""
    look, center, wide = head.look, -0.3 * head.turn, 1 + 0.12 * abs(head.turn)  # a skull is longer than wide
    if look.style == "headscarf":
        s.polygon(head.flat(np.add(SCARF, (0.4 * center, 0))), look.cloth)
    elif look.style in BARE:
        s.polygon(head.flat(ellipse(center, -0.3, wide, 1.08)), look.skin)
    else:
        wide += VOLUME.get(look.style, (0,))[0] - 0.02
        s.polygon(head.flat(ellipse(center, -0.22, wide, 1.16)), mix(look.hair, BLACK, 0.18))


def draw_hair(s: Surface, head: DrawnHead, rng: np.random.Generator) -> None:
    """Draw hair or headwear over the forehead; `rng` places strands and curls."""
    look, unit, hair, style, turn = head.look, head.unit, head.look.hair, head.look.style, head.turn
    if style in HEADWEAR:
        draw_headwear(s, head)
    if style not in VOLUME:
        return
    side, top = VOLUME[style]
    line = HAIRLINES.get(style, HAIRLINE).copy()
    if style not in ("fringe", "receding"):
        line[:, 0] += 0.6 * look.parting * (1 - line[:, 0] ** 2)
    cap = crown(head, CAP - np.outer(((-1 - CAP[:, 1]) / 0.38).clip(0, 1), (0, top)), line, side)
    light, dark = mix(hair, (210, 230, 255), 0.28), mix(hair, BLACK, 0.4)
    if style == "buzz":
        s.tint(cap, hair, 0.9, 0.06 * unit)
        return
    s.polygon(cap, hair)
    if style == "curly":
        draw_curls(s, head, rng)
    elif style in FLOWING:
        draw_locks(s, head)
    s.tint(head.flat(ellipse(-0.26 * turn - 0.2, -1.12, 0.55, 0.12)), light, 0.6, 0.14 * unit, cap)
    s.tint(head.wrap(ellipse(0, -0.88, 0.9, 0.07)), dark, 0.3, 0.08 * unit, cap)
    for x in np.linspace(-0.75, 0.75, 7) + rng.normal(0, 0.05, 7) if unit > 9 and style != "curly" else ():
        strand = [[look.parting * 0.3, -1.36], [0.7 * x + look.parting * 0.15, -1.26], [x, -0.98 + 0.3 * x * x]]
        color = mix(hair, light if rng.random() < 0.5 else dark, 0.35)
        s.line(head.flat(np.subtract(strand, (0.2 * turn, 0))), color, 0.022 * unit)


def crown(head: DrawnHead, outer: np.ndarray, line: np.ndarray, volume: float) -> np.ndarray:
    """Return hair or a hat over the forehead as a polygon, `outer` on the silhouette and `line` on the face.

    It stands off the skull by `volume` at the sides, and is longer behind a turned head.
    """
    x, y = outer.T
    behind = np.where(x * head.side < 0, 0.36, 0.04) * abs(head.turn)
    x = x * (1 + volume + behind) - 0.1 * head.turn * (1 - abs(x))
    return np.concatenate([head.flat(np.stack([x, y], axis=1)), head.wrap(line)])


def draw_curls(s: Surface, head: DrawnHead, rng: np.random.Generator) -> None:
    """Draw curls around the skull and over the forehead; on the far side of a turned head they would hide an eye."""
    facing = head.side * abs(head.turn)
    for angle in np.linspace(np.pi * 0.96, np.pi * 2.04, 15):
        x, y = np.cos(angle), np.sin(angle)
        if x * facing < 0.12:
            curl = ellipse(1.1 * x - 0.26 * head.turn + rng.normal(0, 0.03), 1.22 * y - 0.3, 0.26, 0.26)
            s.polygon(head.flat(curl), mix(head.look.hair, BLACK, rng.random() * 0.16))


def draw_locks(s: Surface, head: DrawnHead) -> None:
    """Draw the locks in front of the ears: near ones hang from the temple, far ones along the cheek's edge."""
    low = FLOWING[head.look.style] * 0.96
    for side in (-1, 1):
        is_far = side == head.side and abs(head.turn) > 0.2
        inner = head.turn * 0.06 + side * (1.0 if is_far else head.ear * 0.97)
        wide = side * (0.1 if is_far else 0.3 + 0.2 * abs(head.turn))
        x = inner + np.array([0, 0, 0, 0, 0.1, 1, 1, 1]) * wide
        y = [-0.6, 0.1, 0.55, 0.75 * low, low, 0.98 * low, 0.5 * low, -0.3]
        s.polygon(head.flat(np.stack([x, y], axis=1)), head.look.hair)
        strand = [[inner + 0.5 * wide, -0.5], [inner + 0.45 * wide, 0.9 * low]]
        s.line(head.flat(strand), mix(head.look.hair, WHITE, 0.14), 0.03 * head.unit)


def draw_headwear(s: Surface, head: DrawnHead) -> None:
    """Draw cap, beanie, hat or headscarf, at the hairline so that the face stays free."""
    look, unit, center, top = head.look, head.unit, -0.22 * head.turn, HEADWEAR[head.look.style]
    dark, light = mix(look.cloth, BLACK, 0.35), mix(look.cloth, WHITE, 0.3)
    dome = crown(head, DOME + np.outer(((-0.8 - DOME[:, 1]) / 0.2).clip(0, 1), (0, top + 1)), RIM, 0.1)
    s.polygon(dome, look.cloth)
    s.tint(head.flat(ellipse(center - 0.3, top + 0.35, 0.4, 0.16)), light, 0.55, 0.2 * unit, dome)
    if look.style != "headscarf":
        s.line(head.wrap(RIM - (0, 0.07)), look.accent, 0.16 * unit)
    if look.style == "cap":
        s.polygon(head.wrap(PEAK, lift=0.35), dark)
    elif look.style == "hat":
        s.polygon(head.flat(ellipse(0.5 * center, -0.98, 1.75, 0.2)), dark)

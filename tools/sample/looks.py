"""What a person looks like and how they hold their head: the random choices, apart from the drawing."""

from dataclasses import dataclass

import numpy as np

from tools.sample.canvas import Colour, mix

# Ten steps from light to dark, BGR.
SKINS = [
    (196, 218, 246),
    (176, 204, 240),
    (160, 190, 232),
    (138, 172, 220),
    (116, 152, 204),
    (94, 130, 184),
    (76, 108, 160),
    (60, 86, 132),
    (48, 68, 106),
    (40, 54, 84),
]
HAIRS = [
    (24, 22, 26),
    (30, 34, 44),
    (34, 46, 68),
    (46, 70, 104),
    (62, 100, 146),
    (98, 152, 196),
    (138, 190, 222),
    (40, 70, 150),
    (150, 152, 156),
    (214, 216, 220),
]
HAIR_ODDS = [0.21, 0.17, 0.16, 0.12, 0.08, 0.06, 0.05, 0.04, 0.06, 0.05]
CLOTHES = [
    (60, 44, 36),
    (38, 34, 32),
    (92, 66, 40),
    (120, 88, 44),
    (62, 62, 150),
    (50, 44, 118),
    (90, 124, 60),
    (62, 92, 44),
    (196, 176, 160),
    (222, 220, 216),
    (150, 110, 176),
    (80, 170, 214),
    (64, 128, 206),
    (168, 130, 60),
    (130, 128, 126),
    (110, 62, 96),
]

SHORT = ["short", "part", "buzz", "receding", "bald", "curly", "quiff"]
LONG = ["long", "bob", "fringe", "bun", "ponytail", "curly", "waves"]
COVERED = ["cap", "beanie", "hat", "headscarf", "helmet"]
OUTFITS = ["suit", "suit", "shirt", "round", "vneck", "turtleneck", "jersey", "blouse"]


@dataclass(frozen=True)
class Look:
    """A person. Colours are BGR; `jaw`, `chin`, `eye`, `nose` and `mouth` are sizes around 1."""

    skin: Colour
    hair: Colour
    style: str
    beard: str  # "", "stubble", "full", "goatee" or "moustache"
    glasses: str  # "", "thin", "thick" or "dark"
    brows: float
    lipstick: bool
    age: float  # 0..1
    jaw: float
    chin: float
    eye: float
    nose: float
    mouth: float
    iris: Colour
    outfit: str
    cloth: Colour
    accent: Colour
    parting: float  # -1..1, where the hair divides


@dataclass(frozen=True)
class Pose:
    """Where a face is, in image pixels, and how it is held; angles in radians.

    `height` is hairline to chin, (x, y) the middle of the face.
    """

    x: float
    y: float
    height: float
    yaw: float  # positive: towards the right of the image
    pitch: float  # positive: down
    roll: float  # positive: clockwise
    smile: float  # -1..1
    opening: float  # of the mouth, 0..1
    lids: float  # 0 closed .. 1 wide open
    gaze: float  # -1..1
    raised: float  # brows, -1..1


def random_look(rng: np.random.Generator) -> Look:
    """Return a `Look`, drawn from `rng`."""
    step = rng.uniform(0, len(SKINS) - 1)
    low = int(step)
    skin = mix(SKINS[low], SKINS[min(low + 1, len(SKINS) - 1)], step - low)
    skin = tuple(float(np.clip(c + j, 20, 250)) for c, j in zip(skin, rng.normal(0, 4, 3), strict=True))
    age = rng.beta(1.6, 2.2)
    odds = np.array(HAIR_ODDS)
    if step > 3.5:  # dark skin rarely has fair hair
        odds = odds * [3, 2, 1, 0.3, 0.1, 0.05, 0.05, 0.1, 1, 1]
    if age > 0.65:
        odds = odds * [1, 1, 1, 1, 1, 1, 1, 0.5, 6, 6]
    hair = HAIRS[rng.choice(len(HAIRS), p=odds / odds.sum())]
    hair = tuple(float(np.clip(c + rng.normal(0, 5), 8, 235)) for c in hair)
    long_hair = rng.random() < 0.5
    styles = COVERED if rng.random() < 0.13 else LONG if long_hair else SHORT
    beard = ""
    if not long_hair and rng.random() < 0.42:
        beard = str(rng.choice(["stubble", "full", "goatee", "moustache"], p=[0.4, 0.35, 0.12, 0.13]))
    glasses = ""
    if rng.random() < 0.24:
        glasses = str(rng.choice(["thin", "thick", "dark"], p=[0.45, 0.4, 0.15]))
    irises = [(40, 60, 90), (30, 44, 66), (150, 120, 80), (90, 130, 90)]
    iris = irises[rng.choice(4, p=[0.55, 0.43, 0.01, 0.01] if step > 3.5 else [0.3, 0.2, 0.3, 0.2])]
    cloth, accent = (CLOTHES[i] for i in rng.choice(len(CLOTHES), 2, replace=False))
    return Look(
        skin=skin,
        hair=hair,
        style=str(rng.choice(styles)),
        beard=beard,
        glasses=glasses,
        brows=rng.uniform(0.7, 1.3) * (0.8 if long_hair else 1.15),
        lipstick=long_hair and rng.random() < 0.6,
        age=age,
        jaw=rng.uniform(0.88, 1.08) * (0.96 if long_hair else 1.03),
        chin=rng.uniform(0.85, 1.2),
        eye=rng.uniform(0.95, 1.2),
        nose=rng.uniform(0.85, 1.2),
        mouth=rng.uniform(0.9, 1.15),
        iris=iris,
        outfit=str(rng.choice(OUTFITS)),
        cloth=cloth,
        accent=accent,
        parting=rng.uniform(-0.8, 0.8),
    )


def random_pose(rng: np.random.Generator, x: float, y: float, height: float) -> Pose:
    """Return a `Pose` of a face in the given place: most faces are nearly frontal, as on television."""
    turned = rng.random() < 0.45
    tilted = rng.random() < 0.3
    return Pose(
        x=x,
        y=y,
        height=height,
        yaw=rng.uniform(0.22, 0.62) * rng.choice([-1, 1]) if turned else rng.normal(0, 0.1),
        pitch=rng.normal(0, 0.14),
        roll=rng.uniform(0.12, 0.42) * rng.choice([-1, 1]) if tilted else rng.normal(0, 0.04),
        smile=rng.choice([rng.uniform(-0.5, 0.1), rng.uniform(0.1, 1)], p=[0.35, 0.65]),
        opening=rng.uniform(0.25, 1) if rng.random() < 0.4 else 0.0,
        lids=0.06 if rng.random() < 0.05 else rng.uniform(0.65, 1.05),
        gaze=rng.normal(0, 0.35),
        raised=rng.normal(0, 0.4),
    )

"""The random look of a person and pose of a head, apart from the drawing."""

import numpy as np

from tools.sample.canvas import mix, palette, pick

SKINS = palette("f6dac4 f0ccb0 e8bea0 dcac8a cc9874 b8825e a06c4c 84563c 6a4430 543628")  # from light to dark
DARK_HAIRS, FAIR_HAIRS = palette("1a1618 2c221e 442e22"), palette("684630 92643e 964628 c49862 debe8a")
GRAY_HAIRS = palette("9c9896 dcd8d6")
CLOTHES = palette("242c3c 202226 28425c 2c5878 963e3e 762c32 2c5c3e a0b0c4 d8dcde b06e96 ce8040 7e8082 603e6e d6aa50")
SHORT, LONG = ["short", "part", "buzz", "receding", "bald", "curly"], ["long", "bob", "fringe", "bun", "curly"]
COVERED = ["cap", "beanie", "hat", "headscarf"]
OUTFITS = ["suit", "suit", "shirt", "shirt", "round", "vneck", "turtleneck", "jersey"]


class Look:
    """A random person."""

    def __init__(self, rng: np.random.Generator):
        tone = rng.uniform(0, len(SKINS) - 1)
        is_dark = tone > 3.5
        self.skin = mix(SKINS[int(tone)], SKINS[int(tone) + 1], tone % 1)
        self.female, self.age = rng.random() < 0.5, rng.beta(1.6, 2.2)
        is_gray = rng.random() < (0.5 if self.age > 0.65 else 0.08)
        hairs = GRAY_HAIRS if is_gray else DARK_HAIRS if is_dark else DARK_HAIRS + FAIR_HAIRS
        self.hair = tuple((pick(rng, hairs) + rng.normal(0, 5, 3)).clip(8, 235).tolist())
        self.style = pick(rng, COVERED if rng.random() < 0.13 else LONG if self.female else SHORT)
        self.parting = rng.uniform(-0.8, 0.8)  # where the hair divides
        self.beard = "" if self.female or rng.random() > 0.42 else pick(rng, ["stubble", "full", "goatee", "moustache"])
        self.glasses = pick(rng, ["thin", "thin", "thick", "thick", "dark"]) if rng.random() < 0.24 else ""
        self.jaw = rng.uniform(0.86, 1.08)  # width
        self.iris = pick(rng, palette("5a3c28 422c1e") if is_dark else palette("5a3c28 507896 5a825a"))
        self.outfit, self.cloth, self.accent = pick(rng, OUTFITS), pick(rng, CLOTHES), pick(rng, CLOTHES)


class Pose:
    """The place of a face, hairline to chin, in image pixels, and a random way to hold it; angles in radians.

    Most faces are nearly frontal, as on television.
    """

    def __init__(self, rng: np.random.Generator, x: float, y: float, height: float):
        self.x, self.y, self.height = x, y, height  # (x, y) is the middle of the face
        is_turned, is_tilted = rng.random() < 0.45, rng.random() < 0.3
        self.yaw = rng.uniform(0.22, 0.62) * rng.choice([-1, 1]) if is_turned else rng.normal(0, 0.1)  # to the right
        self.pitch = rng.normal(0, 0.14)  # down
        self.roll = rng.uniform(0.12, 0.42) * rng.choice([-1, 1]) if is_tilted else rng.normal(0, 0.04)  # clockwise
        self.smile = rng.uniform(0.1, 1) if rng.random() < 0.65 else rng.uniform(-0.5, 0.1)
        self.opening = rng.uniform(0.25, 1) if rng.random() < 0.4 else 0.0  # of the mouth
        self.lids = 0.06 if rng.random() < 0.05 else rng.uniform(0.65, 1.05)  # 1: wide open
        self.gaze = rng.uniform(-0.8, 0.8)

"""One image: a scene, people in it, graphics over it, and the camera's and the codec's faults."""

from dataclasses import dataclass

import cv2
import numpy as np

from tools.sample.canvas import Surface
from tools.sample.captions import draw_captions
from tools.sample.looks import Pose, random_look, random_pose
from tools.sample.people import draw_back, draw_hand, draw_microphone, draw_person
from tools.sample.scenes import SCENE_ODDS, SCENES, draw_desk, paint_field

VISIBLE = 0.5  # the least share of a face that must be seen; less is neither a face nor a background
SMALLEST = 16  # pixels from hairline to chin

# How television frames people: odds, how many there are, and face heights as shares of the image's.
SHOTS = [
    (0.16, (1, 1), (0.34, 0.56)),  # close-up
    (0.20, (1, 3), (0.20, 0.34)),  # medium
    (0.26, (2, 4), (0.14, 0.24)),  # interview
    (0.22, (3, 6), (0.10, 0.16)),  # panel
    (0.16, (3, 6), (0.07, 0.20)),
]  # wide


@dataclass
class Frame:
    """An image under way: pixels (H, W, 3), and which face owns each pixel (H, W), 0 for none."""

    pixels: np.ndarray
    owner: np.ndarray

    def add(self, layer: Surface) -> None:
        """Lay a transparent surface over the image; it hides the faces behind it."""
        height, width = self.owner.shape
        x0, y0 = max(0, layer.left), max(0, layer.top)
        x1, y1 = min(width, layer.left + layer.width), min(height, layer.top + layer.height)
        if x1 <= x0 or y1 <= y0:
            return
        over = layer.pixels[y0 - layer.top : y1 - layer.top, x0 - layer.left : x1 - layer.left]
        colour, alpha = cv2.cvtColor(over, cv2.COLOR_BGRA2BGR), cv2.extractChannel(over, 3)
        under = self.pixels[y0:y1, x0:x1]
        under[:] = cv2.add(cv2.multiply(under, cv2.merge([255 - alpha] * 3), scale=1 / 255), colour)
        self.owner[y0:y1, x0:x1][alpha > 127] = 0


def draw_image(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image.

    Args:
        rng: a numpy Generator; the image depends on nothing else.
        size: (width, height) in pixels.

    Returns:
        the image (H, W, 3) uint8 BGR, and its faces (N, 4) int as x y w h, N >= 1, within the image.
    """
    while True:  # rarely, things fall so that a face is mostly hidden; such an image is drawn anew
        pixels, outlines, seen = compose(rng, size)
        if min(seen) >= VISIBLE:
            return degrade(pixels, rng), np.array([bounds(outline, size) for outline in outlines])


def bounds(outline: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box x y w h, whole pixels within the image, around an outline (N, 2)."""
    x0, y0 = np.rint(outline.min(axis=0)).clip(0).astype(int)
    x1, y1 = np.rint(outline.max(axis=0)).clip(0, size).astype(int)
    return x0, y0, x1 - x0, y1 - y0


def compose(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray], list[float]]:
    """Draw scene, people and graphics.

    Returns:
        pixels (H, W, 3), the outlines of the faces as (M, 2) each, and the share of each face that is seen.
    """
    width, height = size
    surface = Surface(0, 0, width, height, channels=3)
    paint = SCENES[rng.choice(len(SCENES), p=np.array(SCENE_ODDS) / sum(SCENE_ODDS))]
    desk = paint(surface, rng)
    odds = np.array([shot[0] for shot in SHOTS])
    _, number, heights = SHOTS[rng.choice(len(SHOTS), p=odds / odds.sum())]
    if heights[1] > 0.4:  # a close-up is framed above the desk
        desk = None
    poses = place_people(rng, size, desk, number, heights)
    if rng.random() < 0.55:  # the lens is on the people, so what is behind them is soft
        surface.blur(rng.uniform(0.3, 1.0) * max(pose.height for pose in poses) / 45)
    frame = Frame(surface.pixels, np.zeros((height, width), np.uint8))
    outlines = []
    if rng.random() < 0.12:  # somebody further off who looks away
        pose = random_pose(rng, rng.uniform(0, width), rng.uniform(0.35, 0.5) * height, 0.8 * poses[0].height)
        frame.add(draw_back(random_look(rng), pose, size, rng))
    for index, pose in enumerate(poses):
        look = random_look(rng)
        layer, outline = draw_person(look, pose, size, rng)
        blur_person(layer, pose, rng)
        frame.add(layer)
        cv2.fillPoly(frame.owner, [np.rint(outline).astype(np.int32)], index + 1)
        outlines.append(outline)
        if pose.height > 0.14 * height and rng.random() < 0.16:
            frame.add(draw_microphone(pose, size, rng))
        elif pose.height > 0.12 * height and rng.random() < 0.08:
            frame.add(draw_hand(look, pose, size, rng))
    if desk is not None:
        frame.add(draw_desk(size, desk, rng))
    elif rng.random() < 0.12:  # over somebody's shoulder
        tall = rng.uniform(0.4, 0.6) * height
        pose = random_pose(rng, rng.choice([0.0, 1.0]) * width, rng.uniform(0.7, 0.95) * height, tall)
        layer = draw_back(random_look(rng), pose, size, rng)
        layer.blur(rng.uniform(0.5, 2.5))
        frame.add(layer)
    light(frame, rng)
    for layer in draw_captions(size, rng, sport=paint is paint_field):
        frame.add(layer)
    areas = [cv2.contourArea(outline.astype(np.float32)) for outline in outlines]
    counts = np.bincount(frame.owner.ravel(), minlength=len(outlines) + 1)[1:]
    return frame.pixels, outlines, [count / max(area, 1) for count, area in zip(counts, areas, strict=True)]


def place_people(
    rng: np.random.Generator,
    size: tuple[int, int],
    desk: float | None,
    number: tuple[int, int],
    heights: tuple[float, float],
) -> list[Pose]:
    """Return poses of the people, furthest (smallest) first, placed so that no face hides much of another.

    Args:
        size: (width, height) of the image in pixels.
        desk: where the desk's edge is, as a share of the image's height, or None.
        number: the least and the most people wanted; a full image may hold fewer.
        heights: the least and the greatest height of a face, as shares of the image's.
    """
    width, height = size
    wanted = int(rng.integers(number[0], number[1] + 1))
    level = rng.uniform(0.3, 0.46)  # heads on level ground meet the horizon, whatever their distance
    least, most = np.log(heights)
    places = []
    for _ in range(12 * wanted):
        tall = max(SMALLEST, height * np.exp(rng.uniform(least, most)))
        y = height * (level + rng.normal(0, 0.05))
        lowest = 0.86 * height - 0.6 * tall if desk is None else desk * height - 0.9 * tall
        y = max(min(y, lowest), 0.62 * tall)
        x = rng.uniform(0.5 * tall, width - 0.5 * tall)
        if all(apart((x, y, tall), other) for other in places):
            places.append((x, y, tall))
        if len(places) == wanted:
            break
    return [random_pose(rng, x, y, tall) for x, y, tall in sorted(places, key=lambda place: place[2])]


def apart(first: tuple[float, float, float], second: tuple[float, float, float]) -> bool:
    """Whether the nearer of two people (x, y, face height) leaves most of the other's face free."""
    (x0, y0, far), (x1, y1, near) = sorted((first, second), key=lambda place: place[2])
    beside = abs(x1 - x0)
    over_face = beside < 0.5 * far + 0.62 * near and abs(y1 - y0) < 0.6 * far + 0.75 * near
    behind_shoulders = beside < 0.3 * far + 0.9 * near and y0 + 0.2 * far > y1 + 0.6 * near
    return not over_face and not behind_shoulders


def blur_person(layer: Surface, pose: Pose, rng: np.random.Generator) -> None:
    """Blur a person: some are out of focus, and some move."""
    kind = rng.random()
    if kind < 0.08:
        layer.blur(rng.uniform(0.012, 0.035) * pose.height)
    elif kind < 0.14:
        layer.blur(rng.uniform(0.015, 0.04) * pose.height, rng.uniform(0, np.pi))


def light(frame: Frame, rng: np.random.Generator) -> None:
    """Cast dim or coloured light over everything but the graphics, in some images."""
    kind = rng.random()
    gains = np.ones(3)
    if kind < 0.12:
        gains *= rng.uniform(0.45, 0.75)
    elif kind < 0.26:
        gains = rng.uniform(0.65, 1.1, 3) * rng.uniform(0.8, 1.0)
    gains = gains * rng.uniform(0.92, 1.08)
    frame.pixels = cv2.multiply(frame.pixels, (*gains.tolist(), 0.0))


def degrade(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a slight blur to some images, and sensor noise to all."""
    height, width = pixels.shape[:2]
    if rng.random() < 0.15:
        pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.5, 1.0))
    # Mostly grey noise, and coloured noise in blotches of two pixels, as chroma is stored.
    strength = rng.uniform(0.8, 4.0)
    grey = noise(rng, (height, width), strength)
    colour = noise(rng, (height // 2 + 1, width // 2 + 1, 3), 0.6 * strength)
    colour = cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.add(pixels, cv2.add(colour, cv2.merge([grey] * 3)), dtype=cv2.CV_8U)


def noise(rng: np.random.Generator, shape: tuple[int, ...], strength: float) -> np.ndarray:
    """Return noise of a standard deviation, int16. The difference of two random bytes is close to normal and fast."""
    first, second = (np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape) for _ in range(2))
    share = strength / 104.5  # the standard deviation of that difference
    return cv2.addWeighted(first, share, second, -share, 0, dtype=cv2.CV_16S)

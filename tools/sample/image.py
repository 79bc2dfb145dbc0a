"""One image: a scene, people in it, graphics over it, and the camera's faults."""

import cv2
import numpy as np

from tools.sample.canvas import Surface, pick
from tools.sample.captions import draw_captions
from tools.sample.looks import Look, Pose
from tools.sample.people import draw_microphone, draw_person
from tools.sample.scenery import SCENES, draw_desk

VISIBLE = 0.5  # the least share of a face that must be seen; less is neither a face nor a background
SMALLEST = 16  # pixels from hairline to chin

# How television frames people: how many there are, and the height of their faces in parts of the image's.
SHOTS = [
    ((1, 1), (0.34, 0.56)),  # close-up
    ((1, 3), (0.20, 0.34)),  # medium
    ((2, 4), (0.14, 0.24)),  # interview
    ((3, 6), (0.10, 0.16)),  # panel
    ((3, 6), (0.07, 0.20)),  # wide
]


class Frame:
    """An image under way: pixels (H, W, 3), and which face owns each pixel (H, W), 0 for none."""

    def __init__(self, background: Surface):
        self.pixels = cv2.cvtColor(background.pixels, cv2.COLOR_BGRA2BGR)
        self.owner = np.zeros(self.pixels.shape[:2], np.uint8)

    def add(self, layer: Surface) -> None:
        """Lay a transparent surface over the image; it hides the faces behind it."""
        x, y = max(0, layer.left), max(0, layer.top)
        over = layer.pixels[y - layer.top :, x - layer.left :]
        part = slice(y, y + len(over)), slice(x, x + over.shape[1])
        height, width = self.owner[part].shape
        over = over[:height, :width]
        color, alpha = cv2.cvtColor(over, cv2.COLOR_BGRA2BGR), cv2.extractChannel(over, 3)
        rest = cv2.multiply(self.pixels[part], cv2.merge([255 - alpha] * 3), scale=1 / 255)
        self.pixels[part] = cv2.add(rest, color)
        self.owner[part][alpha > 127] = 0


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
            corners = np.array([(outline.min(axis=0), outline.max(axis=0)) for outline in outlines])
            corners = np.rint(corners).clip(0, size).astype(int)
            return degrade(pixels, rng), np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0]], axis=1)


def compose(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, list[np.ndarray], list[float]]:
    """Draw scene, people and graphics.

    Returns:
        pixels (H, W, 3), the outlines of the faces as (M, 2) each, and the share of each face that is seen.
    """
    width, height = size
    background, (paint, desk_odds) = Surface(0, 0, width, height), pick(rng, SCENES)
    paint(background, rng)
    number, heights = pick(rng, SHOTS)
    has_desk = rng.random() < desk_odds and heights[1] < 0.4  # a close-up is framed above the desk
    desk = rng.uniform(0.73, 0.85) if has_desk else None
    poses = place_people(rng, size, desk, int(rng.integers(number[0], number[1] + 1)), heights)
    if rng.random() < 0.55:  # the lens is on the people, so the background is soft
        background.pixels = blurred(background.pixels, rng.uniform(0.3, 1.0) * poses[-1].height / 45)
    frame, outlines = Frame(background), []
    if rng.random() < 0.12:  # somebody further off who looks away
        pose = Pose(rng, rng.uniform(0, width), rng.uniform(0.35, 0.5) * height, 0.8 * poses[0].height)
        frame.add(draw_person(pose, Look(rng), size, rng, faces_away=True)[0])
    for index, pose in enumerate(poses):
        layer, outline = draw_person(pose, Look(rng), size, rng)
        if rng.random() < 0.14:  # out of focus, or moving
            layer.pixels = blurred(layer.pixels, *(rng.uniform(0.005, 0.035, 2) * pose.height))
        frame.add(layer)
        cv2.fillPoly(frame.owner, [np.rint(outline).astype(np.int32)], index + 1)
        outlines.append(outline)
        if pose.height > 0.14 * height and rng.random() < 0.18:
            frame.add(draw_microphone(pose, size, rng))
    if desk is not None:
        frame.add(draw_desk(size, desk, rng))
    elif rng.random() < 0.12:  # over somebody's shoulder
        pose = Pose(rng, pick(rng, [0, width]), rng.uniform(0.7, 0.95) * height, rng.uniform(0.4, 0.6) * height)
        layer, _ = draw_person(pose, Look(rng), size, rng, faces_away=True)
        layer.pixels = blurred(layer.pixels, rng.uniform(0.5, 2.5))
        frame.add(layer)
    if rng.random() < 0.25:  # dim or colored light
        gains = rng.uniform(0.6, 1.1) * rng.uniform(0.8, 1.1, 3)
        frame.pixels = cv2.multiply(frame.pixels, (*gains.tolist(), 0.0))
    for layer in draw_captions(size, rng):
        frame.add(layer)
    areas = [cv2.contourArea(outline.astype(np.float32)) for outline in outlines]
    counts = np.bincount(frame.owner.ravel(), minlength=len(outlines) + 1)[1:]
    return frame.pixels, outlines, [count / max(area, 1) for count, area in zip(counts, areas, strict=True)]


def place_people(
    rng: np.random.Generator, size: tuple[int, int], desk: float | None, wanted: int, heights: tuple[float, float]
) -> list[Pose]:
    """Return poses of the people, furthest (smallest) first, placed so that no face hides much of another.

    `desk` is the height of the desk's edge, and `heights` are the least and greatest of a face, in parts of the
    image's height. A full image may hold fewer people than wanted.
    """
    width, height = size
    places = []
    level = rng.uniform(0.3, 0.46)  # of the horizon, which heads on level ground meet at any distance
    for _ in range(12 * wanted):
        tall = max(SMALLEST, height * np.exp(rng.uniform(*np.log(heights))))
        lowest = 0.86 * height - 0.6 * tall if desk is None else desk * height - 0.9 * tall
        y = max(min(height * (level + rng.normal(0, 0.05)), lowest), 0.62 * tall)
        place = (rng.uniform(0.5 * tall, width - 0.5 * tall), y, tall)
        if len(places) < wanted and all(are_apart(place, other) for other in places):
            places.append(place)
    return [Pose(rng, *place) for place in sorted(places, key=lambda place: place[2])]


def are_apart(first: tuple[float, float, float], second: tuple[float, float, float]) -> bool:
    """Whether the nearer of two people (x, y, face height) leaves most of the other's face free."""
    (x0, y0, far), (x1, y1, near) = sorted((first, second), key=lambda place: place[2])
    beside = abs(x1 - x0)
    over_face = beside < 0.5 * far + 0.62 * near and abs(y1 - y0) < 0.6 * far + 0.75 * near
    behind_shoulders = beside < 0.3 * far + 0.9 * near and y0 + 0.2 * far > y1 + 0.6 * near
    return not over_face and not behind_shoulders


def blurred(pixels: np.ndarray, sigma: float, sigma_y: float = 0) -> np.ndarray:
    """Return pixels blurred by `sigma` pixels across, and as much or `sigma_y` down."""
    return cv2.GaussianBlur(pixels, (0, 0), max(sigma, 0.1), sigmaY=sigma_y)


def degrade(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add a slight blur to some images, and sensor noise to all."""
    height, width = pixels.shape[:2]
    if rng.random() < 0.15:
        pixels = blurred(pixels, rng.uniform(0.5, 1.0))
    # Mostly gray noise, and colored noise in blotches of two pixels, as chroma is stored.
    strength = rng.uniform(0.8, 4.0)
    gray = rng.standard_normal((height, width), np.float32) * strength
    color = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32) * (0.6 * strength)
    noise = cv2.resize(color, (width, height)) + gray[..., None]
    return cv2.add(pixels, noise, dtype=cv2.CV_8U)

"""Which faces the prior boxes can learn at the training size, and which prior boxes would learn more."""

import itertools
from collections.abc import Sequence

import numpy as np

from data.annotations.record import Annotation
from data.augmentation import clip_faces, random_crop

CANDIDATES = tuple(round(4 * 2 ** (k / 4)) for k in range(33))  # 4 to 1024 px, four to the octave
LARGEST_SHARE = 16  # of a step, beyond which its map's cells are finer than the prior boxes need


def faces_in_samples(
    annotations: Sequence[Annotation], sizes: np.ndarray, image_size: int, seed: int = 0
) -> np.ndarray:
    """Return (F, 4) float64, x1 y1 x2 y2 in pixels: the faces in the samples of a training's first epoch.

    They are those of the augmentation with the same seed, but for mirroring.

    Args:
        annotations: of P images.
        sizes: (P, 2) height and width in pixels; images whose size is 0 are left out.
        image_size: side of the samples in pixels.
    """
    found = [np.zeros((0, 4))]
    for index, (annotation, (height, width)) in enumerate(zip(annotations, sizes.tolist(), strict=True)):
        if height and len(annotation.boxes):
            faces, _, _ = clip_faces(annotation, width, height)
            image = np.broadcast_to(np.uint8(0), (height, width, 3))  # a single byte, however large it is
            crop, faces = random_crop(image, faces, np.random.default_rng((seed, 0, index)))
            found.append(faces.boxes * (image_size / max(crop.shape[:2])))
    return np.concatenate(found)


def best_overlaps(boxes: np.ndarray, image_size: int, size: float, step: int) -> np.ndarray:
    """Return (F,) the largest IoU of each face with the prior boxes of one size and map.

    The overlap falls with the distance of the centres along either axis, so that the nearest centre's is the best.

    Args:
        boxes: (F, 4) x1 y1 x2 y2 in pixels.
        image_size: side of the sample in pixels.
        size, step: of the prior boxes and of the map's cells in pixels.
    """
    last = -(-image_size // step) - 1
    centers = (np.floor((boxes[:, :2] + boxes[:, 2:]) / 2 / step).clip(0, last) + 0.5) * step
    shared = np.minimum(boxes[:, 2:], centers + size / 2) - np.maximum(boxes[:, :2], centers - size / 2)
    shared = shared.clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return shared / (areas + size * size - shared)


def overlaps_of(
    boxes: np.ndarray, image_size: int, min_sizes: Sequence[Sequence[float]], steps: Sequence[int]
) -> np.ndarray:
    """Return (F,) the largest IoU of each face with any prior box of a configuration."""
    every = [(size, step) for sizes, step in zip(min_sizes, steps, strict=True) for size in sizes]
    return np.max([best_overlaps(boxes, image_size, *one) for one in every], axis=0)


def suggest_min_sizes(boxes: np.ndarray, image_size: int, steps: Sequence[int], threshold: float) -> list[list[int]]:
    """Return two sizes for each map with which the most faces are overlapped by the threshold.

    Of equal choices the one with the larger mean overlap is taken. One map's sizes at a time are chosen, until no
    change helps; larger maps' cells have larger prior boxes.

    Args:
        boxes: (F, 4) x1 y1 x2 y2 in pixels, of samples with sides of image_size pixels.
        steps: of the maps' cells in pixels, ascending.
        threshold: IoU from which a prior box learns a face.
    """
    table = {
        (step, size): best_overlaps(boxes, image_size, size, step)
        for step in steps
        for size in CANDIDATES
        if step <= size <= LARGEST_SHARE * step
    }
    pairs = {step: list(itertools.combinations([size for at, size in table if at == step], 2)) for step in steps}
    chosen = {step: pairs[step][0] for step in steps}

    def value(choice: dict[int, tuple[int, int]]) -> tuple[float, float]:
        best = np.max([table[step, size] for step, pair in choice.items() for size in pair], axis=0)
        return float((best >= threshold).mean()), float(best.mean())

    reached = value(chosen)
    while True:
        options = ({**chosen, step: pair} for step in steps for pair in pairs[step])
        best = max((option for option in options if _ascends(option)), key=value)
        if value(best) <= reached:
            return [list(chosen[step]) for step in steps]
        chosen, reached = best, value(best)


def _ascends(choice: dict[int, tuple[int, int]]) -> bool:
    sizes = [size for pair in choice.values() for size in pair]
    return sizes == sorted(sizes)

"""How well prior boxes match the faces of training samples, and which prior box sizes would match more."""

import itertools
from collections.abc import Sequence

import numpy as np

from data.annotations.record import Annotation
from data.augmentation import clip_faces, random_crop
from utils.box_utils import paired_iou

CANDIDATE_SIZES = tuple(round(4 * 2 ** (k / 4)) for k in range(33))  # 4 to 1024 px, four per octave
MAX_STEPS = 16  # largest candidate size of a map, in steps of its cells


def faces_in_samples(
    annotations: Sequence[Annotation], sizes: np.ndarray, image_size: int, seed: int = 0
) -> np.ndarray:
    """Return (F, 4) float64 x1 y1 x2 y2 in pixels, the faces in the augmented samples of the first epoch.

    They equal the targets of a training with the same seed, but are not flipped.

    Args:
        annotations: of P images.
        sizes: (P, 2) height and width in pixels; images of size 0 are skipped.
        image_size: side of the samples in pixels.
    """
    found = [np.zeros((0, 4))]
    for index, (annotation, (height, width)) in enumerate(zip(annotations, sizes.tolist(), strict=True)):
        if height and len(annotation.boxes):
            faces, _, _ = clip_faces(annotation, width, height)
            image = np.broadcast_to(np.uint8(0), (height, width, 3))  # an array of one byte
            _, faces, window = random_crop(image, faces, np.random.default_rng((seed, 0, index)))
            found.append(faces.boxes * (image_size / window.side))
    return np.concatenate(found)


def best_iou_of_size(boxes: np.ndarray, image_size: int, size: float, step: int) -> np.ndarray:
    """Return (F,) the largest IoU of each face with the prior boxes of one size and map.

    IoU decreases with the distance of the centers along either axis, so that only the nearest prior is needed.

    Args:
        boxes: (F, 4) x1 y1 x2 y2 in pixels.
        image_size: side of the sample in pixels.
        size, step: sides of the prior boxes and of the map's cells in pixels.
    """
    last = -(-image_size // step) - 1
    centers = (np.floor((boxes[:, :2] + boxes[:, 2:]) / 2 / step).clip(0, last) + 0.5) * step
    return paired_iou(boxes, np.hstack([centers - size / 2, centers + size / 2]))


def best_iou(
    boxes: np.ndarray, image_size: int, min_sizes: Sequence[Sequence[float]], steps: Sequence[int]
) -> np.ndarray:
    """Return (F,) the largest IoU of each face with any prior box."""
    kinds = [(size, step) for sizes, step in zip(min_sizes, steps, strict=True) for size in sizes]
    return np.max([best_iou_of_size(boxes, image_size, *kind) for kind in kinds], axis=0)


def suggest_min_sizes(boxes: np.ndarray, image_size: int, steps: Sequence[int], threshold: float) -> list[list[int]]:
    """Return two prior box sizes for each map that match the most faces; among equal choices the largest mean IoU wins.

    The sizes of one map at a time are changed until no change helps. Sizes ascend over the maps.

    Args:
        boxes: (F, 4) x1 y1 x2 y2 in pixels, in samples with sides of image_size pixels.
        steps: of the maps' cells in pixels, ascending.
        threshold: IoU of a match.
    """
    table = {
        (step, size): best_iou_of_size(boxes, image_size, size, step)
        for step in steps
        for size in CANDIDATE_SIZES
        if step <= size <= MAX_STEPS * step
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

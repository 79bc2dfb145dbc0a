"""Recognize predictions of other images than their names say: ids counted from another number, for example."""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from data.annotations import image_key
from evaluation.inclusive_iou import inclusive_ious
from evaluation.protocol import EvaluationResult
from utils.wording import counted

MOST_IMAGES = 100  # with faces, which are compared
MOST_BOXES = 100  # of an image
IOU = 0.5
# Where more faces are found, or more detections are right, the predictions are of these images.
DOUBTFUL_RECALL, DOUBTFUL_PRECISION = 0.25, 0.5
# Another order explains the predictions if it finds this share of the faces more, at least so many, and twice as many.
MIN_GAIN, MIN_FACES = 0.25, 3
# Fewer faces are found by predictions of other images, and fewer faces or detections tell nothing.
LOW_RECALL, ENOUGH, ENOUGH_FOR_NONE = 0.02, 20, 3


def explain_low_recall(result: EvaluationResult) -> str | None:
    """Return a sentence on predictions that find hardly any face, or not more than those of other images.

    If the images in another order have far more of the faces, the sentence names the order.
    """
    matches = result.matches
    matched = matches.best_iou >= IOU
    faces, found = int(result.evaluated.sum()), int(result.evaluated[np.unique(matches.best_face[matched])].sum())
    if found > DOUBTFUL_RECALL * faces or matched.sum() > DOUBTFUL_PRECISION * len(matched):
        return None
    count = len(matches.ground_truth)
    detections_of = _by_image(matches.detections[:, :4], matches.detection_images, count)
    faces_of = _by_image(matches.faces[result.evaluated], matches.face_images[result.evaluated], count)
    sample = np.flatnonzero([len(boxes) for boxes in faces_of])
    sample = sample[:: -(-len(sample) // MOST_IMAGES) or 1]
    now = _finds(detections_of, faces_of, sample, np.arange(count))
    elsewhere = []
    for words, order in _orders([image_key(annotation.name) for annotation in matches.ground_truth]):
        found_there = _finds(detections_of, faces_of, sample, order)
        # In nearly equal images right detections find the faces of both.
        by_chance = found_there & ~_finds(faces_of, faces_of, sample, order)
        elsewhere.append((int(by_chance.sum()), int(found_there.sum()), words))
    most, there, words = max(elsewhere, default=(0, 0, ""))
    if most - now.sum() >= max(MIN_GAIN * len(now), MIN_FACES, now.sum()):
        return f"finds {now.sum():,} of {counted(len(now), 'face')}, but {there:,} of {len(now):,} {words}"
    chance = sum(each[0] for each in elsewhere) / max(len(elsewhere), 1)
    is_low = found <= LOW_RECALL * faces
    is_better = not is_low and now.sum() >= 2 * chance + 3 * chance**0.5
    if is_better or min(faces, len(matched)) < (ENOUGH if found else ENOUGH_FOR_NONE):
        return None
    number = f"{'only ' * is_low}{found:,}" if found else "none"
    return (
        f"{counted(len(matched), 'detection')} find {number} of"
        f" {counted(faces, 'face')} at IoU {IOU:g}{'' if is_low else ', not more than those of other images'}; are they"
        " of these images, in pixels of the images as labeled? (python -m tools.check tests the ground truth)"
    )


def _by_image(boxes: np.ndarray, images: np.ndarray, count: int) -> list[np.ndarray]:
    """Return the boxes of each of `count` images; the boxes are in the order of the images."""
    return np.split(boxes, np.searchsorted(images, np.arange(1, count)))


def _finds(
    boxes_of: Sequence[np.ndarray], faces_of: Sequence[np.ndarray], sample: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """Return the mask of the faces of the sampled images that are found if image i has the boxes of image order[i]."""
    found = [
        (inclusive_ious(boxes_of[other][:MOST_BOXES], faces_of[image]) >= IOU).any(axis=0)
        for image, other in zip(sample, order[sample], strict=True)
    ]
    return np.concatenate([np.empty(0, bool), *found])


def _orders(keys: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield words for an order of the images, and the (P,) index of the image whose predictions each image gets."""
    own = np.arange(len(keys))
    for side, step in (("after", 1), ("before", -1)):
        yield (
            f"if each prediction belongs to the image {side} its own: the ids or names are counted from another first"
            " number",
            np.roll(own, step),
        )
    for words, sort_key in (("name", str), ("the numbers in their names", _by_number)):
        order = np.array(sorted(own, key=lambda index, sort_key=sort_key: sort_key(keys[index])), int)
        if (order != own).any():
            for owners in (order, np.argsort(order)):
                yield f"if the images of either the predictions or the ground truth are sorted by {words}", owners


def _by_number(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", key)]

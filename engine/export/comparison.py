"""Comparison of an exported file with PyTorch."""

import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from engine.export.exporters import RunExported
from models.detector import Detections, Detector
from utils.errors import UserError

MAX_PIXELS = 0.5  # difference of a box or a landmark
MAX_SCORE = 1e-3  # difference of a score
MAX_HEAD = 1e-3  # difference of a raw head, relative to its largest value


def compare_faces(run: RunExported, detector: Detector, images: Sequence[np.ndarray]) -> str:
    """Compare the faces of an exported file with a Detector's, for each image alone and twice in a batch.

    Returns:
        A summary for the user.

    Raises:
        UserError: the numbers of faces differ, or a face differs by more than MAX_PIXELS or MAX_SCORE.
    """
    faces, differences = 0, [(0.0, 0.0)]
    for image in images:
        expected = detector(image)
        faces += len(expected.boxes)
        for batch_size in (1, 2):
            for found in _split_by_image(run(np.stack([image] * batch_size)), batch_size):
                if len(found.boxes) != len(expected.boxes):
                    raise UserError(
                        f"the exported network finds {len(found.boxes)} faces of {len(expected.boxes)} in an image of"
                        f" {image.shape[1]} x {image.shape[0]}; the file is not kept"
                    )
                if len(expected.boxes):
                    differences.append(_largest_differences(found, expected))
    pixels, score = np.max(differences, axis=0)
    if not pixels <= MAX_PIXELS or not score <= MAX_SCORE:  # also for NaN
        raise UserError(
            f"the exported network is up to {pixels:.2f} pixels and {score:.2g} of a score off; the file is not kept"
        )
    if not faces:
        print("warning: no face was found to compare; name images with faces by --check", file=sys.stderr)
    return f"the same {faces} faces as PyTorch in {len(images)} images, within {pixels:.4f} px"


def _split_by_image(outputs: list[np.ndarray], batch_size: int) -> list[Detections]:
    """Return the detections of each image; an exported network gives those of a batch together."""
    boxes, scores, *landmarks, owner = outputs
    landmarks = landmarks[0] if landmarks else None
    return [Detections(boxes, scores, landmarks).where(owner == number) for number in range(batch_size)]


def _largest_differences(found: Detections, expected: Detections) -> tuple[float, float]:
    """Return the largest difference of boxes and landmarks in pixels, and of scores, between equally many faces."""
    # Faces of equal scores can come in another order.
    nearest = np.abs(expected.boxes[:, None] - found.boxes[None]).max(axis=2).argmin(axis=1)
    found = found.where(nearest)
    pixels = [np.abs(found.boxes - expected.boxes).max()]
    if expected.landmarks is not None:
        pixels.append(np.abs(found.landmarks - expected.landmarks).max())
    return np.max(pixels), np.abs(found.scores - expected.scores).max()


def compare_heads(run: RunExported, network: nn.Module, images: Sequence[np.ndarray]) -> str:
    """Compare the raw heads of an exported file with those of the network, for each image twice in a batch.

    Returns:
        A summary for the user.

    Raises:
        UserError: a value differs by more than MAX_HEAD of the largest.
    """
    differences = []
    for image in images:
        batch = np.stack([image] * 2)
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch))
        for exported, head in zip(run(batch), expected, strict=True):
            differences.append(np.abs(exported - head.numpy()).max() / np.abs(head.numpy()).max())
    largest = np.max(differences)
    if not largest <= MAX_HEAD:  # also for NaN
        raise UserError(f"the exported heads are up to {largest:.2g} of their largest value off; the file is not kept")
    return f"the same heads as PyTorch's in {len(images)} images, within {largest:.1e} of the largest value"

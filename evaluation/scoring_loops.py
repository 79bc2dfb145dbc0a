"""The inner loops of the evaluation on all cores, in compiled code or, if it is not built, in NumPy."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import ModuleType

import numpy as np

from evaluation import scoring_loops_numpy
from evaluation.extension import load_extension

# Below this number of detections, about 1 ms of work, threads cost more than they save.
MIN_DETECTIONS_FOR_THREADS = 5000


def match_by_iou(
    detections: np.ndarray, detection_starts: np.ndarray, faces: np.ndarray, face_starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the face with the highest IoU for each detection; see `scoring_loops_numpy.find_best_faces`.

    Returns:
        best_face: (D,) int64, row of `faces`, -1 for a detection that overlaps no face.
        best_iou: (D,) float64, IoU with that face, 0 if there is none.
    """
    best_face = np.empty(len(detections), np.int64)
    best_iou = np.empty(len(detections), np.float64)
    # Each thread gets the same number of pairs, not of images: a crowd has hundreds of times the pairs of other images.
    pairs = np.cumsum(np.diff(detection_starts) * np.diff(face_starts))
    cores = os.cpu_count() or 1
    inner = np.searchsorted(pairs, np.arange(1, cores) * (pairs[-1] / cores)) if len(pairs) else []
    bounds = [0, *inner, len(pairs)]
    loops = _loops()

    def match_images(first: int, end: int) -> None:
        images = slice(first, end + 1)
        loops.find_best_faces(detections, detection_starts[images], faces, face_starts[images], best_face, best_iou)

    _run(match_images, pairwise(bounds), len(detections))
    return best_face, best_iou


def count_by_threshold(
    steps: int,
    first_threshold: np.ndarray,
    best_face: np.ndarray,
    best_iou: np.ndarray,
    ious: Sequence[float],
    eligible: Sequence[np.ndarray],
    members: Sequence[np.ndarray],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Count new proposals and newly found faces at each threshold, for G groups and several IoU thresholds.

    Args:
        steps: number of score thresholds, T.
        first_threshold, best_face, best_iou: see `scoring_loops_numpy.count_matches`.
        ious: IoU thresholds of a match.
        eligible: G masks (D,) bool, the detections that are proposals if they are unmatched.
        members: G masks (F,) bool, the faces of each group.

    Returns:
        A pair for each of ious: new proposals (G, T) int64, and newly found faces (G, T + 1) int64, the last column
        of which counts the faces never found.
    """
    # All groups but sizes and heights share one mask of eligible detections.
    masks = {id(array): array for array in eligible}
    column = [list(masks).index(id(array)) for array in eligible]
    flags = np.stack(list(masks.values()), axis=1).view(np.uint8), np.stack(members, axis=1).view(np.uint8)
    loops = _loops()
    outputs = [
        (
            np.zeros((steps, len(masks)), np.int64),
            np.zeros((steps, len(members)), np.int64),
            np.zeros((steps + 1, len(members)), np.int64),
        )
        for _ in ious
    ]

    def count(iou: float, arrays: tuple[np.ndarray, ...]) -> None:
        loops.count_matches(first_threshold, best_face, best_iou, iou, *flags, *arrays)

    _run(count, zip(ious, outputs, strict=True), len(first_threshold))
    return [((unmatched[:, column] + matched).T, found.T) for unmatched, matched, found in outputs]


def _run(function: Callable[..., None], calls: Iterable[tuple], detections: int) -> None:
    """Make all calls, in threads if there are enough detections."""
    if detections < MIN_DETECTIONS_FOR_THREADS:
        for arguments in calls:
            function(*arguments)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda arguments: function(*arguments), calls))


def _loops() -> ModuleType:
    return load_extension("_scoring_loops") or scoring_loops_numpy

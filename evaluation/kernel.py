"""The compiled loops, or NumPy's where they are not built, over as many threads as there are cores."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import ModuleType

import numpy as np

from evaluation import kernel_numpy
from evaluation.compiled import compiled

# Detections in a set: about 1 ms of matching and counting.
WORTH_A_THREAD = 5000


def best_faces(
    detections: np.ndarray, detection_starts: np.ndarray, faces: np.ndarray, face_starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the face that each detection overlaps most; the arguments are those of `kernel_numpy.match`.

    Returns:
        face: (D,) int64, the row of `faces`, -1 where a detection touches no face.
        overlap: (D,) float64, the IoU with it, 0 where there is none.
    """
    face = np.empty(len(detections), np.int64)
    overlap = np.empty(len(detections), np.float64)
    # A crowd has hundreds of times the pairs of other images: parts of as many pairs, not of as many images.
    pairs = np.cumsum(np.diff(detection_starts) * np.diff(face_starts))
    cores = os.cpu_count() or 1
    inner = np.searchsorted(pairs, np.arange(1, cores) * (pairs[-1] / cores)) if len(pairs) else []
    bounds = [0, *inner, len(pairs)]
    kernel = _kernel()

    def match(first: int, end: int) -> None:
        part = slice(first, end + 1)
        kernel.match(detections, detection_starts[part], faces, face_starts[part], face, overlap)

    _run(match, pairwise(bounds), len(detections))
    return face, overlap


def count_by_threshold(
    steps: int,
    reached_at: np.ndarray,
    face: np.ndarray,
    overlap: np.ndarray,
    ious: Sequence[float],
    proposes: Sequence[np.ndarray],
    counts: Sequence[np.ndarray],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Count for G groups; reached_at, face and overlap are those of `kernel_numpy.count`.

    Args:
        steps: number of thresholds, T.
        ious: smallest overlaps of a detection with its face.
        proposes: G arrays (D,) bool, the detections that are proposals if they are on no face.
        counts: G arrays (F,) bool, the faces that count.

    Returns:
        For each of ious, proposals (G, T) int64, the detections that become proposals at each threshold, and found
        (G, T + 1) int64, the faces that are found first at each threshold; those never found are last.
    """
    # Many groups share the array of their proposals: all but those of a size.
    ways = {id(array): array for array in proposes}
    column = [list(ways).index(id(array)) for array in proposes]
    flags = np.stack(list(ways.values()), axis=1).view(np.uint8), np.stack(counts, axis=1).view(np.uint8)
    kernel = _kernel()
    outputs = [
        (
            np.zeros((steps, len(ways)), np.int64),
            np.zeros((steps, len(counts)), np.int64),
            np.zeros((steps + 1, len(counts)), np.int64),
        )
        for _ in ious
    ]

    def count(iou: float, arrays: tuple[np.ndarray, ...]) -> None:
        kernel.count(reached_at, face, overlap, iou, *flags, *arrays)

    _run(count, zip(ious, outputs, strict=True), len(reached_at))
    return [((on_no_face[:, column] + on_a_face).T, found.T) for on_no_face, on_a_face, found in outputs]


def _run(function: Callable[..., None], calls: Iterable[tuple], detections: int) -> None:
    """Make all calls, in threads where they have enough to do to be worth starting one."""
    if detections < WORTH_A_THREAD:
        for arguments in calls:
            function(*arguments)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda arguments: function(*arguments), calls))


def _kernel() -> ModuleType:
    return compiled("_kernel") or kernel_numpy

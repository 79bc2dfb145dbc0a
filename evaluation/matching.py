"""The one place that chooses between the compiled kernel and its NumPy twin."""

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module

import numpy as np

from evaluation import matching_numpy


def best_faces(
    detections: np.ndarray, detection_starts: np.ndarray, faces: np.ndarray, face_starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the face that each detection overlaps most; the arguments are those of `matching_numpy.match`.

    Returns:
        face: (D,) int64, the row of `faces`, -1 where a detection touches no face.
        overlap: (D,) float64, the IoU with it, 0 where there is none.
    """
    face = np.empty(len(detections), np.int64)
    overlap = np.empty(len(detections), np.float64)
    _kernel()(detections, detection_starts, faces, face_starts, face, overlap)
    return face, overlap


@cache
def _kernel() -> Callable[..., None]:
    """Return the compiled function or, with one warning a process, the NumPy one."""
    try:
        return import_module("evaluation._matching").match
    except ImportError:
        print(
            "warning: the compiled matching is missing, scoring in NumPy instead, which is slower;"
            " build it with: python setup.py build_ext --inplace",
            file=sys.stderr,
        )
        return matching_numpy.match

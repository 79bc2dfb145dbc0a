"""Which face each detection overlaps most: what evaluation/_matching.pyx computes, to the bit, in NumPy."""

import numpy as np


def match(
    detections: np.ndarray,
    detection_starts: np.ndarray,
    faces: np.ndarray,
    face_starts: np.ndarray,
    face: np.ndarray,
    overlap: np.ndarray,
) -> None:
    """Find the face of the same picture that each detection overlaps most, the first one of equals.

    The rows of all P pictures follow one another; picture p has the rows starts[p] to starts[p + 1] - 1.
    Overlaps are IoU with inclusive pixels: a box is x2 - x1 + 1 wide.

    Args:
        detections: (D, 5) float64, x1 y1 x2 y2 score, in pixels.
        detection_starts: (P + 1,) int64.
        faces: (F, 4) float64, x1 y1 x2 y2.
        face_starts: (P + 1,) int64.
        face: (D,) int64, filled with rows of `faces`; -1 where a detection touches no face.
        overlap: (D,) float64, filled with the IoU with that face, 0 where there is none.
    """
    face.fill(-1)
    overlap.fill(0)
    for picture in range(len(detection_starts) - 1):
        found = slice(detection_starts[picture], detection_starts[picture + 1])
        first, end = face_starts[picture], face_starts[picture + 1]
        if found.start == found.stop or first == end:
            continue
        ious = _overlaps(detections[found], faces[first:end])
        best = ious.argmax(axis=1)
        overlap[found] = ious[np.arange(len(best)), best]
        face[found] = np.where(overlap[found] > 0, first + best, -1)


def _overlaps(detections: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the (N, M) IoU of (N, 5) detections with (M, 4) faces, both at least one."""
    x1, y1, x2, y2 = detections[:, :4].T[:, :, None]
    fx1, fy1, fx2, fy2 = faces.T
    width = np.minimum(x2, fx2) - np.maximum(x1, fx1) + 1
    height = np.minimum(y2, fy2) - np.maximum(y1, fy1) + 1
    shared = np.where((width > 0) & (height > 0), width * height, 0)
    return shared / ((x2 - x1 + 1) * (y2 - y1 + 1) + (fx2 - fx1 + 1) * (fy2 - fy1 + 1) - shared)

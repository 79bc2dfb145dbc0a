"""The two loops of the scorer in NumPy: what evaluation/_kernel.pyx computes, to the bit, from the same arguments."""

import numpy as np


def match(
    detections: np.ndarray,
    detection_starts: np.ndarray,
    faces: np.ndarray,
    face_starts: np.ndarray,
    face: np.ndarray,
    overlap: np.ndarray,
) -> None:
    """Find the face of the same image that each detection overlaps most, the first one of equals.

    The rows of all P images follow one another; image p has the rows starts[p] to starts[p + 1] - 1.
    Overlaps are IoU with inclusive pixels: a box is x2 - x1 + 1 wide.

    Args:
        detections: (D, 5) float64, x1 y1 x2 y2 score, in pixels.
        detection_starts: (P + 1,) int64; where it is a part of the images, only their rows are filled.
        faces: (F, 4) float64, x1 y1 x2 y2.
        face_starts: (P + 1,) int64.
        face: (D,) int64, filled with rows of `faces`; -1 where a detection touches no face.
        overlap: (D,) float64, filled with the IoU with that face, 0 where there is none.
    """
    for image in range(len(detection_starts) - 1):
        found = slice(detection_starts[image], detection_starts[image + 1])
        first, end = face_starts[image], face_starts[image + 1]
        face[found] = -1
        overlap[found] = 0
        if found.start == found.stop or first == end:
            continue
        ious = _overlaps(detections[found], faces[first:end])
        best = ious.argmax(axis=1)
        overlap[found] = ious[np.arange(len(best)), best]
        face[found] = np.where(overlap[found] > 0, first + best, -1)


def count(
    reached_at: np.ndarray,
    face: np.ndarray,
    overlap: np.ndarray,
    iou: float,
    proposes: np.ndarray,
    counts: np.ndarray,
    on_no_face: np.ndarray,
    on_a_face: np.ndarray,
    found: np.ndarray,
) -> None:
    """Count, for G groups of faces at once, what comes in at each of T thresholds.

    A detection with an overlap of `iou` or more is on its face, and a proposal of the groups in which that counts. A
    face is found at the first threshold that one of its detections reaches.

    Args:
        reached_at: (D,) int64, the first threshold that each detection reaches, 0 to T - 1.
        face, overlap: (D,) as `match` fills them.
        iou: over 0.
        proposes: (D, K) uint8, 1 where a detection is a proposal if it is on no face, in K different ways.
        counts: (F, G) uint8, 1 where a face counts.
        on_no_face: (T, K) int64 of zeros, filled with the new proposals on no face at each threshold.
        on_a_face: (T, G) int64 of zeros, filled with those on a face.
        found: (T + 1, G) int64 of zeros, filled with the newly found faces; the last row has those never found.
    """
    steps = len(on_a_face)
    matched = overlap >= iou
    first = np.full(len(counts), steps)
    np.minimum.at(first, face[matched], reached_at[matched])
    for way in range(proposes.shape[1]):
        on_no_face[:, way] = np.bincount(reached_at[~matched & (proposes[:, way] != 0)], minlength=steps)
    for group in range(counts.shape[1]):
        counted = counts[:, group] != 0
        on_a_face[:, group] = np.bincount(reached_at[matched][counted[face[matched]]], minlength=steps)
        found[:, group] = np.bincount(first[counted], minlength=steps + 1)


def _overlaps(detections: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the (N, M) IoU of (N, 5) detections with (M, 4) faces, both at least one."""
    x1, y1, x2, y2 = detections[:, :4].T[:, :, None]
    fx1, fy1, fx2, fy2 = faces.T
    width = np.minimum(x2, fx2) - np.maximum(x1, fx1) + 1
    height = np.minimum(y2, fy2) - np.maximum(y1, fy1) + 1
    shared = np.where((width > 0) & (height > 0), width * height, 0)
    return shared / ((x2 - x1 + 1) * (y2 - y1 + 1) + (fx2 - fx1 + 1) * (fy2 - fy1 + 1) - shared)

"""The two inner loops of the evaluation in NumPy: same arguments and same bits as evaluation/_scoring_loops.pyx."""

import numpy as np

from evaluation.inclusive_iou import inclusive_ious


def find_best_faces(
    detections: np.ndarray,
    detection_starts: np.ndarray,
    faces: np.ndarray,
    face_starts: np.ndarray,
    best_face: np.ndarray,
    best_iou: np.ndarray,
) -> None:
    """Find the face in the same image with the highest IoU for each detection; the first face wins a tie.

    The rows of all P images are concatenated: image p has the rows starts[p] to starts[p + 1] - 1.

    Args:
        detections: (D, 5) float64, x1 y1 x2 y2 score, in pixels.
        detection_starts: (P + 1,) int64; if it covers some of the images, only their rows are written.
        faces: (F, 4) float64, x1 y1 x2 y2.
        face_starts: (P + 1,) int64.
        best_face: (D,) int64, output: rows of `faces`, -1 for a detection that overlaps no face.
        best_iou: (D,) float64, output: IoU with that face, 0 if there is none.
    """
    for image in range(len(detection_starts) - 1):
        rows = slice(detection_starts[image], detection_starts[image + 1])
        first, end = face_starts[image], face_starts[image + 1]
        best_face[rows] = -1
        best_iou[rows] = 0
        if rows.start == rows.stop or first == end:
            continue
        ious = inclusive_ious(detections[rows], faces[first:end])
        best = ious.argmax(axis=1)
        best_iou[rows] = ious[np.arange(len(best)), best]
        best_face[rows] = np.where(best_iou[rows] > 0, first + best, -1)


def count_matches(
    first_threshold: np.ndarray,
    best_face: np.ndarray,
    best_iou: np.ndarray,
    iou: float,
    eligible: np.ndarray,
    members: np.ndarray,
    unmatched: np.ndarray,
    matched: np.ndarray,
    found: np.ndarray,
) -> None:
    """Count proposals and found faces of G groups that are new at each of T thresholds.

    A detection with an IoU of `iou` or more is matched; it is a proposal of the groups that its face belongs to. A
    face is found at the first threshold that one of its detections reaches.

    Args:
        first_threshold: (D,) int64, index of the first threshold that each detection reaches, 0 to T - 1.
        best_face, best_iou: (D,), outputs of `find_best_faces`.
        iou: greater than 0.
        eligible: (D, K) uint8, K different masks of the detections that are proposals if they are unmatched.
        members: (F, G) uint8, mask of the faces of each group.
        unmatched: (T, K) int64 zeros, output: new unmatched proposals at each threshold.
        matched: (T, G) int64 zeros, output: new matched proposals at each threshold.
        found: (T + 1, G) int64 zeros, output: newly found faces; the last row counts the faces never found.
    """
    steps = len(matched)
    is_match = best_iou >= iou
    found_at = np.full(len(members), steps)
    np.minimum.at(found_at, best_face[is_match], first_threshold[is_match])
    for column in range(eligible.shape[1]):
        proposals = first_threshold[~is_match & (eligible[:, column] != 0)]
        unmatched[:, column] = np.bincount(proposals, minlength=steps)
    for group in range(members.shape[1]):
        member = members[:, group] != 0
        proposals = first_threshold[is_match][member[best_face[is_match]]]
        matched[:, group] = np.bincount(proposals, minlength=steps)
        found[:, group] = np.bincount(found_at[member], minlength=steps + 1)

# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Compiled version of evaluation/scoring_loops_numpy.py: same arguments, same order of operations, same bits, no GIL."""

import numpy as np


def find_best_faces(
    const double[:, ::1] detections,
    const long long[::1] detection_starts,
    const double[:, ::1] faces,
    const long long[::1] face_starts,
    long long[::1] best_face,
    double[::1] best_iou,
):
    """See `evaluation.scoring_loops_numpy.find_best_faces`."""
    cdef Py_ssize_t image, d, f, best
    cdef double x1, y1, x2, y2, area, width, height, shared, iou, highest

    with nogil:
        for image in range(detection_starts.shape[0] - 1):
            for d in range(detection_starts[image], detection_starts[image + 1]):
                x1, y1, x2, y2 = detections[d, 0], detections[d, 1], detections[d, 2], detections[d, 3]
                area = (x2 - x1 + 1) * (y2 - y1 + 1)
                best = -1
                highest = 0
                for f in range(face_starts[image], face_starts[image + 1]):
                    width = min(x2, faces[f, 2]) - max(x1, faces[f, 0]) + 1
                    if width <= 0:
                        continue
                    height = min(y2, faces[f, 3]) - max(y1, faces[f, 1]) + 1
                    if height <= 0:
                        continue
                    shared = width * height
                    iou = shared / (
                        area + (faces[f, 2] - faces[f, 0] + 1) * (faces[f, 3] - faces[f, 1] + 1) - shared
                    )
                    if iou > highest:  # not >=: the first face wins a tie
                        best = f
                        highest = iou
                best_face[d] = best
                best_iou[d] = highest


def count_matches(
    const long long[::1] first_threshold,
    const long long[::1] best_face,
    const double[::1] best_iou,
    double iou,
    const unsigned char[:, ::1] eligible,
    const unsigned char[:, ::1] members,
    long long[:, ::1] unmatched,
    long long[:, ::1] matched,
    long long[:, ::1] found,
):
    """See `evaluation.scoring_loops_numpy.count_matches`."""
    cdef Py_ssize_t d, f, g, groups = members.shape[1], masks = eligible.shape[1]
    cdef long long[::1] found_at = np.full(members.shape[0], matched.shape[0], np.int64)

    with nogil:
        for d in range(first_threshold.shape[0]):
            if best_iou[d] >= iou:
                f = best_face[d]
                found_at[f] = min(found_at[f], first_threshold[d])
                for g in range(groups):
                    matched[first_threshold[d], g] += members[f, g]
            else:
                for g in range(masks):
                    unmatched[first_threshold[d], g] += eligible[d, g]
        for f in range(members.shape[0]):
            for g in range(groups):
                found[found_at[f], g] += members[f, g]

# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of evaluation/kernel_numpy.py: same arguments, same order of operations, same bits, no GIL."""

import numpy as np


def match(
    const double[:, ::1] detections,
    const long long[::1] detection_starts,
    const double[:, ::1] faces,
    const long long[::1] face_starts,
    long long[::1] face,
    double[::1] overlap,
):
    """See `evaluation.kernel_numpy.match`."""
    cdef Py_ssize_t image, d, f, best
    cdef double x1, y1, x2, y2, area, width, height, shared, iou, best_iou

    with nogil:
        for image in range(detection_starts.shape[0] - 1):
            for d in range(detection_starts[image], detection_starts[image + 1]):
                x1, y1, x2, y2 = detections[d, 0], detections[d, 1], detections[d, 2], detections[d, 3]
                area = (x2 - x1 + 1) * (y2 - y1 + 1)
                best = -1
                best_iou = 0
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
                    if iou > best_iou:  # and not >=: the first of equal faces keeps the detection
                        best = f
                        best_iou = iou
                face[d] = best
                overlap[d] = best_iou


def count(
    const long long[::1] reached_at,
    const long long[::1] face,
    const double[::1] overlap,
    double iou,
    const unsigned char[:, ::1] proposes,
    const unsigned char[:, ::1] counts,
    long long[:, ::1] on_no_face,
    long long[:, ::1] on_a_face,
    long long[:, ::1] found,
):
    """See `evaluation.kernel_numpy.count`."""
    cdef Py_ssize_t d, f, g, groups = counts.shape[1], ways = proposes.shape[1]
    cdef long long[::1] first = np.full(counts.shape[0], on_a_face.shape[0], np.int64)

    with nogil:
        for d in range(reached_at.shape[0]):
            if overlap[d] >= iou:
                f = face[d]
                first[f] = min(first[f], reached_at[d])
                for g in range(groups):
                    on_a_face[reached_at[d], g] += counts[f, g]
            else:
                for g in range(ways):
                    on_no_face[reached_at[d], g] += proposes[d, g]
        for f in range(counts.shape[0]):
            for g in range(groups):
                found[first[f], g] += counts[f, g]

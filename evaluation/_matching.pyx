# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of evaluation/matching_numpy.py: same arguments, same order of operations, same bits."""


def match(
    const double[:, ::1] detections,
    const long long[::1] detection_starts,
    const double[:, ::1] faces,
    const long long[::1] face_starts,
    long long[::1] face,
    double[::1] overlap,
):
    """See `evaluation.matching_numpy.match`. Runs without the GIL."""
    cdef Py_ssize_t picture, d, f, best
    cdef double x1, y1, x2, y2, area, width, height, shared, iou, best_iou

    with nogil:
        for picture in range(detection_starts.shape[0] - 1):
            for d in range(detection_starts[picture], detection_starts[picture + 1]):
                x1, y1, x2, y2 = detections[d, 0], detections[d, 1], detections[d, 2], detections[d, 3]
                area = (x2 - x1 + 1) * (y2 - y1 + 1)
                best = -1
                best_iou = 0
                for f in range(face_starts[picture], face_starts[picture + 1]):
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

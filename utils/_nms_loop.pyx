# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Exact non-maximum suppression in vertical strips, without the GIL."""

from libc.math cimport INFINITY

import numpy as np


def nms(const float[:, ::1] boxes, double threshold):
    """Return the (K,) int64 indices of the boxes that NMS keeps, ascending, as torchvision.ops.nms does on the CPU.

    A kept box is entered in every strip that it touches, and a box is compared with the kept boxes of its own strips
    alone: boxes without a common strip do not overlap. Strips are as wide as the mean box, so each box has at most
    three entries on average. The IoU is computed in the order and the precision of torchvision.

    Args:
        boxes: (N, 4) x1 y1 x2 y2, finite, by descending score.
        threshold: IoU, 0 to 1; a box with a larger IoU with a kept box is removed.
    """
    cdef Py_ssize_t count = boxes.shape[0], box, strip, other, entry, strips, entries = 0, kept = 0
    cdef double left = INFINITY, right = -INFINITY, widths = 0, per_pixel
    cdef float width, height, shared, area
    cdef bint stays
    cdef int[:, ::1] touched = np.empty((count, 2), np.int32)

    for box in range(count):
        left = min(left, boxes[box, 0])
        right = max(right, boxes[box, 2])
        widths += <double>boxes[box, 2] - boxes[box, 0]
    # Boxes turned inside out may leave no width at all; one strip is right for any boxes.
    strips = <Py_ssize_t>min(max((right - left) * count / widths, 1), count) if widths > 0 and right > left else 1
    per_pixel = strips / (right - left) if strips > 1 else 0
    for box in range(count):
        touched[box, 0] = strip_at(boxes[box, 0], left, per_pixel, strips)
        touched[box, 1] = strip_at(boxes[box, 2], left, per_pixel, strips)
        entries += max(touched[box, 1] - touched[box, 0] + 1, 0)

    cdef int[::1] newest = np.full(strips, -1, np.int32)  # entry of each strip
    cdef int[::1] older = np.empty(entries, np.int32)  # entry of the same strip, -1 for none
    cdef int[::1] owner = np.empty(entries, np.int32)  # place among the kept
    cdef float[:, ::1] keep = np.empty((count, 5), np.float32)  # x1 y1 x2 y2 area
    cdef int[::1] keep_first = np.empty(count, np.int32)  # strip
    cdef long long[::1] indices = np.empty(count, np.int64)

    entries = 0
    with nogil:
        for box in range(count):
            area = (boxes[box, 2] - boxes[box, 0]) * (boxes[box, 3] - boxes[box, 1])
            stays = True
            for strip in range(touched[box, 0], touched[box, 1] + 1):
                entry = newest[strip]
                while entry >= 0:
                    other = owner[entry]
                    entry = older[entry]
                    if strip != max(touched[box, 0], keep_first[other]):
                        continue  # compared in an earlier strip that they have in common
                    width = min(boxes[box, 2], keep[other, 2]) - max(boxes[box, 0], keep[other, 0])
                    height = min(boxes[box, 3], keep[other, 3]) - max(boxes[box, 1], keep[other, 1])
                    if width <= 0 or height <= 0:
                        continue
                    shared = width * height
                    if shared / (keep[other, 4] + area - shared) > threshold:
                        stays = False
                        break
                if not stays:
                    break
            if not stays:
                continue
            for strip in range(touched[box, 0], touched[box, 1] + 1):
                owner[entries] = <int>kept
                older[entries] = newest[strip]
                newest[strip] = <int>entries
                entries += 1
            keep[kept, 0], keep[kept, 1], keep[kept, 2], keep[kept, 3] = (
                boxes[box, 0], boxes[box, 1], boxes[box, 2], boxes[box, 3],
            )
            keep[kept, 4] = area
            keep_first[kept] = touched[box, 0]
            indices[kept] = box
            kept += 1
    return np.asarray(indices[:kept]).copy()


cdef inline int strip_at(double x, double left, double per_pixel, Py_ssize_t strips) noexcept nogil:
    return <int>min(<Py_ssize_t>((x - left) * per_pixel), strips - 1)

"""IoU with inclusive pixels, as the WIDER FACE protocol defines it: a box is x2 - x1 + 1 wide.

`_scoring_loops.pyx` computes the same in compiled code.
"""

import numpy as np


def inclusive_areas(boxes: np.ndarray) -> np.ndarray:
    """Return the (N,) areas of (N, 4 or more) boxes x1 y1 x2 y2 in pixels."""
    return (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)


def inclusive_intersections(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the (N, M) intersection areas of (N, 4 or more) boxes and (M, 4 or more) others."""
    x1, y1, x2, y2 = boxes[:, :4].T[:, :, None]
    other_x1, other_y1, other_x2, other_y2 = others[:, :4].T
    width = np.minimum(x2, other_x2) - np.maximum(x1, other_x1) + 1
    height = np.minimum(y2, other_y2) - np.maximum(y1, other_y1) + 1
    return np.where((width > 0) & (height > 0), width * height, 0)


def inclusive_ious(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the (N, M) IoU of (N, 4 or more) boxes and (M, 4 or more) others."""
    shared = inclusive_intersections(boxes, others)
    return shared / (inclusive_areas(boxes)[:, None] + inclusive_areas(others) - shared)

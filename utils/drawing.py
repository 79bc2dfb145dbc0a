"""Detections drawn on pictures."""

import cv2
import numpy as np

BOX_COLOR = (60, 220, 60)
TEXT_COLOR = (0, 40, 0)


def draw_detections(image: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return a copy of a picture with a box and a score for each face, the best on top.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (N, 4) x1 y1 x2 y2 in pixels.
        scores: (N,) 0 to 1, best first.
    """
    drawn = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 400))
    for box, score in zip(boxes[::-1], scores[::-1], strict=True):
        x1, y1, x2, y2 = (int(value) for value in box)
        cv2.rectangle(drawn, (x1, y1), (x2, y2), BOX_COLOR, thickness, cv2.LINE_AA)
        # The text grows with the face, so that small faces in a crowd stay visible.
        scale = float(np.clip((x2 - x1) / 90, 0.3, 0.8))
        text = f"{score:.2f}"
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        left, bottom = max(x1, 0), max(y1 - 2, height + 2)
        cv2.rectangle(drawn, (left, bottom - height - 2), (left + width, bottom + 2), BOX_COLOR, cv2.FILLED)
        cv2.putText(drawn, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, scale, TEXT_COLOR, 1, cv2.LINE_AA)
    return drawn

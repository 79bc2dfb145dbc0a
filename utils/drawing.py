"""Draw detections and labels on images, pixelate faces and tile images."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

BOX_COLOR = (60, 220, 60)
IGNORED_COLOR = (220, 120, 255)
TEXT_COLOR = (0, 40, 0)
# Left eye, right eye, nose, left and right corner of the mouth as seen in the image: a wrong flip is visible.
LANDMARK_COLORS = ((255, 120, 0), (0, 0, 255), (0, 255, 255), (255, 0, 255), (0, 140, 255))
SHEET_COLOR = (32, 32, 32)
PIXELATED_BLOCKS = 6  # across a face: too few to recognize it


def draw_detections(
    image: np.ndarray, boxes: np.ndarray, scores: np.ndarray, landmarks: np.ndarray | None = None
) -> np.ndarray:
    """Return a copy of an image with the box, score and landmarks of each detection, the best on top.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (N, 4) x1 y1 x2 y2 in pixels, finite; they may lie outside the image.
        scores: (N,) 0 to 1, best first.
        landmarks: (N, 5, 2) x y in pixels, or None.
    """
    drawn = image.copy()
    height, width = image.shape[:2]
    thickness = max(1, round(min(height, width) / 400))
    # An untrained network's boxes can exceed OpenCV's integers.
    margin = 2 * thickness
    corners = boxes.clip(-margin, [width + margin, height + margin] * 2).astype(int)
    for (x1, y1, x2, y2), score in zip(corners[::-1].tolist(), scores[::-1], strict=True):
        cv2.rectangle(drawn, (x1, y1), (x2, y2), BOX_COLOR, thickness, cv2.LINE_AA)
        # The text scales with the face so that small faces in a crowd stay visible.
        scale = float(np.clip((x2 - x1) / 90, 0.3, 0.8))
        text = f"{score:.2f}"
        (text_width, text_height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        left, bottom = max(x1, 0), max(y1 - 2, text_height + 2)
        corner = (left + text_width, bottom + 2)
        cv2.rectangle(drawn, (left, bottom - text_height - 2), corner, BOX_COLOR, cv2.FILLED)
        cv2.putText(drawn, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, scale, TEXT_COLOR, 1, cv2.LINE_AA)
    if landmarks is not None:
        _draw_landmarks(drawn, corners, landmarks.clip(-margin, [width + margin, height + margin]), thickness)
    return drawn


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    landmarks: np.ndarray | None = None,
    landmark_mask: np.ndarray | None = None,
    colors: Sequence[tuple[int, int, int]] | None = None,
) -> np.ndarray:
    """Return a copy of an image with its labelled boxes and landmarks.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (N, 4) x1 y1 x2 y2 in pixels.
        landmarks: (N, 5, 2) x y in pixels.
        landmark_mask: (N,) bool, the faces that have landmarks; None: all.
        colors: BGR color of each box; None: BOX_COLOR.
    """
    drawn = image.copy()
    thickness = max(1, round(min(image.shape[:2]) / 400))
    colors = [BOX_COLOR] * len(boxes) if colors is None else colors
    for (x1, y1, x2, y2), color in zip(np.rint(boxes).astype(int).tolist(), colors, strict=True):
        cv2.rectangle(drawn, (x1, y1), (x2, y2), color, thickness, cv2.LINE_AA)
    if landmarks is None:
        return drawn
    if landmark_mask is not None:
        boxes, landmarks = boxes[landmark_mask], landmarks[landmark_mask]
    _draw_landmarks(drawn, boxes, landmarks, thickness)
    return drawn


def draw_faces(image: np.ndarray, target: Tensor, colors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Return a copy of a training sample's image with the faces of its target.

    Args:
        image: (S, S, 3) uint8, BGR, at any scale.
        target: (N, 15) box, landmarks and label of each face, in fractions of the side; label 1 has landmarks.
        colors: BGR color of each box.
    """
    values = len(image) * target[:, :14].numpy()
    return draw_boxes(image, values[:, :4], values[:, 4:].reshape(-1, 5, 2), target[:, 14].numpy() > 0, colors)


def _draw_landmarks(drawn: np.ndarray, boxes: np.ndarray, landmarks: np.ndarray, thickness: int) -> None:
    for box, points in zip(boxes, np.rint(landmarks).astype(int).tolist(), strict=True):
        radius = max(thickness, round((box[2] - box[0]) / 40))
        for point, color in zip(points, LANDMARK_COLORS, strict=True):
            cv2.circle(drawn, point, radius, color, cv2.FILLED, cv2.LINE_AA)


def pixelate(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return a copy of an image with each face reduced to a few blocks of one color.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (N, 4) x1 y1 x2 y2 in pixels, finite; each is enlarged by an eighth of its size on every side.
    """
    drawn = image.copy()
    height, width = image.shape[:2]
    margin = np.tile((boxes[:, 2:] - boxes[:, :2]) / 8, 2) * [-1, -1, 1, 1]
    corners = (boxes + margin).clip(0, [width, height] * 2)
    corners = np.hstack([np.floor(corners[:, :2]), np.ceil(corners[:, 2:])]).astype(int)
    for x1, y1, x2, y2 in corners.tolist():
        part = image[y1:y2, x1:x2]
        if part.size:
            side = max(1.0, min(part.shape[:2]) / PIXELATED_BLOCKS)
            blocks = [max(1, round(length / side)) for length in (x2 - x1, y2 - y1)]
            coarse = cv2.resize(part, blocks, interpolation=cv2.INTER_AREA)
            drawn[y1:y2, x1:x2] = cv2.resize(coarse, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    return drawn


def tile(images: Sequence[np.ndarray], columns: int, side: int) -> np.ndarray:
    """Return images in a grid, row by row, each scaled to fit a square of `side` pixels.

    Args:
        images: (H, W, 3) uint8, BGR, of any size.

    Returns:
        (rows * side, columns * side, 3) uint8, BGR.
    """
    sheet = np.full((math.ceil(len(images) / columns) * side, columns * side, 3), SHEET_COLOR, np.uint8)
    for index, image in enumerate(images):
        image = scale_to_side(image, side)
        height, width = image.shape[:2]
        row, column = divmod(index, columns)
        top, left = row * side + (side - height) // 2, column * side + (side - width) // 2
        sheet[top : top + height, left : left + width] = image
    return sheet


def scale_to_side(image: np.ndarray, side: int) -> np.ndarray:
    """Scale an (H, W, 3) uint8 image so that its longer side has `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    height, width = max(1, round(scale * height)), max(1, round(scale * width))
    return cv2.resize(image, (width, height), None, 0, 0, cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)

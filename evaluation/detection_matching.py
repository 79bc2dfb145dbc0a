"""Which detection is on which face, over a whole set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.annotations import LARGEST, Annotation, image_key
from evaluation.kernel import best_faces
from utils.errors import UserError

# A detection with this share of its area in a region that is marked as a crowd is void.
CROWD_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Matches:
    """The D detections and F faces of P images, and the face that each detection is on.

    Attributes:
        ground_truth: the P images, without crowd regions among their boxes.
        detections: (D, 5) float64, x1 y1 x2 y2 score.
        detection_images: (D,) int64, the image of each.
        faces: (F, 4) float64, x1 y1 x2 y2.
        face_images: (F,) int64, the image of each.
        face: (D,) int64, the face that each detection overlaps most, -1 where it touches none.
        overlap: (D,) float64, the IoU with it, 0 where there is none.
        matched: (D,) bool, whether that is enough to be on the face.
        in_crowd: (D,) bool, the detections that lie in a crowd region by half: void if they are on no face.
        order: (D,) int64, the detections by falling score.
        found_by: (F,) int64, the detection with the highest score on each face, -1 where there is none.
    """

    ground_truth: Sequence[Annotation]
    detections: np.ndarray
    detection_images: np.ndarray
    faces: np.ndarray
    face_images: np.ndarray
    face: np.ndarray
    overlap: np.ndarray
    matched: np.ndarray
    in_crowd: np.ndarray
    order: np.ndarray
    found_by: np.ndarray

    @property
    def face_scores(self) -> np.ndarray:
        """(F,) float64: the highest score of a detection on each face, -inf where there is none."""
        return np.append(self.detections[:, 4], -np.inf)[self.found_by]


def match(predictions: Mapping[str, np.ndarray], ground_truth: Sequence[Annotation], iou: float) -> Matches:
    """Match the detections of a set; `evaluation.protocol.evaluate` describes the arguments."""
    detected = _by_image(predictions, ground_truth)
    detections, detection_starts = _join(detected, 5)
    if not (np.abs(detections) <= LARGEST).all():
        raise UserError("predictions: found a coordinate or a score that is no number or beyond 1e9")
    in_crowd = _in_crowd(detected, ground_truth)
    ground_truth = [_without_crowds(annotation) for annotation in ground_truth]
    faces, face_starts = _join([annotation.boxes for annotation in ground_truth], 4)

    face, overlap = best_faces(detections, detection_starts, faces, face_starts)
    matched = overlap >= iou
    detection_images = _images(detection_starts)
    by_score = np.flatnonzero(matched)
    by_score = by_score[by_falling_score(detections[by_score], detection_images[by_score])]
    found, first = np.unique(face[by_score], return_index=True)
    found_by = np.full(len(faces), -1)
    found_by[found] = by_score[first]
    return Matches(
        ground_truth=ground_truth,
        detections=detections,
        detection_images=detection_images,
        faces=faces,
        face_images=_images(face_starts),
        face=face,
        overlap=overlap,
        matched=matched,
        in_crowd=in_crowd,
        order=np.argsort(-detections[:, 4], kind="stable"),
        found_by=found_by,
    )


def _by_image(predictions: Mapping[str, np.ndarray], ground_truth: Sequence[Annotation]) -> list[np.ndarray]:
    """Return the (N, 5) detections of each image of the ground truth."""
    by_key = {}
    for name, rows in predictions.items():
        key = image_key(name)
        if key in by_key:
            raise UserError(f"{name!r}: the predictions have this image more than once")
        by_key[key] = np.asarray(rows, np.float64).reshape(-1, 5)
    keys = [image_key(annotation.name) for annotation in ground_truth]
    if by_key and by_key.keys().isdisjoint(keys):
        raise UserError(f"{next(iter(predictions))!r}: the ground truth has none of the images of the predictions")
    nothing = np.empty((0, 5))
    return [by_key.get(key, nothing) for key in keys]


def by_falling_score(detections: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the (D,) order of (D, 5) detections by falling score, and by their images, (D,), and boxes in ties."""
    order = np.argsort(-detections[:, 4], kind="stable")
    scores = detections[order, 4]
    same = scores[1:] == scores[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same)) if len(scores) else order
    rows = order[tied]
    order[tied] = rows[np.lexsort((*detections[rows, 3::-1].T, images[rows], -detections[rows, 4]))]
    return order


def _crowds(annotation: Annotation) -> np.ndarray:
    """Return the (N,) bool of the boxes that mark a region."""
    return annotation.attributes["crowd"] == 1


def _without_crowds(annotation: Annotation) -> Annotation:
    if "crowd" not in annotation.attributes:
        return annotation
    faces = ~_crowds(annotation)
    return replace(
        annotation,
        boxes=annotation.boxes[faces],
        landmarks=annotation.landmarks[faces],
        attributes={name: values[faces] for name, values in annotation.attributes.items()},
        subsets={name: counts[faces] for name, counts in annotation.subsets.items()},
    )


def _in_crowd(detected: Sequence[np.ndarray], ground_truth: Sequence[Annotation]) -> np.ndarray:
    """Return the (D,) bool of the detections of which half lies in a crowd region of their image."""
    inside = [np.zeros(len(boxes), bool) for boxes in detected]
    for boxes, annotation, flags in zip(detected, ground_truth, inside, strict=True):
        if "crowd" not in annotation.attributes:
            continue
        for x1, y1, x2, y2 in annotation.boxes[_crowds(annotation)]:
            width = (np.minimum(boxes[:, 2], x2) - np.maximum(boxes[:, 0], x1) + 1).clip(0)
            height = (np.minimum(boxes[:, 3], y2) - np.maximum(boxes[:, 1], y1) + 1).clip(0)
            area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
            flags |= width * height >= CROWD_SHARE * area
    return np.concatenate([np.empty(0, bool), *inside])


def _join(arrays: Sequence[np.ndarray], columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Put the (N_p, columns) arrays of P images below one another: the rows and the (P + 1,) starts."""
    rows = np.concatenate([np.empty((0, columns)), *arrays]).astype(np.float64, copy=False)
    return rows, np.cumsum([0, *map(len, arrays)], dtype=np.int64)


def _images(starts: np.ndarray) -> np.ndarray:
    """Return the image of each row, (N,), from the (P + 1,) starts."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))

"""Matching of detections with ground-truth faces over a whole set of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.annotations import LARGEST, Annotation, image_key
from evaluation.inclusive_iou import inclusive_areas, inclusive_intersections
from evaluation.scoring_loops import match_by_iou
from utils.errors import UserError

# An unmatched detection with at least this share of its area in a crowd region is ignored.
MIN_CROWD_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class DetectionMatches:
    """D detections and F faces of P images, and the face that each detection is matched with.

    Attributes:
        ground_truth: the P images; crowd regions are removed from their boxes.
        detections: (D, 5) float64, x1 y1 x2 y2 score.
        detection_images: (D,) int64, index of the image of each detection.
        faces: (F, 4) float64, x1 y1 x2 y2.
        face_images: (F,) int64, index of the image of each face.
        best_face: (D,) int64, the face with the highest IoU, -1 for a detection that overlaps no face.
        best_iou: (D,) float64, IoU with that face, 0 if there is none.
        matched: (D,) bool, whether that IoU reaches the threshold.
        in_crowd: (D,) bool, detections with half of their area in a crowd region; ignored if unmatched.
        score_order: (D,) int64, detections by descending score.
        found_by: (F,) int64, the matched detection with the highest score of each face, -1 if there is none.
    """

    ground_truth: Sequence[Annotation]
    detections: np.ndarray
    detection_images: np.ndarray
    faces: np.ndarray
    face_images: np.ndarray
    best_face: np.ndarray
    best_iou: np.ndarray
    matched: np.ndarray
    in_crowd: np.ndarray
    score_order: np.ndarray
    found_by: np.ndarray

    @property
    def face_scores(self) -> np.ndarray:
        """(F,) float64: the highest score of a matched detection of each face, -inf if there is none."""
        return np.append(self.detections[:, 4], -np.inf)[self.found_by]


def match_detections(
    predictions: Mapping[str, np.ndarray], ground_truth: Sequence[Annotation], iou: float
) -> DetectionMatches:
    """Match the detections of a set of images; `evaluation.protocol.evaluate` describes the arguments."""
    detections_by_image = _group_by_image(predictions, ground_truth)
    detections, detection_starts = _concatenate(detections_by_image, 5)
    if not (np.abs(detections) <= LARGEST).all():
        raise UserError("predictions: found a coordinate or score that is not a number or beyond 1e9")
    in_crowd = _in_crowd(detections_by_image, ground_truth)
    ground_truth = [_without_crowds(annotation) for annotation in ground_truth]
    faces, face_starts = _concatenate([annotation.boxes for annotation in ground_truth], 4)

    best_face, best_iou = match_by_iou(detections, detection_starts, faces, face_starts)
    matched = best_iou >= iou
    detection_images = _image_of_rows(detection_starts)
    by_score = np.flatnonzero(matched)
    by_score = by_score[order_by_score(detections[by_score], detection_images[by_score])]
    found, first = np.unique(best_face[by_score], return_index=True)
    found_by = np.full(len(faces), -1)
    found_by[found] = by_score[first]
    return DetectionMatches(
        ground_truth=ground_truth,
        detections=detections,
        detection_images=detection_images,
        faces=faces,
        face_images=_image_of_rows(face_starts),
        best_face=best_face,
        best_iou=best_iou,
        matched=matched,
        in_crowd=in_crowd,
        score_order=np.argsort(-detections[:, 4], kind="stable"),
        found_by=found_by,
    )


def order_by_score(detections: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the (D,) order of (D, 5) detections by descending score; ties by image index, (D,), and then by box."""
    order = np.argsort(-detections[:, 4], kind="stable")
    scores = detections[order, 4]
    same = scores[1:] == scores[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same)) if len(scores) else order
    rows = order[tied]
    order[tied] = rows[np.lexsort((*detections[rows, 3::-1].T, images[rows], -detections[rows, 4]))]
    return order


def _group_by_image(predictions: Mapping[str, np.ndarray], ground_truth: Sequence[Annotation]) -> list[np.ndarray]:
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


def _is_crowd(annotation: Annotation) -> np.ndarray:
    """Return the (N,) mask of the boxes that are crowd regions."""
    return annotation.attributes["crowd"] == 1


def _without_crowds(annotation: Annotation) -> Annotation:
    if "crowd" not in annotation.attributes:
        return annotation
    return annotation.select(~_is_crowd(annotation))


def _in_crowd(detections: Sequence[np.ndarray], ground_truth: Sequence[Annotation]) -> np.ndarray:
    """Return the (D,) mask of the detections with half of their area in one crowd region of their image."""
    masks = [np.zeros(len(boxes), bool) for boxes in detections]
    for boxes, annotation, mask in zip(detections, ground_truth, masks, strict=True):
        if "crowd" in annotation.attributes:
            shared = inclusive_intersections(boxes, annotation.boxes[_is_crowd(annotation)])
            mask |= (shared >= MIN_CROWD_SHARE * inclusive_areas(boxes)[:, None]).any(axis=1)
    return np.concatenate([np.empty(0, bool), *masks])


def _concatenate(arrays: Sequence[np.ndarray], columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Concatenate the (N_p, columns) arrays of P images: the rows, and (P + 1,) indices of each image's first row."""
    rows = np.concatenate([np.empty((0, columns)), *arrays]).astype(np.float64, copy=False)
    return rows, np.cumsum([0, *map(len, arrays)], dtype=np.int64)


def _image_of_rows(starts: np.ndarray) -> np.ndarray:
    """Return the (N,) image index of each row, from the (P + 1,) starts."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))

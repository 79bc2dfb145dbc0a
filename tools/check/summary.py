"""The numbers of the report, as they are written to JSON."""

import numpy as np

from data.annotations.record import Annotations, box_sides, have_landmarks, make_annotations
from layers.matching import MIN_BEST_IOU, POSITIVE_IOU
from tools.check.label_checks import CheckedSplit
from tools.check.priors import best_iou, faces_in_samples, suggest_min_sizes
from tools.statistics.measures import distributions, quantiles

TV_FACE_IMAGES = {"train": 17_799, "val": 1_263, "test": 3_749}
IOU_LEVELS = (POSITIVE_IOU, MIN_BEST_IOU)
MIN_FACES = 50  # fewer faces do not tell which prior boxes fit
MAX_FACES = 20_000  # more faces are sampled evenly
MIN_GAIN = 0.01  # share of faces by which other prior box sizes must match more to be suggested


def describe_split(checked: CheckedSplit) -> dict:
    """Return the counts of a split and the quantiles of its images and faces."""
    split, sizes = checked.split, record_sizes(checked)
    annotations = split.annotations
    return {
        "annotation": str(split.path),
        "format": split.format_name,
        "remarks": annotations.remarks,
        "records": len(annotations),
        "faces": len(annotations.boxes),
        "faces_with_landmarks": int(have_landmarks(annotations.landmarks).sum()),
        "records_without_faces": int((np.diff(annotations.ends, prepend=0) == 0).sum()),
        "pictures": len(split.files),
        "pictures_of_tv_face": TV_FACE_IMAGES.get(split.name),
        "quantiles": quantiles(distributions(valid_faces(checked), np.where(sizes > 0, sizes, np.nan))),
    }


def measure_priors(checked: CheckedSplit, cfg: dict, image_size: int) -> dict | None:
    """Return which share of a split's augmented faces the prior boxes match; None if there are too few faces."""
    boxes = faces_in_samples(valid_faces(checked), record_sizes(checked), image_size)
    if len(boxes) < MIN_FACES:
        return None
    boxes = boxes[:: -(-len(boxes) // MAX_FACES)]
    iou = best_iou(boxes, image_size, cfg["min_sizes"], cfg["steps"])
    suggested = suggest_min_sizes(boxes, image_size, cfg["steps"], POSITIVE_IOU)
    shares = _matched_shares(iou)
    better = _matched_shares(best_iou(boxes, image_size, suggested, cfg["steps"]))
    unmatched = box_sides(boxes[iou < MIN_BEST_IOU])
    is_worth = better[0] - shares[0] >= MIN_GAIN
    return {
        "part": checked.split.name,
        "image_size": image_size,
        "faces": len(boxes),
        "min_sizes": cfg["min_sizes"],
        "shares": shares,
        "median_size": round(float(np.median(box_sides(boxes))), 1),
        "median_size_of_unlearnt": round(float(np.median(unmatched)), 1) if len(unmatched) else None,
        "suggested_min_sizes": suggested if is_worth else None,
        "suggested_shares": better if is_worth else None,
    }


def valid_faces(checked: CheckedSplit) -> Annotations:
    """Return a split's records with their valid faces that are not ignored, clipped."""
    labels, records = checked.labels, checked.split.annotations
    valid = labels.valid & ~labels.ignored
    boxes = labels.clipped[valid]
    return make_annotations(
        records.names,
        np.bincount(labels.record[valid], minlength=len(records)),
        np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]),
    )


def record_sizes(checked: CheckedSplit) -> np.ndarray:
    """Return (P, 2) int64 height and width of each record's image, 0 if unknown."""
    return np.vstack([checked.images.sizes, [[0, 0]]])[checked.labels.file]


def _matched_shares(iou: np.ndarray) -> list[float]:
    return [round(float((iou >= level).mean()), 4) for level in IOU_LEVELS]

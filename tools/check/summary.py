"""What a dataset is like, in numbers that go into JSON as they are."""

import numpy as np

from data.annotations.record import Annotations, have_landmarks, make_annotations
from tools.check.labels import Seen
from tools.check.priors import faces_in_samples, overlaps_of, suggest_min_sizes
from tools.statistics.measures import distributions, face_sizes

PUBLISHED = {"train": 17_799, "val": 1_263, "test": 3_749}  # images of TV Face
QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # per cent
MEASURES = {
    "width": "image width, px",
    "height": "image height, px",
    "faces": "faces in an image",
    "size": "face size, px",
    "relative_size": "face size, parts of the short side",
    "aspect": "face width / height",
}
THRESHOLDS = (0.35, 0.2)  # IoU from which a prior box is positive, and from which a face takes its best one
ENOUGH = 50  # faces, by which prior boxes can be chosen
MOST = 20_000  # faces that they are chosen by
GAIN = 0.01  # of the faces, from which other prior boxes are worth a new training


def describe(seen: Seen) -> dict:
    """Return the counts of a part and the quantiles of its images' and faces' measures."""
    part, annotations, sizes = seen.part, good_faces(seen), sizes_of(seen)
    values = distributions(annotations, np.where(sizes > 0, sizes, np.nan))
    quantiles = {}
    for name in MEASURES:
        known = values[name][np.isfinite(values[name])]
        if len(known):
            quantiles[name] = [round(float(value), 4) for value in np.percentile(known, QUANTILES)]
    return {
        "annotation": str(part.path),
        "format": part.kind,
        "records": len(part.annotations),
        "faces": len(part.annotations.boxes),
        "faces_with_landmarks": int(have_landmarks(part.annotations.landmarks).sum()),
        "records_without_faces": int((np.diff(part.annotations.ends, prepend=0) == 0).sum()),
        "pictures": len(part.files),
        "pictures_of_tv_face": PUBLISHED.get(part.name),
        "quantiles": quantiles,
    }


def learnable(seen: Seen, cfg: dict, image_size: int) -> dict | None:
    """Return what of a part's faces the prior boxes of a configuration can learn; None if there are too few."""
    boxes = faces_in_samples(good_faces(seen), sizes_of(seen), image_size)
    if len(boxes) < ENOUGH:
        return None
    boxes = boxes[:: -(-len(boxes) // MOST)]
    overlaps = overlaps_of(boxes, image_size, cfg["min_sizes"], cfg["steps"])
    suggested = suggest_min_sizes(boxes, image_size, cfg["steps"], THRESHOLDS[0])
    shares = _shares(overlaps)
    better = _shares(overlaps_of(boxes, image_size, suggested, cfg["steps"]))
    unlearnt = face_sizes(boxes[overlaps < THRESHOLDS[1]])
    return {
        "part": seen.part.name,
        "image_size": image_size,
        "faces": len(boxes),
        "min_sizes": cfg["min_sizes"],
        "shares": shares,
        "median_size": round(float(np.median(face_sizes(boxes))), 1),
        "median_size_of_unlearnt": round(float(np.median(unlearnt)), 1) if len(unlearnt) else None,
        "suggested_min_sizes": suggested if better[0] - shares[0] >= GAIN else None,
        "suggested_shares": better if better[0] - shares[0] >= GAIN else None,
    }


def good_faces(seen: Seen) -> Annotations:
    """Return a part's records with the faces that a training would learn, clipped."""
    labels, records = seen.labels, seen.part.annotations
    good = labels.counted & labels.whole
    boxes = labels.clipped[good]
    return make_annotations(
        records.names,
        np.bincount(labels.record[good], minlength=len(records)),
        np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]),
    )


def sizes_of(seen: Seen) -> np.ndarray:
    """Return (P, 2) int64 the height and width of each record's image, 0 where not known."""
    return np.vstack([seen.looks.sizes, [[0, 0]]])[seen.labels.file]


def _shares(overlaps: np.ndarray) -> list[float]:
    return [round(float((overlaps >= threshold).mean()), 4) for threshold in THRESHOLDS]

"""Write COCO's object detection JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.annotations.record import SCORE, Annotation
from data.annotations.written_numbers import written_boxes

KEYPOINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


def write_coco(path: Path, annotations: Sequence[Annotation]) -> None:
    """Write a COCO ground truth of the one category "face"; landmarks are its keypoints.

    The attributes `crowd` and `ignore` become COCO's own flags, `score` the key of COCO's results, and the rest the
    annotation's `attributes`. Images keep their ids where every image has its own, and are numbered from 1 otherwise.
    Unknown sizes are not written. `segmentation` is empty, without which CVAT does not import a box.
    """
    identities = [annotation.identity for annotation in annotations]
    if None in identities or len(set(identities)) < len(identities):
        identities = range(1, len(annotations) + 1)
    images, faces = [], []
    for identity, annotation in zip(identities, annotations, strict=True):
        size = dict(zip(("height", "width"), annotation.size, strict=True)) if annotation.size else {}
        images.append({"id": identity, "file_name": annotation.name, **size})
        attributes = {name: list(map(_plain, values.tolist())) for name, values in annotation.attributes.items()}
        for index, (box, points) in enumerate(
            zip(written_boxes(annotation.boxes).tolist(), annotation.landmarks, strict=True)
        ):
            own = {name: values[index] for name, values in attributes.items() if values[index] is not None}
            face = {"id": len(faces) + 1, "image_id": identity, "category_id": 1, "bbox": list(map(_plain, box))}
            face["area"] = _plain(box[2] * box[3])
            face |= {"segmentation": [], "iscrowd": int(own.pop("crowd", 0))}
            if "ignore" in own:
                face["ignore"] = int(own.pop("ignore"))
            if isinstance(own.get(SCORE), int | float):
                face[SCORE] = own.pop(SCORE)
            known = (points != -1).any(axis=1)
            if known.any():
                keypoints = np.where(known[:, None], np.insert(points, 2, 2, axis=1), 0)
                face["keypoints"] = list(map(_plain, keypoints.ravel().tolist()))
                face["num_keypoints"] = int(known.sum())
            faces.append(face | ({"attributes": own} if own else {}))
    category = {"id": 1, "name": "face", "supercategory": "person", "keypoints": list(KEYPOINTS), "skeleton": []}
    content = {"images": images, "annotations": faces, "categories": [category]}
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def _plain(value: float | str | None) -> int | float | str | None:
    """Return a whole number as an int, so that it is written without a fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value

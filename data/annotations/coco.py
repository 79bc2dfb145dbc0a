"""COCO's object detection JSON."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.annotations.record import (
    LARGEST,
    Annotation,
    Annotations,
    Places,
    Problem,
    attribute_columns,
    check_extent,
    check_landmarks,
    face_category,
    leave_out,
    make_annotations,
    written_boxes,
)
from utils.errors import UserError
from utils.files import read_text

# A face that lacks one of them is a usual one.
FLAGS = {"iscrowd": "crowd", "ignore": "ignore"}
KEYPOINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


def read_coco(path: Path, category: str | None = None, problems: list[Problem] | None = None) -> Annotations:
    """Read the faces of a COCO ground truth; a picture without annotations has none.

    `iscrowd` (as `crowd`), `ignore` and the numbers, booleans and texts in an annotation's own `attributes` become
    attributes, and five `keypoints` landmarks. Of objects that are no faces only the ids are looked at. `problems` is
    as for `read_annotations`.

    Raises:
        UserError: not JSON, not laid out like that, or a record that is malformed or contradicts another, named by
            its id.
    """
    content = _load(path)
    classes = {}
    for where, record in _records(path, content, "categories", "category"):
        classes[_id(where, record, "id")] = _text(where, record, "name")
    chosen = face_category(path, classes.values(), category)

    names, sizes, places, faces = [], [], [], {}
    for where, record in _records(path, content, "images", "image"):
        try:
            identity, name = _id(where, record, "id"), _text(where, record, "file_name")
            if identity in faces:
                raise UserError(f"{where}: is there twice; expected an id of its own for each image")
        except UserError as error:
            leave_out(error, problems)
            continue
        faces[identity] = []
        names.append(name)
        sizes.append(_size(record))
        places.append(where)

    numbers = {identity: number for number, identity in enumerate(faces)}
    for where, record in _records(path, content, "annotations", "annotation"):
        image = None
        try:
            image = _id(where, record, "image_id", faces, "images")
            if classes[_id(where, record, "category_id", classes, "categories")] == chosen:
                face = (where, _box(where, record), _landmarks(where, record), _attributes(where, record))
                faces[image].append(face)
        except UserError as error:
            leave_out(error, problems, numbers.get(image))

    every = [face for group in faces.values() for face in group]
    return make_annotations(
        names,
        [len(group) for group in faces.values()],
        [box for _, box, _, _ in every],
        np.array([landmarks for _, _, landmarks, _ in every]).reshape(-1, 5, 2),
        attribute_columns([attributes for _, _, _, attributes in every], dict.fromkeys(FLAGS.values(), 0.0)),
        sizes=sizes,
        identities=list(faces),
        places=Places(places, [where for where, _, _, _ in every]),
    )


def _load(path: Path) -> dict:
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: is not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:  # a number too long or brackets too deep for Python
        raise UserError(f"{path}: is not JSON that can be read ({error})") from error
    if isinstance(content, list):
        raise UserError(
            f"{path}: is a list, as COCO results are; expected the ground truth: an object with images, annotations"
            " and categories"
        )
    return content if isinstance(content, dict) else {}


def _records(path: Path, content: dict, key: str, word: str) -> list[tuple[str, dict]]:
    """Return the records of one of the file's lists, each with the words that name it in an error."""
    records = content.get(key)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise UserError(f"{path}: has no list of objects {key!r}; expected COCO's images, annotations and categories")
    names = [
        f"id {repr(record['id'])[:40]}" if "id" in record else f"number {number}"
        for number, record in enumerate(records, start=1)
    ]
    return [(f"{path}: {word} {name}", record) for name, record in zip(names, records, strict=True)]


def _id(where: str, record: dict, key: str, known: dict | None = None, among: str = "") -> int | str:
    value = record.get(key)
    if type(value) not in (int, str):
        raise UserError(f"{where}: found {_shown(record, key)}; expected a whole number or a text")
    if known is not None and value not in known:
        raise UserError(f"{where}: found {_shown(record, key)}; expected the id of one of the {among}")
    return value


def _text(where: str, record: dict, key: str) -> str:
    if not isinstance(record.get(key), str):
        raise UserError(f"{where}: found {_shown(record, key)}; expected a text")
    return record[key]


def _box(where: str, record: dict) -> list[float]:
    box = record.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise UserError(f"{where}: found {_shown(record, 'bbox')}; expected four finite numbers, x y w h")
    if box[2] < 0 or box[3] < 0:
        raise UserError(f"{where}: found {_shown(record, 'bbox')}; a face's width and height cannot be negative")
    check_extent(where, box)
    return box


def _landmarks(where: str, record: dict) -> np.ndarray:
    """Return (5, 2), -1 for points that are not labelled; keypoints of another number are not those of a face."""
    keypoints = record.get("keypoints")
    if not isinstance(keypoints, list) or len(keypoints) != 15:
        return np.full((5, 2), -1.0)
    if not all(map(_is_number, keypoints)):
        raise UserError(f"{where}: found {_shown(record, 'keypoints')}; expected five x y visibility")
    points = np.array(keypoints, np.float64).reshape(5, 3)
    landmarks = np.where(points[:, 2:] == 0, -1.0, points[:, :2])
    check_landmarks(where, landmarks.tolist())
    return landmarks


def _attributes(where: str, record: dict) -> dict[str, float | str]:
    attributes = {}
    if isinstance(record.get("attributes"), dict):
        for name, value in record["attributes"].items():
            if isinstance(value, str):
                attributes[name] = value
            elif isinstance(value, bool) or _is_number(value):
                attributes[name] = float(value)
    for key, name in FLAGS.items():
        if key in record:
            if record[key] not in (0, 1):
                raise UserError(f"{where}: found {_shown(record, key)}; expected 0 or 1")
            attributes[name] = float(record[key])
    return attributes


def _size(record: dict) -> tuple[int, int] | None:
    height, width = record.get("height"), record.get("width")
    whole = type(height) is type(width) is int
    return (height, width) if whole and 0 < min(height, width) <= max(height, width) < LARGEST else None


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # which nan is not, either


def _shown(record: dict, key: str) -> str:
    return f"{key} {json.dumps(record[key])[:80]}" if key in record else f"no {key}"


def write_coco(path: Path, annotations: Sequence[Annotation]) -> None:
    """Write a COCO ground truth of the one category "face"; landmarks are its keypoints.

    The attributes `crowd` and `ignore` become COCO's own flags, all others the annotation's `attributes`. Images keep
    their ids where every one has its own, and are numbered from 1 otherwise. A size that is not known is left out.
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
            own = {name: values[index] for name, values in attributes.items()}
            face = {"id": len(faces) + 1, "image_id": identity, "category_id": 1, "bbox": list(map(_plain, box))}
            face["area"] = _plain(box[2] * box[3])
            face["iscrowd"] = int(own.pop("crowd", 0))
            if "ignore" in own:
                face["ignore"] = int(own.pop("ignore"))
            known = (points != -1).any(axis=1)
            if known.any():
                keypoints = np.where(known[:, None], np.insert(points, 2, 2, axis=1), 0)
                face["keypoints"] = list(map(_plain, keypoints.ravel().tolist()))
                face["num_keypoints"] = int(known.sum())
            faces.append(face | ({"attributes": own} if own else {}))
    category = {"id": 1, "name": "face", "supercategory": "person", "keypoints": list(KEYPOINTS), "skeleton": []}
    content = {"images": images, "annotations": faces, "categories": [category]}
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def _plain(value: float | str) -> int | float | str:
    """Return a number without the fraction that it does not need."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value

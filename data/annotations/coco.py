"""COCO's object detection JSON."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.annotations.attributes import attribute_columns
from data.annotations.classes import Classes, choose_classes
from data.annotations.format import Capabilities, Format
from data.annotations.json_values import is_attribute, is_number, load_json, shown, whole_text
from data.annotations.problems import LARGEST, Problem, check_extent, check_landmarks, skip_or_raise
from data.annotations.record import (
    Annotation,
    Annotations,
    Places,
    make_annotations,
    written_boxes,
)
from utils.errors import UserError
from utils.wording import count_each, counted, printable

# COCO's marks of an ignored face -> attribute. A face without them is not ignored.
FLAGS = {"iscrowd": "crowd", "ignore": "ignore"}
# The keys that the records hold, or that follow from them.
OF_FACES = {"id", "image_id", "category_id", "bbox", "area", "keypoints", "num_keypoints", "attributes", *FLAGS}
OF_IMAGES = {"id", "file_name", "height", "width"}
OF_FILES = {"images", "annotations", "categories"}
SCORE = "score"  # of a detection, as COCO's results have it; an attribute of the face
KEYPOINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


class _Image(NamedTuple):
    """A record of `images`: its name for error messages, what is read of it, and the record itself."""

    where: str
    name: str
    size: tuple[int, int] | None
    record: dict


class _Face(NamedTuple):
    """A record of `annotations` that is a face; as _Image."""

    where: str
    box: list[float]
    landmarks: np.ndarray
    attributes: dict[str, float | str]
    record: dict


def read_coco(path: Path, category: str | None = None, problems: list[Problem] | None = None) -> Annotations:
    """Read the faces of a COCO ground truth; an image without annotations has none.

    `iscrowd` (as `crowd`), `ignore`, `score` and the numbers, booleans and texts in an annotation's own `attributes`
    become attributes; five `keypoints` become landmarks. Only the ids of other objects are read. The rest of the file
    is counted in `unread`. `problems` is as for `read_annotations`.

    Raises:
        UserError: not JSON, another layout, or a record that is malformed or contradicts another, named by its id.
    """
    content = _load(path)
    classes = {}
    for where, record in _records(path, content, "categories", "category"):
        classes[_id(where, record, "id")] = _text(where, record, "name")
    annotations = _records(path, content, "annotations", "annotation")
    counts = Counter(name for _, record in annotations if (name := classes.get(_hashable(record.get("category_id")))))
    chosen = choose_classes(path, {name: counts[name] for name in classes.values()}, category)
    images = _read_images(path, content, problems)
    by_image = _read_faces(annotations, classes, chosen, images, problems)

    faces = [face for group in by_image.values() for face in group]
    defaults = dict.fromkeys(FLAGS.values(), 0.0)
    columns, without_column = attribute_columns([face.attributes for face in faces], defaults)
    return make_annotations(
        [image.name for image in images.values()],
        [len(group) for group in by_image.values()],
        [face.box for face in faces],
        np.array([face.landmarks for face in faces]).reshape(-1, 5, 2),
        columns,
        sizes=[image.size for image in images.values()],
        identities=list(images),
        places=Places([image.where for image in images.values()], [face.where for face in faces]),
        classes=chosen,
        unread=[
            *_unread_words([face.record for face in faces], [image.record for image in images.values()], content),
            *count_each((without_column, "attribute", "{} that few faces have")),
        ],
    )


def _read_images(path: Path, content: dict, problems: list[Problem] | None) -> dict[int | str, _Image]:
    """Return id -> image."""
    images = {}
    for where, record in _records(path, content, "images", "image"):
        try:
            identity, name = _id(where, record, "id"), _text(where, record, "file_name")
            if identity in images:
                raise UserError(f"{where}: is there twice; expected an id of its own for each image")
        except UserError as error:
            skip_or_raise(error, problems)
            continue
        images[identity] = _Image(where, name, _size(record), record)
    return images


def _hashable(value: object) -> int | str | None:
    return value if type(value) in (int, str) else None


def _read_faces(
    annotations: Sequence[tuple[str, dict]],
    classes: dict[int | str, str],
    chosen: Classes,
    images: dict[int | str, _Image],
    problems: list[Problem] | None,
) -> dict[int | str, list[_Face]]:
    """Return id of an image -> its faces, the objects of the chosen classes."""
    faces = {identity: [] for identity in images}
    indices = {identity: index for index, identity in enumerate(images)}
    for where, record in annotations:
        image = None
        try:
            image = _id(where, record, "image_id", images, "images")
            if classes[_id(where, record, "category_id", classes, "categories")] in chosen.faces:
                box, landmarks = _box(where, record), _landmarks(where, record)
                faces[image].append(_Face(where, box, landmarks, _attributes(where, record), record))
        except UserError as error:
            skip_or_raise(error, problems, indices.get(image))
    return faces


def _unread_words(faces: Sequence[dict], images: Sequence[dict], content: dict) -> list[str]:
    """Return the words, with counts, for what the file says of its faces and images but no record holds."""
    of_faces, of_landmarks = Counter(), Counter()
    for face in faces:
        of_faces.update(_filled_keys(face, OF_FACES | {SCORE} if is_number(face.get(SCORE)) else OF_FACES))
        if isinstance(face.get("attributes"), dict):
            of_faces.update(name for name, value in face["attributes"].items() if not is_attribute(value))
        points = face.get("keypoints")
        if isinstance(points, list) and len(points) == 15:
            of_landmarks["visibility 1"] += points[2::3].count(1)
        elif points:
            of_faces["keypoints other than five"] += 1
        width, height = face["bbox"][2:]
        if is_number(face.get("area")) and not math.isclose(face["area"], width * height, abs_tol=1):
            of_faces["area other than the box's"] += 1
    if [face.get("id", number) for number, face in enumerate(faces, start=1)] != list(range(1, len(faces) + 1)):
        of_faces["id"] = len(faces)
    of_images = Counter(key for image in images for key in _filled_keys(image, OF_IMAGES))
    return [
        *(f"{printable(key)} of {counted(count, 'face')}" for key, count in of_faces.items()),
        *(f"{key} of {counted(count, 'landmark')}" for key, count in of_landmarks.items() if count),
        *(f"{printable(key)} of {counted(count, 'image')}" for key, count in of_images.items()),
        *map(printable, _filled_keys(content, OF_FILES)),
    ]


def _filled_keys(record: dict, known: set[str]) -> Iterable[str]:
    return (key for key, value in record.items() if key not in known and value not in (None, "", [], {}))


def _load(path: Path) -> dict:
    content = load_json(path)
    if isinstance(content, list):
        raise UserError(
            f"{path}: is a list, as COCO results are; expected the ground truth: an object with images, annotations"
            " and categories"
        )
    return content if isinstance(content, dict) else {}


def _records(path: Path, content: dict, key: str, word: str) -> list[tuple[str, dict]]:
    """Return the records of one of the file's lists, each with its name for error messages."""
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
        raise UserError(f"{where}: found {shown(record, key)}; expected a whole number or a text")
    if known is not None and value not in known:
        raise UserError(f"{where}: found {shown(record, key)}; expected the id of one of the {among}")
    return whole_text(where, value) if isinstance(value, str) else value


def _text(where: str, record: dict, key: str) -> str:
    if not isinstance(record.get(key), str):
        raise UserError(f"{where}: found {shown(record, key)}; expected a text")
    return whole_text(where, record[key])


def _box(where: str, record: dict) -> list[float]:
    box = record.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise UserError(f"{where}: found {shown(record, 'bbox')}; expected four finite numbers, x y w h")
    if box[2] < 0 or box[3] < 0:
        raise UserError(f"{where}: found {shown(record, 'bbox')}; a face's width and height cannot be negative")
    check_extent(where, box)
    return box


def _landmarks(where: str, record: dict) -> np.ndarray:
    """Return (5, 2) landmarks, -1 where a point is not labelled; another number of keypoints is not a face's."""
    keypoints = record.get("keypoints")
    if not isinstance(keypoints, list) or len(keypoints) != 15:
        return np.full((5, 2), -1.0)
    if not all(map(is_number, keypoints)):
        raise UserError(f"{where}: found {shown(record, 'keypoints')}; expected five x y visibility")
    points = np.array(keypoints, np.float64).reshape(5, 3)
    landmarks = np.where(points[:, 2:] == 0, -1.0, points[:, :2])
    check_landmarks(where, landmarks.tolist())
    return landmarks


def _attributes(where: str, record: dict) -> dict[str, float | str]:
    attributes = {}
    if isinstance(record.get("attributes"), dict):
        for name, value in record["attributes"].items():
            if is_attribute(value):
                attributes[whole_text(where, name)] = (
                    whole_text(where, value) if isinstance(value, str) else float(value)
                )
    for key, name in FLAGS.items():
        if key in record:
            if record[key] not in (0, 1):
                raise UserError(f"{where}: found {shown(record, key)}; expected 0 or 1")
            attributes[name] = float(record[key])
    if is_number(record.get(SCORE)):
        attributes[SCORE] = float(record[SCORE])
    return attributes


def _size(record: dict) -> tuple[int, int] | None:
    height, width = record.get("height"), record.get("width")
    whole = type(height) is type(width) is int
    return (height, width) if whole and 0 < min(height, width) <= max(height, width) < LARGEST else None


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


COCO = Format(
    name="coco",
    description="COCO JSON",
    read=lambda path, options: read_coco(path, options.category, options.problems),
    write=write_coco,
    capabilities=Capabilities(
        landmarks=True, attributes=None, ignore_attributes=tuple(FLAGS.values()), sizes=True, ids=True
    ),
    recognizes=lambda head: re.match(r'\s*(\{\s*["}]|\[\s*[{\]])', head.text) is not None,
    files="*.json",
    has_classes=True,
    name_in_dataset="annotations.json",
)

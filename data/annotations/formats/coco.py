"""COCO's object detection JSON."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.annotations.attributes import attribute_columns
from data.annotations.classes import Classes, choose_classes
from data.annotations.format import Capabilities, Format, ReadOptions
from data.annotations.formats.coco_boxes import cvat_rotation, read_box
from data.annotations.formats.coco_values import (
    Ids,
    Said,
    read_flag,
    read_id,
    read_numbers,
    read_size,
    read_text_value,
    said_sentences,
)
from data.annotations.formats.coco_writer import write_coco
from data.annotations.json_values import is_attribute, is_number, load_json, shown, whole_text
from data.annotations.name_search import names_below
from data.annotations.places import Places
from data.annotations.problems import Problem, check_landmarks, skip_or_raise
from data.annotations.record import SCORE, Annotations, make_annotations
from data.image_files import usual_images
from utils.errors import UserError
from utils.wording import count_each, counted, printable

# COCO's marks of an ignored face -> attribute. A face without them is not ignored.
FLAGS = {"iscrowd": "crowd", "ignore": "ignore"}
# The keys that the records hold, or that follow from them.
OF_FACES = {"id", "image_id", "category_id", "bbox", "area", "keypoints", "num_keypoints", "attributes", *FLAGS}
OF_IMAGES = {"id", "file_name", "height", "width"}
OF_FILES = {"images", "annotations", "categories"}
MOST_KEYS = 8  # of an unknown file, in a message
NO_CATEGORY = ("without categories: all objects are faces, {}", "object")
TWICE = ("listed twice with one id and one name: read once, {}", "image")


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


class _Classes(NamedTuple):
    """The categories: their ids, the class of each id, and which classes are the faces."""

    ids: Ids
    names: dict[int | str, str]
    chosen: Classes

    def is_face(self, where: str, record: dict, said: Said) -> bool:
        """Whether an annotation is a face; raises UserError where its category is unknown."""
        if not self.names:
            said[NO_CATEGORY] += 1
            return True
        return self.names[self.ids.of(where, record, "category_id", said)] in self.chosen.faces


def read_coco(path: Path, options: ReadOptions) -> Annotations:
    """Read the faces of a COCO ground truth; an image without annotations has none.

    `iscrowd` (as `crowd`), `ignore`, `score` and the numbers, booleans and texts in an annotation's own `attributes`
    become attributes; five `keypoints` become landmarks. Only the ids of other objects are read. The rest of the file
    is counted in `unread`. Ids and numbers may be texts, and a missing `bbox` is that around the `segmentation`, which
    `notes` count. Without categories, their ids are the names of the classes, and without ids all objects are faces.

    Raises:
        UserError: not JSON, another layout, or a record that is malformed or contradicts another, named by its id.
    """
    content, said = _load(path), Said()
    annotations = _records(path, content, "annotations", "annotation")
    classes = _read_classes(path, content, annotations, options.category)
    images = _read_images(path, content, said, options.problems)
    by_image = _read_faces(annotations, classes, images, said, options.problems)
    names, moved = names_below([image.name for image in images.values()], options.images or usual_images(path))

    faces = [face for group in by_image.values() for face in group]
    defaults = dict.fromkeys(FLAGS.values(), 0.0)
    columns, without_column = attribute_columns([face.attributes for face in faces], defaults)
    return make_annotations(
        names,
        [len(group) for group in by_image.values()],
        [face.box for face in faces],
        np.array([face.landmarks for face in faces]).reshape(-1, 5, 2),
        columns,
        sizes=[image.size for image in images.values()],
        identities=list(images),
        places=Places([image.where for image in images.values()], [face.where for face in faces]),
        classes=classes.chosen,
        notes=[*said_sentences(said), *moved],
        unread=[
            *_unread_words(faces, [image.record for image in images.values()], content),
            *count_each((without_column, "attribute", "{} that few faces have")),
        ],
    )


def _read_classes(path: Path, content: dict, annotations: Sequence[tuple[str, dict]], category: str | None) -> _Classes:
    names, groups = {}, {}
    categories = _records(path, content, "categories", "category") if content.get("categories") is not None else []
    for where, record in categories:
        identity, name = read_id(where, record, "id"), read_text_value(where, record, "name")
        if names.setdefault(identity, name) != name:
            raise UserError(
                f"{where}: is called {printable(names[identity])!r} and {printable(name)!r}; expected one name"
            )
        if isinstance(record.get("supercategory"), str):
            groups[name] = record["supercategory"]
    if not names:
        used = (read_id(where, record, "category_id") for where, record in annotations if "category_id" in record)
        names = {identity: str(identity) for identity in used}
    ids = Ids(names, "categories")
    counts = Counter(names.get(ids.find(record.get("category_id"))) for _, record in annotations)
    return _Classes(ids, names, choose_classes(path, {name: counts[name] for name in names.values()}, category, groups))


def _read_images(path: Path, content: dict, said: Said, problems: list[Problem] | None) -> dict[int | str, _Image]:
    """Return id -> image."""
    images = {}
    for where, record in _records(path, content, "images", "image"):
        try:
            identity, name = read_id(where, record, "id"), read_text_value(where, record, "file_name")
            if identity in images and images[identity].name != name:
                raise UserError(f"{where}: is listed twice; expected an id of its own for each image")
        except UserError as error:
            skip_or_raise(error, problems)
            continue
        said[TWICE] += identity in images
        images[identity] = _Image(where, name, read_size(record), record)
    return images


def _read_faces(
    annotations: Sequence[tuple[str, dict]],
    classes: _Classes,
    images: dict[int | str, _Image],
    said: Said,
    problems: list[Problem] | None,
) -> dict[int | str, list[_Face]]:
    """Return id of an image -> its faces, the objects of the chosen classes."""
    faces = {identity: [] for identity in images}
    indices = {identity: index for index, identity in enumerate(images)}
    ids = Ids(images, "images", {image.name: identity for identity, image in images.items()})
    for where, record in annotations:
        image = None
        try:
            image = ids.of(where, record, "image_id", said)
            if classes.is_face(where, record, said):
                box, landmarks = read_box(where, record, said), _landmarks(where, record, said)
                faces[image].append(_Face(where, box, landmarks, _attributes(where, record, said), record))
        except UserError as error:
            skip_or_raise(error, problems, indices.get(image))
    return faces


def _unread_words(faces: Sequence[_Face], images: Sequence[dict], content: dict) -> list[str]:
    """Return the words, with counts, for what the file says of its faces and images but no record holds."""
    of_faces, of_landmarks = Counter(), Counter()
    records = [face.record for face in faces]
    for face, (_, _, width, height) in zip(records, (face.box for face in faces), strict=True):
        of_faces.update(_filled_keys(face, OF_FACES | {SCORE} if is_number(face.get(SCORE)) else OF_FACES))
        if isinstance(face.get("attributes"), dict):
            of_faces.update(name for name, value in face["attributes"].items() if not is_attribute(value))
        points = face.get("keypoints")
        if isinstance(points, list) and len(points) == 15:
            of_landmarks["visibility 1"] += points[2::3].count(1)
        elif points:
            of_faces["keypoints other than five"] += 1
        if is_number(face.get("area")) and not math.isclose(face["area"], width * height, abs_tol=1):
            of_faces["area other than the box's"] += 1
    if [face.get("id", number) for number, face in enumerate(records, start=1)] != list(range(1, len(faces) + 1)):
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
    if isinstance(content, dict) and OF_FILES & content.keys():
        return content
    first = content[0] if isinstance(content, list) and content else content
    keys = ", ".join(map(printable, list(first)[:MOST_KEYS])) if isinstance(first, dict) else ""
    kind = "a list, as COCO results are" if isinstance(content, list) else "in no known JSON format"
    raise UserError(
        f"{path}: is {kind}{f', with the keys {keys}' if keys else ''}; expected COCO's ground truth, an object with"
        " images, annotations and categories, or another export of docs/data.md"
    )


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


def _landmarks(where: str, record: dict, said: Said) -> np.ndarray:
    """Return (5, 2) landmarks, -1 where a point is not labelled; another number of keypoints is not a face's."""
    keypoints = record.get("keypoints")
    if not isinstance(keypoints, list) or len(keypoints) != 15:
        return np.full((5, 2), -1.0)
    numbers = read_numbers(keypoints, said)
    if None in numbers:
        raise UserError(f"{where}: found {shown(record, 'keypoints')}; expected five x y visibility")
    points = np.array(numbers, np.float64).reshape(5, 3)
    landmarks = np.where(points[:, 2:] == 0, -1.0, points[:, :2])
    check_landmarks(where, landmarks.tolist())
    return landmarks


def _attributes(where: str, record: dict, said: Said) -> dict[str, float | str]:
    attributes = {}
    if isinstance(record.get("attributes"), dict):
        of_box = {"rotation"} if cvat_rotation(record) is not None else set()
        for name, value in record["attributes"].items():
            if is_attribute(value) and name not in of_box:
                attributes[whole_text(where, name)] = (
                    whole_text(where, value) if isinstance(value, str) else float(value)
                )
    for key, name in FLAGS.items():
        if key in record:
            attributes[name] = read_flag(where, record, key, said)
    if is_number(record.get(SCORE)):
        attributes[SCORE] = float(record[SCORE])
    return attributes


COCO = Format(
    name="coco",
    description="COCO JSON",
    read=read_coco,
    write=write_coco,
    capabilities=Capabilities(
        landmarks=True, attributes=None, ignore_attributes=tuple(FLAGS.values()), sizes=True, ids=True
    ),
    recognizes=lambda head: re.match(r'\s*(\{\s*["}]|\[\s*[{\]])', head.text) is not None,
    files="*.json",
    has_classes=True,
    name_in_dataset="annotations.json",
)

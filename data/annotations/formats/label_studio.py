"""Label Studio's JSON and JSON_MIN. Coordinates are percent of the image's size, which each region has."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS, as_object
from data.annotations.json_values import load_json, number_of, objects_of, points_of
from data.annotations.name_search import split_path
from data.annotations.objects import LabelledImage, ObjectReader, valid_size
from data.annotations.record import Annotations
from data.annotations.shapes import Shape, ellipse, outline, rotated, rounded
from data.image_files import has_no_suffix
from utils.errors import UserError
from utils.wording import count_each

IMAGE_KEYS = ("image", "img", "url", "image_url", "ocr")  # of the data of a task, by the user's choice
# A key of a region that is no box or outline -> what messages call it.
WITHOUT_BOX = {"sequence": "object of a video", "rle": "brush mask", "imageDataURL": "bitmask", "vertices": "vector"}


def read_label_studio(path: Path, options: ReadOptions) -> Annotations:
    """Read a file.

    Of several annotations of a task, the one that is marked as ground truth is read, else the last one that was not
    cancelled. Tasks without an annotation are dropped. Notes count both.

    Raises:
        UserError: a task or region that is malformed.
    """
    tasks = objects_of(str(path), {"the file": load_json(path)}, "the file")
    return read_tasks(ObjectReader(path, options), ((str(path), task) for task in tasks))


def read_tasks(reader: ObjectReader, tasks: Iterable[tuple[str, dict]]) -> Annotations:
    """Read tasks, each with its place, as `read_label_studio` does."""
    read, found = {}, Counter()
    for number, (place, task) in enumerate(tasks, start=1):
        # JSON_MIN and CSV have an entry for each annotation of a task.
        key = (str(task.get("id", number)), _image_of(task)) if "annotation_id" in task else number
        found["several"] += key in read
        read[key] = (f"{place}: task {str(task.get('id', f'number {number}'))[:40]}", task)
    for where, task in read.values():
        with reader.skipping():
            regions = _regions(where, task, found)
            if regions is not None:
                _add_regions(reader, where, _image_of(task.get("data", task)), regions)
                found["turned"] += any(region.get("image_rotation") for region in regions)
    reader.notes += count_each(
        (
            found["turned"],
            "task",
            "not turned back: the boxes of {} whose image was turned in Label Studio",
        ),
        (found["several"], "task", "not read: earlier annotations of {} with several"),
        (found["none"], "task", "not read: {} without an annotation, or with a cancelled one"),
        (found["drafts"], "task", "not read: the predictions or drafts of {} without an annotation"),
    )
    return reader.annotations()


def _add_regions(reader: ObjectReader, where: str, name: object, regions: Sequence[dict]) -> None:
    """Add an image with its regions. Regions have their values in `value`, or directly in JSON_MIN and CSV.

    Regions of one id are parts of one object: its shape, its class, and choices that become attributes.
    """
    sizes = (valid_size(region.get("original_height"), region.get("original_width")) for region in regions)
    image = reader.new_image(name, where, next((size for size in sizes if size), None))
    objects: dict[object, list[dict]] = {}
    for number, region in enumerate(regions):
        identity = region.get("id") if "value" in region else None
        objects.setdefault(number if identity is None else str(identity), []).append(region)
    for number, parts in enumerate(objects.values(), start=1):
        with reader.skipping(image):
            _add_object(reader, image, f"{where}: region {number}", parts)


def _add_object(reader: ObjectReader, image: LabelledImage, where: str, parts: Sequence[dict]) -> None:
    shape, labels, attributes = None, [], {}
    for region in parts:
        value = as_object(where, region.get("value", region))
        shape = shape or _shape(where, region, value)
        for key, words in value.items():
            if key == "choices" and isinstance(words, list):
                attributes[str(region.get("from_name"))] = ", ".join(map(str, words))
            elif key.endswith("labels") and isinstance(words, list):
                labels += words
    if shape is not None:  # else a choice for the whole image, or a relation of two regions
        reader.add(image, where, labels, shape, attributes)


def _shape(where: str, region: dict, value: dict) -> Shape | None:
    """Return the shape of a region in pixels, None where it has none."""
    kind = next((name for key, name in WITHOUT_BOX.items() if key in value), None)
    is_area = "radiusX" in value or "points" in value or {"x", "y", "width", "height"} <= value.keys()
    if kind or not is_area:
        return Shape(kind or "keypoint", None) if kind or {"x", "y", "width"} <= value.keys() else None
    size = valid_size(region.get("original_height"), region.get("original_width"))
    if size is None:
        raise UserError(f"{where}: found no original_width and original_height; expected the size of the image")
    height, width = size
    if "points" in value:
        points = points_of(where, value, "points")
        return outline("polygon", [rounded((x * width / 100, y * height / 100)) for x, y in points])
    degrees = number_of(where, value, "rotation") if value.get("rotation") is not None else 0.0
    keys = ("x", "y", "radiusX", "radiusY") if "radiusX" in value else ("x", "y", "width", "height")
    sides = (width, height, width, height)
    x, y, w, h = rounded([number_of(where, value, key) * side / 100 for key, side in zip(keys, sides, strict=True)])
    if "radiusX" in value:
        return ellipse(x, y, w, h, math.radians(degrees))
    return rotated((x, y, w, h), degrees, (x, y))


def _regions(where: str, task: dict, found: Counter) -> list[dict] | None:
    """Return the regions of the annotation of a task that is read, None where there is none."""
    if "annotations" not in task and "completions" not in task:  # JSON_MIN
        lists = (value for value in task.values() if isinstance(value, list))
        return [region for values in lists for region in values if isinstance(region, dict)]
    annotations = objects_of(where, task, "annotations" if "annotations" in task else "completions")
    done = [each for each in annotations if not each.get("was_cancelled") and not each.get("skipped")]
    found["several"] += len(done) > 1
    if not done:
        found["drafts" if task.get("predictions") or task.get("drafts") else "none"] += 1
        return None
    chosen = next((each for each in done if each.get("ground_truth") is True), done[-1])
    return objects_of(where, chosen, "result")


def _image_of(data: object) -> object:
    """Return the name of the image in the data of a task, whose keys are of the user's choice."""
    if not isinstance(data, dict):
        return None
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value.strip()}
    usual = (texts[key] for key in IMAGE_KEYS if key in texts)
    with_suffix = (text for text in texts.values() if not has_no_suffix("/".join(split_path(text))))
    return next(chain(usual, with_suffix, texts.values()), None)


def _recognizes(head: FileHead) -> bool:
    keys, deeper = head.keys[1], head.keys[3]
    is_tasks = "data" in keys and bool(keys & {"annotations", "completions"})
    return head.is_json_list and (is_tasks or "annotation_id" in keys or "original_width" in deeper)


LABEL_STUDIO = Format(
    name="label_studio",
    description="Label Studio JSON",
    read=read_label_studio,
    capabilities=OBJECTS,
    recognizes=_recognizes,
    files="*.json",
    companions=("notes.json",),
    has_classes=True,
)

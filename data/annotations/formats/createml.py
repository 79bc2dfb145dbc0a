"""Create ML's JSON of object detection, as Roboflow and others write it: boxes by their centers."""

from pathlib import Path

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS, as_object
from data.annotations.json_values import load_json, number_of, objects_of
from data.annotations.objects import ObjectReader
from data.annotations.record import Annotations
from data.annotations.shapes import RECTANGLE, Shape

IMAGE_KEYS = ("image", "imagefilename", "imageURL", "imageName")
KEYS = {"annotations", "annotation"}


def read_createml(path: Path, options: ReadOptions) -> Annotations:
    """Read a file.

    Raises:
        UserError: a record that is malformed.
    """
    reader = ObjectReader(path, options)
    for number, record in enumerate(objects_of(str(path), {"the file": load_json(path)}, "the file"), start=1):
        where = f"{path}: image number {number}"
        with reader.skipping():
            image = reader.new_image(next((record[key] for key in IMAGE_KEYS if key in record), None), where)
            key = next((key for key in KEYS if key in record), "annotations")
            for index, face in enumerate(objects_of(where, record, key), start=1):
                place = f"{where}: annotation {index}"
                with reader.skipping(image):
                    center = as_object(place, face.get("coordinates"))
                    x, y, w, h = (number_of(place, center, side) for side in ("x", "y", "width", "height"))
                    reader.add(image, place, [face.get("label")], Shape(RECTANGLE, (x - w / 2, y - h / 2, w, h)))
    return reader.annotations()


def _recognizes(head: FileHead) -> bool:
    keys = head.keys[1]
    return head.is_json_list and bool(keys & {*IMAGE_KEYS}) and bool(keys & KEYS) and "data" not in keys


CREATEML = Format(
    name="createml",
    description="Create ML JSON",
    read=read_createml,
    capabilities=OBJECTS,
    recognizes=_recognizes,
    files="*.json",
    has_classes=True,
)

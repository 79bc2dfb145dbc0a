"""LabelMe's JSON for each image, which AnyLabeling and X-AnyLabeling write, too."""

import math
import os
from pathlib import Path, PurePosixPath

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS, json_files
from data.annotations.json_values import objects_of, points_of
from data.annotations.objects import LabelledImage, ObjectReader, valid_size
from data.annotations.record import Annotations
from data.annotations.shapes import RECTANGLE, Shape, ellipse, outline
from data.image_files import IMAGE_SUFFIXES

WITHOUT_AREA = ("point", "points", "line", "linestrip")
# What LabelMe or its successors write of a shape as a yes or no, or as a number.
ATTRIBUTES = ("difficult", "group_id", "score")


def read_labelme(path: Path, options: ReadOptions) -> Annotations:
    """Read one file, or all below a folder. `flags` and `attributes` of a shape become attributes.

    Raises:
        UserError: a file that is malformed, named with the shape.
    """
    reader = ObjectReader(path, options)
    for file, where, content in json_files(path, reader, recognizes):
        name = _image_name(file, str(content.get("imagePath") or ""), reader.folder)
        image = reader.new_image(name, where, valid_size(content.get("imageHeight"), content.get("imageWidth")))
        for number, record in enumerate(objects_of(where, content, "shapes"), start=1):
            with reader.skipping(image):
                _add_shape(reader, image, f"{where}: shape {number}", record)
    return reader.annotations()


def _add_shape(reader: ObjectReader, image: LabelledImage, where: str, record: dict) -> None:
    attributes = {name: record[name] for name in ATTRIBUTES if record.get(name) is not None}
    for key in ("flags", "attributes"):
        attributes |= record[key] if isinstance(record.get(key), dict) else {}
    reader.add(image, where, [record.get("label")], _shape(where, record), attributes)


def _shape(where: str, record: dict) -> Shape:
    kind, points = str(record.get("shape_type") or "polygon"), points_of(where, record, "points")
    if kind == "circle" and len(points) == 2:  # the center and a point of the circle
        radius = math.dist(*points)
        return ellipse(*points[0], radius, radius, kind="circle")
    if kind in WITHOUT_AREA:
        return Shape(kind, None)
    return outline({"rectangle": RECTANGLE, "rotation": "rotated rectangle"}.get(kind, kind), points)


def _image_name(file: str, recorded: str, folder: Path) -> str:
    """Return the path of an image below the folder of the annotation.

    The image is called like its annotation, with the suffix of `imagePath`, which is outdated where both were renamed.
    Where there is no such file, `imagePath` is beside the annotation.
    """
    recorded = PurePosixPath(recorded.replace("\\", "/")).name
    stem, suffix = PurePosixPath(file).with_suffix(""), PurePosixPath(recorded).suffix
    usual = str(stem) if suffix.lower() not in IMAGE_SUFFIXES else f"{stem}{suffix}"
    beside = str(PurePosixPath(file).with_name(recorded)) if recorded else usual
    return beside if os.path.isfile(folder / beside) and not os.path.isfile(folder / usual) else usual


def recognizes(head: FileHead) -> bool:
    keys = head.keys[0]
    return "imageData" in keys or ("shapes" in keys and bool(keys & {"version", "flags", "imagePath", "imageHeight"}))


LABELME = Format(
    name="labelme",
    description="LabelMe JSON",
    read=read_labelme,
    capabilities=OBJECTS,
    recognizes=recognizes,
    files="*.json",
    file_per_image=True,
    has_classes=True,
)

"""Supervisely's project: a JSON file for each image in `ann`, beside the images in `img`."""

from pathlib import Path, PurePosixPath

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS, as_object, json_files
from data.annotations.json_values import objects_of, points_of
from data.annotations.objects import LabelledImage, ObjectReader, valid_size
from data.annotations.record import Annotations
from data.annotations.shapes import RECTANGLE, Shape, outline

COMPANIONS = ("meta.json", "key_id_map.json", "obj_class_to_machine_color.json")
WITHOUT_AREA = ("point", "line", "bitmap", "alpha_mask", "graph")


def read_supervisely(path: Path, options: ReadOptions) -> Annotations:
    """Read one file, or all below a folder: a project, a data set of it, or its `ann`. Tags become attributes.

    Raises:
        UserError: a file that is malformed, named with the object.
    """
    reader = ObjectReader(path, options)
    for file, where, content in json_files(path, reader, recognizes, COMPANIONS):
        size = as_object(where, content.get("size") or {})
        image = reader.new_image(_image_name(file), where, valid_size(size.get("height"), size.get("width")))
        for number, record in enumerate(objects_of(where, content, "objects"), start=1):
            with reader.skipping(image):
                _add_object(reader, image, f"{where}: object {number}", record)
    return reader.annotations()


def _add_object(reader: ObjectReader, image: LabelledImage, where: str, record: dict) -> None:
    kind = str(record.get("geometryType") or "polygon")
    if kind in WITHOUT_AREA:
        shape = Shape(kind, None)
    else:
        corners = points_of(where, as_object(where, record.get("points")), "exterior")
        shape = outline({"rectangle": RECTANGLE}.get(kind, kind), corners)
    # A tag without a value is a mark.
    tags = {tag.get("name"): tag.get("value") for tag in objects_of(where, record, "tags")}
    attributes = {str(name): True if value is None else value for name, value in tags.items()}
    reader.add(image, where, [record.get("classTitle")], shape, attributes)


def _image_name(file: str) -> str:
    """Return the path of an image: news/img/a.jpg for news/ann/a.jpg.json."""
    *folders, name = PurePosixPath(file).with_suffix("").parts
    if "ann" in folders:
        folders[len(folders) - 1 - folders[::-1].index("ann")] = "img"
    return "/".join((*folders, name))


def recognizes(head: FileHead) -> bool:
    return {"objects", "size"} <= head.keys[0] and bool({"height", "width"} & head.keys[1])


SUPERVISELY = Format(
    name="supervisely",
    description="Supervisely JSON",
    read=read_supervisely,
    capabilities=OBJECTS,
    recognizes=recognizes,
    files="*.json",
    companions=COMPANIONS,
    file_per_image=True,
    has_classes=True,
)

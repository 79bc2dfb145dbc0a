"""Datumaro's JSON, which CVAT exports, too: the items of a subset."""

from collections.abc import Sequence
from pathlib import Path

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS, as_object
from data.annotations.json_values import is_number, load_json, objects_of, shown
from data.annotations.objects import LabelledImage, ObjectReader, valid_size
from data.annotations.record import Annotations
from data.annotations.shapes import Shape, outline, rotated
from utils.errors import UserError

OUTLINES = ("polygon", "polyline")
OF_IMAGES = ("label", "caption")  # types of annotations of a whole image


def read_datumaro(path: Path, options: ReadOptions) -> Annotations:
    """Read a file. Attributes become attributes; a box with CVAT's attribute `rotation` is rotated.

    Raises:
        UserError: an item or annotation that is malformed.
    """
    reader, content = ObjectReader(path, options), as_object(str(path), load_json(path))
    categories = as_object(str(path), content.get("categories") or {})
    labels = objects_of(str(path), as_object(str(path), categories.get("label") or {}), "labels")
    names = [str(label.get("name")) for label in labels]
    for item in objects_of(str(path), content, "items"):
        where = f"{path}: item {str(item.get('id'))[:60]}"
        with reader.skipping():
            file = as_object(where, item.get("image") or {})
            size = file.get("size") if isinstance(file.get("size"), list) else []
            image = reader.new_image(
                file.get("path") or item.get("id"), where, valid_size(*size) if len(size) == 2 else None
            )
            for number, record in enumerate(objects_of(where, item, "annotations"), start=1):
                with reader.skipping(image):
                    _add(reader, image, f"{where}: annotation {number}", record, names)
    return reader.annotations()


def _add(reader: ObjectReader, image: LabelledImage, where: str, record: dict, names: Sequence[str]) -> None:
    if record.get("type") in OF_IMAGES:
        return
    attributes = dict(as_object(where, record.get("attributes") or {}))
    shape = _shape(where, record, attributes.pop("rotation", 0))
    label = record.get("label_id")
    if label is not None and (type(label) is not int or not 0 <= label < len(names)):
        raise UserError(f"{where}: found {shown(record, 'label_id')}; expected the number of one of the labels")
    reader.add(image, where, [None if label is None else names[label]], shape, attributes)


def _shape(where: str, record: dict, rotation: object) -> Shape:
    kind = str(record.get("type"))
    if kind == "bbox":
        x, y, w, h = _numbers(where, record, "bbox", 4)
        degrees = rotation if is_number(rotation) else 0
        return rotated((x, y, w, h), degrees, (x + w / 2, y + h / 2))
    if kind in OUTLINES:
        points = _numbers(where, record, "points")
        return outline(kind, list(zip(points[::2], points[1::2], strict=False)))
    return Shape({"points": "point"}.get(kind, kind), None)


def _numbers(where: str, record: dict, key: str, count: int | None = None) -> list[float]:
    values = record.get(key)
    if not isinstance(values, list) or not all(map(is_number, values)) or count not in (None, len(values)):
        raise UserError(f"{where}: found {shown(record, key)}; expected {count or 'a list of'} numbers")
    return values


def _recognizes(head: FileHead) -> bool:
    return {"items", "categories"} <= head.keys[0]


DATUMARO = Format(
    name="datumaro",
    description="Datumaro JSON",
    read=read_datumaro,
    capabilities=OBJECTS,
    recognizes=_recognizes,
    files="*.json",
    has_classes=True,
)

"""The JSON of the VGG Image Annotator (VIA): annotations and projects of versions 1 to 3."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS, as_object
from data.annotations.json_values import is_number, load_json, number_of, objects_of, points_of
from data.annotations.objects import LabelledImage, ObjectReader, text_value
from data.annotations.record import Annotations
from data.annotations.shapes import RECTANGLE, Shape, ellipse, outline
from utils.errors import UserError
from utils.wording import printable

USUAL_CLASS_NAMES = ("class", "label", "name", "category", "type", "object")
# The first number of a shape of VIA 3 -> the shape.
SHAPES_3 = {1: "point", 2: RECTANGLE, 3: "circle", 4: "ellipse", 5: "line", 6: "polyline", 7: "polygon"}


class Regions:
    """The regions of VIA's files: objects whose class is one of their attributes, by a name of the user's."""

    def __init__(self, reader: ObjectReader):
        self.reader = reader
        self._regions: list[tuple[LabelledImage, str, Shape, dict[str, object]]] = []

    def add(self, image: LabelledImage, where: str, shape: Shape, attributes: Mapping[str, object]) -> None:
        """Remember a region of an image; of a group of boxes to tick, the ticked ones are the value."""
        values = {name: _plain(value) for name, value in attributes.items() if _plain(value) not in ("", None)}
        self._regions.append((image, where, shape, values))

    def annotations(self) -> Annotations:
        """Return the records of all images.

        Raises:
            UserError: it is not clear which attribute names the class, or as `ObjectReader.annotations`.
        """
        attribute = self._class_attribute()
        for image, where, shape, values in self._regions:
            label = values.pop(attribute, None)
            with self.reader.skipping(image):
                attributes = {
                    name: text_value(value) if isinstance(value, str) else value for name, value in values.items()
                }
                self.reader.add(image, where, [label], shape, attributes)
        return self.reader.annotations()

    def _class_attribute(self) -> str | None:
        """Return the attribute that has the class of faces as a value, else one of a usual name, else the only one."""
        wanted = (self.reader.options.category or "face").casefold()
        counts = Counter(name for *_, values in self._regions for name in values)
        with_face = Counter(
            name for *_, values in self._regions for name, value in values.items() if str(value).casefold() == wanted
        )
        if with_face:
            return with_face.most_common(1)[0][0]
        usual = [name for name in counts if name.casefold() in USUAL_CLASS_NAMES]
        if len(usual) == 1 or len(counts) == 1:
            return (usual or list(counts))[0]
        if counts:
            names = ", ".join(f"{printable(name)} ({count:,})" for name, count in counts.items())
            raise UserError(
                f"{self.reader.path}: the regions have the attributes {names}, and none has the value 'face'; name the"
                " value that the faces have with --category"
            )
        return None


def _plain(value: object) -> object:
    """Return the value of an attribute; of a group of boxes to tick, {"a": true, "b": false}, the ticked ones."""
    if isinstance(value, dict):
        return ", ".join(name for name, is_ticked in value.items() if is_ticked)
    return text_value(value) if isinstance(value, str) else value


def region_shape(where: str, record: Mapping[str, object]) -> Shape:
    """Return the shape of VIA's `shape_attributes`."""
    kind = str(record.get("name"))

    def numbers(*keys: str) -> list[float]:
        return [number_of(where, record, key) for key in keys]

    if kind == "rect":
        return Shape(RECTANGLE, tuple(numbers("x", "y", "width", "height")))
    if kind == "circle":
        x, y, radius = numbers("cx", "cy", "r")
        return ellipse(x, y, radius, radius, kind="circle")
    if kind == "ellipse":
        theta = number_of(where, record, "theta") if record.get("theta") is not None else 0.0
        return ellipse(*numbers("cx", "cy", "rx", "ry"), theta)
    if kind in ("polygon", "polyline"):
        xs, ys = record.get("all_points_x"), record.get("all_points_y")
        pairs = zip(xs, ys, strict=False) if isinstance(xs, list) and isinstance(ys, list) else None
        return outline(kind, points_of(where, {kind: pairs and [list(pair) for pair in pairs]}, kind))
    if kind == "point":
        return Shape(kind, None)
    raise UserError(
        f"{where}: found the shape {kind[:40]!r}; expected rect, circle, ellipse, polygon, polyline or point"
    )


def read_via(path: Path, options: ReadOptions) -> Annotations:
    """Read a file. The class of a region is the attribute with the value "face", else the only attribute.

    Raises:
        UserError: a record that is malformed, or it is not clear which attribute names the class.
    """
    reader = ObjectReader(path, options)
    regions, content = Regions(reader), as_object(str(path), load_json(path))
    if "project" in content and "file" in content:
        _read_version_3(reader, regions, content)
        return regions.annotations()
    for number, record in enumerate(objects_of(str(path), _images(content), "images"), start=1):
        where = f"{path}: image number {number}"
        with reader.skipping():
            image = reader.new_image(record.get("filename"), where)
            for index, region in enumerate(objects_of(where, record, "regions"), start=1):
                with reader.skipping(image):
                    place = f"{where}: region {index}"
                    shape = region_shape(place, as_object(place, region.get("shape_attributes")))
                    regions.add(image, place, shape, as_object(place, region.get("region_attributes") or {}))
    return regions.annotations()


def _images(content: dict) -> dict[str, object]:
    is_project = any(key.startswith("_via_") for key in content)
    return {"images": content.get("_via_img_metadata", {}) if is_project else content}


def _read_version_3(reader: ObjectReader, regions: Regions, content: dict) -> None:
    parts = {
        key: as_object(str(reader.path), content.get(key) or {}) for key in ("file", "view", "attribute", "metadata")
    }
    images = {}
    for identity, record in parts["file"].items():
        where = f"{reader.path}: file {identity[:40]}"
        with reader.skipping():
            images[identity] = reader.new_image(as_object(where, record).get("fname"), where)
    for identity, record in parts["metadata"].items():
        where = f"{reader.path}: region {identity[:40]}"
        with reader.skipping():
            view = as_object(where, parts["view"].get(str(as_object(where, record).get("vid"))))
            files = view.get("fid_list") if isinstance(view.get("fid_list"), list) else []
            image = images.get(str(files[0])) if len(files) == 1 else None
            if image is None:
                raise UserError(f"{where}: belongs to no image, or to several; expected one")
            if not record.get("xy"):  # a segment of time, or a value of the whole image
                continue
            values = as_object(where, record.get("av") or {})
            attributes = dict(_value_3(parts["attribute"].get(key), key, value) for key, value in values.items())
            regions.add(image, where, _shape_3(where, record["xy"]), attributes)


def _value_3(attribute: object, key: str, value: object) -> tuple[str, object]:
    """Return the name and the value of an attribute, whose options are numbered."""
    attribute = attribute if isinstance(attribute, dict) else {}
    options = attribute.get("options") if isinstance(attribute.get("options"), dict) else {}
    return str(attribute.get("aname", key)), options.get(str(value), value)


def _shape_3(where: str, numbers: Sequence[float]) -> Shape:
    if not isinstance(numbers, list) or not all(map(is_number, numbers)):
        raise UserError(f"{where}: found xy {repr(numbers)[:60]}; expected the number of a shape and its coordinates")
    kind, *values = numbers
    name = SHAPES_3.get(kind, "other shape")
    expected = {RECTANGLE: 4, "circle": 3, "ellipse": 4}.get(name)
    if expected is not None and len(values) != expected:
        raise UserError(f"{where}: found {len(values)} coordinates of a {name}; expected {expected}")
    if name == RECTANGLE:
        return Shape(name, tuple(values))
    if name == "circle":
        return ellipse(*values, values[2], kind=name)
    if name == "ellipse":
        return ellipse(*values)
    if name in ("polyline", "polygon"):
        return outline(name, list(zip(values[::2], values[1::2], strict=False)))
    return Shape(name, None)


def _recognizes(head: FileHead) -> bool:
    first, second = head.keys[:2]
    is_project = bool({"_via_settings", "_via_img_metadata"} & first)
    is_version_3 = {"project", "config", "attribute", "file"} <= first or {
        "project",
        "file",
        "metadata",
        "view",
    } <= first
    return is_project or is_version_3 or ({"filename", "regions"} <= second and not head.is_json_list)


VIA = Format(
    name="via",
    description="VIA JSON",
    read=read_via,
    capabilities=OBJECTS,
    recognizes=_recognizes,
    files="*.json",
    has_classes=True,
)

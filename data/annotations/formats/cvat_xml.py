"""CVAT's own XML: "CVAT for images 1.1", and the tracks of "CVAT for video 1.1"."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS
from data.annotations.objects import LabelledImage, ObjectReader, Size, text_value, valid_size
from data.annotations.record import Annotations
from data.annotations.shapes import Shape, ellipse, outline, rectangle, rotated
from data.annotations.xml_values import iterate_xml, number_of_attribute
from utils.errors import UserError
from utils.wording import count_each

SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton")


def read_cvat(path: Path, options: ReadOptions) -> Annotations:
    """Read a file. `occluded` and the attributes of a label become attributes.

    The images of a video's frames are called as CVAT calls them in its exports, frame_000000 and so on. Only frames
    with objects are read, since the file does not say which other frames were looked at.

    Raises:
        UserError: not XML, or an image or object that is malformed.
    """
    reader, size, tracks, interpolated = ObjectReader(path, options), None, 0, 0
    for element in iterate_xml(path, "annotations", ("original_size", "image", "track")):
        if element.tag == "original_size":  # of a video
            size = valid_size(element.findtext("height"), element.findtext("width"))
        elif element.tag == "image":
            with reader.skipping():
                _read_image(reader, element)
        else:
            tracks += 1
            interpolated += _read_track(reader, f"{path}: track {tracks}", element, size)
    reader.notes += count_each((interpolated, "object", "interpolated by CVAT between keyframes: {}"))
    return reader.annotations()


def _read_image(reader: ObjectReader, element: Element) -> None:
    where = f"{reader.path}: image {element.get('name', '')[:60]!r}"
    size = valid_size(element.get("height"), element.get("width"))
    image = reader.new_image(_image_name(element, reader.folder), where, size)
    for number, shape in enumerate((each for each in element if each.tag in SHAPES), start=1):
        with reader.skipping(image):
            _add_shape(reader, image, f"{where}: {shape.tag} {number}", shape, shape.get("label"))


def _image_name(element: Element, folder: Path) -> str | None:
    """Return the path of an image below the folder of the images, which has a folder for each subset of a project."""
    name, subset = element.get("name"), element.get("subset")
    return f"{subset}/{name}" if subset and name and os.path.isfile(folder / subset / name) else name


def _read_track(reader: ObjectReader, track_place: str, track: Element, size: Size | None) -> int:
    """Read a track's shapes, one for each frame in which the object is visible; return how many are interpolated."""
    interpolated = 0
    for shape in (each for each in track if each.tag in SHAPES and each.get("outside") != "1"):
        where = f"{track_place}, frame {shape.get('frame', '')[:20]}"
        with reader.skipping():
            frame = int(number_of_attribute(where, shape, "frame"))
            image = reader.image(f"frame_{frame:06}", where, size)
            _add_shape(reader, image, where, shape, track.get("label"))
            interpolated += shape.get("keyframe") == "0"
    return interpolated


def _add_shape(reader: ObjectReader, image: LabelledImage, where: str, element: Element, label: str | None) -> None:
    attributes = {name: text_value(text) for name, text in _attributes(element)}
    if element.get("occluded") in ("0", "1"):
        attributes.setdefault("occluded", float(element.get("occluded")))
    reader.add(image, where, [label], _shape(where, element), attributes)


def _attributes(element: Element) -> Iterator[tuple[str, str]]:
    for each in element.iter("attribute"):
        if each.get("name") and (each.text or "").strip():
            yield each.get("name"), each.text.strip()


def _shape(where: str, element: Element) -> Shape:
    def numbers(*names: str) -> list[float]:
        return [number_of_attribute(where, element, name) for name in names]

    kind, degrees = element.tag, number_of_attribute(where, element, "rotation", 0.0)
    if kind == "box":
        box = rectangle(*numbers("xtl", "ytl", "xbr", "ybr"))
        x, y, w, h = box.box
        return rotated(box.box, degrees, (x + w / 2, y + h / 2)) if degrees else box
    if kind == "mask":
        return Shape(kind, tuple(numbers("left", "top", "width", "height")))
    if kind == "ellipse":
        return ellipse(*numbers("cx", "cy", "rx", "ry"), math.radians(degrees))
    if kind == "cuboid":
        corners = [numbers(f"x{end}{side}1", f"y{end}{side}1") for end in "tb" for side in "lr"]
        return outline(kind, [tuple(corner) for corner in corners])
    if kind in ("points", "skeleton"):
        return Shape("point" if kind == "points" else kind, None)
    return outline(kind, _points(where, element.get("points") or ""))


def _points(where: str, text: str) -> list[tuple[float, float]]:
    """Return the points of x,y;x,y;..."""
    if not re.fullmatch(r"\s*-?[\d.]+,-?[\d.]+(;-?[\d.]+,-?[\d.]+)*;?\s*", text):
        raise UserError(f"{where}: found points {text[:60]!r}; expected x,y;x,y and so on")
    try:
        pairs = [point.split(",") for point in text.strip().strip(";").split(";")]
        return [(float(x), float(y)) for x, y in pairs]
    except ValueError as error:
        raise UserError(f"{where}: found points {text[:60]!r}; expected numbers") from error


def _recognizes(head: FileHead) -> bool:
    return re.match(r"\s*(<\?[^>]*>\s*)?(<!--.*?-->\s*)*<annotations>", head.text, re.DOTALL) is not None


CVAT = Format(
    name="cvat",
    description="CVAT XML",
    read=read_cvat,
    capabilities=OBJECTS,
    recognizes=_recognizes,
    files="*.xml",
    has_classes=True,
)

"""The objects of a Pascal VOC file: their class, box and attributes."""

import math
from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from data.annotations.problems import Problem, check_extent, skip_or_raise
from data.annotations.shapes import outline, rotated
from utils.errors import UserError

# Attribute -> its value where an object lacks it.
DEFAULTS = {"difficult": 0.0, "truncated": 0.0, "occluded": 0.0, "pose": "Unspecified"}
NUMBERS = {"": None, "unspecified": None, "false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0}  # the last of LabelMe
# What records hold, or what says nothing of the object.
KNOWN = {*DEFAULTS, "name", "type", "bndbox", "robndbox", "polygon", "attributes", "id", "deleted", "date"}


class VocObject(NamedTuple):
    """An object: its name for error messages, its class and its element."""

    where: str
    name: str
    element: Element


class VocFace(NamedTuple):
    """A face.

    Attributes:
        where: its name for error messages.
        box: x y w h.
        attributes: those of DEFAULTS.
        shape: what the box is around: "box", "rotated" or "polygon".
        unread: the names of what no record holds.
    """

    where: str
    box: list[float]
    attributes: dict[str, float | str]
    shape: str
    unread: list[str]


def read_objects(path: Path, root: Element, problems: list[Problem] | None, record: int) -> list[VocObject]:
    """Return the objects of a record that are not deleted."""
    objects = []
    for number, element in enumerate(root.findall("object"), start=1):
        name = text_of(element, "name")
        if name and text_of(element, "deleted") != "1":  # LabelMe keeps what was deleted
            objects.append(VocObject(f"{path}: object {number} ({name[:40]})", name, element))
        elif not name:
            error = UserError(f"{path}: object {number}: has no <name>; expected the class of the object")
            skip_or_raise(error, problems, record)
    return objects


def read_face(each: VocObject) -> VocFace:
    """Return what an object says.

    A rotated box is CVAT's, a <bndbox> or LabelMe's bounding_box with an attribute `rotation` in degrees around its
    center, or roLabelImg's <robndbox>, with an angle in radians.

    Raises:
        UserError: something that should be a number is none, or a maximum is below its minimum.
    """
    where, element, shape = each.where, each.element, "box"
    custom = _custom_attributes(element)
    if element.find("bndbox") is None and element.find("robndbox") is not None:
        box, shape = _rotated_box(where, element), "rotated"
    elif element.find("bndbox") is None and (points := _polygon(where, element)):
        box = list(outline("polygon", points).box or (*points[0], 0.0, 0.0))
        shape = "box" if text_of(element, "type") == "bounding_box" else "polygon"  # LabelMe's type
    else:
        box = _box(where, element)
    if shape == "box" and (rotation := custom.pop("rotation", "")):
        degrees = _as_number(where, rotation, "rotation")
        box, shape = (_turned(box, degrees), "rotated") if degrees % 360 else (box, shape)
    check_extent(where, box)
    unread = [child.tag for child in element if child.tag not in KNOWN and ("".join(child.itertext())).strip()]
    names = [name for name in custom if name and name not in DEFAULTS]
    return VocFace(where, box, _attributes(where, element, custom), shape, list(dict.fromkeys([*unread, *names])))


def _custom_attributes(element: Element) -> dict[str, str]:
    """Return CVAT's attributes, each an element, or those of LabelMe's XML, a text `name=value, name=value`."""
    pairs = (pair.partition("=") for pair in text_of(element, "attributes").split(",") if "=" in pair)
    written = {name.strip(): value.strip() for name, _, value in pairs}
    return written | {text_of(one, "name"): text_of(one, "value") for one in element.findall("attributes/attribute")}


def _turned(box: Sequence[float], degrees: float) -> list[float]:
    """Return x y w h of the box around an x y w h box that is rotated around its center."""
    x, y, w, h = box
    return list(rotated((x, y, w, h), degrees, (x + w / 2, y + h / 2)).box)


def _rotated_box(where: str, element: Element) -> list[float]:
    cx, cy, w, h, angle = (_number(where, element, f"robndbox/{tag}") for tag in ("cx", "cy", "w", "h", "angle"))
    return _turned([cx - w / 2, cy - h / 2, w, h], math.degrees(angle))


def _polygon(where: str, element: Element) -> list[tuple[float, float]]:
    """Return the corners of a polygon, LabelMe's <pt> or the <x1> <y1> <x2> ... of others; empty for no polygon."""
    if element.find("polygon/pt") is not None:
        return [(_number(where, one, "x"), _number(where, one, "y")) for one in element.findall("polygon/pt")]
    numbers = takewhile(lambda number: element.find(f"polygon/x{number}") is not None, count(1))
    return [
        (_number(where, element, f"polygon/x{number}"), _number(where, element, f"polygon/y{number}"))
        for number in numbers
    ]


def _box(where: str, element: Element) -> list[float]:
    x1, y1, x2, y2 = (_number(where, element, f"bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax"))
    if x2 < x1 or y2 < y1:
        raise UserError(
            f"{where}: found xmin {x1:g}, ymin {y1:g}, xmax {x2:g}, ymax {y2:g}; a maximum cannot be below its minimum"
        )
    return [x1, y1, x2 - x1, y2 - y1]


def _attributes(where: str, element: Element, custom: dict[str, str]) -> dict[str, float | str]:
    attributes = {}
    for name, default in DEFAULTS.items():
        text = text_of(element, name) or custom.get(name, "")
        if isinstance(default, str):
            attributes |= {name: text} if text else {}
        elif text.casefold() not in NUMBERS:
            attributes[name] = _as_number(where, text, name)
        elif (value := NUMBERS[text.casefold()]) is not None:
            attributes[name] = value
    return attributes


def _number(where: str, element: Element, tag: str) -> float:
    return _as_number(where, text_of(element, tag), tag.rpartition("/")[2])


def _as_number(where: str, text: str, tag: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: found {text[:40]!r} for <{tag}>; expected a number")
    return value


def text_of(element: Element, tag: str) -> str:
    """Return the text of a child, with single blanks; empty where there is none."""
    return " ".join((element.findtext(tag) or "").split())

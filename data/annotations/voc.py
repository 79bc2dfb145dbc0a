"""Pascal VOC: an XML file for each image."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, SubElement

from data.annotations.attributes import attribute_columns
from data.annotations.classes import choose_classes
from data.annotations.folders import label_files, path_problem
from data.annotations.format import Capabilities, Format
from data.annotations.problems import LARGEST, Problem, check_extent, skip_or_raise
from data.annotations.record import (
    Annotation,
    Annotations,
    Places,
    make_annotations,
    written_number,
)
from data.image_files import IMAGE_SUFFIXES, image_key
from utils.errors import UserError
from utils.files import join_inside, read_bytes

# Attribute -> its value where an object lacks it.
DEFAULTS = {"difficult": 0.0, "truncated": 0.0, "occluded": 0.0, "pose": "Unspecified"}


def read_voc(path: Path, category: str | None = None, problems: list[Problem] | None = None) -> Annotations:
    """Read one file, or all below a folder; `problems` as for `read_annotations`.

    An image's name is the path of its XML file below the folder, with the suffix of <filename>. The rest of <filename>
    is often outdated, from before the image was moved or renamed.

    The format's corners are the box's first and last pixels. They become x1 y1 x2 y2 unchanged, since scoring counts
    pixels inclusively. The format counts pixels from 1, but many tools write it from 0, so nothing is subtracted.

    Raises:
        UserError: no file, or a file, named with the object, that is not XML or not Pascal VOC.
    """
    root = path if path.is_dir() else path.parent
    files = label_files(path, {".xml"}) if path.is_dir() else [path.name]
    if not files:
        raise UserError(f"{path}: has no Pascal VOC files (*.xml); name the folder that has them")
    names, sizes, places, objects = [], [], [], []
    for file in files:
        try:
            tree = _load(root / file)
        except UserError as error:
            skip_or_raise(error, problems)
            continue
        names.append(_name(file, tree))
        sizes.append(_size(tree))
        places.append(str(root / file))
        objects.append(_objects(root / file, tree, problems, len(objects)))
    chosen = choose_classes(path, Counter(name for group in objects for _, name, _ in group), category)

    counts, faces = [], []
    for number, group in enumerate(objects):
        before = len(faces)
        for where, name, element in group:
            try:
                if name in chosen.faces:
                    faces.append((where, _box(where, element), _attributes(where, element)))
            except UserError as error:
                skip_or_raise(error, problems, number)
        counts.append(len(faces) - before)
    columns, _ = attribute_columns([attributes for _, _, attributes in faces], DEFAULTS)
    return make_annotations(
        names,
        counts,
        [box for _, box, _ in faces],
        attributes=columns,
        sizes=sizes,
        places=Places(places, [where for where, _, _ in faces]),
        classes=chosen,
    )


def _load(path: Path) -> Element:
    content = read_bytes(path)
    # Entities, which need a document type, can expand a few bytes to gigabytes. Zero bytes are refused because UTF-16
    # could hide a document type; in all other encodings of the parser, it has these bytes.
    if b"<!DOCTYPE" in content or b"\0" in content:
        raise UserError(f"{path}: found a document type or UTF-16; expected plain XML in UTF-8")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # LookupError: an unknown encoding
        raise UserError(f"{path}: is not XML ({error})") from error
    if root.tag != "annotation":
        raise UserError(f"{path}: found <{root.tag[:40]}>; expected <annotation>, the root of a Pascal VOC file")
    return root


def _name(file: str, root: Element) -> str:
    name = PurePosixPath(file).with_suffix("")
    suffix = PurePosixPath(_text(root, "filename")).suffix
    is_whole = name.suffix.lower() in IMAGE_SUFFIXES or suffix.lower() not in IMAGE_SUFFIXES
    return str(name) if is_whole else f"{name}{suffix}"


def _size(root: Element) -> tuple[int, int] | None:
    try:
        height, width = int(_text(root, "size/height")), int(_text(root, "size/width"))
    except ValueError:
        return None
    # Some tools write 0.
    return (height, width) if 0 < min(height, width) <= max(height, width) < LARGEST else None


def _objects(path: Path, root: Element, problems: list[Problem] | None, record: int) -> list[tuple[str, str, Element]]:
    """Return each object of a record as its name for error messages, its class and its element."""
    objects = []
    for number, element in enumerate(root.findall("object"), start=1):
        name = _text(element, "name")
        if name:
            objects.append((f"{path}: object {number} ({name[:40]})", name, element))
        else:
            error = UserError(f"{path}: object {number}: has no <name>; expected the class of the object")
            skip_or_raise(error, problems, record)
    return objects


def _box(where: str, element: Element) -> list[float]:
    x1, y1, x2, y2 = (_number(where, element, f"bndbox/{tag}") for tag in ("xmin", "ymin", "xmax", "ymax"))
    if x2 < x1 or y2 < y1:
        raise UserError(
            f"{where}: found xmin {x1:g}, ymin {y1:g}, xmax {x2:g}, ymax {y2:g}; a maximum cannot be below its minimum"
        )
    box = [x1, y1, x2 - x1, y2 - y1]
    check_extent(where, box)
    return box


def _attributes(where: str, element: Element) -> dict[str, float | str]:
    attributes = {}
    for name, default in DEFAULTS.items():
        if _text(element, name):
            attributes[name] = _text(element, name) if isinstance(default, str) else _number(where, element, name)
    return attributes


def _number(where: str, element: Element, tag: str) -> float:
    text = _text(element, tag)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: found {text[:40]!r} for <{tag.rpartition('/')[2]}>; expected a number")
    return value


def _text(element: Element, tag: str) -> str:
    return " ".join((element.findtext(tag) or "").split())


def write_voc(folder: Path, annotations: Sequence[Annotation]) -> None:
    """Write a file for each image into an existing folder, at the image's path with the suffix .xml.

    Args:
        annotations: with attributes of DEFAULTS only.

    Raises:
        UserError: an image's name that `read_voc` would read as another.
    """
    for annotation in annotations:
        name = PurePosixPath(annotation.name)
        key = image_key(annotation.name)
        # The reader of a.jpg.xml would take .jpg for the image's suffix, so that a.jpg.png keeps both of its suffixes.
        file = f"{name if PurePosixPath(key).suffix.lower() in IMAGE_SUFFIXES else key}.xml"
        root = Element("annotation")
        _add(root, "filename", name.name)
        if annotation.size:
            height, width = annotation.size
            size = SubElement(root, "size")
            for tag, value in (("width", width), ("height", height), ("depth", 3)):
                _add(size, tag, str(value))
        for index, corners in enumerate(annotation.boxes.tolist()):
            face = SubElement(root, "object")
            _add(face, "name", "face")
            for attribute, values in annotation.attributes.items():
                is_text = isinstance(DEFAULTS[attribute], str)
                _add(face, attribute, str(values[index]) if is_text else written_number(values[index]))
            box = SubElement(face, "bndbox")
            for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
                _add(box, tag, written_number(value))
        if _name(file, root) != annotation.name:
            raise UserError(f"{annotation.name!r}: Pascal VOC cannot hold this name; rename the image")
        path = join_inside(folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        ElementTree.indent(root)
        path.write_text(ElementTree.tostring(root, "unicode") + "\n", encoding="utf-8", newline="\n")


def _add(parent: Element, tag: str, text: str) -> None:
    SubElement(parent, tag).text = "".join(letter if letter.isprintable() else " " for letter in text)


VOC = Format(
    name="voc",
    description="Pascal VOC XML",
    read=lambda path, options: read_voc(path, options.category, options.problems),
    write=write_voc,
    capabilities=Capabilities(attributes=DEFAULTS, ignore_attributes=("difficult",), sizes=True),
    recognizes=lambda head: re.match(r"\s*<[?!\w]", head.text) is not None,
    files="*.xml",
    file_per_image=True,
    is_folder=True,
    has_classes=True,
    name_in_dataset="annotations",
    name_problem=path_problem,
)

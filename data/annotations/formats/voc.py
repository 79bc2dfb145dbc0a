"""Pascal VOC: an XML file for each image."""

import os
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from data.annotations.attributes import attribute_columns
from data.annotations.classes import Classes, choose_classes
from data.annotations.folders import joined_splits, label_files, path_problem
from data.annotations.format import Capabilities, Format
from data.annotations.formats.voc_objects import DEFAULTS, VocFace, VocObject, read_face, read_objects, text_of
from data.annotations.objects import valid_size
from data.annotations.places import Places
from data.annotations.problems import Problem, skip_or_raise
from data.annotations.record import Annotation, Annotations, make_annotations
from data.annotations.written_numbers import written_number
from data.annotations.xml_values import load_xml
from data.image_files import IMAGE_SUFFIXES, ImageFolder, image_key, keys_of_image, label_folder, usual_images
from utils.errors import UserError
from utils.files import join_inside, read_text
from utils.wording import count_each, counted, printable

LABEL_MAP, VOTT_MAP = "labelmap.txt", "pascal_label_map.pbtxt"
COLORS = "colors.txt"  # Supervisely's label map, which says nothing of the boxes
LISTED_CLASS = re.compile(r"\s+(-1|0|1)$")  # behind the name in a list of one class: whether the image has it


class _Record(NamedTuple):
    """A file, or an image that only a list names: its place for error messages, and what the file says of the image."""

    place: str
    name: str
    size: tuple[int, int] | None
    objects: list[VocObject]


def read_voc(
    path: Path, category: str | None = None, problems: list[Problem] | None = None, images: Path | None = None
) -> Annotations:
    """Read one file, or all below a folder or below `Annotations` in it; `problems` as for `read_annotations`.

    An image's name is the path of its XML file below the folder, with the suffix of <filename>. The rest of <filename>
    is often outdated, from before the image was moved or renamed, and is used only if there is no image of the file's
    own name but one of this name. Names in `ImageSets/Main` without a file are background images.

    The format's corners are the box's first and last pixels. They become x1 y1 x2 y2 unchanged, since scoring counts
    pixels inclusively. The format counts pixels from 1, but many tools write it from 0, so nothing is subtracted. Of a
    rotated box or a polygon, the box around it is read.

    Args:
        images: folder of the images; None: that of `usual_images`. Images are not read, and may be missing.

    Raises:
        UserError: no file, or a file, named with the object, that is not XML or not Pascal VOC.
    """
    images = images or usual_images(path)
    folder = label_folder(path) if path.is_dir() else path.parent
    files = label_files(folder, {".xml"}) if path.is_dir() else [path.name]
    if not files:
        raise UserError(f"{path}: has no Pascal VOC files (*.xml); name the folder that has them")
    records = _read_files(folder, files, images, problems)
    listed = _only_listed(path, records, images)
    records += listed
    counts = Counter(dict.fromkeys(_label_map(path), 0))
    counts.update(each.name for record in records for each in record.objects)
    chosen = choose_classes(path, counts, category)
    groups = [_read_faces(record, chosen, problems, number) for number, record in enumerate(records)]
    faces = [face for group in groups for face in group]
    columns, _ = attribute_columns([face.attributes for face in faces], DEFAULTS)
    shapes, unread = Counter(face.shape for face in faces), Counter(key for face in faces for key in face.unread)
    return make_annotations(
        [record.name for record in records],
        list(map(len, groups)),
        [face.box for face in faces],
        attributes=columns,
        sizes=[record.size for record in records],
        places=Places([record.place for record in records], [face.where for face in faces]),
        classes=chosen,
        notes=[
            *joined_splits([record.name for record in records]),
            *count_each((shapes["rotated"], "face", "{} with a rotated box: the box around it is read")),
            *count_each((shapes["polygon"], "face", "{} with a polygon: the box around it is read")),
            *count_each((len(listed), "image", "{} in ImageSets without an XML file: read as background")),
        ],
        unread=[f"{printable(key)} of {counted(count, 'face')}" for key, count in unread.items()],
    )


def _read_files(folder: Path, files: Sequence[str], images: Path, problems: list[Problem] | None) -> list[_Record]:
    records = []
    for file in files:
        try:
            root = load_xml(folder / file, "annotation")
        except UserError as error:
            skip_or_raise(error, problems)
            continue
        objects = read_objects(folder / file, root, problems, len(records))
        records.append(_Record(str(folder / file), _name(file, root, images), _size(root), objects))
    return records


def _read_faces(record: _Record, chosen: Classes, problems: list[Problem] | None, number: int) -> list[VocFace]:
    """Return the faces among the objects of a record, of which `number` is the index."""
    faces = []
    for each in record.objects:
        try:
            if each.name in chosen.faces:
                faces.append(read_face(each))
        except UserError as error:
            skip_or_raise(error, problems, number)
    return faces


def _label_map(path: Path) -> list[str]:
    """Return the classes of CVAT's labelmap.txt, or VoTT's label map, in a folder or beside `Annotations`."""
    for folder in (path, path.parent):
        if (folder / LABEL_MAP).is_file():
            lines = (line.strip() for line in read_text(folder / LABEL_MAP).split("\n"))
            names = [line.partition(":")[0].strip() for line in lines if line and not line.startswith("#")]
            return [name for name in names if name and name != "background"]
        if (folder / VOTT_MAP).is_file():
            return re.findall(r"name:\s*['\"]([^'\"]+)", read_text(folder / VOTT_MAP))
    return []


def _only_listed(path: Path, records: Sequence[_Record], images: Path) -> list[_Record]:
    """Return the images that lists in ImageSets/Main name, and that have no file but are there."""
    lists = next((each for folder in (path, path.parent) if (each := folder / "ImageSets" / "Main").is_dir()), None)
    if lists is None or not path.is_dir() or not images.is_dir():
        return []
    folder, known, found = ImageFolder(images), {image_key(record.name) for record in records}, []
    for file in sorted(lists.glob("*.txt")):
        for number, line in enumerate(read_text(file).split("\n"), start=1):
            name = LISTED_CLASS.sub("", line.strip())
            key = image_key(name)
            if name and key not in known:
                known.add(key)
                with suppress(UserError):  # a list may name images that were not exported
                    found.append(_Record(f"{file}:{number}", folder.find(name), None, []))
    return found


def _name(file: str, root: Element, images: Path) -> str:
    """Return the name of a file's image, which is the first of the possible ones that there is."""
    usual, written = _own_name(file, root), _written_name(root)
    keys = keys_of_image(usual) + ([str(PurePosixPath(file).with_name(written))] if written else [])
    return next((key for key in keys if os.path.isfile(images / key)), usual)


def _own_name(file: str, root: Element) -> str:
    """Return the path of a file with the suffix of the <filename> in it."""
    name, suffix = PurePosixPath(file).with_suffix(""), PurePosixPath(_written_name(root)).suffix
    is_whole = name.suffix.lower() in IMAGE_SUFFIXES or suffix.lower() not in IMAGE_SUFFIXES
    return str(name) if is_whole else f"{name}{suffix}"


def _written_name(root: Element) -> str:
    """Return <filename> without the folders that it may have on another computer."""
    return PurePosixPath(text_of(root, "filename").replace("\\", "/")).name


def _size(root: Element) -> tuple[int, int] | None:
    """Return (height, width) of the image, also as LabelMe writes them; None where they are not known."""
    sides = (("size/height", "size/width"), ("imagesize/nrows", "imagesize/ncols"))
    sizes = (valid_size(text_of(root, height), text_of(root, width)) for height, width in sides)
    return next((size for size in sizes if size), None)


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
        if _own_name(file, root) != annotation.name:
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
    read=lambda path, options: read_voc(path, options.category, options.problems, options.images),
    write=write_voc,
    capabilities=Capabilities(attributes=DEFAULTS, ignore_attributes=("difficult",), sizes=True),
    recognizes=lambda head: re.match(r"\s*<[?!\w]", head.text) is not None,
    files="*.xml",
    companions=(LABEL_MAP, COLORS),
    file_per_image=True,
    is_folder=True,
    has_classes=True,
    name_in_dataset="annotations",
    name_problem=path_problem,
)

"""Formats that are recognized in order to say what to export instead."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from data.annotations.format import FileHead
from utils.errors import UserError

COCO_OR_VOC = "export COCO JSON or Pascal VOC"
NUMBER = r"-?\d+(\.\d+)?"


class ForeignFormat(NamedTuple):
    """A format that is not read.

    Attributes:
        description: what messages call it.
        instead: what to do.
        recognizes: whether a file's content is in the format.
        suffixes: of files that are in the format, whatever their content.
    """

    description: str
    instead: str
    recognizes: Callable[[FileHead], bool] = lambda head: False
    suffixes: tuple[str, ...] = ()


def _lines(pattern: str) -> Callable[[FileHead], bool]:
    """Return a recognizer of files whose first lines all match a pattern."""
    expression = re.compile(pattern)
    return lambda head: bool(head.lines) and all(map(expression.fullmatch, head.lines))


def _keys(*keys: str, level: int = 0) -> Callable[[FileHead], bool]:
    return lambda head: {*keys} <= head.keys[level]


def _starts(*beginnings: str) -> Callable[[FileHead], bool]:
    return lambda head: head.text.lstrip().startswith(beginnings)


def _is_darwin(head: FileHead) -> bool:
    """Whether a file has the item, or in version 1 the dataset, of V7 Darwin. COCO JSON may have these keys, too."""
    is_coco = bool({"images", "categories"} & head.keys[0])
    return bool({"item", "dataset"} & head.keys[0]) and "name" in head.keys[2] and not is_coco


def _is_fddb(lines: Sequence[str]) -> bool:
    """Whether lines begin with a name, a count, and a face: half axes, angle, center, and 1."""
    ellipse = rf"{NUMBER} {NUMBER} {NUMBER} {NUMBER} {NUMBER}  ?1"
    return len(lines) > 2 and lines[1].isdecimal() and bool(re.fullmatch(ellipse, lines[2]))


FOREIGN = (
    ForeignFormat("TFRecord", "export the CSV that TensorFlow's tools make it of", suffixes=(".tfrecord", ".record")),
    ForeignFormat("a VoTT project", "name the folder with its *-asset.json, or export VoTT JSON", suffixes=(".vott",)),
    ForeignFormat(
        "the YAML of a YOLO dataset", "name the folder of its labels, as labels/train", suffixes=(".yaml", ".yml")
    ),
    ForeignFormat("FDDB's ellipses", COCO_OR_VOC, lambda head: _is_fddb(head.lines)),
    ForeignFormat(
        "keras-yolo3's text",
        "write it as a CSV table with a row 'path,x1,y1,x2,y2,class' for each object",
        lambda head: any(re.search(r"\.\w+ (\d+,){4}\d+( |$)", line) for line in head.lines),
    ),
    ForeignFormat("KITTI text", COCO_OR_VOC, _lines(rf"[A-Za-z][\w-]* {NUMBER} -?\d+( {NUMBER}){{12,13}}")),
    ForeignFormat("DOTA text", COCO_OR_VOC, _starts("imagesource:")),
    ForeignFormat("DOTA text", COCO_OR_VOC, _lines(rf"({NUMBER} ){{8}}[A-Za-z][\w-]* [012]")),
    ForeignFormat("MOT text", COCO_OR_VOC, _lines(rf"\d+, ?-?\d+(, ?{NUMBER}){{5,8}}")),
    ForeignFormat("Labelbox JSON", "convert it to COCO with labelbox's Python package", _keys("data_row", "projects")),
    ForeignFormat(
        "Labelbox JSON", "convert it to COCO with labelbox's Python package", _keys("Labeled Data", "Label", level=1)
    ),
    ForeignFormat("V7 Darwin JSON", COCO_OR_VOC, _is_darwin),
    ForeignFormat("Dataturks' JSON lines", "convert them to Pascal VOC", _keys("content", "annotation")),
    ForeignFormat("Hugging Face's metadata", "convert it to COCO JSON", _keys("file_name", "objects")),
    ForeignFormat(
        "CelebA's text",
        "write it as a CSV table with the header image_id,x_1,y_1,width,height",
        lambda head: any(re.match(r"image_id\s+x_1\s", line) for line in head.lines),
    ),
    ForeignFormat("a SageMaker manifest", "convert it to COCO JSON", _keys("source-ref")),
    ForeignFormat("Vertex AI's JSON lines", "convert them to COCO JSON", _keys("imageGcsUri")),
    ForeignFormat("Vertex AI's CSV", "convert it to COCO JSON", _starts("TRAIN,gs:", "TEST,gs:", "UNASSIGNED,gs:")),
    ForeignFormat("Scalabel or BDD100K JSON", "convert it to COCO JSON", _keys("box2d", level=3)),
    ForeignFormat("VIA 3's CSV", "save the project as JSON", _starts("# Exported using VGG", "# CSV_HEADER")),
    ForeignFormat("dlib's XML", "convert it to Pascal VOC", lambda head: "<dataset>" in head.text),
)


def refuse_foreign(path: Path) -> None:
    """Raise UserError for a file in a format that is not read, with what to do instead."""
    head = FileHead.read(path)
    for each in FOREIGN:
        if path.suffix.lower() in each.suffixes or each.recognizes(head):
            raise UserError(f"{path}: is {each.description}, which is not read; {each.instead}")

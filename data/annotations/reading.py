"""Which format a file or folder is in, and its reader."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from data.annotations.coco import read_coco
from data.annotations.folders import label_files
from data.annotations.label_text import (
    HEAD,
    iterate_list,
    read_label,
    read_list,
    recognise_text,
    refuse_unknown,
)
from data.annotations.problems import Problem
from data.annotations.record import Annotations
from data.annotations.voc import read_voc
from data.annotations.wider_mat import read_wider_mat
from data.annotations.wider_text import read_counted
from data.annotations.yolo import CLASSES, read_yolo
from data.splits import FIXED
from utils.errors import UserError
from utils.files import read_bytes

_WORDS = {
    "label": "'# image' labels",
    "wider": "WIDER FACE text",
    "laboro": "Laboro TV text",
    "wider_mat": "the WIDER FACE .mat set",
    "coco": "COCO JSON",
    "voc": "Pascal VOC XML",
    "yolo": "YOLO labels",
    "list": "a list of names",
}
KINDS = tuple(_WORDS)

_WIDER_MAT = "wider_face_val.mat"
_BY_SUFFIX = {".mat": "wider_mat", ".json": "coco", ".xml": "voc"}
_FOLDER_KINDS = ("voc", "yolo")
_CLASSES_IN = ("coco", "voc", "yolo")


def read_annotations(
    path: str | Path,
    kind: str | None = None,
    *,
    images: str | Path | None = None,
    category: str | None = None,
    problems: list[Problem] | None = None,
) -> Annotations:
    """Read the ground truth of a set of images.

    A folder stands for the one annotation file in it, for the WIDER FACE .mat set, or for the Pascal VOC or YOLO files
    below it. Lists of names count only where there is nothing else, those named `*_list.txt` and cleaned copies, files
    or folders named `*_fixed`, not at all.

    Args:
        kind: the format, one of KINDS; None: recognised by the content.
        images: folder of the images, in which YOLO labels need them; None: see `read_yolo`.
        category: the class of objects that is the face, in COCO, Pascal VOC and YOLO; None: "face" in capitals or not,
            else the only class.
        problems: where a list is given, a malformed row or record is described in it, with the image that it belongs
            to, and left out. Otherwise the first one is an error.

    Raises:
        UserError: nothing to read, another format than `kind`, no known one, or a malformed row or record.
    """
    found, path = find_annotations(path, kind)
    if category is not None and found not in _CLASSES_IN:
        raise UserError(f"{path}: has no classes of objects to choose from; leave --category out")
    return _read(path, found, images, category, problems)


def find_annotations(path: str | Path, kind: str | None = None) -> tuple[str | None, Path]:
    """Return the format and the file or folder that `read_annotations` reads; the format is None if it is not known.

    Raises:
        UserError: as `read_annotations`, before anything is read.
    """
    path = Path(path)
    if kind is not None and kind not in KINDS:
        raise UserError(f"{kind!r}: no such annotation format; expected one of {', '.join(KINDS)}")
    if path.is_dir() and kind not in _FOLDER_KINDS:
        found, path = _look_into(path, kind)
    elif path.is_dir():
        found = kind
    elif path.is_file():
        found = _recognise(path, kind)
    else:
        raise UserError(f"{path}: no such annotation file or folder")
    if kind is not None and found not in (kind, None):
        raise UserError(f"{path}: is {_WORDS[found]}; expected {_WORDS[kind]}, the format {kind} that was asked for")
    # A list of names that look like something else is one if the user says so.
    return (kind if kind == "list" else found), path


class ImageNames:
    """The names of an annotation file's images, as often as they are iterated over.

    A list of names is read anew each time and never held in memory; other formats are read once.

    Raises:
        UserError: as `read_annotations`, for a list when it is iterated over.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        is_list = self.path.is_file() and _recognise(self.path) == "list"
        self.names = None if is_list else [annotation.name for annotation in read_annotations(path)]

    def __iter__(self) -> Iterator[str]:
        return iterate_list(self.path) if self.names is None else iter(self.names)


def _read(
    path: Path, kind: str | None, images: str | Path | None, category: str | None, problems: list[Problem] | None
) -> Annotations:
    match kind:
        case "label":
            return read_label(path, problems)
        case "wider" | "laboro":
            return read_counted(path, kind, problems)
        case "wider_mat":
            return read_wider_mat(path)
        case "coco":
            return read_coco(path, category, problems)
        case "voc":
            return read_voc(path, category, problems)
        case "yolo":
            return read_yolo(path, None if images is None else Path(images), category, problems)
        case "list":
            return read_list(path)
    refuse_unknown(path)


def _recognise(path: Path, wanted: str | None = None) -> str | None:
    """Return the format of a file, None where it is in none that is known; `wanted` is as for `recognise_text`."""
    if path.suffix.lower() in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix.lower()]
    text = read_bytes(path, HEAD).decode("utf-8-sig", errors="replace")
    if re.match(r'\s*(\{\s*["}]|\[\s*[{\]])', text):
        return "coco"
    if re.match(r"\s*<[?!\w]", text):
        return "voc"
    with open(path, encoding="utf-8-sig", errors="replace") as lines:
        return recognise_text(text, lines, wanted)


def _look_into(folder: Path, kind: str | None) -> tuple[str | None, Path]:
    """Return the format and the path of the one annotation in a folder that is of a kind.

    Raises:
        UserError: there is none, or more than one.
    """
    found = _list_annotations(folder, kind)
    if not found:
        raise UserError(
            f"{folder}: has no label file (*.txt, *.json, *.xml) and no {_WIDER_MAT}; name another folder or a file"
        )
    matching = [key for key in found if kind in (key[0], None)]
    chosen = [key for key in matching if _has_boxes(key)] or matching
    if len(chosen) == 1:
        return chosen[0]
    names = [found[key] for key in chosen or found]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if not chosen:
        raise UserError(f"{folder}: found {shown}; expected {_WORDS[kind]}, the format {kind} that was asked for")
    raise UserError(
        f"{folder}: found {shown}; name the one annotation file, or its format (eval.py --gt_format, tools.convert"
        " --from); detections belong to --pred"
    )


def _list_annotations(folder: Path, wanted: str | None) -> dict[tuple[str | None, Path], str]:
    """Return (format, path to read) -> name of a file, for what lies in a folder.

    The path of a format of many files is the folder. In the folders below, only those formats are looked for, and
    only where the folder itself has no boxes. Several files that are all empty are YOLO's, and so is an empty one with
    the classes beside it.
    """
    found = {}
    for file in sorted(folder.iterdir()):
        if file.stem.endswith(FIXED) or file.stem.upper() == "README":
            continue
        is_text = file.suffix.lower() == ".txt" and file.name != CLASSES and not file.name.endswith("_list.txt")
        if (is_text or file.suffix.lower() in (".json", ".xml") or file.name == _WIDER_MAT) and file.is_file():
            kind = _recognise(file, wanted)
            found.setdefault((kind, folder if kind in _FOLDER_KINDS else file), file.name)
    if not any(map(_has_boxes, found)):
        for name in label_files(folder, {".txt", ".xml"}):
            kind = _recognise(folder / name)
            if kind in _FOLDER_KINDS:
                found.setdefault((kind, folder), name)
    if not any(map(_has_boxes, found)):
        names = label_files(folder, {".txt"})
        empty = [name for name in names if not (folder / name).stat().st_size]
        if len(empty) == len(names) > 1 or (empty and CLASSES in (PurePosixPath(name).name for name in names)):
            found["yolo", folder] = empty[0]
    return found


def _has_boxes(found: tuple[str | None, Path]) -> bool:
    return found[0] not in ("list", None)

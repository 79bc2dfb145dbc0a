"""A list of image names, one a line, without boxes."""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.places import Lines, PackedNames, Places, clean_name
from data.annotations.record import Annotation, Annotations, make_annotations
from data.annotations.text_lines import EMPTY, hash_problem, parse_numbers, write_lines
from utils.errors import UserError
from utils.files import read_bytes, text_encoding


def read_list(path: Path) -> Annotations:
    """Read a list of names: images without boxes."""
    numbers = array("i")

    def names() -> Iterator[str]:
        for number, name in _numbered_names(path):
            numbers.append(number)
            yield name

    packed = PackedNames.pack(names())
    return make_annotations(packed, np.zeros(len(packed), np.int8), [], places=Places(Lines(path, numbers), []))


def iterate_list(path: Path) -> Iterator[str]:
    """Yield the names of a list while it is read, however long it is.

    Raises:
        UserError: the file cannot be read, is not text, or has no name.
    """
    return (name for _, name in _numbered_names(path))


def _numbered_names(path: Path) -> Iterator[tuple[int, str]]:
    is_empty = True
    try:
        with open(path, encoding=text_encoding(read_bytes(path, 2))) as file:
            for number, line in enumerate(file, start=1):
                if name := line.strip():
                    is_empty = False
                    yield number, clean_name(name)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text") from error
    if is_empty:
        raise UserError(f"{path}: {EMPTY}")


def write_list(path: Path, annotations: Sequence[Annotation]) -> None:
    """Write the names of the images, one a line."""
    write_lines(path, (annotation.name for annotation in annotations))


def _recognizes(head: FileHead) -> bool:
    """Any text is a list that no other format recognizes, unless it begins with a row of numbers."""
    return bool(head.lines) and parse_numbers(head.lines[0]) is None


NAME_LIST = Format(
    name="list",
    description="a list of names",
    read=lambda path, options: read_list(path),
    write=write_list,
    capabilities=Capabilities(boxes=False),
    recognizes=_recognizes,
    name_problem=hash_problem,
)

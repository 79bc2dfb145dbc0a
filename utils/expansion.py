"""Refuse text files whose content would take far more memory as Python objects than as files.

The numbers of bytes are those of CPython. Labels as tools write them are estimated at four to ten times their size; a
few megabytes are always read.
"""

from pathlib import Path

from utils.errors import UserError

MOST_RATIO = 10  # memory to size of the file
ALWAYS = 24 << 20  # bytes of memory that any file may take
SMALL = 1 << 20  # bytes of a file that needs no estimate
REPEATED = 50  # keys of an object, or attributes of an element; where it has more, they are hardly those of others


def check_json(path: str | Path, text: str | bytes) -> None:
    """Check the number of values of a JSON text before it is parsed.

    Raises:
        UserError: their estimated memory is more than MOST_RATIO times the size of the text.
    """
    if len(text) < SMALL:
        return
    counts = (text.count(each if isinstance(text, str) else each.encode()) for each in ("{", "{}", "[", "[]", ",", '"'))
    objects, empty_objects, lists, empty_lists, commas, quotes = counts
    keys = text.count('":' if isinstance(text, str) else b'":')
    needed = 232 * objects - 168 * empty_objects + 88 * lists - 32 * empty_lists + 24 * commas
    needed += 56 * max(0, quotes // 2 - keys) + 200 * max(0, keys - REPEATED * objects)
    _refuse(path, len(text), needed, f"{objects + lists + commas:,} values")


def check_xml(path: str | Path, content: bytes) -> None:
    """Check the number of elements and attributes of an XML file before it is parsed.

    Raises:
        UserError: their estimated memory is more than MOST_RATIO times the size of the file.
    """
    if len(content) < SMALL:
        return
    elements, attributes = content.count(b"<") - content.count(b"</"), content.count(b"=")
    needed = 96 * elements + 64 * attributes + 250 * max(0, attributes - REPEATED * elements)
    _refuse(path, len(content), needed, f"{elements:,} elements with {attributes:,} attributes")


def check_lines(path: str | Path, text: str | bytes) -> None:
    """Check the number of lines of a text before it is split.

    Raises:
        UserError: their estimated memory is more than MOST_RATIO times the size of the text.
    """
    if len(text) >= SMALL:
        lines = text.count("\n" if isinstance(text, str) else b"\n")
        _refuse(path, len(text), 64 * lines, f"{lines:,} lines")


def _refuse(path: str | Path, size: int, needed: int, found: str) -> None:
    if needed > ALWAYS + MOST_RATIO * size:
        raise UserError(
            f"{path}: holds {found} in {size:,} bytes, which would take {needed >> 20:,} MB of memory; is it an"
            " annotation?"
        )

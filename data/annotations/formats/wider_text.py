"""WIDER FACE's text: an image's name, the number of its faces, then a row for each face.

A row is `x y w h` and the attributes `blur expression illumination invalid occlusion pose`, or `x y w h` alone in all
rows. An image without faces may have one row of zeros. Laboro TV's text has the same layout with other attributes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.annotations.fast_text import find_lines, parse_rows
from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.places import Lines, PackedNames, Places
from data.annotations.problems import Problem, skip_or_raise
from data.annotations.record import WIDER_VALUES, Annotation, Annotations, make_annotations
from data.annotations.text_lines import format_row, hash_problem, parse_numbers, parse_row, read_lines, write_lines
from data.annotations.written_numbers import written_boxes
from utils.errors import UserError
from utils.files import read_bytes

WIDER_ATTRIBUTES = tuple(WIDER_VALUES)


def read_wider_text(path: Path, attributes: Sequence[str], problems: list[Problem] | None = None) -> Annotations:
    """Read a text of this layout.

    Args:
        attributes: the names of the columns after x y w h.
        problems: as for `read_annotations`.

    Raises:
        UserError: a malformed row or a wrong count, named by its line.
    """
    annotations = read_wider_text_fast(path, read_bytes(path), attributes) if problems is None else None
    return annotations or read_wider_text_by_line(path, attributes, problems)


def read_wider_text_fast(path: Path, content: bytes, attributes: Sequence[str]) -> Annotations | None:
    """Read a text of this layout with a loop over its images only; return None where it has anything unusual."""
    columns = 4 + len(attributes)
    found = find_lines(content)
    if found is None:
        return None
    content, starts, ends = found
    titles, counts = [], []
    is_row = np.ones(len(ends), bool)
    at = 0
    while at + 1 < len(ends):
        name, count = content[starts[at] : ends[at]], content[starts[at + 1] : ends[at + 1]].strip()
        # A line that ends with a letter is neither blank nor a row of numbers.
        is_name = name[-1:].isalpha() or (name.decode().strip() and not _is_row(name.decode(), columns))
        if not is_name or not count.isdigit() or len(count) > 9:
            return None
        titles.append(at)
        counts.append(int(count))
        at += 2 + counts[-1]
        if counts[-1] == 0 and at < len(ends) and _is_no_face(content[starts[at] : ends[at]].decode(), columns):
            is_row[at] = False
            at += 1
    if at != len(ends) or not titles:
        return None
    titles = np.array(titles)
    is_row[titles] = is_row[titles + 1] = False
    numbers = parse_rows(content, starts, ends, is_row, (columns,))
    if numbers is None:
        return None
    values = numbers[0].reshape(-1, columns)
    if (values[:, 2:4] < 0).any():
        return None
    names = PackedNames(content, starts[titles], ends[titles])
    places = Places(Lines(path, titles + 1), Lines(path, np.flatnonzero(is_row) + 1))
    return _annotations(names, counts, values, attributes, places)


def read_wider_text_by_line(
    path: Path, attributes: Sequence[str], problems: list[Problem] | None = None
) -> Annotations:
    """Read a text of this layout line by line; after a wrong count, reading continues with the next image's name."""
    columns = 4 + len(attributes)
    lines = [(number, line) for number, line in enumerate(read_lines(path), start=1) if line]
    names, titles, counts, rows, numbers = [], [], [], [], []
    owner = None  # the record that a row after the counted ones belongs to
    at = 0
    while at < len(lines):
        number, name = lines[at]
        try:
            count = _read_count(path, lines[at : at + 2], columns)
        except UserError as error:
            owner = owner if _is_row(name, columns) else None
            skip_or_raise(error, problems, owner)
            at += 1
            continue
        owner = len(names)
        names.append(name)
        titles.append(number)
        counts.append(0)
        expected = f"a face of {name} as 'x y w h {' '.join(attributes)}'"
        at += 2
        for _ in range(count):
            row_number, line = lines[at] if at < len(lines) else (lines[-1][0] + 1, "")
            try:
                rows.append(parse_row(path, row_number, line, (columns,), expected))
                numbers.append(row_number)
                counts[-1] += 1
            except UserError as error:
                skip_or_raise(error, problems, owner)
                if at == len(lines) or starts_with_count([line for _, line in lines[at : at + 3]]):
                    break
            at += 1
        if count == 0 and at < len(lines) and _is_no_face(lines[at][1], columns):
            at += 1
    places = Places(Lines(path, titles), Lines(path, numbers))
    return _annotations(names, counts, np.array(rows).reshape(-1, columns), attributes, places)


def _annotations(
    names: Sequence[str], counts: Sequence[int], values: np.ndarray, attributes: Sequence[str], places: Places
) -> Annotations:
    """Return the records of rows (F, 4 + attributes)."""
    by_name = {attribute: values[:, 4 + i] for i, attribute in enumerate(attributes)}
    return make_annotations(names, counts, values[:, :4], attributes=by_name, places=places)


def _is_row(line: str, columns: int) -> bool:
    return len(parse_numbers(line) or ()) == columns


def _is_no_face(line: str, columns: int) -> bool:
    """Whether a line is the row of zeros of an image without faces."""
    return parse_numbers(line) == [0.0] * columns


def _read_count(path: Path, lines: list[tuple[int, str]], columns: int) -> int:
    """Return the number of an image's faces.

    Args:
        lines: the lines of the name and the number, each with its line number.
    """
    number, name = lines[0]
    if _is_row(name, columns):
        raise UserError(f"{path}:{number}: found {name[:80]!r}; expected an image: are there more faces than counted?")
    count_number, line = lines[1] if len(lines) > 1 else (number + 1, "")
    count = _parse_count(line)
    if count is None:
        raise UserError(f"{path}:{count_number}: found {line[:80]!r}; expected the number of faces in {name}")
    return count


def _parse_count(line: str) -> int | None:
    return int(line) if line.isdecimal() and len(line) < 10 else None  # Python refuses to parse very long numbers


def starts_with_count(lines: Sequence[str]) -> bool:
    """Whether the first three lines are an image and the number of its faces; after an ID of digits, also a row."""
    count = _parse_count(lines[1]) if len(lines) > 1 else None
    if count is None:
        return False
    has_row = len(lines) == 3 and len(lines[2].replace(",", " ").split()) > 1
    return has_row or count == 0 or parse_numbers(lines[0]) is None


def find_row(head: FileHead) -> str | None:
    """Return the first row of numbers in a file, None where it has none."""
    return next((line for line in head.all_lines() if len(parse_numbers(line) or ()) > 1), None)


def _attributes_in(path: Path) -> Sequence[str]:
    """Return the names of the columns after x y w h of WIDER FACE's text, by the first row of a file."""
    row = find_row(FileHead.read(path))
    return () if row is not None and _is_row(row, 4) else WIDER_ATTRIBUTES


def write_wider_text(
    path: Path,
    annotations: Sequence[Annotation],
    attributes: Sequence[str],
    separator: str = " ",
    empty_row: bool = False,
) -> None:
    """Write a text of this layout.

    Args:
        annotations: with all of the attributes.
        attributes: the names of the columns after x y w h.
        separator: between the numbers of a row.
        empty_row: whether an image without faces gets a row of zeros.
    """

    def lines() -> Iterator[str]:
        for annotation in annotations:
            yield annotation.name
            yield str(len(annotation.boxes))
            if empty_row and not len(annotation.boxes):
                yield format_row([0.0] * (4 + len(attributes)))
            columns = [annotation.attributes[name] for name in attributes]
            for row in np.column_stack([written_boxes(annotation.boxes), *columns]):
                yield format_row(row, separator)

    write_lines(path, lines())


WIDER = Format(
    name="wider",
    description="WIDER FACE text",
    read=lambda path, options: read_wider_text(path, _attributes_in(path), options.problems),
    write=lambda path, annotations: write_wider_text(path, annotations, WIDER_ATTRIBUTES, empty_row=True),
    capabilities=Capabilities(
        attributes=dict.fromkeys(WIDER_ATTRIBUTES, 0.0), all_attributes=True, ignore_attributes=("invalid",)
    ),
    recognizes=lambda head: starts_with_count(head.lines),
    name_problem=hash_problem,
)

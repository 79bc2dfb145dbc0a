"""Reading WIDER FACE's and Laboro TV's text, which gives the number of faces behind each image's name."""

from pathlib import Path

import numpy as np

from data.annotations.fast_text import plain_lines, plain_rows
from data.annotations.label_text import (
    COUNTED_ATTRIBUTES,
    looks_counted,
    parse_count,
    parse_numbers,
    parse_row,
    read_lines,
)
from data.annotations.problems import Problem, pass_over
from data.annotations.record import Annotations, Lines, Names, Places, make_annotations
from utils.errors import UserError
from utils.files import read_bytes

NO_FACE = [0.0] * 10  # the row that WIDER FACE gives an image without faces


def read_counted(path: Path, kind: str, problems: list[Problem] | None = None) -> Annotations:
    """Read a text of kind "wider" or "laboro"; `problems` as for `read_annotations`.

    Raises:
        UserError: a malformed row or a wrong count, named by its line.
    """
    plain = read_plain_counted(path, read_bytes(path), kind) if problems is None else None
    return plain or read_any_counted(path, kind, problems)


def read_plain_counted(path: Path, content: bytes, kind: str) -> Annotations | None:
    """Read such a text with a loop over its images alone, None where anything in it is unusual."""
    columns = 4 + len(COUNTED_ATTRIBUTES[kind])
    found = plain_lines(content)
    if found is None:
        return None
    content, starts, ends = found
    titles, counts = [], []
    is_row = np.ones(len(ends), bool)
    at = 0
    while at + 1 < len(ends):
        name, count = content[starts[at] : ends[at]], content[starts[at + 1] : ends[at + 1]].strip()
        # With a letter at its end, a name is neither a blank nor a row of numbers.
        is_name = name[-1:].isalpha() or (name.decode().strip() and not _is_row(name.decode(), columns))
        if not is_name or not count.isdigit() or len(count) > 9:
            return None
        titles.append(at)
        counts.append(int(count))
        at += 2 + counts[-1]
        if counts[-1] == 0 and at < len(ends) and parse_numbers(content[starts[at] : ends[at]].decode()) == NO_FACE:
            is_row[at] = False
            at += 1
    if at != len(ends) or not titles:
        return None
    titles = np.array(titles)
    is_row[titles] = is_row[titles + 1] = False
    numbers = plain_rows(content, starts, ends, is_row, (columns,))
    if numbers is None:
        return None
    values = numbers[0].reshape(-1, columns)
    if (values[:, 2:4] < 0).any():
        return None
    names = Names(content, starts[titles], ends[titles])
    places = Places(Lines(path, titles + 1), Lines(path, np.flatnonzero(is_row) + 1))
    return make_annotations(names, counts, values[:, :4], attributes=_by_name(values, kind), places=places)


def _is_row(line: str, columns: int) -> bool:
    return len(parse_numbers(line) or ()) == columns


def _by_name(values: np.ndarray, kind: str) -> dict[str, np.ndarray]:
    return {attribute: values[:, 4 + i] for i, attribute in enumerate(COUNTED_ATTRIBUTES[kind])}


def read_any_counted(path: Path, kind: str, problems: list[Problem] | None = None) -> Annotations:
    """Read such a text line by line; behind a wrong count, reading goes on with the next image's name."""
    attributes = COUNTED_ATTRIBUTES[kind]
    columns = 4 + len(attributes)
    lines = [(number, line) for number, line in enumerate(read_lines(path), start=1) if line]
    names, titles, counts, rows, numbers = [], [], [], [], []
    owner = None  # the record that a row behind those that are counted belongs to
    at = 0
    while at < len(lines):
        number, name = lines[at]
        try:
            count = _read_count(path, lines[at : at + 2], columns)
        except UserError as error:
            owner = owner if _is_row(name, columns) else None
            pass_over(error, problems, owner)
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
                pass_over(error, problems, owner)
                if at == len(lines) or looks_counted([line for _, line in lines[at : at + 3]]):
                    break
            at += 1
        if count == 0 and at < len(lines) and parse_numbers(lines[at][1]) == NO_FACE:
            at += 1
    values = np.array(rows).reshape(-1, columns)
    places = Places(Lines(path, titles), Lines(path, numbers))
    return make_annotations(names, counts, values[:, :4], attributes=_by_name(values, kind), places=places)


def _read_count(path: Path, lines: list[tuple[int, str]], columns: int) -> int:
    """Return how many rows belong to an image, of the lines, with their numbers, that begin with its name."""
    number, name = lines[0]
    if _is_row(name, columns):
        raise UserError(f"{path}:{number}: found {name[:80]!r}; expected an image: are there more faces than counted?")
    count_number, line = lines[1] if len(lines) > 1 else (number + 1, "")
    count = parse_count(line)
    if count is None:
        raise UserError(f"{path}:{count_number}: found {line[:80]!r}; expected the number of faces in {name}")
    return count

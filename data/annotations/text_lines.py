"""Lines and rows of the text formats."""

import math
from collections.abc import Iterable
from pathlib import Path

from data.annotations.problems import check_extent
from data.annotations.written_numbers import written_number
from utils.errors import UserError
from utils.expansion import check_lines
from utils.files import read_text

LONGEST_ROW = 500_000  # letters; outlines have thousands of corners
EMPTY = "the file is empty; expected image names or labels"


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, stripped.

    Raises:
        UserError: the file cannot be read, or has nothing but blanks, or as `check_lines`.
    """
    text = read_text(path)
    check_lines(path, text)
    if not text or text.isspace():
        raise UserError(f"{path}: {EMPTY}")
    return [line.strip() for line in text.split("\n")]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def parse_numbers(line: str) -> list[float] | None:
    """Return the finite numbers of a row separated by blanks or commas, None where it has anything else or is long."""
    if len(line) > LONGEST_ROW:
        return None
    try:
        values = [float(value) for value in line.replace(",", " ").split()]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None


def parse_row(path: Path, number: int, line: str, columns: tuple[int, ...], expected: str) -> list[float]:
    """Return the numbers of a row that begins with x y w h.

    Args:
        number: of the line in the file.
        columns: how many numbers the row may have.
        expected: the row's layout, for the error.

    Raises:
        UserError: the row has another layout, a negative size, or reaches beyond LARGEST.
    """
    values = parse_numbers(line)
    if values is None or len(values) not in columns:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected {expected}")
    if values[2] < 0 or values[3] < 0:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; a face's width and height cannot be negative")
    check_extent(f"{path}:{number}", values[:4])
    return values


def format_row(values: Iterable[float], separator: str = " ") -> str:
    return separator.join(map(written_number, values))


def hash_problem(name: str) -> str | None:
    """Return why a text format without '#' lines cannot hold an image's name, None where it can."""
    return "a '#' begins a label of another format" if name.startswith("#") else None

"""The text formats that hold all images in one file; counted.py reads those that count faces.

label     # relative/path.jpg, then per face x y w h, alone or with five landmarks (20 columns)
wider     path, count, then x y w h blur expression illumination invalid occlusion pose
laboro    image ID, count, then x, y, w, h, blur, shakiness, occlusion, pose
list      an image's name a line, no boxes
"""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from data.annotations.fast_text import plain_lines, plain_rows
from data.annotations.problems import Problem, check_extent, check_landmarks, pass_over
from data.annotations.record import (
    WIDER_VALUES,
    Annotations,
    Lines,
    Names,
    Places,
    clean_name,
    make_annotations,
)
from utils.errors import UserError
from utils.files import read_bytes, read_text
from utils.wording import count_each

# What rows have in the third column of a landmark, of one that is none, and in the 20th, which nothing here uses.
WRITTEN_VISIBLE, WRITTEN_NOWHERE, WRITTEN_SCORE = 0, -1, 1
HEAD = 1 << 16  # bytes by whose lines a file is recognised
EMPTY = "the file is empty; expected image names or labels"
EXPECTED_NAME = "expected '# relative/path.jpg'"
COUNTED_ATTRIBUTES = {
    "wider": tuple(WIDER_VALUES),
    "laboro": ("blur", "shakiness", "occlusion", "pose"),
}


def recognise_text(head: str, lines: Iterable[str], wanted: str | None = None) -> str | None:
    """Return the format of a text: one of this module's, "yolo", or None for an unknown one.

    Args:
        head: its first lines, three of them at least.
        lines: all of them, of which the first row of numbers tells WIDER FACE's text from that of Laboro TV.
        wanted: the one of these two that a text without any row is.
    """
    used = [stripped for line in re.split(r"[\r\n]", head) if (stripped := line.strip())]
    if not used or any("\0" in line for line in used[:3]):
        return None
    if used[0].startswith("#"):
        return "label"
    if looks_counted(used[:3]):
        rows = ((line, len(parse_numbers(line) or ())) for line in lines)
        first_row, columns = next(((line, columns) for line, columns in rows if columns > 1), ("", 0))
        if not columns and wanted in COUNTED_ATTRIBUTES:
            return wanted
        return "laboro" if "," in first_row or columns == 4 + len(COUNTED_ATTRIBUTES["laboro"]) else "wider"
    numbers = parse_numbers(used[0])
    if numbers is None:
        return "list"
    has_class = len(numbers) >= 5 and numbers[0] in range(10_000)
    return "yolo" if has_class and all(-0.01 <= value <= 1.01 for value in numbers[1:5]) else None


def refuse_unknown(path: Path) -> NoReturn:
    """Say of a file in which no format was recognised what it holds instead.

    Raises:
        UserError: always.
    """
    first = next(line for line in read_lines(path) if line)
    raise UserError(
        f"{path}: in no known annotation format: the first line is {first[:60]!r}; expected '# image.jpg',"
        " or an image's name"
    )


def read_plain_label(path: Path, content: bytes) -> Annotations | None:
    """Read '# image' labels without a loop over lines, None where anything in them is unusual.

    Usual is a `#` line before the first row, and rows of 4, 19 or 20 numbers.
    """
    found = plain_lines(content)
    if found is None:
        return None
    content, starts, ends = found
    text = np.frombuffer(content, np.uint8)
    is_title = text[starts] == ord("#")
    if not is_title[0]:
        return None
    is_row = ~is_title & (ends > starts)
    numbers = plain_rows(content, starts, ends, is_row, (4, 19, 20))
    if numbers is None:
        return None
    values, columns = numbers
    firsts = np.cumsum(columns) - columns
    boxes = values[firsts[:, None] + np.arange(4)]
    landmarks, unread, with_points = None, [], columns > 4
    if with_points.any():
        landmarks = np.full((len(columns), 5, 2), -1.0)
        points = values[firsts[with_points, None] + np.arange(4, 19)].reshape(-1, 5, 3)
        landmarks[with_points] = points[:, :, :2]
        scores = np.where(columns[with_points] == 20, values[(firsts + columns - 1)[with_points]], WRITTEN_SCORE)
        unread = _unread_columns(points, scores)
    names = Names(content, starts[is_title] + 1, ends[is_title])
    # Where a title ends with a letter of ASCII there is a name in it; the others are looked at one by one.
    last = text[np.maximum(names.ends - 1, names.starts)]
    unclear = np.flatnonzero((last <= ord(" ")) | (last >= 0x7F))
    if (boxes[:, 2:] < 0).any() or not all(names[index] for index in unclear):
        return None
    title = np.cumsum(is_title)[is_row] - 1
    counts = np.bincount(title, minlength=len(names))
    places = Places(Lines(path, np.flatnonzero(is_title) + 1), Lines(path, np.flatnonzero(is_row) + 1))
    return make_annotations(names, counts, boxes, landmarks, places=places, unread=unread)


def _unread_columns(points: np.ndarray, scores: np.ndarray) -> list[str]:
    """Return the words for the columns that RetinaFace's annotation has and no record.

    Args:
        points: (M, 5, 3), x y visibility of landmarks.
        scores: (M,), the 20th column.
    """
    usual = np.where((points[:, :, :2] == -1).all(axis=2), WRITTEN_NOWHERE, WRITTEN_VISIBLE)
    count = int(((points[:, :, 2] != usual).any(axis=1) | (scores != WRITTEN_SCORE)).sum())
    return count_each((count, "face", "what the third column of a landmark or the 20th says of {}"))


def read_label(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read '# image' labels; `problems` as for `read_annotations`.

    Raises:
        UserError: a malformed row, named by its line.
    """
    plain = read_plain_label(path, read_bytes(path)) if problems is None else None
    return plain or read_any_label(path, problems)


def read_any_label(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read '# image' labels line by line; as `read_label`."""
    expected = "'x y w h' or the 20 columns 'x y w h', five 'x y visibility' and a score"
    names, titles, counts, rows, numbers = [], [], [], [], []
    named = False
    for number, line in enumerate(read_lines(path), start=1):
        try:
            if line.startswith("#"):
                named = bool(line[1:].strip())
                if not named:
                    raise UserError(f"{path}:{number}: found '#' alone; {EXPECTED_NAME}")
                names.append(line[1:].strip())
                titles.append(number)
                counts.append(0)
            elif line and named:
                row = parse_row(path, number, line, (4, 19, 20), expected)
                check_landmarks(f"{path}:{number}", zip(row[4:19:3], row[5:19:3], strict=True))
                rows.append(row)
                numbers.append(number)
                counts[-1] += 1
            elif line:
                raise UserError(f"{path}:{number}: found {line[:80]!r} before the name of its image; {EXPECTED_NAME}")
        except UserError as error:
            pass_over(error, problems, len(names) - 1 if named else None)
    landmarks = np.full((len(rows), 5, 2), -1.0)
    points = np.array([row[4:19] for row in rows if len(row) > 4]).reshape(-1, 5, 3)
    landmarks[[len(row) > 4 for row in rows]] = points[:, :, :2]
    unread = _unread_columns(points, np.array([[*row[19:], WRITTEN_SCORE][0] for row in rows if len(row) > 4]))
    places = Places(Lines(path, titles), Lines(path, numbers))
    return make_annotations(names, counts, [row[:4] for row in rows], landmarks, places=places, unread=unread)


def read_list(path: Path) -> Annotations:
    """Read a list of names: images without boxes."""
    numbered = list(_numbered_names(path))
    places = Places(Lines(path, [number for number, _ in numbered]), [])
    return make_annotations([name for _, name in numbered], [0] * len(numbered), [], places=places)


def iterate_list(path: Path) -> Iterator[str]:
    """Give the names of a list as they are read, however long it is.

    Raises:
        UserError: the file cannot be read, is not text, or has no name.
    """
    return (name for _, name in _numbered_names(path))


def _numbered_names(path: Path) -> Iterator[tuple[int, str]]:
    is_empty = True
    try:
        with open(path, encoding="utf-8-sig") as file:
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


def parse_numbers(line: str) -> list[float] | None:
    """Return the finite numbers of a row separated by blanks or commas, None where it has anything else."""
    try:
        values = [float(value) for value in line.replace(",", " ").split()]
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None


def read_lines(path: Path) -> list[str]:
    lines = [line.strip() for line in read_text(path).split("\n")]
    if not any(lines):
        raise UserError(f"{path}: {EMPTY}")
    return lines


def parse_count(line: str) -> int | None:
    return int(line) if line.isdecimal() and len(line) < 10 else None  # Python refuses to read very long ones


def looks_counted(used: list[str]) -> bool:
    """Whether the first lines are an image and the number of its faces; an ID of digits needs a row behind it."""
    count = parse_count(used[1]) if len(used) > 1 else None
    if count is None:
        return False
    has_row = len(used) == 3 and len(used[2].replace(",", " ").split()) > 1
    return has_row or count == 0 or parse_numbers(used[0]) is None


def parse_row(path: Path, number: int, line: str, columns: tuple[int, ...], expected: str) -> list[float]:
    values = parse_numbers(line)
    if values is None or len(values) not in columns:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected {expected}")
    if values[2] < 0 or values[3] < 0:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; a face's width and height cannot be negative")
    check_extent(f"{path}:{number}", values[:4])
    return values

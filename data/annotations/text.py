"""The text formats that hold all pictures in one file.

label     # relative/path.jpg, then per face x y w h, alone or with five landmarks (20 columns)
wider     path, count, then x y w h blur expression illumination invalid occlusion pose
laboro    picture ID, count, then x, y, w, h, blur, shakiness, occlusion, pose
list      a picture's name a line, no boxes
"""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from data.annotations.record import (
    WIDER_VALUES,
    Annotations,
    Lines,
    Names,
    Places,
    Problem,
    check_extent,
    check_landmarks,
    clean_name,
    leave_out,
    make_annotations,
)
from utils.errors import UserError
from utils.files import read_bytes, read_text

_IN_WHOLE_NUMBERS = np.isin(np.arange(256), list(b"0123456789- \n"))
_IN_ROWS = np.isin(np.arange(256), list(b"0123456789.+-eE \n"))  # what rows are made of
_AS_BLANK = np.arange(256, dtype=np.uint8)
_AS_BLANK[list(b",\t")] = ord(" ")
EMPTY = "the file is empty; expected picture names or labels"
EXPECTED_NAME = "expected '# relative/path.jpg'"
COUNTED_ATTRIBUTES = {
    "wider": tuple(WIDER_VALUES),
    "laboro": ("blur", "shakiness", "occlusion", "pose"),
}


def recognise_text(text: str) -> str | None:
    """Return the format of a text by its first lines: one of this module's, "yolo", or None for an unknown one."""
    used = [stripped for line in text.split("\n") if (stripped := line.strip())]
    if not used or any("\0" in line for line in used[:3]):
        return None
    if used[0].startswith("#"):
        return "label"
    if _looks_counted(used[:3]):
        first_row = next((line for line in used if len(parse_numbers(line) or ()) > 1), "")
        return "laboro" if "," in first_row else "wider"
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
    first = next(line for line in _read_lines(path) if line)
    raise UserError(
        f"{path}: in no known annotation format: the first line is {first[:60]!r}; expected '# picture.jpg',"
        " or a picture's name"
    )


def read_plain_label(path: Path, content: bytes) -> Annotations | None:
    """Read '# picture' labels without a loop over lines, None where anything in them is unusual.

    Usual is UTF-8 with a `#` line before the first row, and rows of 4, 19 or 20 numbers separated by blanks, tabs or
    commas. Whatever else there is, or is wrong, the other way has the words for it.
    """
    content = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not content.startswith(b"#"):
        return None
    content += b"\n" * (not content.endswith(b"\n"))
    text = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    is_title = text[starts] == ord("#")
    is_row = ~is_title & (ends > starts)
    of_rows = np.repeat(is_row, ends + 1 - starts)
    row_bytes = _AS_BLANK[text[of_rows]]
    if not _IN_ROWS[row_bytes].all():
        return None
    # A number begins where a blank does not, behind one that does.
    blank = row_bytes <= ord(" ")
    begins = ~blank & np.concatenate([[True], blank[:-1]])
    lengths = (ends + 1 - starts)[is_row]
    columns = np.add.reduceat(begins, np.cumsum(lengths) - lengths, dtype=np.int32) if len(lengths) else lengths
    if not np.isin(columns, (4, 19, 20)).all():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            # Whole numbers are read nine times as fast as others.
            whole = np.int64 if _IN_WHOLE_NUMBERS[row_bytes].all() else np.float64
            values = np.fromstring(row_bytes.tobytes(), whole, sep=" ").astype(np.float64, copy=False)
        except (DeprecationWarning, ValueError):  # something that is no number
            return None
    if len(values) != columns.sum() or not np.isfinite(values).all():
        return None
    firsts = np.cumsum(columns) - columns
    boxes = values[firsts[:, None] + np.arange(4)]
    landmarks, with_points = None, columns > 4
    if with_points.any():
        landmarks = np.full((len(columns), 5, 2), -1.0)
        points = values[firsts[with_points, None] + np.arange(4, 19)]
        landmarks[with_points] = points.reshape(-1, 5, 3)[:, :, :2]
    names = Names(content, starts[is_title] + 1, ends[is_title])
    # Behind '#' or '# ' there is a name; the others are looked at one by one.
    second = np.minimum(names.starts + 1, names.ends)
    unclear = np.flatnonzero((text[names.starts] <= ord(" ")) & (text[second] <= ord(" ")))
    if (boxes[:, 2:] < 0).any() or not all(names[index] for index in unclear):
        return None
    title = np.cumsum(is_title)[is_row] - 1
    counts = np.bincount(title, minlength=len(names))
    places = Places(Lines(path, np.flatnonzero(is_title) + 1), Lines(path, np.flatnonzero(is_row) + 1))
    return make_annotations(names, counts, boxes, landmarks, places=places)


def read_label(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read '# picture' labels; `problems` as for `read_annotations`.

    Raises:
        UserError: a malformed row, named by its line.
    """
    plain = read_plain_label(path, read_bytes(path)) if problems is None else None
    return plain or read_any_label(path, problems)


def read_any_label(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read '# picture' labels line by line; as `read_label`."""
    expected = "'x y w h' or the 20 columns 'x y w h', five 'x y visibility' and a score"
    names, titles, counts, rows, numbers = [], [], [], [], []
    named = False
    for number, line in enumerate(_read_lines(path), start=1):
        try:
            if line.startswith("#"):
                named = bool(line[1:].strip())
                if not named:
                    raise UserError(f"{path}:{number}: found '#' alone; {EXPECTED_NAME}")
                names.append(line[1:].strip())
                titles.append(number)
                counts.append(0)
            elif line and named:
                row = _parse_row(path, number, line, (4, 19, 20), expected)
                check_landmarks(f"{path}:{number}", zip(row[4:19:3], row[5:19:3], strict=True))
                rows.append(row)
                numbers.append(number)
                counts[-1] += 1
            elif line:
                raise UserError(f"{path}:{number}: found {line[:80]!r} before the name of its picture; {EXPECTED_NAME}")
        except UserError as error:
            leave_out(error, problems, len(names) - 1 if named else None)
    landmarks = np.full((len(rows), 5, 2), -1.0)
    points = np.array([row[4:19] for row in rows if len(row) > 4])
    landmarks[[len(row) > 4 for row in rows]] = points.reshape(-1, 5, 3)[:, :, :2]
    places = Places(Lines(path, titles), Lines(path, numbers))
    return make_annotations(names, counts, [row[:4] for row in rows], landmarks, places=places)


def read_counted(path: Path, kind: str, problems: list[Problem] | None = None) -> Annotations:
    """Read a text of kind "wider" or "laboro", which gives the number of faces behind each picture's name.

    `problems` is as for `read_annotations`. Behind a wrong count, reading goes on with the next picture's name.

    Raises:
        UserError: a malformed row or a wrong count, named by its line.
    """
    attributes = COUNTED_ATTRIBUTES[kind]
    columns = 4 + len(attributes)
    lines = [(number, line) for number, line in enumerate(_read_lines(path), start=1) if line]
    names, titles, counts, rows, numbers = [], [], [], [], []
    owner = None  # the record that a row behind those that are counted belongs to
    at = 0
    while at < len(lines):
        number, name = lines[at]
        count_number, line = lines[at + 1] if at + 1 < len(lines) else (number + 1, "")
        count = _parse_count(line)
        error = None
        if len(parse_numbers(name) or ()) == columns:
            error = f"{path}:{number}: found {name[:80]!r}; expected a picture: are there more faces than counted?"
        elif count is None:
            owner = None
            error = f"{path}:{count_number}: found {line[:80]!r}; expected the number of faces in {name}"
        if error:
            leave_out(UserError(error), problems, owner)
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
                rows.append(_parse_row(path, row_number, line, (columns,), expected))
                numbers.append(row_number)
                counts[-1] += 1
            except UserError as error:
                leave_out(error, problems, owner)
                if at == len(lines) or _looks_counted([line for _, line in lines[at : at + 3]]):
                    break
            at += 1
        if count == 0 and at < len(lines) and parse_numbers(lines[at][1]) == [0.0] * 10:
            at += 1  # WIDER FACE gives a picture without faces one row of zeros
    values = np.array(rows).reshape(-1, columns)
    places = Places(Lines(path, titles), Lines(path, numbers))
    by_name = {attribute: values[:, 4 + i] for i, attribute in enumerate(attributes)}
    return make_annotations(names, counts, values[:, :4], attributes=by_name, places=places)


def read_list(path: Path) -> Annotations:
    """Read a list of names: pictures without boxes."""
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


def _read_lines(path: Path) -> list[str]:
    lines = [line.strip() for line in read_text(path).split("\n")]
    if not any(lines):
        raise UserError(f"{path}: {EMPTY}")
    return lines


def _parse_count(line: str) -> int | None:
    return int(line) if line.isdecimal() and len(line) < 10 else None  # Python refuses to read very long ones


def _looks_counted(used: list[str]) -> bool:
    """Whether the first lines are a picture and the number of its faces; an ID of digits needs a row behind it."""
    count = _parse_count(used[1]) if len(used) > 1 else None
    if count is None:
        return False
    has_row = len(used) == 3 and len(used[2].replace(",", " ").split()) > 1
    return has_row or count == 0 or parse_numbers(used[0]) is None


def _parse_row(path: Path, number: int, line: str, columns: tuple[int, ...], expected: str) -> list[float]:
    values = parse_numbers(line)
    if values is None or len(values) not in columns:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected {expected}")
    if values[2] < 0 or values[3] < 0:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; a face's width and height cannot be negative")
    check_extent(f"{path}:{number}", values[:4])
    return values

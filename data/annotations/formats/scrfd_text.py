"""InsightFace's `labelv2.txt` of SCRFD: '# image width height' lines, and faces by their corners.

A row is `x1 y1 x2 y2` alone, with a 1 behind it for a face to ignore, or with five landmarks `x y visibility` and maybe
a score, as in RetinaFace's annotation of WIDER FACE.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.annotations.fast_text import find_lines, parse_rows
from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.objects import valid_size
from data.annotations.places import Lines, Places
from data.annotations.problems import LARGEST, Problem, check_extent, check_landmarks, skip_or_raise
from data.annotations.record import Annotations, make_annotations
from data.annotations.text_lines import parse_numbers, read_lines
from data.image_files import has_no_suffix
from utils.errors import UserError
from utils.wording import count_each

WIDTHS = (4, 5, 19, 20)  # of rows
EXPECTED_ROW = "'x1 y1 x2 y2', alone, with 0 or 1 (ignored), or with five landmarks 'x y visibility' and maybe a score"
SCORE = 1.0  # where a row has none
NO_LANDMARKS = (-1.0,) * 15
COLUMNS = 21  # of a face: x1 y1 x2 y2, whether it is ignored, five landmarks x y visibility, and a score


class Row(NamedTuple):
    """The row of a face: the number of its line, its text, and the index of its image."""

    number: int
    line: str
    record: int


def read_scrfd(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read the labels; `problems` as for `read_annotations`.

    Raises:
        UserError: a malformed row, named by its line.
    """
    names, sizes, titles = [], [], []
    rows: list[Row] = []
    is_named = False
    for number, line in enumerate(read_lines(path), start=1):
        try:
            if line.startswith("#"):
                title = _parse_title(line)
                is_named = title is not None
                if title is None:
                    raise UserError(f"{path}:{number}: found {line[:80]!r}; expected '# image.jpg width height'")
                name, width, height = title
                names.append(name)
                sizes.append(valid_size(height, width))
                titles.append(number)
            elif line and is_named:
                rows.append(Row(number, line, len(names) - 1))
            elif line:
                raise UserError(f"{path}:{number}: found {line[:80]!r} before the name of its image")
        except UserError as error:
            skip_or_raise(error, problems, len(names) - 1 if is_named else None)
    faces = _parse_fast([row.line for row in rows])
    if faces is None:
        rows, faces = _parse_by_line(path, rows, problems)
    return make_annotations(
        names,
        np.bincount([row.record for row in rows], minlength=len(names)),
        np.concatenate([faces[:, :2], faces[:, 2:4] - faces[:, :2]], axis=1),
        faces[:, 5:20].reshape(-1, 5, 3)[:, :, :2],
        {"ignore": faces[:, 4]},
        sizes=sizes,
        places=Places(Lines(path, titles), Lines(path, [row.number for row in rows])),
        unread=count_each((int((faces[:, 20] != SCORE).sum()), "face", "the 20th column of {}")),
    )


def _parse_title(line: str) -> list[str] | None:
    """Return the name, width and height of a line '# image width height', None for another one."""
    words = line.removeprefix("#").rsplit(None, 2)
    is_title = line.startswith("#") and len(words) == 3 and words[1].isdecimal() and words[2].isdecimal()
    return [words[0].strip(), *words[1:]] if is_title else None


def _parse_fast(rows: Sequence[str]) -> np.ndarray | None:
    """Return (F, COLUMNS) the faces of the rows; None where a row is wrong or unusual."""
    found = find_lines("\n".join(rows).encode()) if rows else None
    parsed = found and parse_rows(*found, np.ones(len(rows), bool), WIDTHS)
    if parsed is None:
        return None
    values, columns = parsed
    firsts = np.cumsum(columns) - columns
    faces = np.tile([0.0, 0, 0, 0, 0, *NO_LANDMARKS, SCORE], (len(rows), 1))
    faces[:, :4] = values[firsts[:, None] + np.arange(4)]
    faces[columns == 5, 4] = values[firsts[columns == 5] + 4]
    faces[columns > 5, 5:20] = values[firsts[columns > 5, None] + np.arange(4, 19)]
    faces[columns == 20, 20] = values[firsts[columns == 20] + 19]
    is_valid = (faces[:, :2] <= faces[:, 2:4]).all() and np.isin(faces[:, 4], (0, 1)).all()
    return faces if is_valid and np.abs(faces).max() <= LARGEST else None


def _parse_by_line(path: Path, rows: Sequence[Row], problems: list[Problem] | None) -> tuple[list[Row], np.ndarray]:
    """Return the valid rows and their faces, (F, COLUMNS)."""
    valid, faces = [], []
    for row in rows:
        try:
            faces.append(_parse_face(f"{path}:{row.number}", row.line))
            valid.append(row)
        except UserError as error:
            skip_or_raise(error, problems, row.record)
    return valid, np.reshape(faces, (-1, COLUMNS))


def _parse_face(where: str, line: str) -> list[float]:
    """Return the COLUMNS values of a face."""
    values = parse_numbers(line)
    if values is None or len(values) not in WIDTHS or (len(values) == 5 and values[4] not in (0, 1)):
        raise UserError(f"{where}: found {line[:80]!r}; expected {EXPECTED_ROW}")
    x1, y1, x2, y2 = values[:4]
    if x2 < x1 or y2 < y1:
        raise UserError(f"{where}: found {line[:80]!r}; expected x1 y1 x2 y2 with x2 >= x1 and y2 >= y1")
    check_extent(where, (x1, y1, x2 - x1, y2 - y1))
    if len(values) <= 5:
        return [x1, y1, x2, y2, values[4] if len(values) == 5 else 0.0, *NO_LANDMARKS, SCORE]
    check_landmarks(where, zip(values[4:19:3], values[5:19:3], strict=True))
    return [x1, y1, x2, y2, 0.0, *values[4:19], *(values[19:] or [SCORE])]


def _recognizes(head: FileHead) -> bool:
    title = _parse_title(head.lines[0]) if head.lines else None
    return title is not None and not has_no_suffix(title[0])


SCRFD = Format(
    name="scrfd",
    description="SCRFD's labels",
    read=lambda path, options: read_scrfd(path, options.problems),
    capabilities=Capabilities(landmarks=True, attributes={"ignore": 0.0}, ignore_attributes=("ignore",), sizes=True),
    recognizes=_recognizes,
)

"""InsightFace's `labelv2.txt` of SCRFD: '# image width height' lines, and faces by their corners.

A row is `x1 y1 x2 y2` alone, with a 1 behind it for a face to ignore, or with five landmarks `x y visibility`.
"""

from array import array
from pathlib import Path

import numpy as np

from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.objects import valid_size
from data.annotations.places import Lines, Places
from data.annotations.problems import Problem, check_extent, check_landmarks, skip_or_raise
from data.annotations.record import Annotations, make_annotations
from data.annotations.text_lines import parse_numbers, read_lines
from data.image_files import has_no_suffix
from utils.errors import UserError

WIDTHS = (4, 5, 19, 20)  # of rows
EXPECTED_ROW = "'x1 y1 x2 y2', alone, with 0 or 1 (ignored), or with five landmarks 'x y visibility'"


def read_scrfd(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read the labels; `problems` as for `read_annotations`.

    Raises:
        UserError: a malformed row, named by its line.
    """
    names, sizes, titles, counts, numbers = [], [], [], [], []
    rows, is_named = array("d"), False
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
                counts.append(0)
            elif line and is_named:
                rows.extend(_parse_face(f"{path}:{number}", line))
                numbers.append(number)
                counts[-1] += 1
            elif line:
                raise UserError(f"{path}:{number}: found {line[:80]!r} before the name of its image")
        except UserError as error:
            skip_or_raise(error, problems, len(names) - 1 if is_named else None)
    values = np.array(rows).reshape(-1, 15)
    return make_annotations(
        names,
        counts,
        np.concatenate([values[:, :2], values[:, 2:4] - values[:, :2]], axis=1),
        values[:, 5:].reshape(-1, 5, 2),
        {"ignore": values[:, 4]},
        sizes=sizes,
        places=Places(Lines(path, titles), Lines(path, numbers)),
    )


def _parse_title(line: str) -> list[str] | None:
    """Return the name, width and height of a line '# image width height', None for another one."""
    words = line.removeprefix("#").rsplit(None, 2)
    is_title = line.startswith("#") and len(words) == 3 and words[1].isdecimal() and words[2].isdecimal()
    return [words[0].strip(), *words[1:]] if is_title else None


def _parse_face(where: str, line: str) -> list[float]:
    """Return x1 y1 x2 y2, whether the face is ignored, and five landmarks x y."""
    values = parse_numbers(line)
    if values is None or len(values) not in WIDTHS or (len(values) == 5 and values[4] not in (0, 1)):
        raise UserError(f"{where}: found {line[:80]!r}; expected {EXPECTED_ROW}")
    x1, y1, x2, y2 = values[:4]
    if x2 < x1 or y2 < y1:
        raise UserError(f"{where}: found {line[:80]!r}; expected x1 y1 x2 y2 with x2 >= x1 and y2 >= y1")
    check_extent(where, (x1, y1, x2 - x1, y2 - y1))
    points = np.reshape(values[4:19], (5, 3))[:, :2] if len(values) > 5 else np.full((5, 2), -1.0)
    check_landmarks(where, points.tolist())
    return [x1, y1, x2, y2, values[4] if len(values) == 5 else 0.0, *points.ravel().tolist()]


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

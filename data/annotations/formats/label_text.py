"""'# image' labels: a line '# relative/path.jpg', then a row for each face.

A row is `x y w h` alone, or the 20 columns of RetinaFace's annotation of WIDER FACE: `x y w h`, five landmarks
`x y visibility` and a score, which may be absent.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.annotations.fast_text import find_lines, parse_rows
from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.places import Lines, PackedNames, Places
from data.annotations.problems import Problem, check_landmarks, skip_or_raise
from data.annotations.record import Annotation, Annotations, make_annotations
from data.annotations.text_lines import format_row, parse_row, read_lines, write_lines
from data.annotations.written_numbers import written_boxes, written_number
from utils.errors import UserError
from utils.files import read_bytes
from utils.wording import count_each

# The third column of a landmark, of one that is missing, and the 20th column. Nothing here uses them.
VISIBLE, MISSING, SCORE = 0, -1, 1
WIDTHS = (4, 19, 20)
EXPECTED_NAME = "expected '# relative/path.jpg'"
EXPECTED_ROW = "'x y w h' or the 20 columns 'x y w h', five 'x y visibility' and a score"


def read_label(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read '# image' labels; `problems` as for `read_annotations`.

    Raises:
        UserError: a malformed row, named by its line.
    """
    annotations = read_label_fast(path, read_bytes(path)) if problems is None else None
    return annotations or read_label_by_line(path, problems)


def read_label_fast(path: Path, content: bytes) -> Annotations | None:
    """Read '# image' labels without a loop over lines; return None where the file has anything unusual."""
    found = find_lines(content)
    if found is None:
        return None
    content, starts, ends = found
    text = np.frombuffer(content, np.uint8)
    is_title = text[starts] == ord("#")
    if not is_title[0]:
        return None
    is_row = ~is_title & (ends > starts)
    numbers = parse_rows(content, starts, ends, is_row, WIDTHS)
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
        scores = np.where(columns[with_points] == 20, values[(firsts + columns - 1)[with_points]], SCORE)
        unread = _unread_columns(points, scores)
    names = PackedNames(content, starts[is_title] + 1, ends[is_title])
    # A title that ends with an ASCII letter has a name. The few other names are decoded to see whether they are blank.
    last = text[np.maximum(names.ends - 1, names.starts)]
    unclear = np.flatnonzero((last <= ord(" ")) | (last >= 0x7F))
    if (boxes[:, 2:] < 0).any() or not all(names[index] for index in unclear):
        return None
    title = np.cumsum(is_title)[is_row] - 1
    counts = np.bincount(title, minlength=len(names))
    places = Places(Lines(path, np.flatnonzero(is_title) + 1), Lines(path, np.flatnonzero(is_row) + 1))
    return make_annotations(names, counts, boxes, landmarks, places=places, unread=unread)


def read_label_by_line(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read '# image' labels line by line; as `read_label`."""
    names, titles, counts, rows, numbers = [], [], [], [], []
    is_named = False
    for number, line in enumerate(read_lines(path), start=1):
        try:
            if line.startswith("#"):
                is_named = bool(line[1:].strip())
                if not is_named:
                    raise UserError(f"{path}:{number}: found '#' alone; {EXPECTED_NAME}")
                names.append(line[1:].strip())
                titles.append(number)
                counts.append(0)
            elif line and is_named:
                row = parse_row(path, number, line, WIDTHS, EXPECTED_ROW)
                check_landmarks(f"{path}:{number}", zip(row[4:19:3], row[5:19:3], strict=True))
                rows.append(row)
                numbers.append(number)
                counts[-1] += 1
            elif line:
                raise UserError(f"{path}:{number}: found {line[:80]!r} before the name of its image; {EXPECTED_NAME}")
        except UserError as error:
            skip_or_raise(error, problems, len(names) - 1 if is_named else None)
    landmarks = np.full((len(rows), 5, 2), -1.0)
    points = np.array([row[4:19] for row in rows if len(row) > 4]).reshape(-1, 5, 3)
    landmarks[[len(row) > 4 for row in rows]] = points[:, :, :2]
    unread = _unread_columns(points, np.array([[*row[19:], SCORE][0] for row in rows if len(row) > 4]))
    places = Places(Lines(path, titles), Lines(path, numbers))
    return make_annotations(names, counts, [row[:4] for row in rows], landmarks, places=places, unread=unread)


def _unread_columns(points: np.ndarray, scores: np.ndarray) -> list[str]:
    """Return the words for values of the file that no record holds.

    Args:
        points: (M, 5, 3), x y visibility of landmarks.
        scores: (M,), the 20th column.
    """
    usual = np.where((points[:, :, :2] == -1).all(axis=2), MISSING, VISIBLE)
    count = int(((points[:, :, 2] != usual).any(axis=1) | (scores != SCORE)).sum())
    return count_each((count, "face", "what the third column of a landmark or the 20th says of {}"))


def write_label(path: Path, annotations: Sequence[Annotation]) -> None:
    """Write '# image' labels: 20 columns in all rows where any face has a landmark, else 4.

    Rows of one width are the fastest to read.
    """
    has_points = any((annotation.landmarks != -1).any() for annotation in annotations)

    def lines() -> Iterator[str]:
        for annotation in annotations:
            yield f"# {annotation.name}"
            for box, points in zip(written_boxes(annotation.boxes), annotation.landmarks, strict=True):
                yield format_row(box) + (" " + " ".join([*_points(points), str(SCORE)]) if has_points else "")

    write_lines(path, lines())


def _points(points: np.ndarray) -> Iterator[str]:
    for x, y in points.tolist():
        is_missing = x == y == -1
        yield from ("-1", "-1", str(MISSING)) if is_missing else (written_number(x), written_number(y), str(VISIBLE))


def _recognizes(head: FileHead) -> bool:
    return bool(head.lines) and head.lines[0].startswith("#")


LABEL = Format(
    name="label",
    description="'# image' labels",
    read=lambda path, options: read_label(path, options.problems),
    write=write_label,
    capabilities=Capabilities(landmarks=True),
    recognizes=_recognizes,
)

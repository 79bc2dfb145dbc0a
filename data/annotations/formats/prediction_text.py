"""Parser of prediction files, one text file per image.

    0_Parade_marchingband_1_465
    2
    345 211 23 33 0.9987
    411 205 20 31 0.8012

A name, the number of rows, and the rows in any order: x y w h in pixels and a score. The name, further columns and
empty lines are skipped.
"""

from itertools import chain
from math import isfinite
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations.folders import label_files
from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.places import Chosen, Places
from data.annotations.problems import LARGEST, Problem, skip_or_raise
from data.annotations.record import SCORE, Annotations, make_annotations
from data.annotations.text_lines import parse_numbers
from data.image_files import image_key
from utils.errors import UserError
from utils.expansion import check_lines
from utils.files import read_bytes
from utils.wording import count_each


def parse_text(content: bytes, path: str | Path) -> np.ndarray:
    """Parse the content of one file in Python, which defines the format and its errors.

    Returns:
        (N, 5) float64, x1 y1 x2 y2 score, with x2 = x + w, in the order of the file.

    Raises:
        UserError: the file is not UTF-8, is empty, ends early or has a malformed row, named by its line, or as
            `check_lines`.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    check_lines(path, text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not any(lines):
        raise UserError(
            f"{path}:1: found an empty file; expected a name, a count, 0 if nothing is found, and the detections"
        )
    count = lines[1].strip() if len(lines) > 1 else ""
    if not count.isdecimal() or len(count) > 18:
        raise UserError(_describe_start(path, lines, count))
    parsed = (_parse_row(line, path, number) for number, line in enumerate(lines[2:], start=3) if line.strip())
    rows = np.fromiter(chain.from_iterable(parsed), np.float64).reshape(-1, 5)
    if int(count) != len(rows):
        raise UserError(
            f"{path}:2: found {len(rows)} rows below; expected {count}, the number in this line; the file is"
            " incomplete, run the detection for it again"
        )
    return rows


def _describe_start(path: str | Path, lines: list[str], count: str) -> str:
    """Return what is wrong with a file whose second line is no count."""
    whole = parse_numbers(lines[0])
    numbers = whole or parse_numbers(lines[0].strip().partition(" ")[2])
    if numbers is None or len(numbers) < 5:
        return f"{path}:2: found {count[:80]!r}; expected the number of detections"
    looks = ""
    if not whole:
        looks = "; it looks like 'class score x1 y1 x2 y2'"
    elif len(numbers) > 5 and numbers[0] % 1 == 0 and all(0 <= number <= 1 for number in numbers[1:6]):
        looks = "; it looks like YOLO's 'class cx cy w h score' in parts of the image"
    return (
        f"{path}:1: found {lines[0][:80]!r}, a detection{looks}; expected two lines before the detections, a name and"
        " their number, and 'x y w h score' in pixels"
    )


def _parse_row(line: str, path: str | Path, number: int) -> tuple[float, float, float, float, float]:
    try:
        x, y, w, h, score = map(_number, line.split(None, 5)[:5])
    except ValueError:
        raise UserError(
            f"{path}:{number}: found {line[:80]!r}; expected five numbers, 'x y w h score', separated by blanks"
        ) from None
    if max(map(abs, (x, y, x + w, y + h, score))) > LARGEST:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected numbers up to 1e9")
    if w < 0 or h < 0:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected a width and height of 0 or more")
    return x, y, x + w, y + h, score


def _number(text: str) -> float:
    value = float(text)
    if "_" in text or not isfinite(value):  # Python accepts 1_000
        raise ValueError
    return value


def read_texts(path: Path, problems: list[Problem] | None = None) -> Annotations:
    """Read one file, or all below a folder, as annotations with the attribute `score`.

    An image's name is the path of its file below the folder, without ".txt"; it mostly lacks the image's suffix.

    Args:
        problems: as for `read_annotations`, for whole files.

    Raises:
        UserError: no file, or as `parse_text`.
    """
    root = path if path.is_dir() else path.parent
    files = label_files(path, {".txt"}) if path.is_dir() else [path.name]
    if not files:
        raise UserError(f"{path}: has no detections (*.txt); name the folder that has them")
    names, groups, places, wide = [], [], [], 0
    for file in files:
        try:
            content = read_bytes(root / file)
            groups.append(parse_text(content, root / file))
        except UserError as error:
            skip_or_raise(error, problems)
            continue
        names.append(file[: -len(".txt")] if file.lower().endswith(".txt") else file)
        places.append(str(root / file))
        wide += len(b"".join(content.split(b"\n", 3)[2:3]).split()) > 5
    counts = [len(group) for group in groups]
    rows = np.concatenate([*groups, np.empty((0, 5))])
    return make_annotations(
        names,
        counts,
        np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1),
        attributes={SCORE: rows[:, 4].copy()},
        places=Places(places, Chosen(places, np.repeat(np.arange(len(places)), counts))),
        unread=count_each((wide, "file", "the columns after x y w h score of {}")),
    )


def _recognizes(head: FileHead) -> bool:
    """Decide by the first row; a file without rows must be called like its image."""
    lines = head.lines
    if head.requested in ("wider", "laboro") or len(lines) < 2 or not lines[1].isdecimal() or len(lines[1]) > 9:
        return False
    is_named = _base_key(lines[0]) in (_base_key(head.path.stem), head.path.stem)
    if len(lines) == 2:
        return is_named and int(lines[1]) == 0
    row = parse_numbers(lines[2])
    if row is None or "," in lines[2] or not (len(row) == 5 or (len(row) == 15 and 0 <= row[4] <= 1)):
        return False
    return is_named or sum(1 for line in head.all_lines() if line.strip()) == 2 + int(lines[1])


def _base_key(name: str) -> str:
    return image_key(PurePosixPath(name.replace("\\", "/")).name)


DETECTION_TEXTS = Format(
    name="detections_txt",
    description="a folder of detections, as val_tvface.py writes it",
    read=lambda path, options: read_texts(path, options.problems),
    capabilities=Capabilities(attributes={SCORE: 0.0}, suffixes=False),
    recognizes=_recognizes,
    file_per_image=True,
    is_folder=True,
    is_prediction=True,
)

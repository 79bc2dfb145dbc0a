"""A contact sheet: rows of images, each with a number and a name below it, and a legend of the colors."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from utils.drawing import BOX_COLOR, IGNORED_COLOR, LANDMARK_COLORS, SHEET_COLOR
from utils.errors import UserError

PRIOR_COLOR = (255, 190, 60)
FORCED_COLOR = (0, 200, 255)
UNMATCHED_COLOR = (60, 60, 255)
# Marks on an image, in the words of the legend.
FACE, IGNORED, UNMATCHED = "face", "ignored face", "face without a matched prior"
MATCHED_PRIOR, FORCED_PRIOR = "matched prior", "prior matched only as its face's best"
LEGEND = {  # mark -> color, in the order of the legend
    FACE: BOX_COLOR,
    IGNORED: IGNORED_COLOR,
    UNMATCHED: UNMATCHED_COLOR,
    MATCHED_PRIOR: PRIOR_COLOR,
    FORCED_PRIOR: FORCED_COLOR,
    **dict(
        zip(
            ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner"),
            LANDMARK_COLORS,
            strict=True,
        )
    ),
}
LANDMARKS = frozenset(list(LEGEND)[-len(LANDMARK_COLORS) :])

GAP = 12  # pixels around a cell
LINE = 22  # height of a line of text
FONT_SIZE = 13
TEXT, NOTE = (235, 235, 235), (160, 160, 160)
BLANK = (52, 52, 52)
MOST_SIDE, MOST_PIXELS = 65_535, 1 << 29  # of a JPEG, and of three bytes a pixel in memory


@dataclass
class GridCell:
    """An image of a sheet.

    Attributes:
        image: (H, W, 3) uint8, BGR, at its size on the sheet.
        name: written below it; if the font lacks a letter of it, the cell has only its number.
        note: written after the name.
        marks: the marks on the image, keys of LEGEND.
    """

    image: np.ndarray
    name: str
    note: str
    marks: frozenset[str] = frozenset()


def unreadable_cell(name: str, side: int) -> GridCell:
    """Return the cell of an unreadable image."""
    image = np.full((math.ceil(side / 2), side, 3), BLANK, np.uint8)
    height = min(LINE, len(image))
    top = (len(image) - height) // 2
    words = _shorten("cannot be read", side)
    middle = round((side - _font().getlength(words)) / 2)
    image[top : top + height] = _text_line(side, [(middle, words, TEXT)], BLANK)[:height]
    return GridCell(image, name, "")


def check_size(count: int, columns: int, side: int) -> None:
    """Raise UserError if a sheet of `count` square cells is larger than an image file or memory can hold."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    width, height = columns * (side + GAP) + GAP, rows * (side + LINE + GAP) + GAP
    if max(width, height) > MOST_SIDE or width * height > MOST_PIXELS:
        raise UserError(
            f"{columns} columns and {rows} rows of {side} pixels make a sheet of {width:,} x {height:,}; it may have"
            f" {MOST_SIDE:,} a side and {MOST_PIXELS:,} in all: give a smaller --count or --side, or other --columns"
        )


def contact_sheet(cells: Sequence[GridCell], columns: int, side: int) -> np.ndarray:
    """Return cells as one image, row by row, with a legend at the end. A row is as high as its highest image.

    Args:
        cells: at least one; their images are at most `side` pixels wide and high.

    Returns:
        (H, W, 3) uint8, BGR.
    """
    columns = min(columns, len(cells))
    width = columns * (side + GAP) + GAP
    parts = [_blank(GAP, width)]
    for start in range(0, len(cells), columns):
        row = cells[start : start + columns]
        height = max(len(cell.image) for cell in row)
        part = _blank(height + LINE + GAP, width)
        for column, cell in enumerate(row):
            left = GAP + column * (side + GAP)
            image_height, image_width = cell.image.shape[:2]
            middle = left + (side - image_width) // 2
            part[height - image_height : height, middle : middle + image_width] = cell.image
            part[height : height + LINE, left : left + side] = _caption(cell, start + column + 1, side)
        parts.append(part)
    marks = frozenset().union(*(cell.marks for cell in cells))
    return np.concatenate(parts + _legend_lines(marks, width))


def _blank(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), SHEET_COLOR, np.uint8)


def _caption(cell: GridCell, number: int, width: int) -> np.ndarray:
    """Return (LINE, width, 3): number and name to the left, the note to the right if there is room."""
    font = _font()
    note_width = font.getlength(cell.note) + GAP if cell.note else 0
    has_note = note_width < width / 2
    name = unicodedata.normalize("NFC", cell.name)
    left = f"{number}  {name}" if _can_be_written(name) else str(number)
    texts = [(0, _shorten(left, width - (note_width if has_note else 0), len(f"{number}  ")), TEXT)]
    if has_note:
        texts.append((round(width - note_width + GAP), cell.note, NOTE))
    return _text_line(width, texts)


def _legend_lines(marks: frozenset[str], width: int) -> list[np.ndarray]:
    """Return lines of (LINE, width, 3) with a square and the meaning of each color, and an empty line."""
    lines, texts, x = [], [], GAP
    for mark, color in LEGEND.items():
        if mark not in marks:
            continue
        needed = round(_font().getlength(f"\u25a0 {mark}")) + 2 * GAP
        if texts and x + needed > width:
            lines.append(_text_line(width, texts))
            texts, x = [], GAP
        square = round(_font().getlength("\u25a0 "))
        texts += [(x, "\u25a0", color), (x + square, _shorten(mark, width - x - square), TEXT)]
        x += needed
    return [*lines, _text_line(width, texts), _blank(GAP, width)] if texts else []


def _text_line(
    width: int, texts: Sequence[tuple[int, str, tuple[int, int, int]]], background: tuple[int, int, int] = SHEET_COLOR
) -> np.ndarray:
    """Return (LINE, width, 3) uint8 BGR with texts, each at its x and in its BGR color."""
    from PIL import Image, ImageDraw

    line = Image.new("RGB", (width, LINE), background[::-1])
    draw = ImageDraw.Draw(line)
    for x, text, color in texts:
        draw.text((x, LINE / 2), text, color[::-1], _font(), anchor="lm")
    return np.asarray(line)[..., ::-1]


def _shorten(text: str, width: float, kept: int = 0) -> str:
    """Shorten a text to `width` pixels: its first `kept` letters, an ellipsis, and as much of its end as fits."""
    font = _font()
    if font.getlength(text) <= width:
        return text
    head, tail = text[:kept], text[kept:]
    while tail and font.getlength(f"{head}\u2026{tail}") > width:
        tail = tail[1:]
    return f"{head}\u2026{tail}" if tail else head.strip()


def _can_be_written(text: str) -> bool:
    """Whether the font has all letters of a text, and they are written from left to right."""
    return all(ord(c) in _letters() and unicodedata.bidirectional(c) not in ("R", "AL") for c in text)


@cache
def _font():
    from PIL import ImageFont

    return ImageFont.truetype(_font_path(), FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)


@cache
def _letters() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(_font_path()).get_charmap())


def _font_path() -> str:
    """Return the path of matplotlib's font, the same on every system."""
    from matplotlib import get_data_path

    return str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")

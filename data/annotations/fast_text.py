"""Parse the numbers in the bytes of a text without a loop over its lines.

These functions handle usual files only. They return None for anything unusual or wrong, and the readers that go line by
line then parse the file or report the error.
"""

import warnings

import numpy as np

_IS_WHOLE_NUMBER_BYTE = np.isin(np.arange(256), list(b"0123456789- \n"))
_IS_ROW_BYTE = np.isin(np.arange(256), list(b"0123456789.+-eE \n"))
_AS_BLANK = np.arange(256, dtype=np.uint8)
_AS_BLANK[list(b",\t")] = ord(" ")
_EXACT = 2.0**53  # from here on a float64 does not hold every whole number
_BLOCK = 1 << 20  # bytes parsed at a time, so that they and the intermediate arrays stay in the cache
_POWERS = np.array([float(f"1e{digits}") for digits in range(23)])  # all powers of ten that a float64 holds exactly


def find_lines(content: bytes) -> tuple[bytes, np.ndarray, np.ndarray] | None:
    """Find the lines of a file's content; return None where it is not UTF-8 or has lone carriage returns.

    Returns:
        the content without a byte-order mark and with a final line end, and where each line begins and ends in it:
        (L,) and (L,).
    """
    content = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if b"\r" in content:
        return None
    content += b"\n" * (not content.endswith(b"\n"))
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
    return content, np.concatenate([[0], ends[:-1] + 1]), ends


def parse_rows(
    content: bytes, starts: np.ndarray, ends: np.ndarray, is_row: np.ndarray, widths: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Parse the numbers of some of the lines, separated by blanks, tabs or commas.

    Args:
        is_row: (L,) bool, the lines to parse, R of them.
        widths: how many numbers a line may have.

    Returns:
        all their numbers, float64, and how many each line has, (R,); None where the lines have anything else.
    """
    lengths = ends + 1 - starts
    row_bytes = _AS_BLANK[np.frombuffer(content, np.uint8)[np.repeat(is_row, lengths)]]
    lengths = lengths[is_row]
    row_ends = np.cumsum(lengths)
    cuts = np.flatnonzero(np.diff(row_ends // _BLOCK)) + 1
    parts = []
    for block, block_lengths in zip(np.split(row_bytes, row_ends[cuts - 1]), np.split(lengths, cuts), strict=True):
        part = _parse_block(block, block_lengths, widths)
        if part is None:
            return None
        parts.append(part)
    values, columns = zip(*parts, strict=True)
    return np.concatenate(values), np.concatenate(columns)


def _parse_block(
    text: np.ndarray, lengths: np.ndarray, widths: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the same as `parse_rows` for the bytes of adjacent rows."""
    if not _IS_ROW_BYTE[text].all():
        return None
    blank = text <= ord(" ")
    begins = ~blank & np.concatenate([[True], blank[:-1]])  # a number begins after a blank
    columns = np.add.reduceat(begins, np.cumsum(lengths) - lengths, dtype=np.int32) if len(lengths) else lengths
    if not np.isin(columns, widths).all():
        return None
    values = _parse_decimals(text, begins)
    if values is None:
        values = _parse_numbers(text, np.float64)
    if values is None or len(values) != columns.sum() or not (np.abs(values) < _EXACT).all():  # also refuses nan
        return None
    return values, columns


def _parse_numbers(text: np.ndarray, dtype: type[np.generic]) -> np.ndarray | None:
    """Return the numbers in bytes, None where something is not of the type."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text.tobytes(), dtype, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _parse_decimals(text: np.ndarray, begins: np.ndarray) -> np.ndarray | None:
    """Return the numbers in bytes, None where one has an exponent or too many digits.

    NumPy parses whole numbers nine times as fast as decimals. Without their points, decimals are whole numbers. The
    division by a power of ten is exact but for one rounding, the same as in parsing the decimal.

    Args:
        begins: where a number begins in the text, which ends with a blank.
    """
    is_point = text == ord(".")
    without_points = text[~is_point]
    if not _IS_WHOLE_NUMBER_BYTE[without_points].all():
        return None
    whole = _parse_numbers(without_points, np.int64)
    if whole is None or len(whole) != begins.sum() or not (np.abs(whole) < _EXACT).all():
        return None
    values = whole.astype(np.float64)
    points = np.flatnonzero(is_point)
    if len(points):
        blank = text <= ord(" ")
        owners = np.cumsum(begins, dtype=np.int32)[points] - 1
        ends = np.flatnonzero(blank[1:] & ~blank[:-1]) + 1
        digits = ends[owners] - points - 1
        if (np.diff(owners) == 0).any() or digits.max() >= len(_POWERS):
            return None
        values[owners] /= _POWERS[digits]
    return values

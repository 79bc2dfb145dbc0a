"""Numbers out of the bytes of a text, without a loop over its lines, where nothing in them is unusual.

Whatever else there is, or is wrong, the readers that go line by line have the words for it.
"""

import warnings

import numpy as np

_IN_WHOLE_NUMBERS = np.isin(np.arange(256), list(b"0123456789- \n"))
_IN_ROWS = np.isin(np.arange(256), list(b"0123456789.+-eE \n"))  # what rows are made of
_AS_BLANK = np.arange(256, dtype=np.uint8)
_AS_BLANK[list(b",\t")] = ord(" ")
_EXACT = 2.0**53  # far beyond it, whole numbers are read as another
_BLOCK = 1 << 20  # bytes that are looked at together, so that they and what is made of them stay in the cache
_POWERS = np.array([float(f"1e{digits}") for digits in range(23)])  # all powers of ten that a float64 holds


def plain_lines(content: bytes) -> tuple[bytes, np.ndarray, np.ndarray] | None:
    """Find the lines of a file's content, None where it is not UTF-8 or has lines that end as on no usual system.

    Returns:
        the content without what is before and behind its lines, and where each begins and ends in it: (L,) and (L,).
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


def plain_rows(
    content: bytes, starts: np.ndarray, ends: np.ndarray, is_row: np.ndarray, widths: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Read the numbers of some of the lines, which blanks, tabs or commas separate.

    Args:
        is_row: (L,) bool: those lines, R of them.
        widths: how many numbers a line may have.

    Returns:
        all their numbers, float64, and (R,) how many each line has; None where there is anything else.
    """
    lengths = ends + 1 - starts
    row_bytes = _AS_BLANK[np.frombuffer(content, np.uint8)[np.repeat(is_row, lengths)]]
    lengths = lengths[is_row]
    row_ends = np.cumsum(lengths)
    cuts = np.flatnonzero(np.diff(row_ends // _BLOCK)) + 1
    parts = []
    for block, block_lengths in zip(np.split(row_bytes, row_ends[cuts - 1]), np.split(lengths, cuts), strict=True):
        part = _parse_rows(block, block_lengths, widths)
        if part is None:
            return None
        parts.append(part)
    values, columns = zip(*parts, strict=True)
    return np.concatenate(values), np.concatenate(columns)


def _parse_rows(text: np.ndarray, lengths: np.ndarray, widths: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return what plain_rows does, for the bytes of rows that lie one behind the other."""
    if not _IN_ROWS[text].all():
        return None
    # A number begins where a blank does not, behind one that does.
    blank = text <= ord(" ")
    begins = ~blank & np.concatenate([[True], blank[:-1]])
    columns = np.add.reduceat(begins, np.cumsum(lengths) - lengths, dtype=np.int32) if len(lengths) else lengths
    if not np.isin(columns, widths).all():
        return None
    values = _parse_decimals(text, begins)
    if values is None:
        values = _parse(text, np.float64)
    if (
        values is None or len(values) != columns.sum() or not (np.abs(values) < _EXACT).all()
    ):  # which nan is not, either
        return None
    return values, columns


def _parse(text: np.ndarray, kind: type[np.generic]) -> np.ndarray | None:
    """Return the numbers in bytes, None where something is not of their kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text.tobytes(), kind, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _parse_decimals(text: np.ndarray, begins: np.ndarray) -> np.ndarray | None:
    """Return the numbers in bytes, None where one has more than digits and a point, or too many of them.

    NumPy reads whole numbers nine times as fast as others: without their points they are whole, and a division by a
    power of ten, which is exact like them, rounds once, as reading the decimals does.

    Args:
        begins: where in the text, which ends with a blank, a number begins.
    """
    is_point = text == ord(".")
    without_points = text[~is_point]
    if not _IN_WHOLE_NUMBERS[without_points].all():
        return None
    whole = _parse(without_points, np.int64)
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

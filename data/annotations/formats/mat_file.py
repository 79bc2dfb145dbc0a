"""Variables of MATLAB files: cell arrays, text and numbers in the shapes in which tools save them."""

import struct
import zlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.files import read_bytes

HEADER = 128  # bytes before the elements of a file of version 5 to 7
COMPRESSED = 15  # type of an element that unpacks to another
MOST_UNPACKED = 256 << 20  # bytes; 500,000 images
HDF5_HEADER = b"MATLAB 7.3 MAT-file"
MOST_NAMES = 5  # of variables, listed in a message


def load_variables(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Return the variables of these names, also if they are fields of a struct.

    Raises:
        UserError: the file cannot be read or is not MATLAB's of version 7 or lower.
    """
    variables = _load(path, names)
    if not variables:
        structs = _load(path, [name for name, kind in list_variables(path).items() if kind == "struct"])
        for value in structs.values():
            if value.size == 1:
                variables |= {name: value[name].item() for name in value.dtype.names or () if name in names}
    return variables


def list_variables(path: Path) -> dict[str, str]:
    """Return name -> MATLAB class of the variables of a file.

    Raises:
        UserError: as `load_variables`.
    """
    import scipy.io

    _refuse_unreadable(path)
    try:
        return {name: kind for name, _, kind in scipy.io.whosmat(path)}
    except Exception as error:  # SciPy raises many types for a file that is not MATLAB's
        raise UserError(f"{path}: is not a MATLAB file ({error})") from error


def _load(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    import scipy.io  # its import takes longer than reading most files

    _refuse_unreadable(path)
    try:
        content = scipy.io.loadmat(path, variable_names=list(names))
    except Exception as error:  # SciPy raises many types here, too
        raise UserError(f"{path}: is not a MATLAB file ({error})") from error
    return {name: content[name] for name in names if name in content}


def _refuse_unreadable(path: Path) -> None:
    content = read_bytes(path)
    if (unpacked := unpacked_bytes(content)) > MOST_UNPACKED:
        raise UserError(
            f"{path}: unpacks to {unpacked:,} bytes; expected at most {MOST_UNPACKED:,}; is it an annotation?"
        )
    if content.startswith(HDF5_HEADER):
        raise UserError(
            f"{path}: is a MATLAB 7.3 file (HDF5), which SciPy cannot read; load it in MATLAB or Octave and save it"
            " with the option -v7"
        )


def unpacked_bytes(content: bytes) -> int:
    """Return how many bytes the compressed elements of a file announce; 0 for a file without such elements."""
    order = ">" if content[HEADER - 2 : HEADER] == b"MI" else "<"
    total, at = 0, HEADER
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        if kind != COMPRESSED:
            break
        with suppress(zlib.error, struct.error):
            total += struct.unpack(f"{order}4xI", zlib.decompressobj().decompress(content[at + 8 : at + 8 + size], 8))[
                0
            ]
        at += 8 + size
    return total


def elements(cells: np.ndarray) -> list[np.ndarray]:
    """Return the elements of a cell array of shape (N, 1) or (1, N), or of an empty one.

    Raises:
        ValueError: it is no cell array, or has two dimensions.
    """
    if not cells.size:
        return []
    if cells.dtype != object or max(cells.shape) != cells.size:
        raise ValueError(f"found an array of {' x '.join(map(str, cells.shape))}; expected a list of cells")
    return [np.asarray(value) for value in cells.ravel()]


def is_text(value: np.ndarray) -> bool:
    return value.dtype.kind in "US"


def texts(values: np.ndarray) -> list[str]:
    """Return the text of each cell, or of each row of a character matrix, without the blanks around it.

    Raises:
        ValueError: something else than text.
    """
    if is_text(values):
        return [str(row).strip() for row in values.ravel()]
    found = []
    for value in elements(values):
        if value.size and (not is_text(value) or value.size > 1):
            raise ValueError(f"found {value.dtype} in a list of names; expected one text")
        found.append(str(value.item()).strip() if value.size else "")
    return found

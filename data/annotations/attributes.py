"""The attributes of faces: from what each face has to columns over all of them."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

# A file may name thousands of attributes, each for a few faces, and a column has a place for every face.
MOST_SPARSE = 100


def attribute_columns(
    faces: Sequence[Mapping[str, float | str]], defaults: Mapping[str, float | str]
) -> tuple[dict[str, np.ndarray], int]:
    """Turn the attributes of F single faces into (F,) arrays: of float64 where every face has a number.

    An attribute that some face lacks gets its default, and is an array of objects where it has none: None stands for
    what is not known. So is one of texts, which are of any length, or of numbers and texts. Of those that faces lack,
    the MOST_SPARSE that most faces have are taken.

    Returns:
        the arrays by name, and the number of attributes that are not among them.
    """
    counts = Counter(name for face in faces for name in face)
    whole = [name for name, count in counts.items() if count == len(faces) or name in defaults]
    sparse = [name for name, count in counts.most_common() if count < len(faces) and name not in defaults]
    columns = {}
    for name in (*whole, *sparse[:MOST_SPARSE]):
        values = [face.get(name, defaults.get(name)) for face in faces]
        columns[name] = np.array(values, np.float64 if {type(value) for value in values} == {float} else object)
    return columns, len(sparse[MOST_SPARSE:])


def is_known(values: np.ndarray) -> np.ndarray:
    """Return (N,) bool: the faces of which an attribute is known."""
    if values.dtype != object:
        return np.ones(len(values), bool)
    return np.array([value is not None for value in values], bool)


def have_type(values: np.ndarray, kind: type[float] | type[str]) -> bool:
    """Whether all values of an attribute that are known are of a type."""
    if values.dtype != object:
        return (values.dtype.kind == "U") == (kind is str)
    return all(isinstance(value, kind) for value in values.tolist() if value is not None)

"""Attributes of faces: from a mapping per face to an array per attribute."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

MOST_SPARSE = 100  # a file may name thousands of attributes of a few faces each, and an array has all faces


def attribute_columns(
    faces: Sequence[Mapping[str, float | str]], defaults: Mapping[str, float | str]
) -> tuple[dict[str, np.ndarray], int]:
    """Return the attributes of F faces as (F,) arrays.

    The array is float64 where every face has a number, and of objects otherwise. A face that lacks an attribute gets
    the default, or None where there is no default. Of the attributes without default that some faces lack, the
    MOST_SPARSE most frequent ones are kept.

    Returns:
        the arrays by name, and the number of attributes that were not kept.
    """
    counts = Counter(name for face in faces for name in face)
    complete = [name for name, count in counts.items() if count == len(faces) or name in defaults]
    sparse = [name for name, count in counts.most_common() if count < len(faces) and name not in defaults]
    columns = {}
    for name in (*complete, *sparse[:MOST_SPARSE]):
        values = [face.get(name, defaults.get(name)) for face in faces]
        columns[name] = np.array(values, np.float64 if {type(value) for value in values} == {float} else object)
    return columns, len(sparse[MOST_SPARSE:])


def is_known(values: np.ndarray) -> np.ndarray:
    """Return (N,) bool: whether each value of an attribute is known."""
    if values.dtype != object:
        return np.ones(len(values), bool)
    return np.array([value is not None for value in values], bool)


def have_type(values: np.ndarray, kind: type[float] | type[str]) -> bool:
    """Whether all known values of an attribute are of a type."""
    if values.dtype != object:
        return (values.dtype.kind == "U") == (kind is str)
    return all(isinstance(value, kind) for value in values.tolist() if value is not None)

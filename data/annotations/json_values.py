"""JSON files: loading, the keys of a file's head, and values of a known type. Errors name the place."""

import json
import re
import sys
from contextlib import suppress
from pathlib import Path

from utils.errors import UserError
from utils.expansion import check_json
from utils.files import read_text

DEEPEST = 4  # levels of a file at which keys are collected
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(:?)|[{}\[\]]')


def load_json(path: Path) -> object:
    """Return the content of a JSON file.

    Raises:
        UserError: it is not JSON, or not JSON that Python can read, or as `check_json`.
    """
    try:
        return parse_json(path, read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: is not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:  # a number too long or brackets too deep for Python
        raise UserError(f"{path}: is not JSON that can be read ({error})") from error


def parse_json(path: str | Path, text: str | bytes) -> object:
    """Return the value of a JSON text of a file.

    Raises:
        UserError: as `check_json`.
        ValueError, RecursionError: as json.loads.
    """
    check_json(path, text)
    return json.loads(text)


def keys_by_depth(text: str) -> list[set[str]]:
    """Return the keys of the objects at each of DEEPEST levels of a JSON text, which may end early.

    The brackets of lists count as levels, too: the keys of the objects of a list are at index 1.
    """
    found, depth = [set() for _ in range(DEEPEST)], 0
    for token in TOKEN.finditer(text):
        bracket = token[0]
        if bracket in "{[":
            depth += 1
        elif bracket in "}]":
            depth -= 1
        elif token[2] and 1 <= depth <= DEEPEST:
            found[depth - 1].add(token[1])
    return found


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and no boolean."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # false for nan


def is_attribute(value: object) -> bool:
    """Whether a value can be that of an attribute: a text, a boolean or a finite number."""
    return isinstance(value, (str, bool)) or is_number(value)


def whole_text(where: str, text: str) -> str:
    """Return a text of the file; raise UserError where it has half a surrogate pair, which UTF-8 cannot hold."""
    if re.search("[\ud800-\udfff]", text):
        raise UserError(f"{where}: found half a letter in {text[:60]!r}; expected text")
    return text


def shown(record: dict, key: str) -> str:
    """Return a key of a record with its value, for an error message."""
    return f"{key} {json.dumps(record[key])[:80]}" if key in record else f"no {key}"


def number_of(where: str, record: dict, key: str) -> float:
    """Return a number of a record, which may be written as a text.

    Raises:
        UserError: there is none, or it is not finite.
    """
    value = record.get(key)
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    if not is_number(value):
        raise UserError(f"{where}: found {shown(record, key)}; expected a number")
    return value


def objects_of(where: str, record: dict, key: str) -> list[dict]:
    """Return the objects of a list, or an object's values; an empty list where there is none.

    Raises:
        UserError: there is something else.
    """
    values = record.get(key) or []
    values = list(values.values()) if isinstance(values, dict) else values
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UserError(f"{where}: found {shown(record, key)}; expected a list of objects")
    return values


def points_of(where: str, record: dict, key: str) -> list[tuple[float, float]]:
    """Return the points of a record, [[x, y], ...] or [{"x": x, "y": y}, ...].

    Raises:
        UserError: there is something else.
    """
    values = record.get(key)
    points = [[point.get("x"), point.get("y")] if isinstance(point, dict) else point for point in _listed(values)]
    if not isinstance(values, list) or not all(
        isinstance(point, list) and len(point) >= 2 and all(map(is_number, point[:2])) for point in points
    ):
        raise UserError(f"{where}: found {shown(record, key)}; expected a list of points x y")
    return [(point[0], point[1]) for point in points]


def _listed(values: object) -> list:
    return values if isinstance(values, list) else []

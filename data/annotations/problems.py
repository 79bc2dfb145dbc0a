"""Malformed rows and records."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from utils.errors import UserError

MOST_PROBLEMS = 20_000  # that are listed; a sentence for each takes more memory than the file
LARGEST = 1e9  # a larger coordinate is a mistake, and its square would not be exact


class Problem(NamedTuple):
    """Something that a reader skipped."""

    sentence: str  # what is wrong with it
    record: int | None  # the index of the record that it belongs to, if there is one


def skip_or_raise(error: UserError, problems: list[Problem] | None, record: int | None = None) -> None:
    """Append a problem to the list, so that the reader can skip the place; raise the error where there is no list.

    Args:
        record: the index of the record that the place belongs to, if there is one.
    """
    if problems is None:
        raise error
    if len(problems) == MOST_PROBLEMS:
        raise UserError(f"{error}; {MOST_PROBLEMS:,} places before it are wrong, too: is the file in another format?")
    problems.append(Problem(str(error), record))


def check_extent(where: str, box: Sequence[float]) -> None:
    """Raise UserError, which begins with `where`, if an x y w h box reaches beyond LARGEST."""
    x, y, w, h = box
    if not max(abs(x), abs(y), abs(x + w), abs(y + h)) <= LARGEST:
        raise UserError(f"{where}: found a face at x y w h {x:g} {y:g} {w:g} {h:g}; expected numbers up to 1e9")


def check_landmarks(where: str, landmarks: Iterable[Sequence[float]]) -> None:
    """Raise UserError, which begins with `where`, if one of a face's landmarks x y lies beyond LARGEST."""
    for x, y in landmarks:
        if not max(abs(x), abs(y)) <= LARGEST:
            raise UserError(f"{where}: found a landmark at {x:g} {y:g}; expected numbers up to 1e9")

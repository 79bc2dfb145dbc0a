"""What readers say of rows and records that are wrong."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from utils.errors import UserError

# Beyond it a coordinate is a mistake, whose square would not be exact any more.
LARGEST = 1e9


class Problem(NamedTuple):
    """What is wrong with something that a reader left out, and the record that lacks it, None where that is none."""

    sentence: str
    record: int | None


def pass_over(error: UserError, problems: list[Problem] | None, record: int | None = None) -> None:
    """Note what is wrong with something that a reader then leaves out.

    Args:
        record: the index of the record that it belongs to, if there is one.

    Raises:
        UserError: the error itself, where there is nowhere to note it.
    """
    if problems is None:
        raise error
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

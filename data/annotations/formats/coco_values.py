"""Values of COCO's records, also as tools write them that are less strict: ids and numbers as texts, null for 0."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress

from data.annotations.json_values import is_number, shown, whole_text
from data.annotations.problems import LARGEST
from utils.errors import UserError
from utils.wording import counted

WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
FLAG_TEXTS = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}

# What a reader says of values that it understood although COCO writes them otherwise: words, and what they count.
Said = Counter[tuple[str, str]]
MIXED_IDS = ("ids that are texts in one place and numbers in another: matched in {}", "record")
BY_NAME = ("image_id that is the name of an image: matched in {}", "record")
TEXTS = ("numbers that are written as texts: read for {}", "face")
NO_FLAG = ("iscrowd or ignore that is null: read as 0 for {}", "face")


def said_sentences(said: Said) -> list[str]:
    """Return a sentence for each count above 0."""
    return [words.format(counted(count, noun)) for (words, noun), count in said.items() if count]


class Ids:
    """The ids of one of a file's lists, which the other lists may write as a text, or with a fraction.

    Args:
        ids: as `read_id` returns them.
        among: the name of the list, for messages.
        names: name -> id of the records that may be called by their names.
    """

    def __init__(self, ids: Iterable[int | str], among: str, names: Mapping[str, int | str] | None = None):
        self.among, self.names = among, names or {}
        self._ids = set(ids)
        self._by_text: dict[str, int | str | None] = {}
        for identity in self._ids:
            text = _plain(identity)
            self._by_text[text] = None if text in self._by_text else identity  # None: 1 and "1" are both ids

    def find(self, value: object) -> int | str | None:
        """Return the id that a value stands for; None where there is none, or several."""
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) not in (int, str):
            return None
        return value if value in self._ids else self._by_text.get(_plain(value))

    def of(self, where: str, record: dict, key: str, said: Said) -> int | str:
        """Return the id that a record refers to.

        Raises:
            UserError: there is none, or no such id.
        """
        found = self.find(record.get(key))
        if found is None and isinstance(record.get(key), str) and record[key] in self.names:
            said[BY_NAME] += 1
            return self.names[record[key]]
        if found is None:
            read_id(where, record, key)
            raise UserError(f"{where}: found {shown(record, key)}; expected the id of one of the {self.among}")
        said[MIXED_IDS] += isinstance(record[key], str) != isinstance(found, str)
        return found


def _plain(identity: int | str) -> str:
    """Return a text that is equal for an id and its other spellings: 7, "7", " 07 " and "7.0"."""
    text = str(identity).strip()
    return str(int(text.partition(".")[0])) if WHOLE.fullmatch(text) else text


def read_id(where: str, record: dict, key: str) -> int | str:
    """Return the id in a record; raise UserError where it is not a whole number or a text."""
    value = record.get(key)
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) not in (int, str):
        raise UserError(f"{where}: found {shown(record, key)}; expected a whole number or a text")
    return whole_text(where, value) if isinstance(value, str) else value


def read_text_value(where: str, record: dict, key: str) -> str:
    """Return a text of a record, or a whole number as a text; raise UserError where it is empty or something else."""
    value = record.get(key)
    text = str(value) if type(value) is int and abs(value) < LARGEST else value
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where}: found {shown(record, key)}; expected a text")
    return whole_text(where, text)


def to_number(value: object) -> float | None:
    """Return a finite number, also of a text; None for anything else."""
    if isinstance(value, str) and len(value) < 100:
        with suppress(ValueError):
            value = float(value)
    return value if is_number(value) else None


def read_numbers(values: Iterable[object], said: Said) -> list[float | None]:
    """Return the numbers of a face's values; None for what is not a finite number."""
    values = list(values)
    said[TEXTS] += any(isinstance(value, str) for value in values)
    return [to_number(value) for value in values]


def read_flag(where: str, record: dict, key: str, said: Said) -> float:
    """Return a mark, 0 or 1.

    Raises:
        UserError: it is something else.
    """
    value = record[key]
    if value is None or value == "":
        said[NO_FLAG] += 1
        return 0.0
    flag = FLAG_TEXTS.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(flag, int | float) or flag not in (0, 1):
        raise UserError(f"{where}: found {shown(record, key)}; expected 0 or 1")
    said[TEXTS] += isinstance(value, str)
    return float(flag)


def read_size(record: dict) -> tuple[int, int] | None:
    """Return (height, width) of an image; None where they are not known."""
    height, width = (to_number(record.get(key)) for key in ("height", "width"))
    if height is None or width is None or not 0 < min(height, width) <= max(height, width) < LARGEST:
        return None
    return (int(height), int(width)) if float(height).is_integer() and float(width).is_integer() else None

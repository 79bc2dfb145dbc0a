"""Which picture goes to which split."""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from data.annotations import picture_key
from data.annotations.record import clean_name
from utils.errors import UserError
from utils.files import read_text

# What programs put behind a frame's name, and no two programmes differ in: the picture's size, and "(1)" or "copy".
ENDING = re.compile(r"(?i)(?<=.)[ _-]*(?:(?<!\d)\d{2,5}x\d{2,5}|\(\d+\)|copy|コピー)$")
# A frame's number, or the time at which it was shown or saved, is the last one of its name.
TIMES = (
    r"\d{4}[-.]\d{2}[-.]\d{2}",  # 2024-01-02
    r"\d{1,2}(?:[-:.]\d{2})+(?:[-:.,]\d{1,3})?",  # 00-01-23.456
    r"\d{2}_\d{2}_\d{2}",
    r"(?:\d+(?:\.\d+)?(?:ms|[hms]))+\d*",  # 12h34m56s789
    r"\d+\.\d+",
)
FRAME_NUMBER = re.compile(rf"(?i)(.*?)(?<!\d)(?:(?:\d{{4}}-\d{{2}}-\d{{2}}-)?(?:{'|'.join(TIMES)})|\d+)\D*")


def split_by_ratio(
    names: Collection[str], ratios: Mapping[str, float], seed: int, group: Callable[[str], str] = str
) -> dict[str, str]:
    """Deal pictures out to splits, whole groups of them.

    Each group, in an order that depends on the seed and its own name alone, goes to the split that lacks most. A split
    is off its share by less than one picture, or by at most the largest group.

    Args:
        ratios: split -> its part of the pictures; they add up to 1.
        group: name of a picture -> what all pictures that belong together have in common.

    Returns:
        name -> split, the same for the same set of names, whatever their order.

    Raises:
        UserError: the ratios do not add up to 1, or a split gets no picture.
    """
    if not all(0 < ratio <= 1 for ratio in ratios.values()) or not math.isclose(sum(ratios.values()), 1, abs_tol=1e-6):
        found = " ".join(f"{split}={ratio:g}" for split, ratio in ratios.items())
        raise UserError(f"--split {found}: expected parts over 0 that add up to 1")
    groups = {}
    for name in names:
        groups.setdefault(group(name), []).append(name)
    lacking = {split: ratio * len(names) for split, ratio in ratios.items()}
    splits = {}
    for key in sorted(groups, key=lambda key: sha256(f"{seed}\0{key}".encode("utf-8", "surrogateescape")).digest()):
        split = max(lacking, key=lacking.get)
        lacking[split] -= len(groups[key])
        splits |= dict.fromkeys(groups[key], split)
    for split in ratios:
        if split not in splits.values():
            raise UserError(
                f"--split {split}={ratios[split]:g}: gets none of the {len(names)} pictures, which are {len(groups)} to"
                " deal out; leave --by_prefix out, or choose with its REGEX a prefix that fewer pictures have in common"
            )
    return splits


def prefix_of(pattern: str | None) -> Callable[[str], str]:
    """Return the function that gives a name's prefix: what a regular expression matches at its start.

    Its group 1 counts where it has one. None: the name up to its last number or time, its folders aside, or the whole
    of it where there is none; suffix, size and what marks a copy are left out before.

    Raises:
        UserError: no regular expression; when the function is called, a name that it does not match.
    """
    if pattern is None:

        def before_number(name: str) -> str:
            folder, slash, stem = picture_key(name).rpartition("/")
            while (shorter := ENDING.sub("", stem)) != stem:
                stem = shorter
            match = FRAME_NUMBER.fullmatch(stem)
            return folder + slash + (match[1] if match else stem)

        return before_number
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--by_prefix {pattern}: is no regular expression ({error})") from error

    def matched(name: str) -> str:
        match = expression.match(name)
        if match is None:
            raise UserError(f"--by_prefix {pattern}: does not match {name!r}; expected one that matches all names")
        return (match[1] if expression.groups else match[0]) or ""

    return matched


def split_by_lists(names: Sequence[str], lists: Mapping[str, Path], rest: str) -> dict[str, str]:
    """Deal pictures out by lists of names, with or without their suffixes.

    Args:
        lists: split -> file with a name a line.
        rest: the split of the pictures in no list.

    Raises:
        UserError: a list that cannot be read, or a name in it that is not one of the pictures' or is there twice,
            named by its line.
    """
    whole, by_key = set(names), {}
    for name in names:
        by_key.setdefault(picture_key(name), []).append(name)
    splits, seen = dict.fromkeys(names, rest), {}
    for split, path in lists.items():
        for number, line in enumerate(read_text(path).split("\n"), start=1):
            name = line.strip()
            if not name:
                continue
            where, name = f"{path}:{number}", clean_name(name)
            found = [name] if name in whole else by_key.get(picture_key(name), [])
            if len(found) != 1:
                may_be = f", which may be {' and '.join(found)}" if found else ""
                raise UserError(f"{where}: found {name[:80]!r}{may_be}; expected the name of a picture of the source")
            if found[0] in seen:
                earlier = seen[found[0]]
                raise UserError(f"{where}: found {name[:80]!r}, which {earlier} has, too; expected each picture once")
            seen[found[0]] = where
            splits[found[0]] = split
    return splits

"""Which image goes to which split."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from data.annotations import image_key
from data.annotations.record import clean_name
from utils.errors import UserError
from utils.files import read_text
from utils.wording import counted

# What programs put behind a frame's name, and no two programmes differ in: the image's size, and "(1)" or "copy".
ENDING = re.compile(r"(?i)(?<=.)[ _-]*(?:(?<!\d)\d{2,5}x\d{2,5}|\(\d+\)|copy|コピー)$")
# A frame's number, or the time at which it was shown or saved, is the last one of its name.
TIME_WITH_UNITS = re.compile(  # 12h34m56s789, with the date before it that VLC writes
    r"(?i)(.*?)(?<!\d)(?:\d{4}-\d{2}-\d{2}-)?(?:\d+(?:\.\d+)?(?:ms|[hms])(?![^\W\d_]))+\d*\D*"
)
_NUMBER = r"\d+(?:[.,]\d+)*"
# The last numbers that the same separator joins: 0001, 00-01-23.456, but also 12-5 of a programme 12.
NUMBERS = re.compile(rf"(.*?)(?<!\d)({_NUMBER}(?:([-:_]){_NUMBER}(?:\3{_NUMBER})*)?)\D*")
TIME = re.compile(rf"{_NUMBER}([-:_])[0-5]\d(?:\1[0-5]\d)*(?:[-:]\d{{3}}|[.,]\d+)?")


def split_by_ratio(
    names: Collection[str], ratios: Mapping[str, float], seed: int, prefixes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Deal images out to splits, whole groups of them.

    Each group, in an order that depends on the seed and its own name alone, goes to the split that lacks most. A split
    is off its share by less than one image, or by at most the largest group.

    Args:
        ratios: split -> its part of the images; they add up to 1.
        prefixes: name of an image -> what all images that belong together have in common; None: each is alone.

    Returns:
        name -> split, the same for the same set of names, whatever their order.

    Raises:
        UserError: the ratios do not add up to 1, or a split gets no image.
    """
    if not all(0 < ratio <= 1 for ratio in ratios.values()) or not math.isclose(sum(ratios.values()), 1, abs_tol=1e-6):
        found = " ".join(f"{split}={ratio:g}" for split, ratio in ratios.items())
        raise UserError(f"--split {found}: expected parts over 0 that add up to 1")
    groups = {}
    for name in names:
        groups.setdefault(name if prefixes is None else prefixes[name], []).append(name)
    lacking = {split: ratio * len(names) for split, ratio in ratios.items()}
    splits = {}
    for key in sorted(groups, key=lambda key: sha256(f"{seed}\0{key}".encode("utf-8", "surrogateescape")).digest()):
        split = max(lacking, key=lacking.get)
        lacking[split] -= len(groups[key])
        splits |= dict.fromkeys(groups[key], split)
    for split in ratios:
        if split not in splits.values():
            why = "name a larger part, or more images"
            if prefixes is not None:
                why = (
                    f"their prefixes are {len(groups)}, {min(groups)!r} for one, and images of one stay together;"
                    " leave --by_prefix out, or choose with its REGEX a prefix that fewer images have in common"
                )
            raise UserError(
                f"--split {split}={ratios[split]:g}: gets none of the {counted(len(names), 'image')}; {why}"
            )
    return splits


def find_prefixes(names: Collection[str], pattern: str | None) -> dict[str, str]:
    """Return name -> prefix: what a regular expression matches at the name's start.

    Its group 1 counts where it has one. None: the name up to its last number or time, its folders aside, or the whole
    of it where there is none; suffix, size and what marks a copy are left out before.

    Raises:
        UserError: no regular expression, or a name that it does not match.
    """
    if pattern is None:
        return _before_numbers(names)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--by_prefix {pattern}: is no regular expression ({error})") from error
    prefixes = {}
    for name in names:
        match = expression.match(name)
        if match is None:
            raise UserError(f"--by_prefix {pattern}: does not match {name!r}; expected one that matches all names")
        prefixes[name] = (match[1] if expression.groups else match[0]) or ""
    return prefixes


def _before_numbers(names: Collection[str]) -> dict[str, str]:
    """Return name -> prefix up to the last number or time.

    Whether 12-34 is a time, or frame 34 of a programme 12, one name does not tell. It is a time where it may be one in
    all names with as many numbers behind the same letters: the frames of a programme, whether there are 9 or 100 of
    them, then have the same prefix, if at times that of other programmes, too.
    """
    prefixes, alike = {}, {}
    for name in names:
        folder, slash, stem = image_key(name).rpartition("/")
        while (shorter := ENDING.sub("", stem)) != stem:
            stem = shorter
        if match := TIME_WITH_UNITS.fullmatch(stem):
            prefixes[name] = folder + slash + match[1]
        elif match := NUMBERS.fullmatch(stem):
            separator = match[3] or ""
            numbers = match[2].split(separator) if separator else [match[2]]
            alike.setdefault((folder + slash + match[1], separator, len(numbers)), {})[name] = numbers
        else:
            prefixes[name] = folder + slash + stem
    for (before, separator, count), found in alike.items():
        may_be_times = (first for first in range(count - 1) if _are_times(found.values(), first, separator))
        first = next(may_be_times, count - 1)
        for name, numbers in found.items():
            prefixes[name] = before + "".join(number + separator for number in numbers[:first])
    return prefixes


def _are_times(every: Collection[Sequence[str]], first: int, separator: str) -> bool:
    """Whether the numbers of each name may be one time, without those before the first."""
    return all(TIME.fullmatch(separator.join(numbers[first:])) for numbers in every)


def split_by_lists(names: Sequence[str], lists: Mapping[str, Path], rest: str) -> dict[str, str]:
    """Deal images out by lists of names, with or without their suffixes.

    Args:
        lists: split -> file with a name a line.
        rest: the split of the images in no list.

    Raises:
        UserError: a list that cannot be read, or a name in it that is not one of the images' or is there twice,
            named by its line.
    """
    whole, by_key = set(names), {}
    for name in names:
        by_key.setdefault(image_key(name), []).append(name)
    splits, seen = dict.fromkeys(names, rest), {}
    for split, path in lists.items():
        for number, line in enumerate(read_text(path).split("\n"), start=1):
            name = line.strip()
            if not name:
                continue
            where, name = f"{path}:{number}", clean_name(name)
            found = [name] if name in whole else by_key.get(image_key(name), [])
            if len(found) != 1:
                may_be = f", which may be {' and '.join(found)}" if found else ""
                raise UserError(f"{where}: found {name[:80]!r}{may_be}; expected the name of an image of the source")
            if found[0] in seen:
                earlier = seen[found[0]]
                raise UserError(f"{where}: found {name[:80]!r}, which {earlier} has, too; expected each image once")
            seen[found[0]] = where
            splits[found[0]] = split
    return splits

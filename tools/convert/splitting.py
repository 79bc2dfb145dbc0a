"""Assignment of images to splits."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from data.annotations import image_key
from data.annotations.places import clean_name
from utils.errors import UserError
from utils.files import read_text
from utils.wording import counted

# Endings that programs add to a frame's name: the image size, "(1)" and "copy".
ENDING = re.compile(r"(?i)(?<=.)[ _-]*(?:(?<!\d)\d{2,5}x\d{2,5}|\(\d+\)|copy|コピー)$")
# The last number or time in a name belongs to the frame. Times with units: 12h34m56s789, and VLC's with a date before.
TIME_WITH_UNITS = re.compile(r"(?i)(.*?)(?<!\d)(?:\d{4}-\d{2}-\d{2}-)?(?:\d+(?:\.\d+)?(?:ms|[hms])(?![^\W\d_]))+\d*\D*")
_NUMBER = r"\d+(?:[.,]\d+)*"
# Numbers joined by one separator: 0001, 00-01-23.456, but also frame 5 of programme 12 in 12-5.
NUMBERS = re.compile(rf"(.*?)(?<!\d)({_NUMBER}(?:([-:_]){_NUMBER}(?:\3{_NUMBER})*)?)\D*")
TIME = re.compile(rf"{_NUMBER}([-:_])[0-5]\d(?:\1[0-5]\d)*(?:[-:]\d{{3}}|[.,]\d+)?")


def split_by_ratio(
    names: Collection[str], ratios: Mapping[str, float], seed: int, prefixes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Assign images, or whole groups of images, to splits.

    Groups are taken in an order that depends only on the seed and their names; each goes to the split that lacks most
    images. A split misses its share by less than one image, or by at most the largest group.

    Args:
        ratios: split -> its share of the images; the shares add up to 1.
        prefixes: name of an image -> common prefix of its group; None: every image is a group.

    Returns:
        name -> split, independent of the order of the names.

    Raises:
        UserError: the ratios do not add up to 1, or a split gets no image.
    """
    if not all(0 < ratio <= 1 for ratio in ratios.values()) or not math.isclose(sum(ratios.values()), 1, abs_tol=1e-6):
        found = " ".join(f"{split}={ratio:g}" for split, ratio in ratios.items())
        raise UserError(f"--split {found}: expected positive shares that add up to 1")
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
            why = "give it a larger share, or more images"
            if prefixes is not None:
                why = (
                    f"--by_prefix finds {counted(len(groups), 'group')}, for example {min(groups)!r};"
                    " omit it, or give it a REGEX that makes more groups"
                )
            raise UserError(
                f"--split {split}={ratios[split]:g}: gets none of the {counted(len(names), 'image')}; {why}"
            )
    return splits


def find_prefixes(names: Collection[str], pattern: str | None) -> dict[str, str]:
    """Return name -> prefix, by which frames of one programme belong together.

    Args:
        pattern: regular expression; the prefix is its match at the start of the name, or group 1. None: the prefix is
            the name up to the last number or time, without an ending like "_1920x1080" or " (1)"; without a number,
            the whole name. Folders belong to the prefix, their numbers are not searched.

    Raises:
        UserError: an invalid regular expression, or a name that it does not match.
    """
    if pattern is None:
        return _prefixes_before_numbers(names)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--by_prefix {pattern}: invalid regular expression ({error})") from error
    prefixes = {}
    for name in names:
        match = expression.match(name)
        if match is None:
            raise UserError(f"--by_prefix {pattern}: does not match {name!r}; expected to match all names")
        prefixes[name] = (match[1] if expression.groups else match[0]) or ""
    return prefixes


def _prefixes_before_numbers(names: Collection[str]) -> dict[str, str]:
    """Return name -> prefix up to the last number or time.

    One name does not tell whether 12-34 is a time or frame 34 of programme 12. It is read as a time if all names with
    the same beginning and as many numbers can be times. Frames of one programme thus always have the same prefix.
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
        can_be_times = (first for first in range(count - 1) if _are_times(found.values(), first, separator))
        first = next(can_be_times, count - 1)
        for name, numbers in found.items():
            prefixes[name] = before + "".join(number + separator for number in numbers[:first])
    return prefixes


def _are_times(found: Collection[Sequence[str]], first: int, separator: str) -> bool:
    """Whether the numbers of every name, from the first-th on, can be a time."""
    return all(TIME.fullmatch(separator.join(numbers[first:])) for numbers in found)


def split_by_lists(names: Sequence[str], lists: Mapping[str, Path], rest: str) -> dict[str, str]:
    """Assign images to splits by lists of names, with or without suffixes.

    Args:
        lists: split -> file with one name per line.
        rest: split of the images that are in no list.

    Raises:
        UserError: a list cannot be read, or names an unknown image or an image twice; the error names the line.
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
                matches = f", which can be {' and '.join(found)}" if found else ""
                raise UserError(f"{where}: found {name[:80]!r}{matches}; expected the name of an image of the source")
            if found[0] in seen:
                earlier = seen[found[0]]
                raise UserError(
                    f"{where}: found {name[:80]!r}, which is already listed at {earlier}; expected each image once"
                )
            seen[found[0]] = where
            splits[found[0]] = split
    return splits

"""The names of the classes of YOLO labels, in the files that each tool writes beside them."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import yaml

from data.annotations.json_values import parse_json
from data.annotations.text_lines import parse_numbers
from data.image_files import files_below
from utils.errors import UserError
from utils.files import read_text
from utils.wording import printable

CLASSES = "classes.txt"  # LabelImg, Label Studio, and this program
NOTES = "notes.json"  # Label Studio
LABELS = "labels.txt"  # makesense.ai; it may also be the labels of an image
LINES = (CLASSES, LABELS, "*.names", "_darknet.labels")  # a name a line; the last two are of Darknet and Roboflow
YAML = ("*.yaml", "*.yml")  # Ultralytics, and all who write for it
SUFFIXES = {".txt", ".names", ".labels", ".json", ".yaml", ".yml"}
MOST_YAML = 1 << 20  # bytes; the parser is slow
MOST_NAMES = 100_000
FEWEST_NUMBERS = 4  # of a row of labels
HAS_NAMES = re.compile(r"(?:^|[{,\s])[\"']?names[\"']?[ \t]*:", re.MULTILINE)


@dataclass(frozen=True)
class ClassNames:
    """The names of the classes.

    Attributes:
        names: number -> name; empty where no file has them.
        source: the file, or the first of several that agree.
        keypoints: (count, values of each) of a set with keypoints, None where no file says so.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    source: Path | None = None
    keypoints: tuple[int, int] | None = None


def read_class_names(folder: Path) -> ClassNames:
    """Return the names of the classes of the labels below a folder.

    The files are looked for below the folder, and above it up to the folder that has `labels`. If none is there, the
    next folder above may have one of Darknet or Ultralytics.

    Raises:
        UserError: a file cannot be read, or two files give a class different names.
    """
    found = [names for path in _below(folder) if (names := _read(path))]
    folder = Path(os.path.abspath(folder))
    above = list(folder.parents[: folder.parts[::-1].index("labels") + 1]) if "labels" in folder.parts else []
    for place in above:
        found += [names for path in _in(place, (*LINES, NOTES, *YAML)) if (names := _read(path))]
    if not found:
        last = above[-1] if above else folder
        found = [names for path in _in(last.parent, ("*.names", *YAML)) if (names := _read(path))]
    return _agreed(found)


def _below(folder: Path) -> Iterator[Path]:
    for name in files_below(folder, SUFFIXES):
        if _fits(name.rpartition("/")[2], (*LINES, NOTES, *YAML)):
            yield folder / name


def _in(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _fits(path.name, patterns) and path.is_file())
    except OSError:  # a folder above may be closed to the user
        return []


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns) and not name.startswith(".")


def _agreed(found: list[ClassNames]) -> ClassNames:
    """Return all names together; raise UserError where two files disagree."""
    names, sources = {}, {}
    for each in found:
        for number, name in each.names.items():
            known = names.setdefault(number, name)
            source = sources.setdefault(number, each.source)
            if known.casefold() != name.casefold():
                raise UserError(
                    f"{each.source}: calls class {number} {printable(name)!r}, but {source} calls it"
                    f" {printable(known)!r}; remove the file that is wrong, or name a folder that has one of them"
                )
    keypoints = {each.keypoints for each in found if each.keypoints}
    return ClassNames(names, found[0].source if found else None, keypoints.pop() if len(keypoints) == 1 else None)


def is_names_file(path: Path) -> bool:
    """Whether a text file beside labels has names of classes, which may have numbers, and no rows."""
    if path.name != LABELS:
        return path.name == CLASSES
    return not any(len(parse_numbers(line) or ()) >= FEWEST_NUMBERS for line in read_text(path).split("\n"))


def _read(path: Path) -> ClassNames | None:
    """Return what a file says, None where it has no names."""
    if path.name == LABELS and not is_names_file(path):
        return None
    if _fits(path.name, LINES):
        text = read_text(path).strip()
        if text.count("\n") > MOST_NAMES:
            raise UserError(
                f"{path}: has more than {MOST_NAMES:,} lines; expected the names of the classes, one a line"
            )
        lines = [line.strip() for line in text.split("\n") if not line.startswith("#")]  # comments
        names, keypoints = {number: line for number, line in enumerate(lines) if line}, None
    else:
        names, keypoints = _of_notes(path) if path.name == NOTES else _of_yaml(path)
    return ClassNames(names, path, keypoints) if names else None


def _of_notes(path: Path) -> tuple[dict[int, str], None]:
    try:
        content = parse_json(path, read_text(path))
        return {int(each["id"]): str(each["name"]) for each in content["categories"]}, None
    except (ValueError, TypeError, KeyError, RecursionError):  # another file of this name
        return {}, None


def _of_yaml(path: Path) -> tuple[dict[int, str], tuple[int, int] | None]:
    if path.stat().st_size > MOST_YAML or not HAS_NAMES.search(text := read_text(path)):
        return {}, None
    try:
        content = yaml.load(text, yaml.BaseLoader)  # texts, lists and mappings only, and no merging of mappings
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path}: is not YAML that can be read ({' '.join(str(error).split())[:200]})") from error
    names = content.get("names") if isinstance(content, dict) else None
    if not isinstance(names, (list, dict)):
        return {}, None
    numbered = dict(enumerate(names)) if isinstance(names, list) else names
    named = {}
    for number, name in numbered.items():
        if not isinstance(name, str) or not str(number).isdecimal():
            raise UserError(f"{path}: found names that are not texts; expected 'names', a list or number: name")
        named[int(number)] = name
    return named, _keypoint_shape(content.get("kpt_shape"))


def _keypoint_shape(shape: object) -> tuple[int, int] | None:
    """Return Ultralytics's `kpt_shape`, [number of keypoints, 2 or 3 values of each]."""
    is_shape = isinstance(shape, list) and len(shape) == 2 and all(isinstance(each, str) for each in shape)
    if not is_shape or not shape[0].isdecimal() or shape[1] not in ("2", "3"):
        return None
    return int(shape[0]), int(shape[1])

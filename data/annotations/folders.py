"""Formats with a file for each image."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from data.image_files import files_below
from data.splits import FIXED

SPLIT_FOLDERS = {"train", "val", "valid", "validation", "dev", "test"}  # also CVAT's obj_train_data


def label_files(folder: Path, suffixes: Collection[str]) -> list[str]:
    """Return the same as `files_below`, without the files in cleaned copies below the folder, such as train_fixed."""
    names = files_below(folder, suffixes)
    return [name for name in names if not any(part.endswith(FIXED) for part in PurePosixPath(name).parts[:-1])]


def path_problem(name: str) -> str | None:
    """Return why a format with a file per image cannot hold an image's name, None where it can."""
    path = PurePosixPath(name)
    if str(path) != name or any(part.startswith(".") for part in path.parts):
        return "a hidden file, or a path with empty parts, is not looked for below a folder"
    return None


def joined_splits(names: Iterable[str]) -> list[str]:
    """Return a sentence on images of several splits that are read as one set, by the first folders of their paths."""
    counts = Counter(name.partition("/")[0] for name in names if "/" in name)
    plain = {folder: folder.lower().removeprefix("obj_").removesuffix("_data") for folder in counts}
    found = [f"{folder} ({count:,})" for folder, count in counts.items() if plain[folder] in SPLIT_FOLDERS]
    if len(found) < 2:
        return []
    return [f"read as one set: the images of {', '.join(found)}; name the labels of one to read it alone"]

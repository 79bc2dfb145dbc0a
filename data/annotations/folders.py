"""Formats with a file for each image."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from data.image_files import files_below
from data.splits import FIXED


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

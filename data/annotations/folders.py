"""The files of formats that have one for each image."""

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from data.image_files import files_below
from data.splits import FIXED


def label_files(folder: Path, suffixes: Collection[str]) -> list[str]:
    """Return what `files_below` does, without what is in cleaned copies, as train_fixed is one of train.

    The folder itself may be one.
    """
    names = files_below(folder, suffixes)
    return [name for name in names if not any(part.endswith(FIXED) for part in PurePosixPath(name).parts[:-1])]

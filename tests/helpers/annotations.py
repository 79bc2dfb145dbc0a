"""Annotation files to read."""

from pathlib import Path

import numpy as np


def cells(*events: list) -> np.ndarray:
    """Return MATLAB's cell array with a cell array for each event."""
    array = np.empty((len(events), 1), object)
    for e, images in enumerate(events):
        array[e, 0] = np.empty((len(images), 1), object)
        for i, image in enumerate(images):
            array[e, 0][i, 0] = np.array(image)
    return array


def write_files(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files, also in sub-folders, and return the folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder

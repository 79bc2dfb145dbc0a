"""Annotations to read."""

import numpy as np


def cells(*events: list) -> np.ndarray:
    """MATLAB's cell array of a cell array for each event."""
    array = np.empty((len(events), 1), object)
    for e, images in enumerate(events):
        array[e, 0] = np.empty((len(images), 1), object)
        for i, image in enumerate(images):
            array[e, 0][i, 0] = np.array(image)
    return array

"""Images and faces to augment."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from data.annotations import read_annotations
from data.augmentation import Faces, clip_faces
from utils.files import read_image

dimension = st.integers(1, 250)


def real_images(folder: Path) -> list[tuple[np.ndarray, Faces]]:
    """Return every 20th image of a dataset with its faces, clipped to the image."""
    images = []
    for annotation in read_annotations(folder / "label.txt")[::20]:
        image = read_image(folder / "images" / annotation.name)
        images.append((image, clip_faces(annotation, image.shape[1], image.shape[0])[0]))
    return images

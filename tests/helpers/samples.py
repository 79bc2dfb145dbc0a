"""Images and faces to augment."""

from pathlib import Path

import cv2
import numpy as np
from hypothesis import strategies as st

from data.annotations import read_annotations
from data.augmentation import INTERPOLATIONS, Faces, clip_faces
from utils.files import read_image

dimension = st.integers(1, 250)


def real_images(folder: Path) -> list[tuple[np.ndarray, Faces]]:
    """Return every 20th image of a dataset with its faces, clipped to the image."""
    images = []
    for annotation in read_annotations(folder / "label.txt")[::20]:
        image = read_image(folder / "images" / annotation.name)
        images.append((image, clip_faces(annotation, image.shape[1], image.shape[0])[0]))
    return images


def faces_of(boxes, landmarks=None, labels=None) -> Faces:
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    if labels is None:
        labels = [-1 if landmarks is None else 1] * len(boxes)
    points = np.full((len(boxes), 5, 2), -1.0) if landmarks is None else np.array(landmarks, np.float64)
    return Faces(boxes, points, np.array(labels, np.int64))


class Recorded:
    """A generator that records its draws; the last two are the flip and the interpolation."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.draws = []

    def __getattr__(self, name: str):
        def draw(*arguments):
            self.draws.append(getattr(self.rng, name)(*arguments))
            return self.draws[-1]

        return draw

    @property
    def flipped(self) -> bool:
        return self.draws[-2] < 0.5

    @property
    def nearest(self) -> bool:
        return INTERPOLATIONS[self.draws[-1]] == cv2.INTER_NEAREST

"""Training samples: a labelled picture, augmented, and the faces in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from data.annotations import Annotation, read_annotations
from data.augmentation import Faces, augment
from utils.box_utils import clip_boxes
from utils.errors import UserError
from utils.files import join_inside, read_image


class SampleInfo(NamedTuple):
    """What the training loop reports of a sample: the picture's path, and how many of its boxes were mended."""

    path: str
    clipped: int
    dropped: int


class FaceDataset(Dataset):
    """The pictures of an annotation file, which lie in `images/` beside it.

    Args:
        label_file: in any format of data.annotations that has boxes.
        image_size: side of the square samples in pixels.
        seed: with the epoch and the index it decides everything random in a sample.

    Raises:
        UserError: no such file, a malformed one, a picture that does not exist, or no faces at all.
    """

    def __init__(self, label_file: str | Path, image_size: int, seed: int = 0):
        label_file = Path(label_file)
        if label_file.is_dir():
            raise UserError(f"{label_file}: is a folder; name the label file in it, {label_file / 'label.txt'}")
        if not label_file.is_file():
            raise UserError(
                f"{label_file}: no such label file; put the dataset there, name another with --training_dataset, or"
                " draw a small one with: python -m data.sample"
            )
        self.annotations = read_annotations(label_file)
        if not any(len(annotation.boxes) for annotation in self.annotations):
            raise UserError(f"{label_file}: has no faces to learn from; a training needs boxes")
        images = label_file.parent / "images"
        self.paths = [join_inside(images, annotation.name) for annotation in self.annotations]
        missing = [path for path in self.paths if not path.is_file()]
        if missing:
            raise UserError(
                f"{missing[0]}: no such picture ({len(missing)} of the {len(self.paths)} in {label_file} are missing)"
            )
        self.image_size = image_size
        self.seed = seed

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, SampleInfo]:
        """Make sample `index` of an epoch; `key` is (epoch, index).

        Returns:
            image (3, image_size, image_size) uint8 BGR; target (N, 15) float32, x1 y1 x2 y2 and ten landmark
            coordinates in parts of image_size, and the label: 1 with landmarks, -1 box only; and its SampleInfo.
        """
        epoch, index = key
        image = read_image(self.paths[index])
        faces, clipped, dropped = faces_inside(self.annotations[index], image.shape[1], image.shape[0])
        rng = np.random.default_rng((self.seed, epoch, index))
        image, faces = augment(image, faces, self.image_size, rng)

        labels = np.where(faces.landmark_mask, 1, -1)[:, None]
        coordinates = np.concatenate([faces.boxes, faces.landmarks.reshape(-1, 10)], axis=1) / self.image_size
        target = np.concatenate([coordinates, labels], axis=1).astype(np.float32)
        # The coding takes the logarithm of a size, and the tiniest ones are zero in float32.
        target = torch.from_numpy(target[(target[:, 2:4] > target[:, :2]).all(axis=1)])
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return pixels, target, SampleInfo(str(self.paths[index]), clipped, dropped)


def faces_inside(annotation: Annotation, width: int, height: int) -> tuple[Faces, int, int]:
    """Return a picture's faces clipped to it, without empty ones, and how many were clipped and dropped."""
    boxes = clip_boxes(annotation.boxes, width, height)
    changed = (boxes != annotation.boxes).any(axis=1)
    nonempty = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    faces = Faces(boxes, annotation.landmarks, annotation.landmark_mask)[nonempty]
    return faces, int((changed & nonempty).sum()), int((~nonempty).sum())


class EpochSampler(Sampler):
    """The keys (epoch, index) of one epoch in random order, which (seed, epoch) alone decide."""

    def __init__(self, length: int, seed: int):
        self.length = length
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        return ((self.epoch, int(index)) for index in order)


def detection_collate(batch: list[tuple]) -> tuple:
    """Put samples (image, target, ...) together: images (B, 3, H, W), then a list of each of the rest."""
    images, *rest = zip(*batch, strict=True)
    return torch.stack(images), *map(list, rest)

"""Training samples: augmented images with the targets of their faces."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from data.annotations import Annotation, annotation_images, read_annotations
from data.annotations.places import PackedNames
from data.augmentation import PUBLISHED, AugmentationOptions, Faces, arrange_mosaic, augment, clip_faces
from data.image_files import IMAGE_SUFFIXES, files_below
from utils.errors import UserError
from utils.files import join_inside, path_inside, read_image_with_notes
from utils.image_notes import ImageNote
from utils.pixels import MEAN_BGR

BACKGROUND = Annotation("", np.zeros((0, 4)), np.zeros((0, 5, 2)))


class SampleInfo(NamedTuple):
    """What the training loop is told about a sample.

    Attributes:
        path: the image's file; of a mosaic that of the first image, to which all other attributes refer, too.
        clipped, dropped: how many boxes were clipped to the image, and dropped because they are empty.
        unreadable: whether the image could not be read, so that its sample, or its part of a mosaic, is blank.
        is_background: whether the sample is known to have no face.
        notes: what the user of the image may not expect, such as damage.
        others: the files of the other images of a mosaic.
    """

    path: str
    clipped: int
    dropped: int
    unreadable: bool = False
    is_background: bool = False
    notes: tuple[ImageNote, ...] = ()
    others: tuple[str, ...] = ()


class FaceDataset(Dataset):
    """The images of an annotation, in the folder of `usual_images`, and extra background images.

    Args:
        label_file: a file or folder in any format of data.annotations that has boxes.
        image_size: side of the square samples in pixels.
        seed: determines, with the epoch and the index, everything random in a sample.
        skip_unreadable: whether an unreadable image becomes a blank sample in the mean color without faces, which
            adds nothing to the loss. Otherwise reading it raises UserError.
        negatives: folder of extra background images, also in sub-folders.
        category: the class of objects that is the face, as for `read_annotations`.
        augmentation: options of the augmentation. An image without faces is never the first one of a mosaic, so that it
            remains a background image.

    Raises:
        UserError: no such file or folder, a malformed file, an image that does not exist, no faces or only ignored
            ones, no images in `negatives`, or an image there that has faces in the label file; a mosaic of an odd size.
    """

    def __init__(
        self,
        label_file: str | Path,
        image_size: int,
        seed: int = 0,
        skip_unreadable: bool = False,
        negatives: str | Path | None = None,
        category: str | None = None,
        augmentation: AugmentationOptions = PUBLISHED,
    ):
        if augmentation.mosaic and image_size % 2:
            raise UserError(f"--image_size {image_size}: expected an even number of pixels with --mosaic")
        self.label_file = existing_labels(label_file, "--training_dataset")
        self.images = annotation_images(self.label_file)
        self.image_size = image_size
        self.seed = seed
        self.augmentation = augmentation
        self.skip_unreadable = skip_unreadable
        self.annotations = read_annotations(self.label_file, category=category)
        self.negatives = None if negatives is None else Path(negatives)
        self.negative_names = PackedNames.pack([] if negatives is None else files_below(negatives, IMAGE_SUFFIXES))
        self._check_labels()
        if negatives is not None:
            self._check_negatives()

    def _check_labels(self) -> None:
        """Raise UserError where the labels have no face to train on, or an image does not exist."""
        if self.count_faces() == 0:
            why = "; ".join(self.annotations.remarks) or "a training needs boxes"
            raise UserError(f"{self.label_file}: has no faces to train on; {why}")
        names = self.annotations.names
        missing = [i for i, name in enumerate(names) if not os.path.isfile(path_inside(self.images, name))]
        if missing:
            raise UserError(
                f"{self.path(missing[0])}: no such image ({len(missing)} of the {len(self.annotations)} in"
                f" {self.label_file} are missing); labels have their images in images/ beside them, and python -m"
                " tools.check lists all problems"
            )

    def _check_negatives(self) -> None:
        """Raise UserError if there are no extra background images, or one has faces in the labels.

        Files are compared, not names, since two paths may be links to one file.
        """
        if not len(self.negative_names):
            raise UserError(f"{self.negatives}: no folder with images in it; --negatives takes background images")
        labelled = {_identity(self.path(index)): index for index in np.flatnonzero(self._face_counts()).tolist()}
        paths = [self.path(index) for index in range(len(self.annotations), len(self))]
        both = [(path, labelled[found]) for path in paths if (found := _identity(path)) in labelled]
        if both:
            path, index = both[0]
            raise UserError(
                f"{path}: has faces in {self.label_file} as {self.annotations.names[index]} ({len(both)} of the"
                f" {len(paths)} negatives have); --negatives takes background images"
            )

    def __len__(self) -> int:
        return len(self.annotations) + len(self.negative_names)

    def _face_counts(self) -> np.ndarray:
        """Return (P,) int64: the number of faces of each annotated image, ignored ones included."""
        return np.diff(self.annotations.ends, prepend=0)

    def count_faces(self) -> int:
        """Return the number of faces that are not ignored."""
        return int(np.count_nonzero(~self.annotations.ignored))

    def count_background(self) -> int:
        """Return the number of background images, which have no face, not even an ignored one."""
        return int((self._face_counts() == 0).sum()) + len(self.negative_names)

    def path(self, index: int) -> Path:
        """Return the file of an image; the extra background images come last."""
        if index < len(self.annotations):
            return join_inside(self.images, self.annotations.names[index])
        return self.negatives / self.negative_names[index - len(self.annotations)]

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with the images' names and order, the boxes and the landmarks.

        Where some faces are ignored, the digits also change with these. A million faces take about a second.
        """
        labels = self.annotations
        names = "\0".join([*labels.names, *self.negative_names])  # no name has a zero byte
        digest = hashlib.sha256(names.encode("utf-8", "surrogateescape"))
        digest.update(np.append(self._face_counts(), np.zeros(len(self.negative_names))).astype("<i8"))
        for values in (labels.boxes, labels.landmarks):
            for start in range(0, len(values), 1 << 16):  # missing landmarks take memory only here
                digest.update(values[start : start + (1 << 16)].astype("<f8").tobytes())
        ignored = labels.ignored
        if ignored.any():
            digest.update(np.packbits(ignored).tobytes())
        return digest.hexdigest()[:16]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, SampleInfo]:
        """Make a sample of an epoch; `key` is (epoch, index).

        Returns:
            image (3, image_size, image_size) uint8 BGR, channels last in memory; target (N, 15) float32: x1 y1 x2 y2
            and ten landmark coordinates divided by image_size, and the label: 1 with landmarks, -1 box only, 0 for an
            ignored face; and its SampleInfo.

        Raises:
            UserError: the image cannot be read, and `skip_unreadable` is off.
        """
        epoch, index = key
        rng = np.random.default_rng((self.seed, epoch, index))
        mosaic = self.augmentation.mosaic if self._has_faces(index) else 0.0
        if mosaic and rng.random() < mosaic:
            side = self.image_size // 2
            others = rng.integers(len(self.annotations), size=3).tolist()
            tiles = [self._sample(each, side, rng) for each in (index, *others)]
            image, faces = arrange_mosaic([tile[:2] for tile in tiles], side)
            info = tiles[0][2]._replace(others=tuple(tile[2].path for tile in tiles[1:]))
        else:
            image, faces, info = self._sample(index, self.image_size, rng)
        coordinates = np.concatenate([faces.boxes, faces.landmarks.reshape(-1, 10)], axis=1) / self.image_size
        target = np.concatenate([coordinates, faces.labels[:, None]], axis=1).astype(np.float32)
        # The coding takes the logarithm of a size, and the smallest sizes are zero in float32.
        target = torch.from_numpy(target[(target[:, 2:4] > target[:, :2]).all(axis=1)])
        return _channels_first(image), target, info

    def _has_faces(self, index: int) -> bool:
        return index < len(self.annotations) and len(self.annotations[index].boxes) > 0

    def _sample(self, index: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Faces, SampleInfo]:
        """Read and augment an image; return (size, size, 3) uint8, its faces and its SampleInfo."""
        path = self.path(index)
        try:
            image, notes = read_image_with_notes(path)
        except UserError:
            if not self.skip_unreadable:
                raise
            blank = np.full((size, size, 3), MEAN_BGR, np.uint8)
            return blank, Faces.none(), SampleInfo(str(path), 0, 0, unreadable=True)
        annotation = self.annotations[index] if index < len(self.annotations) else BACKGROUND
        faces, clipped, dropped = clip_faces(annotation, image.shape[1], image.shape[0])
        image, faces = augment(image, faces, size, rng, self.augmentation)
        is_background = len(annotation.boxes) == 0
        return image, faces, SampleInfo(str(path), clipped, dropped, is_background=is_background, notes=notes)


def existing_labels(path: str | Path, option: str) -> Path:
    """Return the path of labels; raise UserError, which names the option to use, if there is nothing."""
    path = Path(path)
    if not path.exists():
        raise UserError(
            f"{path}: no such label file or folder; put the dataset there, name another with {option}, or draw a small"
            " one with: python -m tools.sample"
        )
    return path


def _identity(path: Path) -> tuple[int, int] | Path:
    """Return a key that is equal for all paths of a file."""
    try:
        found = os.stat(path)
    except OSError:  # a broken link, which is reported when it is read
        return path
    return found.st_dev, found.st_ino


def _channels_first(image: np.ndarray) -> Tensor:
    """Return a (3, H, W) view of an (H, W, 3) image."""
    return torch.from_numpy(image).permute(2, 0, 1)


def detection_collate(samples: Sequence[tuple]) -> tuple:
    """Collate samples (image, target, ...) to images (B, 3, H, W) and a list of each of the rest.

    The images are channels last in memory, like those of a FaceDataset, so that each is copied once.
    """
    images, *rest = zip(*samples, strict=True)
    size = (len(images), *images[0].shape)
    stacked = torch.empty(size, dtype=images[0].dtype, memory_format=torch.channels_last)
    if get_worker_info() is not None:  # saves a copy on the way to the main process
        stacked.share_memory_()
    return torch.stack(images, out=stacked), *map(list, rest)

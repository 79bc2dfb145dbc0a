"""Training samples: a labelled image, augmented, and the faces in it."""

import hashlib
import os
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from data.annotations import Annotation, read_annotations
from data.annotations.record import Names
from data.augmentation import augment, faces_inside
from data.image_files import IMAGE_SUFFIXES, files_below
from utils.errors import UserError
from utils.files import join_inside, path_inside, read_image
from utils.pixels import MEAN_BGR

NO_FACES = Annotation("", np.zeros((0, 4)), np.zeros((0, 5, 2)))


class SampleInfo(NamedTuple):
    """What the training loop knows of a sample: the image's path, and how many of its boxes were mended.

    A `faceless` image is known to have no face, and shows what is none. An `unreadable` image's sample is a
    stand-in, which shows nothing.
    """

    path: str
    clipped: int
    dropped: int
    unreadable: bool = False
    background: bool = False


class FaceDataset(Dataset):
    """The images of an annotation file, which lie in `images/` beside it.

    Args:
        label_file: in any format of data.annotations that has boxes.
        image_size: side of the square samples in pixels.
        seed: with the epoch and the index it decides everything random in a sample.
        negatives: folder of further images, in sub-folders, too, in which there is no face.
        skip_unreadable: whether an image that cannot be read becomes a stand-in, all in the mean colour and without
            faces, which adds nothing to the loss. Otherwise asking for its sample raises a UserError.

    Raises:
        UserError: no such file, a malformed one, an image that does not exist, no faces that count, no negatives, or
            some that have faces in the label file.
    """

    def __init__(
        self,
        label_file: str | Path,
        image_size: int,
        seed: int = 0,
        skip_unreadable: bool = False,
        negatives: str | Path | None = None,
    ):
        label_file = Path(label_file)
        if label_file.is_dir():
            found = [folder / "label.txt" for folder in (label_file, label_file.parent)]
            likely = next((path for path in found if path.is_file()), "for example train/label.txt")
            raise UserError(
                f"{label_file}: is a folder; name the label file, {likely}, or make one of Pascal VOC or YOLO files"
                f" with: python -m tools.convert {quote(str(label_file))} label.txt"
            )
        if not label_file.is_file():
            raise UserError(
                f"{label_file}: no such label file; put the dataset there, name another with --training_dataset, or"
                " draw a small one with: python -m tools.sample"
            )
        self.annotations = read_annotations(label_file)
        if self.count_faces() == 0:
            raise UserError(f"{label_file}: has no faces to learn from; a training needs boxes")
        self.images = label_file.parent / "images"
        names = self.annotations.names
        missing = [i for i, name in enumerate(names) if not os.path.isfile(path_inside(self.images, name))]
        if missing:
            raise UserError(
                f"{self.path(missing[0])}: no such image ({len(missing)} of the {len(self.annotations)} in"
                f" {label_file} are missing); a label file has its images in images/ beside it, and python -m"
                " tools.check names all that is wrong"
            )
        self.negative_names = Names.pack([])
        if negatives is not None:
            found = files_below(negatives, IMAGE_SUFFIXES)
            if not found:
                raise UserError(f"{negatives}: no folder with images in it; --negatives names images without faces")
            self.negatives, self.negative_names = Path(negatives), Names.pack(found)
            self._refuse_labelled_negatives(label_file)
        self.image_size = image_size
        self.seed = seed
        self.skip_unreadable = skip_unreadable

    def _refuse_labelled_negatives(self, label_file: Path) -> None:
        """Raise UserError where an image of the folder of negatives is one that has faces in the labels.

        Files are compared, which may be links to each other, and not names.
        """
        counts = np.diff(self.annotations.ends, prepend=0)
        labelled = {_identity(self.path(index)): index for index in np.flatnonzero(counts).tolist()}
        paths = [self.path(index) for index in range(len(self.annotations), len(self))]
        both = [(path, labelled[found]) for path in paths if (found := _identity(path)) in labelled]
        if both:
            path, index = both[0]
            raise UserError(
                f"{path}: has faces in {label_file} as {self.annotations.names[index]} ({len(both)} of the {len(paths)}"
                " negatives have); --negatives names images without faces"
            )

    def __len__(self) -> int:
        return len(self.annotations) + len(self.negative_names)

    def count_faces(self) -> int:
        """Return the number of faces that count."""
        return int(np.count_nonzero(~self.annotations.ignored))

    def count_background(self) -> int:
        """Return the number of images that are known to have no face, not even one that does not count."""
        return int((np.diff(self.annotations.ends, prepend=0) == 0).sum()) + len(self.negative_names)

    def path(self, index: int) -> Path:
        """Return the file of an image; those of the folder of negatives come last."""
        if index < len(self.annotations):
            return join_inside(self.images, self.annotations.names[index])
        return self.negatives / self.negative_names[index - len(self.annotations)]

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with the images' names, order, boxes or landmarks.

        Which faces have landmarks follows from the landmarks. Where some faces do not count, the digits change with
        those, too. A million faces take about a second.
        """
        labels = self.annotations
        names = "\0".join([*labels.names, *self.negative_names])  # a name has no zero byte
        digest = hashlib.sha256(names.encode("utf-8", "surrogateescape"))
        digest.update(np.append(np.diff(labels.ends, prepend=0), np.zeros(len(self.negative_names))).astype("<i8"))
        for values in (labels.boxes, labels.landmarks):
            for start in range(0, len(values), 1 << 16):  # landmarks that are none take no memory but here
                digest.update(values[start : start + (1 << 16)].astype("<f8").tobytes())
        ignored = labels.ignored
        if ignored.any():
            digest.update(np.packbits(ignored).tobytes())
        return digest.hexdigest()[:16]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, SampleInfo]:
        """Make sample `index` of an epoch; `key` is (epoch, index).

        Returns:
            image (3, image_size, image_size) uint8 BGR, channels last in memory; target (N, 15) float32, x1 y1 x2 y2
            and ten landmark coordinates in parts of image_size, and the label: 1 with landmarks, -1 box only, 0 for a
            face that does not count; and its SampleInfo.

        Raises:
            UserError: the image cannot be read, and `skip_unreadable` is off.
        """
        epoch, index = key
        path = self.path(index)
        try:
            image = read_image(path)
        except UserError:
            if not self.skip_unreadable:
                raise
            stand_in = np.full((self.image_size, self.image_size, 3), MEAN_BGR, np.uint8)
            return _channels_first(stand_in), torch.zeros(0, 15), SampleInfo(str(path), 0, 0, unreadable=True)
        labelled = index < len(self.annotations)
        annotation = self.annotations[index] if labelled else NO_FACES
        faces, clipped, dropped = faces_inside(annotation, image.shape[1], image.shape[0])
        rng = np.random.default_rng((self.seed, epoch, index))
        image, faces = augment(image, faces, self.image_size, rng)

        coordinates = np.concatenate([faces.boxes, faces.landmarks.reshape(-1, 10)], axis=1) / self.image_size
        target = np.concatenate([coordinates, faces.labels[:, None]], axis=1).astype(np.float32)
        # The coding takes the logarithm of a size, and the tiniest ones are zero in float32.
        target = torch.from_numpy(target[(target[:, 2:4] > target[:, :2]).all(axis=1)])
        background = len(annotation.boxes) == 0
        return _channels_first(image), target, SampleInfo(str(path), clipped, dropped, background=background)


def _identity(path: Path) -> tuple[int, int] | Path:
    """Return what two paths have in common if they lead to the same file."""
    try:
        found = os.stat(path)
    except OSError:  # a link to nothing: reading it will say so
        return path
    return found.st_dev, found.st_ino


def _channels_first(image: np.ndarray) -> Tensor:
    """Return a (3, H, W) view of an (H, W, 3) image."""
    return torch.from_numpy(image).permute(2, 0, 1)


def detection_collate(batch: list[tuple]) -> tuple:
    """Put samples (image, target, ...) together: images (B, 3, H, W), then a list of each of the rest.

    The images are channels last in memory, as a FaceDataset's are, so that each is copied once and as it lies.
    """
    images, *rest = zip(*batch, strict=True)
    size = (len(images), *images[0].shape)
    stacked = torch.empty(size, dtype=images[0].dtype, memory_format=torch.channels_last)
    if get_worker_info() is not None:  # else the way to the main process would copy them again
        stacked.share_memory_()
    return torch.stack(images, out=stacked), *map(list, rest)

"""What is measured of a dataset's images and faces, and how the distributions read as text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.annotations.record import Annotations, box_sides
from data.image_files import ImageFolder
from data.image_header import image_size
from utils.errors import UserError
from utils.threads import map_in_threads
from utils.wording import counted, printable

THREADS = 8  # reading image headers is bound by the disk
QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # per cent
MEASURES = {
    "width": "image width, px",
    "height": "image height, px",
    "faces": "faces per image",
    "size": "face size, px",
    "relative_size": "face size / short side of image",
    "aspect": "face width / height",
}


def distributions(annotations: Annotations, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Measure P images and their F faces: those that are not ignored and have a positive width and height.

    Boxes are not clipped.

    Args:
        sizes: (P, 2) float64 height and width of the images in pixels, NaN where unknown.

    Returns:
        width, height: (P,) of the images in pixels, NaN where unknown.
        faces, ignored: (P,) number of faces and of ignored faces in each image.
        size: (F,) square root of a face's area, in pixels.
        relative_size: (F,) size divided by the short side of the image; NaN where that is unknown.
        aspect: (F,) width / height.
        x, y: (F,) center of a face divided by the image's width and height; NaN where these are unknown.
    """
    counts = np.diff(annotations.ends, prepend=0)
    owners = np.repeat(np.arange(len(annotations)), counts)
    is_face = box_sides(annotations.boxes) > 0
    ignored = np.bincount(owners[is_face & annotations.ignored], minlength=len(annotations))
    kept = is_face & ~annotations.ignored
    owners, boxes = owners[kept], annotations.boxes[kept]
    height, width = np.asarray(sizes, np.float64).reshape(-1, 2).T
    size = box_sides(boxes)
    x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
    return {
        "width": width,
        "height": height,
        "faces": np.bincount(owners, minlength=len(annotations)),
        "ignored": ignored,
        "size": size,
        "relative_size": size / np.minimum(height, width)[owners],
        "aspect": (boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1]),
        "x": x / width[owners],
        "y": y / height[owners],
    }


def measure_dataset(
    path: Path, annotations: Annotations, images: ImageFolder
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the `distributions` of a dataset, and an error for each image that cannot be read.

    Args:
        path: of the annotation, for messages.

    Raises:
        UserError: no image can be read, or no image that can be read has a face that is not ignored.
    """
    sizes, errors = image_sizes(images, annotations.names)
    if len(errors) == len(sizes):
        raise UserError(f"{path}: none of {counted(len(sizes), 'image')} can be read; are they in {images.path}? First:"
                        f" {errors[0]}")  # fmt: skip
    values = distributions(annotations, sizes)
    if not np.isfinite(values["relative_size"]).any():
        raise UserError(f"{path}: has no faces to measure: no image that can be read has a face that is not ignored")
    return values, errors


def image_sizes(folder: ImageFolder, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Read the sizes of images from their headers.

    Args:
        names: (P,) of the images in the folder, with or without their suffixes.

    Returns:
        sizes: (P, 2) float64 height and width in stored pixels, NaN where an image cannot be read.
        errors: a line for each image that cannot be read.
    """
    sizes, errors = np.full((len(names), 2), np.nan), []
    found: Iterable = map_in_threads(partial(_size_or_error, folder), names, threads=THREADS, ahead=64 * THREADS)
    found = tqdm(found, total=len(names), desc="reading the sizes", unit="image", disable=None)
    for index, size in enumerate(found):
        if isinstance(size, UserError):
            errors.append(str(size))
        else:
            sizes[index] = size
    return sizes, errors


def _size_or_error(folder: ImageFolder, name: str) -> tuple[int, int] | UserError:
    try:
        return image_size(folder.path / folder.find(name))
    except UserError as error:
        return error


def count_line(values: Mapping[str, np.ndarray]) -> str:
    """Return the numbers of images and faces in `distributions` as words."""
    faces, ignored = int(values["faces"].sum()), int(values["ignored"].sum())
    background = int((values["faces"] + values["ignored"] == 0).sum())
    words = [counted(len(values["faces"]), "image"), counted(faces, "face")]
    words += [counted(ignored, "ignored face")] if ignored else []
    return ", ".join([*words, counted(background, "background image")])


def quantiles(values: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Return the QUANTILES of each of MEASURES in `distributions`, without measures of which nothing is known."""
    known = {name: values[name][np.isfinite(values[name])] for name in MEASURES}
    return {
        name: [round(float(value), 4) for value in np.percentile(found, QUANTILES)]
        for name, found in known.items()
        if len(found)
    }


def quantile_table(title: str, found: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield the lines of a table of `quantiles`."""
    heads = ["min", *(f"{share} %" for share in QUANTILES[1:-1]), "max"]
    yield f"{printable(title):36}" + "".join(f"{head:>9}" for head in heads)
    for measure, values in found.items():
        yield f"  {MEASURES[measure]:34}" + "".join(f"{value:>9.4g}" for value in values)

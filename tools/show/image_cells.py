"""Labelled images, chosen and drawn for a contact sheet."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from tqdm import tqdm

from data.annotations import Annotation, image_key
from data.annotations.record import Annotations, box_sides
from data.image_files import ImageFolder, images_by_name
from tools.show.grid import FACE, IGNORED, LANDMARKS, LEGEND, GridCell, unreadable_cell
from utils.drawing import draw_boxes, scale_to_side
from utils.errors import UserError
from utils.files import read_image
from utils.threads import map_in_threads
from utils.wording import counted

THREADS = 4
HIGHEST = 0.75  # of a whole image, in cell widths: a higher portrait would leave its row half empty
AROUND = 3  # width of the crop around a face, in sides of the face


def choose_random(annotations: Annotations, count: int, seed: int) -> list[int]:
    """Return the indices of at most `count` images in a random order."""
    return np.random.default_rng(seed).permutation(len(annotations))[:count].tolist()


def choose_named(annotations: Annotations, names: Iterable[str]) -> list[int]:
    """Return the indices of images by their names in the label file, with or without suffix.

    Raises:
        UserError: no image has a name, or two images have it without their suffixes.
    """
    by_name = images_by_name(annotations.names)
    chosen = []
    for name in names:
        found = by_name.get(name) or by_name.get(image_key(name), [])
        if len(found) != 1:
            others = " and ".join(annotations.names[index] for index in found)
            what = f"may be {others}; name it with its suffix" if found else "no image has this name in the labels"
            raise UserError(f"--names {name}: {what}")
        chosen += found
    return chosen


def choose_by_size(annotations: Annotations, count: int, largest: bool) -> tuple[list[int], list[int]]:
    """Return at most `count` images with the largest or smallest faces, and the index of that face in each image.

    Ignored faces and boxes without area are skipped.

    Raises:
        UserError: no image has a face.
    """
    sizes = box_sides(annotations.boxes)
    owners = np.repeat(np.arange(len(annotations)), np.diff(annotations.ends, prepend=0))
    order = np.argsort(-sizes if largest else sizes, kind="stable")
    order = order[(sizes > 0)[order] & ~annotations.ignored[order]]
    if len(order) == 0:
        raise UserError("--pick: the labels have no faces, or only ignored ones; omit --pick to see random images")
    _, first = np.unique(owners[order], return_index=True)
    faces = order[np.sort(first)[:count]]
    images = owners[faces]
    starts = np.concatenate([[0], annotations.ends])[images]
    return images.tolist(), (faces - starts).tolist()


def show_images(
    annotations: Annotations, images: Sequence[int], faces: Sequence[int] | None, folder: ImageFolder, side: int
) -> tuple[list[GridCell], list[str]]:
    """Read images and draw their faces.

    Args:
        images: (K,) indices.
        faces: (K,) the face of each image to crop around; None: whole images.
        folder: the images.
        side: width of a cell in pixels.

    Returns:
        cells: (K,) in the order of the images.
        errors: a line for each unreadable image; its cell says so.
    """
    annotated = [annotations[index] for index in images]
    items = zip(annotated, [None] * len(annotated) if faces is None else faces, strict=True)
    made = map_in_threads(partial(_read_cell, folder, side), items, threads=THREADS, ahead=2 * THREADS)
    made = list(tqdm(made, total=len(annotated), desc="drawing", unit="image", disable=None))
    return [cell for cell, _ in made], [error for _, error in made if error]


def _read_cell(folder: ImageFolder, side: int, item: tuple[Annotation, int | None]) -> tuple[GridCell, str | None]:
    annotation, face = item
    try:
        image = read_image(folder.path / folder.find(annotation.name))
    except UserError as error:
        return unreadable_cell(annotation.name, side), str(error)
    return draw_cell(image, annotation, side, face), None


def draw_cell(image: np.ndarray, annotation: Annotation, side: int, face: int | None = None) -> GridCell:
    """Return the cell of a whole image, or of a crop around one of its faces.

    Boxes are drawn after scaling, so that lines are equally thick in images of any size.
    """
    left, top, right, bottom = 0, 0, image.shape[1], image.shape[0]
    ignored = int(annotation.ignored.sum())
    highest, note = HIGHEST * side, counted(len(annotation.boxes) - ignored, "face")
    note += f", {ignored} ignored" if ignored else ""
    if face is not None:
        box = annotation.boxes[face]
        left, top, right, bottom = window_around(box, right, bottom)
        highest, note = side, " x ".join(f"{round(length, 1):g}" for length in (box[2:] - box[:2]).tolist()) + " px"
    height, width = bottom - top, right - left
    drawn = scale_to_side(image[top:bottom, left:right], round(min(side, highest * max(height, width) / height)))
    size = np.array(drawn.shape[1::-1])
    # OpenCV draws with 32-bit integers: points far outside are clipped to positions out of sight.
    boxes, landmarks = (
        ((points - (left, top)) * (size / (width, height))).clip(-side, 2 * side)
        for points in (annotation.boxes.reshape(-1, 2, 2), annotation.landmarks)
    )
    kinds = [IGNORED if ignored else FACE for ignored in annotation.ignored]
    colors, marks = [LEGEND[kind] for kind in kinds], set(kinds)
    drawn = draw_boxes(drawn, boxes.reshape(-1, 4), landmarks, annotation.landmark_mask, colors)
    dots = landmarks[annotation.landmark_mask]
    if ((dots >= 0) & (dots < size)).all(axis=-1).any():
        marks |= LANDMARKS
    return GridCell(drawn, annotation.name, note, frozenset(marks))


def window_around(box: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a square, AROUND times as wide as a box, shifted and clipped to the image."""
    side = AROUND * max(box[2:] - box[:2])
    corners = []
    for center, length in zip((box[:2] + box[2:]) / 2, (width, height), strict=True):
        part = int(np.clip(np.ceil(side), 1, length))
        start = int(np.clip(np.rint(center - part / 2), 0, length - part))
        corners.append((start, start + part))
    (left, right), (top, bottom) = corners
    return left, top, right, bottom

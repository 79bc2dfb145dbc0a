"""Boxes on images with an EXIF rotation: from the image as it is shown to the pixels that are stored, and back.

The records hold stored pixels, which training and evaluation read. Labelling tools show images upright, so a fraction,
or a box beside a recorded size, usually refers to the image as it is shown.
"""

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.annotations.record import Annotation, Annotations
from data.image_files import ImageFolder
from data.image_header import ImageHeader, read_header
from utils.console import progress_bar
from utils.errors import UserError
from utils.wording import counted, printable

# EXIF orientation -> whether x and y are exchanged on the way from shown to stored pixels, and whether x, then y, are
# counted from the other side afterwards.
TO_STORED = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
BACK = {6: 8, 8: 6}  # the orientation that leads back; the others are their own
MIRRORED = (2, 4, 5, 7)
SWAPPED_LANDMARKS = [1, 0, 2, 4, 3]  # left and right are those in the image


def to_stored(annotation: Annotation, header: ImageHeader) -> Annotation:
    """Turn boxes and landmarks on the image as it is shown to its stored pixels."""
    return _turn(annotation, header.orientation, header.size)


def to_shown(annotation: Annotation, header: ImageHeader) -> Annotation:
    """Turn boxes and landmarks in stored pixels to the image as it is shown."""
    return _turn(annotation, BACK.get(header.orientation, header.orientation), header.shown_size)


def _turn(annotation: Annotation, orientation: int, size: tuple[int, int]) -> Annotation:
    """Turn an annotation as TO_STORED says, to an image of (height, width)."""
    exchanged, *far = TO_STORED[orientation]
    points = np.concatenate([annotation.boxes.reshape(-1, 2, 2), annotation.landmarks], axis=1)
    if exchanged:
        points = points[..., ::-1]
    points = np.where(far, np.array(size[::-1]) - points, points)
    missing = (annotation.landmarks == -1).all(axis=2, keepdims=True)
    corners, landmarks = points[:, :2].copy(), np.where(missing, -1.0, points[:, 2:])
    for axis in np.flatnonzero(far):
        corners[..., axis] = corners[:, ::-1, axis]
    if orientation in MIRRORED:
        landmarks = landmarks[:, SWAPPED_LANDMARKS]
    return replace(annotation, boxes=corners.reshape(-1, 4), landmarks=landmarks, size=size)


def read_headers(annotations: Annotations, images: Path) -> list[ImageHeader | None]:
    """Return the header of each image; None for one that is missing or cannot be read, and in formats without sizes."""
    if annotations.sizes is None or not images.is_dir():
        return [None] * len(annotations)
    folder, headers, known = ImageFolder(images), [], {}
    for name in header_bar(annotations.names):
        try:
            header = read_header(images / folder.find(name))
            headers.append(known.setdefault(header, header))  # most images have the same
        except UserError:  # who needs the image reports it
            headers.append(None)
    return headers


def header_bar(images: Collection) -> Iterable:
    """Return the images with a progress bar, which appears after a while: a million headers take minutes."""
    return progress_bar(iterable=images, desc="image sizes", unit="image", delay=2, leave=False, disable=None)


def in_stored_pixels(annotations: Annotations, headers: Sequence[ImageHeader | None]) -> Annotations:
    """Turn the boxes on images with an EXIF rotation to stored pixels, where they refer to the image as it is shown.

    They do where the recorded size is that of the image as it is shown. Where it is that of the stored image, they
    stay. Where the two sizes are equal, as after half a turn, or none is recorded, the file's other images decide; if
    there are none, or they do not agree, boxes refer to the image as it is shown. The result has the headers, and its
    notes say, with counts, what was turned, and which sizes contradict their images in another way.

    Args:
        headers: (P,) of the images; None: unknown.
    """
    rotated, stored, shown, wrong = [], 0, 0, []
    for index, header in enumerate(headers):
        if header is None:
            continue
        size = annotations.sizes[index]
        if size not in (None, header.size, header.shown_size):
            wrong.append(index)
        elif header.orientation > 1:
            rotated.append(index)
            if size and header.size != header.shown_size:
                stored, shown = stored + (size == header.size), shown + (size == header.shown_size)
    all_stored = stored > 0 and shown == 0
    turned = [i for i in rotated if not _is_stored(annotations.sizes[i], headers[i], all_stored)]
    result = copy(annotations)
    result.headers = headers if any(headers) else None
    notes = [*_rotation_notes(annotations, turned, len(rotated)), *_size_notes(annotations, wrong, headers)]
    result.notes = [*annotations.notes, *notes]
    if turned:
        _turn_all(result, turned, headers)
    return result


def _is_stored(size: tuple[int, int] | None, header: ImageHeader, all_stored: bool) -> bool:
    return all_stored if size is None or header.size == header.shown_size else size == header.size


def _turn_all(annotations: Annotations, turned: Sequence[int], headers: Sequence[ImageHeader | None]) -> None:
    """Give the annotations new arrays, in which the faces of some images are turned to stored pixels."""
    boxes, landmarks, sizes = annotations.boxes.copy(), annotations.landmarks, list(annotations.sizes)
    has_landmarks = (landmarks != -1).any()
    landmarks = landmarks.copy() if has_landmarks else landmarks
    for index in turned:
        own = to_stored(annotations[index], headers[index])
        faces = slice(annotations.ends[index] - len(own.boxes), annotations.ends[index])
        boxes[faces], sizes[index] = own.boxes, own.size
        if has_landmarks:
            landmarks[faces] = own.landmarks
    annotations.boxes, annotations.landmarks, annotations.sizes = boxes, landmarks, sizes


def _rotation_notes(annotations: Annotations, turned: Sequence[int], rotated: int) -> list[str]:
    notes = []
    if turned:
        faces, example = sum(len(annotations[index].boxes) for index in turned), annotations.names[turned[0]]
        notes.append(
            f"{counted(len(turned), 'image')} with an EXIF rotation ({printable(example)}): the annotation is taken for"
            f" that of the image as it is shown; the boxes of {counted(faces, 'face')} are turned to the stored pixels,"
            " which training and scoring read"
        )
    if rotated > len(turned):
        notes.append(
            f"{counted(rotated - len(turned), 'image')} with an EXIF rotation: the annotation has the size of the"
            " stored image, so its boxes are not turned"
        )
    return notes


def _size_notes(annotations: Annotations, wrong: Sequence[int], headers: Sequence[ImageHeader | None]) -> list[str]:
    if not wrong:
        return []
    (height, width), (own_height, own_width) = annotations.sizes[wrong[0]], headers[wrong[0]].size
    return [
        f"{counted(len(wrong), 'image')} of another size than the annotation says, so the boxes may be wrong:"
        f" {printable(annotations.names[wrong[0]])} has {own_width} x {own_height} pixels, not {width} x {height}"
    ]

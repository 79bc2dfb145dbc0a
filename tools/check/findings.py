"""What a person should know of a dataset, a finding for each place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.image_files import image_key
from tools.check.copies import Copy
from tools.check.image_checks import Looks
from tools.check.labels import FEW, TOLERANCE, USUAL, Labels, Seen
from tools.check.parts import Part
from utils.errors import UserError
from utils.files import path_inside
from utils.wording import printable

SMALLEST = 32  # pixels; the coarsest prior boxes' cells are as wide


@dataclass(frozen=True)
class Kind:
    """A kind of finding: its heading, and whether a training or a score is wrong with it or a person should look."""

    heading: str
    is_error: bool


KINDS = {
    "row": Kind("rows and records that cannot be read, and are left out below", True),
    "name": Kind("names that lead outside their folder", True),
    "missing": Kind("labels without an image", True),
    "unreadable": Kind("images that cannot be read", True),
    "damaged": Kind("images with damage inside", False),
    "repeated": Kind("images listed more than once", True),
    "unlisted": Kind("images that are not listed", False),
    "list": Kind("images that are in only one of labels and list", True),
    "columns": Kind("boxes that look like x1 y1 x2 y2", True),
    "size": Kind("images of another size than expected", True),
    "suffix": Kind("names without suffix, by which a training finds no image", False),
    "empty": Kind("boxes less than a pixel wide or high; expected pixels, not parts of the image", True),
    "outside": Kind("boxes mostly or all outside their image", True),
    "beyond": Kind("boxes that reach beyond their image", False),
    "double": Kind("faces labelled twice", False),
    "landmark": Kind("landmarks outside their image, or farther from their box than that is large", False),
    "leak": Kind("images that are in two parts of the dataset", True),
    "near leak": Kind("images that show nearly the same in two parts of the dataset", False),
    "copy": Kind("images that are there twice", False),
    "near copy": Kind("images that show nearly the same", False),
    "rotated": Kind("images that are shown turned by their EXIF tag; labels refer to the pixels as stored", False),
}


@dataclass(frozen=True)
class Finding:
    """One thing in one place: its kind, the part, where it is, and what was found and expected there."""

    kind: str
    part: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def find(seen: Seen) -> Iterator[Finding]:
    """Give what is wrong with the labels and images of one part, but for copies."""
    part, looks, labels = seen.part, seen.looks, seen.labels
    for problem in part.problems:
        yield _finding("row", part, problem.sentence)
    yield from _of_records(part, labels)
    yield from _of_lists(part, labels)
    yield from _of_images(part, looks, labels)
    yield from _of_faces(part, looks, labels)


def _finding(kind: str, part: Part, sentence: str) -> Finding:
    where, _, message = sentence.partition(": ")
    return Finding(kind, part.name, where, message)


def _of_records(part: Part, labels: Labels) -> Iterator[Finding]:
    places = part.annotations.places.images
    by_letters = {file.lower(): file for file in part.files}
    short = 0
    for i, name in enumerate(part.annotations.names):
        short += labels.file[i] >= 0 and image_key(part.files[labels.file[i]]) == name
        if labels.first[i] < i:
            message = f"{printable(name)} is listed at {places[labels.first[i]]}, too"
            yield Finding("repeated", part.name, places[i], message)
        elif labels.file[i] < 0:
            try:
                message = f"no such image: {path_inside(part.images, name)}"
                other = by_letters.get(name.lower())
                yield Finding("missing", part.name, places[i], message + (f"; is it {other}?" if other else ""))
            except UserError as error:
                yield Finding("name", part.name, places[i], str(error))
    if short and part.kind != "wider_mat":  # which has none by its nature
        message = f"{short} of {len(places)} names; python -m tools.convert with --images adds the suffixes"
        yield Finding("suffix", part.name, str(part.path), message)


def _of_lists(part: Part, labels: Labels) -> Iterator[Finding]:
    """Compare the list of names beside the labels with them."""
    if not part.list_names:
        return
    places = part.annotations.places.images
    labelled = {image_key(name): (name, place) for name, place in zip(part.annotations.names, places, strict=True)}
    listed = {}
    for name, place in part.list_names:
        key = image_key(name)  # since IDs, as Laboro TV's, have no suffix
        if key in listed:
            yield Finding("repeated", part.name, place, f"{printable(name)} is listed at {listed[key]}, too")
        elif key not in labelled:
            yield Finding("list", part.name, place, f"{printable(name)} has no labels in {part.path}")
        listed.setdefault(key, place)
    for key, (name, place) in labelled.items():
        if key not in listed:
            yield Finding("list", part.name, place, f"{printable(name)} is not in the list of names beside it")


def _of_images(part: Part, looks: Looks, labels: Labels) -> Iterator[Finding]:
    used = labels.used(len(part.files))
    for file, problem in looks.problems.items():
        if used[file]:
            yield _finding("unreadable", part, problem)
    for warning in looks.warnings.values():
        yield _finding("damaged", part, warning)
    for file in np.flatnonzero(~used).tolist():
        message = f"is not in {part.path}; if it shows no face, a record without faces would teach that"
        if file in looks.problems:
            message = f"is not in {part.path}, and cannot be read"
        yield Finding("unlisted", part.name, str(part.paths[file]), message)
    for file in np.flatnonzero(looks.orientations > 1).tolist():
        message = f"EXIF orientation {looks.orientations[file]}; were its boxes drawn on the turned image?"
        yield Finding("rotated", part.name, str(part.paths[file]), message)
    yield from _of_sizes(part, looks, labels)


def _of_sizes(part: Part, looks: Looks, labels: Labels) -> Iterator[Finding]:
    for i, annotation in enumerate(part.annotations):
        stored = tuple(looks.sizes[labels.file[i]].tolist()) if labels.file[i] >= 0 else (0, 0)
        if annotation.size and stored[0] and annotation.size != stored:
            message = f"{_size(annotation.size)} is recorded, but the image has {_size(stored)}"
            yield Finding("size", part.name, part.annotations.places.images[i], message)
    known = looks.sizes[:, 0] > 0
    if not known.any():
        return
    sizes, inverse, counts = np.unique(looks.sizes[known], axis=0, return_inverse=True, return_counts=True)
    common = sizes[counts.argmax()]
    has_rule = counts.max() >= USUAL * known.sum() and known.sum() >= FEW
    inverse = inverse.ravel()  # NumPy 2.0 gives it another shape
    for file, size in zip(np.flatnonzero(known).tolist(), sizes[inverse], strict=True):
        if size.min() < SMALLEST:
            message = f"{_size(size)}; an image of less than {SMALLEST} has no room for what is detected"
            yield Finding("size", part.name, str(part.paths[file]), message)
        elif has_rule and (size != common).any():
            message = f"{_size(size)}; nearly all others have {_size(common)}"
            yield Finding("size", part.name, str(part.paths[file]), message)


def _of_faces(part: Part, looks: Looks, labels: Labels) -> Iterator[Finding]:
    places, boxes = part.annotations.places.faces, part.annotations.boxes
    beyond = ~labels.empty & ~labels.outside & (labels.overreach > TOLERANCE)
    outside = labels.outside
    if labels.are_corners:
        message = "most boxes leave their image as x y w h, and fit it as x1 y1 x2 y2; expected x y w h"
        yield Finding("columns", part.name, str(part.path), message)
        beyond = outside = np.zeros_like(beyond)
    for face in np.flatnonzero(labels.empty).tolist():
        image = _in_image(face, looks, labels) if labels.overreach[face] else ""
        yield Finding("empty", part.name, places[face], f"{_box(boxes[face])}{image}")
    for face in np.flatnonzero(outside).tolist():
        yield Finding("outside", part.name, places[face], f"{_box(boxes[face])}{_in_image(face, looks, labels)}")
    for face in np.flatnonzero(beyond).tolist():
        message = f"{_box(boxes[face])} leaves {_size_of(face, looks, labels)} by {labels.overreach[face]:g} px"
        yield Finding("beyond", part.name, places[face], message)
    for face in np.flatnonzero(labels.repeats >= 0).tolist():
        message = f"{_box(boxes[face])} is nearly that of {places[labels.repeats[face]]}"
        yield Finding("double", part.name, places[face], message)
    for face in np.flatnonzero(labels.stray >= 0).tolist():
        number = labels.stray[face]
        x, y = part.annotations.landmarks[face, number]
        image = _in_image(face, looks, labels)
        message = f"landmark {number + 1} of 5 is at {x:g} {y:g}, and its box {_box(boxes[face])}{image}"
        yield Finding("landmark", part.name, places[face], message)


def find_copies_between(parts: Sequence[Part], copies: Sequence[Copy]) -> Iterator[Finding]:
    """Give the copies, whose images are numbered through all the parts."""
    starts = np.cumsum([0] + [len(part.files) for part in parts])
    for copy in copies:
        (here, path), (there, earlier) = (_locate(parts, starts, image) for image in (copy.image, copy.earlier))
        exact = copy.likeness == 1
        kind = ("" if exact else "near ") + ("copy" if here is there else "leak")
        how = f"is the file {earlier}" if exact else f"shows nearly the same as {earlier} ({copy.likeness:.4f})"
        yield Finding(kind, here.name, path, how)


def _locate(parts: Sequence[Part], starts: np.ndarray, image: int) -> tuple[Part, str]:
    number = int(np.searchsorted(starts, image, side="right")) - 1
    return parts[number], str(parts[number].paths[image - int(starts[number])])


def _size(size: tuple[int, int] | np.ndarray) -> str:
    return f"{size[1]} x {size[0]}"


def _in_image(face: int, looks: Looks, labels: Labels) -> str:
    """Return words for the image that a face is in, none where its size is not known."""
    file = labels.file[labels.record[face]]
    return f" in {_size_of(face, looks, labels)}" if file >= 0 and looks.sizes[file].all() else ""


def _size_of(face: int, looks: Looks, labels: Labels) -> str:
    return f"an image of {_size(looks.sizes[labels.file[labels.record[face]]])}"


def _box(box: np.ndarray) -> str:
    x1, y1, x2, y2 = box
    return f"x y w h {x1:g} {y1:g} {x2 - x1:g} {y2 - y1:g}"

"""Findings: what is wrong with a dataset, each with its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from data.image_files import image_key, passed_over
from tools.check.copies import Copy
from tools.check.dataset_splits import DatasetSplit
from tools.check.image_checks import ImageChecks
from tools.check.label_checks import MIN_FOR_RULE, TOLERANCE, USUAL_SHARE, CheckedSplit, LabelChecks
from utils.errors import UserError
from utils.files import path_inside
from utils.image_notes import NOTE_KINDS
from utils.wording import counted, printable

MIN_SIDE = 32  # pixels; the step of the coarsest map


@dataclass(frozen=True)
class FindingKind:
    """The heading of a kind of findings, and whether these are errors or only worth a look."""

    heading: str
    is_error: bool


FINDING_KINDS = {
    "row": FindingKind("rows and records that cannot be read; they are not counted below", True),
    "name": FindingKind("names that lead outside their folder", True),
    "missing": FindingKind("labels without an image", True),
    "unreadable": FindingKind("images that cannot be read", True),
    **{kind: FindingKind(f"images that are {words}", False) for kind, words in NOTE_KINDS.items()},
    "passed over": FindingKind("folders with image files that are not read", False),
    "repeated": FindingKind("images listed more than once", True),
    "unlisted": FindingKind("images that are not listed", False),
    "list": FindingKind("images that are in only one of labels and list", True),
    "class": FindingKind("objects of other classes that may be faces; --category names the class of the faces", False),
    "ignored": FindingKind("annotations that mark most of their faces to be ignored", False),
    "columns": FindingKind("boxes that look like x1 y1 x2 y2", True),
    "size": FindingKind("images of an unexpected size", True),
    "suffix": FindingKind("names without suffix; training does not find their images", False),
    "empty": FindingKind(
        "boxes less than a pixel wide or high, which no prior matches; fractions of the image instead of pixels?", True
    ),
    "outside": FindingKind("boxes mostly or entirely outside their image", True),
    "beyond": FindingKind("boxes that exceed their image", False),
    "double": FindingKind("faces labelled twice", False),
    "landmark": FindingKind("landmarks outside their image, or farther from their box than its long side", False),
    "leak": FindingKind("images that are in two splits", True),
    "near leak": FindingKind("images with a near copy in another split", False),
    "copy": FindingKind("images with a copy in the same split", False),
    "near copy": FindingKind("images with a near copy in the same split", False),
    "rotated": FindingKind("images rotated or flipped by their EXIF tag; labels refer to the stored pixels", False),
}
Found = tuple[str, str, str]  # kind, where, message


@dataclass(frozen=True)
class Finding:
    """One finding: its kind, the name of the split, the place, and what was found and expected there."""

    kind: str
    split: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def find_problems(checked: CheckedSplit) -> list[Finding]:
    """Return the findings in the labels and images of one split, except copies."""
    split, images, labels = checked.split, checked.images, checked.labels
    found = [_located("row", problem.sentence) for problem in split.problems]
    found += _check_records(split, labels)
    found += _check_lists(split)
    found += _check_classes(split, labels)
    found += _check_files(split, images, labels)
    found += _check_sizes(split, images, labels)
    found += _check_faces(split, images, labels)
    return [Finding(kind, split.name, where, message) for kind, where, message in found]


def find_copied_images(splits: Sequence[DatasetSplit], copies: Sequence[Copy]) -> Iterator[Finding]:
    """Yield a finding for each copy; images are numbered through all splits."""
    starts = np.cumsum([0] + [len(split.files) for split in splits])
    for copy in copies:
        (here, path), (there, earlier) = (_locate(splits, starts, image) for image in (copy.image, copy.earlier))
        is_equal = copy.similarity == 1
        kind = ("" if is_equal else "near ") + ("copy" if here is there else "leak")
        message = f"equals {earlier}" if is_equal else f"is a near copy of {earlier} (similarity {copy.similarity:.4f})"
        yield Finding(kind, here.name, path, message)


def _locate(splits: Sequence[DatasetSplit], starts: np.ndarray, image: int) -> tuple[DatasetSplit, str]:
    number = int(np.searchsorted(starts, image, side="right")) - 1
    return splits[number], str(splits[number].paths[image - int(starts[number])])


def _located(kind: str, sentence: str) -> Found:
    """Divide a sentence that begins with its place."""
    where, _, message = sentence.partition(": ")
    return kind, where, message


def _check_records(split: DatasetSplit, labels: LabelChecks) -> Iterator[Found]:
    places = split.annotations.places.images
    by_lower_case = {file.lower(): file for file in split.files}
    short = 0
    for i, name in enumerate(split.annotations.names):
        short += labels.file[i] >= 0 and image_key(split.files[labels.file[i]]) == name
        if labels.first[i] < i:
            yield "repeated", places[i], f"{printable(name)} is already listed at {places[labels.first[i]]}"
        elif labels.file[i] < 0:
            try:
                path = path_inside(split.images, name)
            except UserError as error:
                yield "name", places[i], str(error)
                continue
            other = by_lower_case.get(name.lower())
            yield "missing", places[i], f"no such image: {path}" + (f"; is it {other}?" if other else "")
    if short and split.format_name != "wider_mat":  # its names never have a suffix
        message = f"{short} of {len(places)} names; python -m tools.convert with --images adds the suffixes"
        yield "suffix", str(split.path), message


def _check_classes(split: DatasetSplit, labels: LabelChecks) -> Iterator[Found]:
    """Yield findings where faces may be left out: as objects of another class, or as ignored faces."""
    for name, count in split.annotations.classes.face_like.items():
        yield "class", str(split.path), f"not read: {counted(count, 'object')} of class '{printable(name)}'"
    if 2 * labels.ignored.sum() > len(labels.ignored):
        (remark,) = split.annotations.ignored_remark
        yield (
            "ignored",
            str(split.path),
            f"{remark} and would not be trained on; clear the mark of those that are faces",
        )


def _check_lists(split: DatasetSplit) -> Iterator[Found]:
    """Compare the lists of names beside the labels with the labels."""
    if not split.list_names:
        return
    places = split.annotations.places.images
    labelled = {image_key(name): (name, place) for name, place in zip(split.annotations.names, places, strict=True)}
    listed = {}
    for name, place in split.list_names:
        key = image_key(name)  # IDs, as Laboro TV's, have no suffix
        if key in listed:
            yield "repeated", place, f"{printable(name)} is already listed at {listed[key]}"
        elif key not in labelled:
            yield "list", place, f"{printable(name)} has no labels in {split.path}"
        listed.setdefault(key, place)
    for key, (name, place) in labelled.items():
        if key not in listed:
            yield "list", place, f"{printable(name)} is not in the list beside the labels"


def _check_files(split: DatasetSplit, images: ImageChecks, labels: LabelChecks) -> Iterator[Found]:
    if unread := passed_over(split.images):
        yield _located("passed over", unread)
    is_listed = labels.listed(len(split.files))
    yield from (_located("unreadable", problem) for file, problem in images.problems.items() if is_listed[file])
    for file, notes in images.notes.items():
        yield from ((kind, str(split.paths[file]), message) for kind, message in notes)
    for file in np.flatnonzero(~is_listed).tolist():
        cannot_be_read = file in images.problems
        advice = ", and cannot be read" if cannot_be_read else "; if it has no face, list it without rows"
        yield "unlisted", str(split.paths[file]), f"is not in {split.path}{advice}"
    sizes = split.annotations.sizes or ()
    sized = {file for file, size in zip(split.file_of.tolist(), sizes, strict=False) if size}
    for file in np.flatnonzero(images.orientations > 1).tolist():
        if file not in sized:  # a recorded size tells, and the boxes have been turned
            message = f"EXIF orientation {images.orientations[file]}; were its boxes drawn on the rotated image?"
            yield "rotated", str(split.paths[file]), message


def _check_sizes(split: DatasetSplit, images: ImageChecks, labels: LabelChecks) -> Iterator[Found]:
    for i, annotation in enumerate(split.annotations):
        stored = tuple(images.sizes[labels.file[i]].tolist()) if labels.file[i] >= 0 else (0, 0)
        if annotation.size and stored[0] and annotation.size != stored:
            message = f"the annotation says {_size(annotation.size)}, but the image has {_size(stored)}"
            yield "size", split.annotations.places.images[i], message
    known = images.sizes[:, 0] > 0
    if not known.any():
        return
    sizes, inverse, counts = np.unique(images.sizes[known], axis=0, return_inverse=True, return_counts=True)
    common = sizes[counts.argmax()]
    has_rule = counts.max() >= USUAL_SHARE * known.sum() and known.sum() >= MIN_FOR_RULE
    inverse = inverse.ravel()  # NumPy 2.0 gives it another shape
    for file, size in zip(np.flatnonzero(known).tolist(), sizes[inverse], strict=True):
        if size.min() < MIN_SIDE:
            yield "size", str(split.paths[file]), f"{_size(size)}; expected at least {MIN_SIDE} pixels on each side"
        elif has_rule and (size != common).any():
            yield "size", str(split.paths[file]), f"{_size(size)}; nearly all other images have {_size(common)}"


def _check_faces(split: DatasetSplit, images: ImageChecks, labels: LabelChecks) -> Iterator[Found]:
    places, boxes = split.annotations.places.faces, split.annotations.boxes

    def of_image(face: int) -> str:
        return f"an image of {_size(images.sizes[labels.file[labels.record[face]]])}"

    def in_image(face: int) -> str:
        file = labels.file[labels.record[face]]
        return f" in {of_image(face)}" if file >= 0 and images.sizes[file].all() else ""

    beyond = ~labels.empty & ~labels.outside & (labels.excess > TOLERANCE)
    outside = labels.outside
    if labels.has_corners:
        message = "most boxes exceed their image as x y w h, and fit it as x1 y1 x2 y2; expected x y w h"
        yield "columns", str(split.path), message
        beyond = outside = np.zeros_like(beyond)
    for face in np.flatnonzero(labels.empty).tolist():
        yield "empty", places[face], _box(boxes[face]) + (in_image(face) if labels.excess[face] else "")
    for face in np.flatnonzero(outside).tolist():
        yield "outside", places[face], _box(boxes[face]) + in_image(face)
    for face in np.flatnonzero(beyond).tolist():
        yield "beyond", places[face], f"{_box(boxes[face])} exceeds {of_image(face)} by {labels.excess[face]:g} px"
    for face in np.flatnonzero(labels.duplicate_of >= 0).tolist():
        yield "double", places[face], f"{_box(boxes[face])} duplicates {places[labels.duplicate_of[face]]}"
    for face in np.flatnonzero(labels.bad_landmark >= 0).tolist():
        number = labels.bad_landmark[face]
        x, y = split.annotations.landmarks[face, number]
        message = f"landmark {number + 1} of 5 is at {x:g} {y:g}, its box is {_box(boxes[face])}{in_image(face)}"
        yield "landmark", places[face], message


def _size(size: tuple[int, int] | np.ndarray) -> str:
    return f"{size[1]} x {size[0]}"


def _box(box: np.ndarray) -> str:
    x1, y1, x2, y2 = box
    return f"x y w h {x1:g} {y1:g} {x2 - x1:g} {y2 - y1:g}"

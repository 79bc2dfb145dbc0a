"""Datasets on disk: their images, and for each split the annotation where the scripts look for it."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from data.annotations import Annotation, fit_annotations, write_annotations
from data.annotations.record import Annotations
from data.annotations.registry import ANNOTATION_NAMES
from data.image_files import ImageFolder
from data.splits import DEV, LABELS, TEST
from utils.errors import ImageError, UserError
from utils.files import join_inside, new_folder

SPLITS = tuple(LABELS)
LISTS = {"val": DEV.list_name, "test": TEST.list_name}


@dataclass(frozen=True)
class Part:
    """A split of a dataset.

    Attributes:
        annotations: of its images, which `kind` can hold.
        images: the folder that its images are below now.
        kind: the format of its annotation.
    """

    annotations: Sequence[Annotation]
    images: Path
    kind: str


def annotation_name(split: str, kind: str) -> str:
    """Return the name of a split's annotation in the split's folder."""
    return ANNOTATION_NAMES.get(kind, LABELS[split])


def resolve_images(annotations: Annotations, images: Path) -> list[Annotation]:
    """Give each annotation the name of its image's file, which may have another suffix or the only one.

    Raises:
        UserError: no such folder, or an image that is not found below it, named with its place in the annotation.
    """
    folder = ImageFolder(images)
    resolved, missing = [], []
    for annotation, place in zip(annotations, annotations.places.images, strict=True):
        try:
            resolved.append(replace(annotation, name=folder.find(annotation.name)))
        except ImageError as error:
            missing.append(f"{place}: {error}")
    if missing:
        count = len(missing) + len(resolved)
        raise UserError(
            f"{missing[0]} ({len(missing)} of the {count} are missing); name the folder of the images with --images"
        )
    return resolved


def write_dataset(out: Path, parts: Mapping[str, Part], copy: bool, extra: Mapping[str, Path] | None = None) -> None:
    """Write a folder in the layout of TV Face, which appears all at once.

    Each split has its images in images/, and beside that its annotation, and a list of the names but for the
    training.

    Args:
        parts: split -> what is in it.
        copy: copy the images even where hard links to them are possible.
        extra: path below the folder -> further file that goes there.

    Raises:
        UserError: something is at `out` already, or it cannot be written.
    """
    total = sum(len(part.annotations) for part in parts.values())
    with (
        new_folder(out) as folder,
        tqdm(total=total, desc="images", unit="image", disable=None) as progress,
    ):
        for split, part in parts.items():
            for annotation in part.annotations:
                name = annotation.name
                place(join_inside(part.images, name), join_inside(folder / split / "images", name), copy)
                progress.update()
            if part.kind != "list":
                write_annotations(part.annotations, folder / split / annotation_name(split, part.kind), part.kind)
            if split in LISTS or part.kind == "list":
                write_annotations(part.annotations, folder / split / LISTS.get(split, "tvtrain_list.txt"), "list")
        for name, path in (extra or {}).items():
            place(path, folder / name, copy=True)


def place(source: Path, target: Path, copy: bool) -> None:
    """Link a file to a new place, or copy it where the file system has no hard links or a copy is asked for.

    Raises:
        UserError: the file cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy and not source.is_symlink():  # what a link leads to belongs to another folder
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another disk, or a file system without links: the copy tells of any other reason
    if not os.access(source, os.R_OK):
        raise UserError(f"{source}: cannot be read")
    shutil.copyfile(source, target)


def fit_parts(
    annotations: Sequence[Annotation], splits: Mapping[str, str], images: Path, kind: str
) -> tuple[dict[str, Part], list[str]]:
    """Make the parts of a dataset from all its annotations.

    Args:
        splits: name -> split; images that it does not name are left out.

    Returns:
        the parts, and sentences that say what the format cannot hold.

    Raises:
        UserError: as `fit_annotations`, or a split without images.
    """
    chosen = [annotation for annotation in annotations if annotation.name in splits]
    fitted, sentences = fit_annotations(chosen, kind, images=images)
    parts = {}
    for split in SPLITS:
        if split in splits.values():
            part = [annotation for annotation in fitted if splits[annotation.name] == split]
            if not part:
                raise UserError(f"{split}: no image is left in this split")
            parts[split] = Part(part, images, kind)
    return parts, sentences

"""Datasets in the layout of TV Face: images, annotations and lists in the places that the scripts expect."""

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
class NewSplit:
    """A split to write.

    Attributes:
        annotations: of its images, fitted to `format_name`.
        images: folder that the images are in now.
        format_name: format of the annotation.
    """

    annotations: Sequence[Annotation]
    images: Path
    format_name: str


def annotation_name(split: str, format_name: str) -> str:
    """Return the name of a split's annotation in the split's folder."""
    return ANNOTATION_NAMES.get(format_name, LABELS[split])


def resolve_images(annotations: Annotations, images: Path) -> list[Annotation]:
    """Give each annotation the name of its image file; the annotation may lack the suffix or have another one.

    Raises:
        UserError: no such folder, or images that are not in it; the first is named with its place in the annotation.
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


def write_dataset(
    out: Path, splits: Mapping[str, NewSplit], copy: bool, extra: Mapping[str, Path] | None = None
) -> None:
    """Write a dataset in the layout of TV Face; the folder appears when it is complete.

    Each split has its images in images/ with the annotation beside it, and val and test have a list of names.

    Args:
        splits: name -> split.
        copy: copy the images even if hard links are possible.
        extra: path below the folder -> another file to copy there.

    Raises:
        UserError: `out` exists already or cannot be written.
    """
    total = sum(len(split.annotations) for split in splits.values())
    with (
        new_folder(out) as folder,
        tqdm(total=total, desc="images", unit="image", disable=None) as progress,
    ):
        for name, split in splits.items():
            for annotation in split.annotations:
                source = join_inside(split.images, annotation.name)
                link_or_copy(source, join_inside(folder / name / "images", annotation.name), copy)
                progress.update()
            if split.format_name != "list":
                write_annotations(
                    split.annotations, folder / name / annotation_name(name, split.format_name), split.format_name
                )
            if name in LISTS or split.format_name == "list":
                write_annotations(split.annotations, folder / name / LISTS.get(name, "tvtrain_list.txt"), "list")
        for name, path in (extra or {}).items():
            link_or_copy(path, folder / name, copy=True)


def link_or_copy(source: Path, target: Path, copy: bool) -> None:
    """Make a hard link to a file, or copy it if links are not possible or not wanted.

    Raises:
        UserError: the file cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy and not source.is_symlink():  # the target of a symbolic link belongs to another folder
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another disk, or no hard links; the copy reports any other problem
    if not os.access(source, os.R_OK):
        raise UserError(f"{source}: cannot be read")
    shutil.copyfile(source, target)


def fit_splits(
    annotations: Sequence[Annotation], assigned: Mapping[str, str], images: Path, format_name: str
) -> tuple[dict[str, NewSplit], list[str]]:
    """Divide annotations into splits.

    Args:
        assigned: name of an image -> its split; images without one are dropped.

    Returns:
        split -> its contents, and sentences that report what the format drops.

    Raises:
        UserError: as `fit_annotations`, or a split without images.
    """
    chosen = [annotation for annotation in annotations if annotation.name in assigned]
    fitted, sentences = fit_annotations(chosen, format_name, images=images)
    splits = {}
    for name in SPLITS:
        if name in assigned.values():
            own = [annotation for annotation in fitted if assigned[annotation.name] == name]
            if not own:
                raise UserError(f"{name}: no image is left in this split")
            splits[name] = NewSplit(own, images, format_name)
    return splits, sentences

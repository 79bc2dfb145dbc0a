"""The splits of a dataset: an annotation with its images each."""

import os
import posixpath
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np

from data.annotations import annotation_images, find_annotations, read_annotations
from data.annotations.finding import annotation_files
from data.annotations.problems import Problem
from data.annotations.record import Annotations
from data.annotations.registry import ANNOTATION_NAMES, FORMATS
from data.image_files import IMAGE_SUFFIXES, LABEL_FOLDERS, files_below, has_images, images_by_name, label_folder
from data.splits import FIXED, LABELS
from utils.errors import UserError
from utils.files import path_inside

# Beginnings of the names of training, validation and test splits. Splits are checked in this order, and an image is
# compared with earlier ones, so that a leak is reported in the split on which scores are measured.
SPLIT_WORDS = (("train",), ("val", "dev"), ("test", "eval"))
LISTS = "*_list.txt"
INSTANCES = "instances_"  # of COCO's files with boxes, besides captions and keypoints


@dataclass
class DatasetSplit:
    """One annotation with its images.

    Attributes:
        name: for people, as "train".
        rank: index of its purpose in SPLIT_WORDS, None if its folder's name does not tell.
        path, format_name: the annotation and its format; a list of names has no faces.
        annotations: its P records with F faces, without rows that cannot be read.
        problems: the rows and records that cannot be read.
        lists: the lists of names beside the annotation -> (name, place) of each entry.
        images: folder of the images.
    """

    name: str
    rank: int | None
    path: Path
    format_name: str
    annotations: Annotations
    problems: list[Problem]
    lists: dict[Path, list[tuple[str, str]]]
    images: Path

    @property
    def list_names(self) -> list[tuple[str, str]]:
        """(name, place) of the entries of all lists."""
        return [named for names in self.lists.values() for named in names]

    @cached_property
    def files(self) -> list[str]:
        """Paths below `images` of all image files there, and of named files without an image's suffix."""
        found = files_below(self.images, IMAGE_SUFFIXES)
        named = set(map(self._plain, self.annotations.names)) - {*found, ""}
        return found + sorted(name for name in named if os.path.isfile(self.images / name))

    @cached_property
    def file_of(self) -> np.ndarray:
        """(P,) int64: index in `files` of each record's image, -1 if it is missing.

        A name without a suffix, as Laboro TV's IDs, matches an image of any suffix if there is only one.
        """
        by_name = images_by_name(self.files)
        found = [by_name.get(self._plain(name), []) for name in self.annotations.names]
        return np.array([files[0] if len(files) == 1 else -1 for files in found], np.int64)

    @cached_property
    def paths(self) -> list[Path]:
        """The paths of `files`."""
        return [self.images / name for name in self.files]

    def _plain(self, name: str) -> str:
        """Return a name without "./" and "//", or "" if it leads outside the folder."""
        try:
            path_inside(self.images, name)
        except UserError:
            return ""
        return posixpath.normpath(name)


def rank_of(name: str) -> int | None:
    """Return the index in SPLIT_WORDS that fits the name of a split's folder, None if no words fit."""
    return next((rank for rank, words in enumerate(SPLIT_WORDS) if name.lower().startswith(words)), None)


def fixed_name(name: str) -> str:
    """Return the name of a cleaned copy: label_fixed.txt for label.txt."""
    path = PurePath(name)
    return f"{path.stem}{FIXED}{path.suffix}"


def find_splits(
    paths: Sequence[str | Path], images: str | Path | None = None, category: str | None = None
) -> list[DatasetSplit]:
    """Read the splits of datasets, ordered as train, val, test, rest. Splits of the same name are named by their paths.

    Args:
        paths: each an annotation, a folder with an annotation and `images/`, or a folder of these folders.
        images: folder of the images of a single annotation; None: as `usual_images`.
        category: as for `read_annotations`.

    Raises:
        UserError: nothing to check; an annotation that cannot be read at all, is named twice, names no images, or
            names images that are all missing.
    """
    found = [part for path in map(Path, paths) for part in _look_into(path, images)]
    if images is not None and len(found) > 1:
        raise UserError(f"{images}: --images is for one annotation, but {len(found)} were found; name one of them")
    is_unique = len({name for name, _, _ in found}) == len(found)
    splits = [
        _read(name if is_unique else str(path), rank_of(name), path, folder, category) for name, path, folder in found
    ]
    seen = set()
    for split in splits:
        if split.path.resolve() in seen:
            raise UserError(f"{split.path}: is named twice; name it once")
        seen.add(split.path.resolve())
        if len(split.annotations) == 0 and not split.problems:
            raise UserError(f"{split.path}: has no images; expected an annotation that names some")
        if len(split.file_of) and (split.file_of < 0).all():
            raise UserError(
                f"{split.path}: none of its {len(split.annotations)} images is in {split.images}; name their folder"
                " with --images, or is this the annotation of another dataset?"
            )
    _divide_shared_images(splits)
    return sorted(splits, key=lambda split: len(SPLIT_WORDS) if split.rank is None else split.rank)


def _divide_shared_images(splits: Sequence[DatasetSplit]) -> None:
    """Leave out of each split's files those that only other splits list, where splits share a folder of images."""
    shared: dict[Path, list[DatasetSplit]] = {}
    for split in splits:
        shared.setdefault(split.images.resolve(), []).append(split)
    for group in shared.values():
        listed = [{split.files[index] for index in split.file_of.tolist() if index >= 0} for split in group]
        of_any = set().union(*listed)
        for split, own in zip(group, listed, strict=True):
            split.files = [name for name in split.files if name in own or name not in of_any]
            del split.file_of  # which has indices into the files


def _look_into(path: Path, images: str | Path | None) -> list[tuple[str, Path, Path]]:
    """Return the name, the annotation (file or folder) and the folder of images of each split."""
    if path.is_file():
        return [(_name_of_file(path.resolve()), path, Path(images or annotation_images(path)))]
    if not path.is_dir():
        raise UserError(f"{path}: no such dataset; name its folder or a label file")
    if images is None and (splits := _split_files(path) or _split_labels(path)):
        return [(name, labels, annotation_images(labels)) for name, labels in splits.items()]
    if images is not None or (path / "images").is_dir():
        return [(path.resolve().name, _annotation_in(path), Path(images or path / "images"))]
    folders = sorted(folder for folder in path.iterdir() if _is_split(folder))
    usual = annotation_images(path)
    if not folders and usual.is_dir():  # labels/ beside images/, or labels among their images
        is_beside = usual.parent == Path(os.path.abspath(path)).parent
        return [((path.resolve().parent if is_beside else path.resolve()).name, _annotation_in(path), usual)]
    if not folders:
        raise UserError(
            f"{path}: has no images/ and no folder like train/images/; name a label file or its folder, and the images"
            " with --images"
        )
    return [(folder.name, _annotation_in(folder), annotation_images(folder)) for folder in folders]


def _split_files(folder: Path) -> dict[str, Path]:
    """Return the annotation files in a folder if they are those of several splits, as `annotations/` of COCO has them.

    `instances_train.json` and `train_labels.csv` are those of the split train; of several files of a split, it is the
    one with boxes.
    """
    for place in dict.fromkeys((folder, label_folder(folder))):
        splits: dict[str, Path] = {}
        for each in annotation_files(place):
            if each.format_name and FORMATS[each.format_name].file_per_image:
                continue
            words = re.split(r"[_\W]+", each.path.stem)
            name = next((word for word in reversed(words) if rank_of(word) is not None), None)
            if name is None:
                return {}
            if each.has_boxes and (each.path.name.startswith(INSTANCES) or name not in splits):
                splits[name] = each.path
        if len(splits) > 1:
            return splits
    return {}


def _split_labels(folder: Path) -> dict[str, Path]:
    """Return the folders of the splits in `labels/`, where each has its own in `images/`, as Ultralytics has them."""
    labels, images = folder / "labels", folder / "images"
    folders = sorted(each for each in labels.iterdir() if each.is_dir()) if labels.is_dir() else []
    splits = {each.name: each for each in folders if not each.name.endswith(FIXED)}
    is_whole = all(rank_of(name) is not None and (images / name).is_dir() for name in splits)
    return splits if is_whole and len(splits) > 1 else {}


def _is_split(folder: Path) -> bool:
    """Whether a folder has images/, or is called like a split and has images with their labels among them."""
    if (folder / "images").is_dir() or rank_of(folder.name) is None or not has_images(folder):
        return (folder / "images").is_dir()
    with suppress(UserError):
        return find_annotations(folder)[0] is not None
    return False


def _name_of_file(path: Path) -> str:
    """Return the name of a split of an annotation file: that of its folder, or its own in a folder of annotations."""
    in_labels = path.parent.name.lower() in LABEL_FOLDERS
    return path.stem.rpartition("_")[2] if in_labels else path.parent.name


def _annotation_in(folder: Path) -> Path:
    """Return the annotation in a split's folder: the one of a usual name, the only one with faces, or else the list."""
    for name in (*LABELS.values(), *ANNOTATION_NAMES.values()):
        if (folder / name).exists():
            return folder / name
    lists = sorted(folder.glob(LISTS))
    try:
        return find_annotations(folder)[1]
    except UserError:
        if len(lists) != 1:
            raise
        return lists[0]


def _read(name: str, rank: int | None, path: Path, images: Path, category: str | None) -> DatasetSplit:
    if not images.is_dir():
        raise UserError(f"{images}: no such folder of images; name another with --images")
    problems = []
    format_name, path = find_annotations(path)
    annotations = read_annotations(
        path, format_name, images=images, category=category, problems=problems, predictions=True
    )
    lists = {}
    if format_name != "list":
        # A cleaned copy goes with the cleaned lists.
        is_fixed = (path.name if path.is_dir() else path.stem).endswith(FIXED)
        for file in sorted(path.parent.glob(fixed_name(LISTS) if is_fixed else LISTS)):
            if None not in (rank, rank_of(file.name)) and rank_of(file.name) != rank:
                continue  # the list of another split in the same folder
            lists[file] = []
            try:
                listed = read_annotations(file, "list")
                lists[file] += zip(listed.names, listed.places.images, strict=True)
            except UserError as error:
                problems.append(Problem(str(error), None))
    return DatasetSplit(name, rank, path, format_name, annotations, problems, lists, images)

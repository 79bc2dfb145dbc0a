"""The parts of a dataset: an annotation and the pictures that it is about."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from data.annotations import find_annotations, read_annotations
from data.annotations.record import Annotations
from data.pictures import PICTURE_SUFFIXES, files_below, picture_key
from utils.errors import UserError
from utils.files import path_inside

# Copies are looked for in a part and in those before it, so that they are named where scores are measured.
ORDER = ("train", "val", "test")
LABELS = ("label.txt", "tvval_label.txt", "tvtest_label.txt")


@dataclass
class Part:
    """One annotation with its pictures.

    Attributes:
        name: what people call it, "train" for one.
        path, kind: the annotation and its format; a list of names has no faces.
        annotations: its P records with F faces, without what could not be read.
        problems: what could not be read, with its place.
        list_names: (name, place) of what a list of names beside an annotation with faces has.
        images: folder of the pictures.
    """

    name: str
    path: Path
    kind: str
    annotations: Annotations
    problems: list[str]
    list_names: list[tuple[str, str]]
    images: Path

    @cached_property
    def files(self) -> list[str]:
        """Paths below `images` of all pictures there, and of those that are named and no picture by their suffix."""
        found = files_below(self.images, PICTURE_SUFFIXES)
        named = set(map(posixpath.normpath, self.annotations.names)) - set(found)
        return found + sorted(name for name in named if self._is_file(name))

    @cached_property
    def file_of(self) -> np.ndarray:
        """(P,) int64: the index in `files` of each record's picture, -1 where it is missing."""
        index = {name: i for i, name in enumerate(self.files)}
        # A name without a suffix, as Laboro TV's IDs, means the picture of any suffix.
        by_key = {picture_key(name): i for name, i in index.items()}
        found = []
        for name in map(posixpath.normpath, self.annotations.names):
            found.append(index.get(name, by_key.get(name, -1)))
        return np.array(found, np.int64)

    @cached_property
    def paths(self) -> list[Path]:
        """The paths of `files`."""
        return [self.images / name for name in self.files]

    def _is_file(self, name: str) -> bool:
        try:
            return Path(path_inside(self.images, name)).is_file()
        except UserError:
            return False


def find_parts(
    paths: Sequence[str | Path], images: str | Path | None = None, category: str | None = None
) -> list[Part]:
    """Read the parts of datasets, in the order train, val, test and then as they are named.

    Args:
        paths: each an annotation, a folder with one and `images/`, or a folder of such folders.
        images: folder of the pictures, where there is a single annotation; None: `images/` beside it.
        category: as for `read_annotations`.

    Raises:
        UserError: nothing to check, an annotation that cannot be read at all, or one whose pictures are not there.
    """
    found = [part for path in map(Path, paths) for part in _look_into(path, images)]
    if images is not None and len(found) > 1:
        raise UserError(f"{images}: --images is for one annotation, but {len(found)} were found; name one of them")
    names = [name for name, _, _ in found]
    if len(set(names)) < len(names):
        found = [(str(path), path, folder) for _, path, folder in found]
    parts = [_read(*part, category) for part in found]
    for part in parts:
        if (part.file_of < 0).all():
            raise UserError(
                f"{part.path}: none of its {len(part.annotations)} pictures is in {part.images}; name their folder with"
                " --images, or is this the annotation of another dataset?"
            )
    return sorted(parts, key=lambda part: ORDER.index(part.name) if part.name in ORDER else len(ORDER))


def _look_into(path: Path, images: str | Path | None) -> list[tuple[str, Path, Path]]:
    """Return the name, the annotation (file or folder) and the pictures' folder of each part."""
    if path.is_file():
        return [(path.resolve().parent.name, path, Path(images or path.parent / "images"))]
    if not path.is_dir():
        raise UserError(f"{path}: no such dataset; name its folder or a label file")
    if images is not None or (path / "images").is_dir():
        return [(path.resolve().name, _annotation_in(path), Path(images or path / "images"))]
    folders = sorted(folder for folder in path.iterdir() if (folder / "images").is_dir())
    if not folders:
        raise UserError(
            f"{path}: has no images/ and no folders that have it, as train/images/ is; name a label file or a folder"
            " with one, and the pictures with --images"
        )
    return [(folder.name, _annotation_in(folder), folder / "images") for folder in folders]


def _annotation_in(folder: Path) -> Path:
    """Return the annotation in a part's folder: TV Face's own, the only one with faces, or else the list of names."""
    for name in LABELS:
        if (folder / name).is_file():
            return folder / name
    lists = sorted(folder.glob("*_list.txt"))
    try:
        return find_annotations(folder)[1]
    except UserError:
        if len(lists) != 1:
            raise
        return lists[0]


def _read(name: str, path: Path, images: Path, category: str | None) -> Part:
    if not images.is_dir():
        raise UserError(f"{images}: no such folder of pictures; name it with --images")
    problems = []
    kind, path = find_annotations(path)
    annotations = read_annotations(path, kind, images=images, category=category, problems=problems)
    list_names = []
    if kind != "list":
        for file in sorted((path if path.is_dir() else path.parent).glob("*_list.txt")):
            listed = read_annotations(file, "list", problems=[])
            list_names += zip(listed.names, listed.places.pictures, strict=True)
    return Part(name, path, kind, annotations, problems, list_names, images)

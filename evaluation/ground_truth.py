"""Find the ground truth of a split, wherever the user has put it, and read it."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from data.annotations import FORMATS, Annotation, image_key, read_annotations
from data.annotations.finding import FoundAnnotation, annotation_files, choose_files, list_annotations
from data.annotations.record import Annotations
from data.image_files import IMAGE_FOLDERS
from data.splits import Split
from utils.errors import UserError

MOST_CANDIDATES = 5  # are read and compared; more are no copies of one ground truth
MOST_LEVELS = 3  # of sub-folders, as an archive has
DIGITS = 3  # of a pixel, in which copies in two formats may differ


def read_ground_truth(
    place: Path,
    split: Split,
    requested: str | None = None,
    images: Path | None = None,
    category: str | None = None,
) -> tuple[Path, Annotations]:
    """Read the ground truth in a file, or anywhere in a folder; of copies that agree, one is read.

    Args:
        place: the file or folder. In the split's evaluation folder, the files beside eval.py and all folders but those
            that detection and evaluation write are searched.
        requested, images, category: as `format_name`, `images` and `category` in `read_annotations`.

    Returns:
        the file or folder of the annotations, and the annotations.

    Raises:
        UserError: there is no ground truth, or several that disagree; the annotations cannot be read or have no boxes.
    """
    found = find_ground_truths(place, split, requested) if place.is_dir() else []
    if not found and place.is_dir():
        _refuse_empty(place, split)
    if len(found) > 1:
        path, annotations = _choose(place, found, images, category)
    else:
        path, format_name = (found[0].path, found[0].format_name) if found else (place, requested)
        annotations = read_annotations(path, format_name, images=images, category=category)
    if not len(annotations.boxes):
        why = "; ".join(annotations.remarks) or "expected a ground truth with boxes, not a list of image names"
        raise UserError(f"{path}: found no faces; {why}")
    return path, annotations


def find_ground_truths(place: Path, split: Split, requested: str | None = None) -> list[FoundAnnotation]:
    """Return the annotations with boxes in a folder and below it.

    Of a folder other than the split's evaluation folder, those below are not looked at where it has its own.

    Raises:
        UserError: .mat files beside each other have different faces.
    """
    if not _is_home(place, split):
        own = [each for each in list_annotations(place, requested) if _has_boxes(each, requested)]
        return _without_repeats(choose_files(own) if own else _annotations_below(place, requested))
    beside = [each for each in annotation_files(place, requested) if _has_boxes(each, requested)]
    beside = [each for each in beside if not FORMATS[each.format_name].file_per_image]
    folders = [folder for folder in _sub_folders(place) if not folder.name.endswith(("_txt", "result"))]
    below = [each for folder in folders for each in _annotations_below(folder, requested)]
    return _without_repeats([*(choose_files(beside) if beside else []), *below])


def _without_repeats(found: Iterable[FoundAnnotation]) -> list[FoundAnnotation]:
    """Return each path once: the files in `annotations/` are also found as those of the folder that has it."""
    return list({each.path: each for each in found}.values())


def _is_home(place: Path, split: Split) -> bool:
    return (place / "eval.py").is_file() and place.resolve().name == split.evaluation_folder


def _refuse_empty(place: Path, split: Split) -> None:
    """Raise UserError if the split's evaluation folder has no ground truth, or another folder has no files."""
    folder = place / "groundtruths" if _is_home(place, split) else place
    files = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    others = sorted(name for name in files if name != "README.md" and not name.startswith("."))
    if folder == place and others:
        return  # read_annotations says what is wrong with them
    only = f", only {', '.join(others[:3])}" if others else ""
    archives = sorted(file for each in {place, folder} if each.is_dir() for file in each.iterdir() if _is_archive(file))
    if archives:
        raise UserError(f"{archives[0]}: is an archive, and no ground truth is beside it; unpack it here")
    raise UserError(
        f"{folder}: found no ground truth of the {split.name} images{only}; put the label file (.txt) or the WIDER FACE"
        f" .mat files from {split.ground_truth_url} here, or pass another path with --gt (the drawn sample has its own"
        f" in {Path(split.images).parent})"
    )


def _is_archive(file: Path) -> bool:
    return file.suffix.lower() in (".zip", ".rar", ".7z", ".tar", ".tgz", ".gz") and file.is_file()


def _annotations_below(folder: Path, requested: str | None, level: int = 0) -> Iterator[FoundAnnotation]:
    found = [each for each in list_annotations(folder, requested) if _has_boxes(each, requested)]
    yield from choose_files(found) if found else []
    is_whole = any(FORMATS[each.format_name].file_per_image for each in found)  # with all its sub-folders
    if not is_whole and level < MOST_LEVELS:
        for sub_folder in _sub_folders(folder):
            yield from _annotations_below(sub_folder, requested, level + 1)


def _sub_folders(folder: Path) -> list[Path]:
    hidden = (".", "__")  # archives made on a Mac have __MACOSX
    return [
        each
        for each in sorted(folder.iterdir())
        if each.is_dir() and not each.name.startswith(hidden) and each.name.lower() not in IMAGE_FOLDERS
    ]


def _has_boxes(found: FoundAnnotation, requested: str | None) -> bool:
    """Whether it has the boxes of a ground truth, in the format that is asked for."""
    return found.has_boxes and not found.is_prediction and requested in (None, found.format_name)


def _choose(
    place: Path, found: Sequence[FoundAnnotation], images: Path | None, category: str | None
) -> tuple[Path, Annotations]:
    """Return the path and annotations that tell most, of several that agree."""
    advice = "; name one with --gt (or its format with --gt_format); detections belong to --pred"
    if len(found) > MOST_CANDIDATES:
        shown = ", ".join(str(each.path) for each in found[:MOST_CANDIDATES])
        raise UserError(f"{place}: found {shown} and {len(found) - MOST_CANDIDATES} more{advice}")
    read: list[tuple[Path, Annotations]] = []
    for each in found:
        try:
            is_named = category is not None and FORMATS[each.format_name].has_classes
            annotations = read_annotations(
                each.path, each.format_name, images=images, category=category if is_named else None
            )
        except UserError as error:
            shown = ", ".join(str(other.path) for other in found)
            raise UserError(f"{place}: found {shown}, of which one cannot be read ({error}){advice}") from error
        if read and (difference := find_difference(read[0][1], annotations)):
            raise UserError(f"{read[0][0]} and {each.path}: disagree on the ground truth ({difference}){advice}")
        read.append((each.path, annotations))
    path, annotations = max(read, key=lambda pair: (len(pair[1][0].subsets), len(pair[1][0].attributes)))
    others = ", ".join(str(other) for other, _ in read if other != path)
    print(f"note: {path}: used as the ground truth; {others}: has the same faces", file=sys.stderr)
    return path, annotations


def find_difference(first: Annotations, second: Annotations) -> str | None:
    """Return in which image two ground truths differ, by name without suffix and folder; None where they do not.

    Ignored faces are compared unless one of them has subsets, which say themselves which faces are ignored.
    """
    one, other = _by_name(first), _by_name(second)
    if len(one) < len(first) or len(other) < len(second):
        one, other = ({image_key(each.name): each for each in some} for some in (first, second))
    if one.keys() != other.keys():
        return f"{len(first):,} and {len(second):,} images, not of the same names"
    with_ignored = not first[0].subsets and not second[0].subsets
    for name, annotation in one.items():
        if not np.array_equal(_sorted_faces(annotation, with_ignored), _sorted_faces(other[name], with_ignored)):
            return f"for example in the image {name}"
    return None


def _by_name(annotations: Annotations) -> dict[str, Annotation]:
    return {image_key(each.name).rpartition("/")[2]: each for each in annotations}


def _sorted_faces(annotation: Annotation, with_ignored: bool) -> np.ndarray:
    """Return (N, 5) boxes of some size and whether they are ignored, in an order that does not depend on the file."""
    boxes = annotation.boxes.round(DIGITS)
    rows = np.column_stack([boxes, annotation.ignored & with_ignored])
    rows = rows[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    return rows[np.lexsort(rows.T)]

"""Predictions: a folder of text files, one per image, or one JSON file of COCO results.

prediction_text.py and prediction_coco.py in data/annotations/ describe the files; this module assigns them to images.
"""

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.annotations import Annotation, image_key
from data.annotations.formats.prediction_coco import read_results
from data.annotations.written_numbers import written_boxes
from data.image_files import files_below
from evaluation.prediction_text import parse_texts, read_columns
from utils.errors import UserError
from utils.files import join_inside
from utils.wording import counted


@dataclass(frozen=True)
class Predictions:
    """The detections in the images of a ground truth.

    Attributes:
        detections: image_key(name) -> (N, 5) float64, x1 y1 x2 y2 score in pixels, in the order of the file, for every
            image that is not missing.
        missing: keys of the images without predictions, sorted. Empty for COCO results, which do not list images
            without detections.
        unknown: predictions for images that are not in the ground truth, sorted: paths of text files relative to the
            folder, with forward slashes, or image ids of COCO results.
        files: the keys of the images with a text file -> its path.
    """

    detections: dict[str, np.ndarray]
    missing: list[str]
    unknown: list[str]
    files: dict[str, str] = field(default_factory=dict)

    def rows(self, key: str) -> np.ndarray | None:
        """Return the (N, C) numbers of an image's rows as in its file: x y w h score and more; None: no rows."""
        if key in self.files:
            return read_columns(self.files[key])
        boxes = self.detections.get(key)
        return None if boxes is None else np.column_stack([written_boxes(boxes[:, :4]), boxes[:, 4]])


def load_predictions(path: str | Path, ground_truth: Sequence[Annotation], allow_missing: bool = False) -> Predictions:
    """Read the predictions for the images of the ground truth, from a folder of text files or COCO results.

    The predictions for a/b.jpg are in a/b.txt or a/b.jpg.txt. If neither exists, the file of which most of the path's
    end is the same is used, at least the base name, provided that this is unique among the images and among the
    unassigned files. An
    image_id of COCO results is the identity of an image or, if it is text, its name, assigned by the same rules.

    Up to three lines on stderr count and name the images assigned by base name, the images without a file (with
    allow_missing), and the predictions for unknown images, which are not used.

    Raises:
        UserError: no such folder or file, an image without a file, two files for an image, malformed predictions,
            predictions for unknown images only, an image that is annotated twice or has a path outside the folder.
    """
    path = Path(path)
    images = {}
    for annotation in ground_truth:
        key = image_key(annotation.name)
        if key in images:
            raise UserError(f"{annotation.name}: the ground truth has this image more than once")
        images[key] = annotation
    if path.is_dir():
        return _load_texts(path, images, allow_missing)
    if path.is_file():
        return _load_results(path, images)
    raise UserError(f"{path}: no such folder; run the detection, or pass its output with --pred")


def _load_texts(folder: Path, images: Collection[str], allow_missing: bool) -> Predictions:
    names = _list_texts(folder, images)
    found, by_base = _assign(folder, names, images)
    missing = [key for key in images if key not in found]
    unknown = sorted(names - set(found.values()))
    if missing and not names:
        _refuse_other_files(folder)
    if unknown and missing and not found:
        raise UserError(
            f"{folder}: has predictions for none of the {len(images):,} images (for example {missing[0]!r}), only"
            f" for others ({_examples(unknown)}){_ambiguity(missing, unknown)}; pass the predictions of this ground"
            " truth with --pred"
        )
    if missing and not allow_missing:
        others = f"; there are predictions for other images ({_examples(unknown)})" if unknown else ""
        others += _ambiguity(missing, unknown)
        raise UserError(
            f"{folder / missing[0]}.txt: no such file, {len(missing):,} of {len(images):,} images have no"
            f" predictions ({_examples(missing)}){others}; run the detection for them, or score them as images without"
            " detections with --allow_missing"
        )
    paths = [os.path.join(folder, name) for name in found.values()]
    rows = parse_texts([_read_bytes(path) for path in paths], paths)
    # Printed after everything that can fail: an error must be the only line.
    _print_base_names(folder, by_base, images)
    if missing:
        _print(
            f"warning: {folder}: {len(missing):,} of {len(images):,} images have no predictions and are scored as"
            f" images without detections: {_examples(missing)}"
        )
    if unknown:
        _print(
            f"warning: {folder}: {len(unknown):,} files were skipped, the ground truth has no images of these names:"
            f" {_examples(unknown)}"
        )
    return Predictions(
        dict(zip(found, rows, strict=True)), sorted(missing), unknown, dict(zip(found, paths, strict=True))
    )


def _ambiguity(missing: Iterable[str], unknown: Iterable[str]) -> str:
    """Return what to add to an error about missing predictions where a base name would fit several."""
    images, files = Counter(_path_end(key, 1) for key in missing), defaultdict(list)
    for name in unknown:
        files[_key(_path_end(name, 1), images)].append(name)
    base = next((base for base in images if base in files), None)
    if base is None:
        return ""
    return (
        f"; by the name {base!r} alone, {counted(images[base], 'image')} and {counted(len(files[base]), 'file')} would"
        " belong together, so the folders in their paths must be the same"
    )


def _refuse_other_files(folder: Path) -> None:
    """Raise UserError if a folder without text files has other files."""
    others = sorted(file.name for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    if others:
        raise UserError(
            f"{folder}: has no .txt file, only {_examples(others)}; expected a text file for each image; or pass the"
            " JSON file of COCO results itself with --pred"
        )


def _load_results(path: Path, images: dict[str, Annotation]) -> Predictions:
    results = read_results(path)
    keys = {image.identity: key for key, image in images.items() if image.identity is not None}
    names = {image_id for image_id in results if isinstance(image_id, str) and image_id not in keys}
    found = {keys[image_id]: image_id for image_id in results if image_id in keys}
    found, by_base = _assign(path, names, images, found)
    unknown = sorted(results.keys() - set(found.values()), key=str)
    if results and not found:
        expected = [*keys, *images]
        raise UserError(
            f"{path}: the ground truth has no image of any image_id here ({_examples(list(results))}); expected the"
            f" ids of its images, or their names ({_examples(expected)})"
        )
    _print_base_names(path, by_base, images)
    if unknown:
        _print(
            f"warning: {path}: {sum(len(results[image_id]) for image_id in unknown):,} detections were skipped,"
            f" the ground truth has no images of their {len(unknown):,} image ids: {_examples(unknown)}"
        )
    nothing = np.empty((0, 5))
    detections = {key: results[found[key]] if key in found else nothing for key in images}
    return Predictions(detections, [], list(map(str, unknown)))


def _list_texts(folder: Path, images: Collection[str]) -> set[str]:
    """Return the paths of the text files in a folder, relative to it, with forward slashes."""
    names = set(files_below(folder, {".txt"}))
    for name in (f"{key}.txt" for key in images):
        # Hidden files, and those in linked folders, are not listed.
        if name not in names and os.path.isfile(join_inside(folder, name)):
            names.add(name)
    return names


def _assign(
    source: Path, names: Collection[str], images: Collection[str], found: dict[str, int | str] | None = None
) -> tuple[dict[str, int | str], list[str]]:
    """Assign predictions to images by path, then by the longest unique end of the path, at last the base name.

    Args:
        names: names of the predictions, with or without the suffixes of a text file and an image.
        images: keys of all images.
        found: key -> name of the images that have predictions already.

    Returns:
        key -> name, including `found`, and the names that were assigned by the end of their path.
    """
    found = dict(found or {})
    others = []
    for name in sorted(names):
        key = _key(name, images)
        if key not in images:
            others.append(name)
        elif key in found:
            raise UserError(f"{source}: found {found[key]!r} and {name!r} for the same image; remove one of them")
        else:
            found[key] = name

    by_path_end: dict[str, str] = {}
    deepest = max((name.count("/") for name in (*others, *images)), default=0) + 1
    for parts in range(deepest if others else 0, 0, -1):
        assigned = set(by_path_end.values())
        same_end = Counter(_path_end(key, parts) for key in images)
        candidates = defaultdict(list)
        for name in others:
            if name not in assigned:
                candidates[_key(_path_end(name, parts), same_end)].append(name)
        for key in images:
            end = _path_end(key, parts)
            if end and key not in found and key not in by_path_end and same_end[end] == len(candidates[end]) == 1:
                by_path_end[key] = candidates[end][0]
    return found | by_path_end, list(by_path_end.values())


def _key(name: str, keys: Collection[str]) -> str:
    """Return the image key of a name. A key may itself end with an image suffix: 'a.jpg' for a.jpg.jpg."""
    stem = name[:-4] if name.lower().endswith(".txt") else name
    return stem if stem in keys else image_key(stem)


def _path_end(name: str, parts: int) -> str:
    """Return the last parts of a path; an empty text if it has fewer."""
    return name if name.count("/") == parts - 1 else "/".join(name.split("/")[-parts:]) * (name.count("/") >= parts)


def _read_bytes(path: str | Path) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # a buffer costs more than it saves for small files
            return file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _examples(names: Sequence[int | str]) -> str:
    return ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")


def _print_base_names(source: Path, names: list[str], images: Collection[str]) -> None:
    if names:
        _print(
            f"note: {source}: {len(names):,} of {len(images):,} images were assigned by base name, their files"
            f" are in other folders than in the ground truth: {_examples(names)}"
        )


def _print(line: str) -> None:
    print(line, file=sys.stderr)

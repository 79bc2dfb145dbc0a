"""Read the annotation that a path stands for."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import numpy as np

from data.annotations.finding import find_annotations
from data.annotations.format import Format, ReadOptions
from data.annotations.formats.name_list import iterate_list
from data.annotations.formats.prediction_coco import COCO_RESULTS
from data.annotations.fractions import in_pixels
from data.annotations.orientation import in_stored_pixels, read_headers
from data.annotations.problems import Problem
from data.annotations.record import Annotations
from data.annotations.registry import FORMATS, recognize_file
from data.annotations.scores import DRAFT_SCORE, draft_notes, keep_scores, refuse_predictions, refuse_scores
from data.annotations.text_lines import read_lines
from data.image_files import usual_images
from utils.errors import UserError


def read_annotations(
    path: str | Path,
    format_name: str | None = None,
    *,
    images: str | Path | None = None,
    category: str | None = None,
    problems: list[Problem] | None = None,
    predictions: bool = False,
    min_score: float | None = None,
    ids: str | Path | None = None,
) -> Annotations:
    """Read the ground truth of a set of images.

    A folder stands for the one annotation file in it, for the .mat files of a WIDER FACE set, or for the Pascal VOC or
    YOLO files below it. Lists of names and a detector's output are read only where the folder has nothing else. Lists
    named `*_list.txt` and cleaned copies, files or folders named `*_fixed`, are skipped.

    Boxes are in stored pixels, as `read_image` returns them. Where the annotation has the sizes of its images, and the
    images are there, boxes on the image as it is shown are turned; see `in_stored_pixels`. Parts of an image's size
    become pixels; see `in_pixels`.

    Args:
        format_name: the name of the format, one of FORMATS; None: recognized by the content.
        images: folder of the images; None: that of `usual_images`.
        category: the class of objects that is the face, in formats with classes; None: "face" in any case, else the
            only class.
        problems: where a list is given, malformed rows and records are appended to it and skipped. Otherwise the first
            one is an error.
        predictions: whether a detector's output is read, too, as draft labels with the attribute `score`. Otherwise it
            is an error, since it would be trained on or scored with as if it were a ground truth.
        min_score: drops the faces with a lower score; None: DRAFT_SCORE for a detector's output, and no limit for
            annotations that have scores.
        ids: COCO JSON with the images that the ids of COCO's results refer to.

    Raises:
        UserError: nothing to read, another format than `format_name`, an unknown one, or a malformed row or record.
    """
    options = ReadOptions(_path(images), category, problems, _path(ids))
    found, path, annotations = _read_records(path, format_name, options, predictions)
    if not predictions and found.write is not None:  # labelling tools keep scores in formats of their own
        refuse_scores(path, annotations)
    if found.is_prediction and min_score is None:
        min_score = DRAFT_SCORE
    if min_score is not None:
        annotations = keep_scores(path, annotations, min_score)
    if found.is_prediction:
        annotations.notes = [*annotations.notes, *draft_notes(np.diff(annotations.ends, prepend=0).tolist())]
    if found.reads_images:
        return annotations
    folder = options.images or usual_images(path)
    annotations = in_pixels(annotations, folder)
    return in_stored_pixels(annotations, read_headers(annotations, folder))


def _path(place: str | Path | None) -> Path | None:
    return None if place is None else Path(place)


def _read_records(
    path: str | Path, requested: str | None, options: ReadOptions, predictions: bool
) -> tuple[Format, Path, Annotations]:
    """Return the format, the file or folder, and the annotations as they are in it, before their images are read."""
    format_name, path = find_annotations(path, requested)
    if options.category is not None and (format_name is None or not FORMATS[format_name].has_classes):
        raise UserError(f"{path}: has no classes of objects to choose from; omit --category")
    if format_name is None:
        _refuse_unknown(path)
    found = FORMATS[format_name]
    if found.is_prediction and not predictions:
        refuse_predictions(path, found.description)
    if options.ids is not None and found is not COCO_RESULTS:
        raise UserError(f"--ids {options.ids}: {path} is {found.description}, which names its images; omit --ids")
    return found, path, found.read(path, options)


def annotation_images(path: str | Path, requested: str | None = None) -> Path:
    """Return `usual_images` of what `find_annotations` finds; if there is no such folder, that of the path itself."""
    with suppress(UserError):  # which reading the annotation reports
        images = usual_images(find_annotations(path, requested)[1])
        if images.is_dir():
            return images
    return usual_images(path)


def has_classes(path: str | Path) -> bool:
    """Whether the format of an annotation has classes of objects. Raises UserError as `find_annotations`."""
    format_name, _ = find_annotations(path)
    return format_name is not None and FORMATS[format_name].has_classes


class ImageNames:
    """The names of an annotation's images, which can be iterated over any number of times.

    A list of names is read anew each time and never held in memory; other formats are read once.

    Raises:
        UserError: as `read_annotations`, for a list when it is iterated over.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        is_list = self.path.is_file() and recognize_file(self.path) == "list"
        self.names = None if is_list else _read_records(path, None, ReadOptions(), predictions=True)[2].names

    def __iter__(self) -> Iterator[str]:
        return iterate_list(self.path) if self.names is None else iter(self.names)


def _refuse_unknown(path: Path) -> NoReturn:
    """Raise UserError for a file in an unknown format."""
    first = next(line for line in read_lines(path) if line)
    raise UserError(
        f"{path}: in no known annotation format: the first line is {first[:60]!r}; expected '# image.jpg',"
        " or an image's name"
    )

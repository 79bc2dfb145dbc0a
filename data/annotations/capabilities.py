"""Drop what a format cannot hold of an annotation, and say so."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.annotations.attributes import have_type, is_known
from data.annotations.format import Capabilities, Format
from data.annotations.orientation import to_shown
from data.annotations.places import clean_name
from data.annotations.record import IGNORED_ATTRIBUTES, Annotation
from data.annotations.registry import WRITABLE, find_format
from data.annotations.remarks import describe_ignored
from data.image_files import image_key
from data.image_header import ImageHeader, read_header
from utils.errors import UserError
from utils.files import join_inside, path_inside
from utils.wording import counted, printable


def fit_annotations(
    annotations: Sequence[Annotation], format_name: str, *, images: str | Path | None = None
) -> tuple[list[Annotation], list[str]]:
    """Drop what a format cannot hold. Arguments as for `write_annotations`.

    Ignored faces are dropped where the format has no mark for them, since a detector would be trained on them as
    faces. Faces outside their image are dropped for YOLO. An image that loses all its faces is dropped too, since it
    would become a background image.

    Returns:
        the annotations, all with the same attributes, and sentences, with counts, on what was dropped or filled in.

    Raises:
        UserError: no such format, no images, a name that the format cannot hold or that is listed twice, or an unknown
            size that the format needs.
    """
    target, fitted = find_format(format_name), list(annotations)
    capabilities = target.capabilities
    if not fitted:
        raise UserError("no images are left to write")
    _check_names([annotation.name for annotation in fitted], target)
    sentences = []
    if capabilities.sizes:
        fitted = _with_sizes(fitted, images, target, sentences)
    if capabilities.boxes:
        fitted = _drop_faces(fitted, capabilities, sentences)
        if target.clip is not None:
            fitted = _clip(fitted, target, sentences)
    else:
        _say(sentences, sum(len(annotation.boxes) for annotation in fitted), "dropped: the boxes of {}")
    fitted = _fit_attributes(fitted, capabilities, sentences)
    return _drop_rest(fitted, capabilities, sentences), sentences


def _check_names(names: Sequence[str], target: Format) -> None:
    seen = {}
    for name in names:
        path_inside("the folder of the images", name)
        if problem := _name_problem(name) or target.name_problem(name):
            raise UserError(f"{printable(name)!r}: {problem}; rename the image")
        # A format that is a folder has a file, or an entry, of the name without its suffix.
        key = image_key(name) if target.is_folder else name
        if key in seen:
            if name == seen[key]:
                raise UserError(
                    f"{name!r}: is listed twice; python -m tools.check --fix joins the faces of its records"
                )
            raise UserError(f"{name!r}: only its suffix tells it from {seen[key]!r}; rename one of the images")
        seen[key] = name


def _name_problem(name: str) -> str | None:
    """Return why no format can hold an image's name, None where one can."""
    if not name or name != clean_name(name.strip()):
        return "an image's name cannot begin or end with a blank, begin with a slash or hold a backslash"
    if any(ord(letter) < 32 or letter in "\x7f\x85" or "\ud800" <= letter <= "\udfff" for letter in name):
        return "an image's name cannot hold line ends, control characters or bytes that are no UTF-8"
    return None


def _with_sizes(
    annotations: Sequence[Annotation], images: str | Path | None, target: Format, sentences: list[str]
) -> list[Annotation]:
    """Give the annotations the sizes of their images, and turn boxes to the image as it is shown.

    Labelling tools apply an EXIF rotation, and readers take sizes and fractions for those of the image as it is shown.
    """
    fitted, turned = [], 0
    for annotation in annotations:
        header = _header(annotation, images)
        if header is None and annotation.size is None and target.capabilities.needs_sizes:
            path = images and join_inside(images, annotation.name)
            raise UserError(
                f"{path or repr(annotation.name)}: no such image, and {target.description} need its size; name the"
                " folder of the images with --images"
            )
        turned += header is not None and header.orientation > 1
        fitted.append(replace(to_shown(annotation, header), header=None) if header else annotation)
    _say(sentences, turned, "{} with an EXIF rotation: written for the image as it is shown", "image")
    return fitted


def _header(annotation: Annotation, images: str | Path | None) -> ImageHeader | None:
    """Return the header of an image; None where it is missing, or the annotation has another size."""
    path = None if images is None else join_inside(images, annotation.name)
    if path is None or not os.path.isfile(path):
        return None
    try:
        header = annotation.header or read_header(path)
    except UserError:
        if annotation.size is None:
            raise
        return None
    return header if annotation.size in (None, header.size) else None


def _drop_faces(annotations: list[Annotation], held: Capabilities, sentences: list[str]) -> list[Annotation]:
    """Drop ignored faces and boxes of negative size that the format cannot hold, and images that lose all faces."""
    ignored = negative = 0
    holds = []
    for annotation in annotations:
        is_negative = (annotation.boxes[:, 2:] < annotation.boxes[:, :2]).any(axis=1) & (not held.negative_sizes)
        is_ignored = annotation.ignored & ~is_negative & (not held.ignore_attributes)
        negative += int(is_negative.sum())
        ignored += int(is_ignored.sum())
        holds.append(~(is_negative | is_ignored))
    _say(sentences, ignored, "dropped: {} to be ignored, for which the format has no mark")
    _say(sentences, negative, "dropped: {} of negative width or height")
    return _keep_faces(annotations, holds, sentences)


def _clip(annotations: list[Annotation], target: Format, sentences: list[str]) -> list[Annotation]:
    """Clip the boxes that the format cannot hold; drop faces outside the image, and images that lose all faces."""
    clipped = outside = 0
    inside, holds = [], []
    for annotation in annotations:
        inside.append(target.clip(annotation))
        boxes = inside[-1].boxes
        changed = (boxes != annotation.boxes).any(axis=1)
        is_outside = changed & (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
        clipped += int((changed & ~is_outside).sum())
        outside += int(is_outside.sum())
        holds.append(~is_outside)
    _say(sentences, clipped, "clipped to the image: {}")
    _say(sentences, outside, "dropped: {} outside the image")
    return _keep_faces(inside, holds, sentences)


def _keep_faces(annotations: list[Annotation], masks: list[np.ndarray], sentences: list[str]) -> list[Annotation]:
    """Keep the faces of the masks, (N,) bool each, and drop the images that lose all their faces.

    Raises:
        UserError: no image is left.
    """
    kept = [
        annotation.select(mask)
        for annotation, mask in zip(annotations, masks, strict=True)
        if mask.any() or not len(mask)
    ]
    _say(sentences, len(annotations) - len(kept), "dropped: {} without a remaining face", "image")
    if not kept:
        raise UserError(f"no face is left that the format can hold: {_why_none_is_left(annotations)}")
    return kept


def _why_none_is_left(annotations: Sequence[Annotation]) -> str:
    ignored = sum(int(annotation.ignored.sum()) for annotation in annotations)
    if not ignored:
        return "all are outside their image, or of negative width or height"
    faces = sum(len(annotation.boxes) for annotation in annotations)
    marks = [name for name in IGNORED_ATTRIBUTES if any(_marked(each, [name]).any() for each in annotations)]
    holding = [name for name in WRITABLE if find_format(name).capabilities.ignore_attributes]
    return f"{describe_ignored(faces, ignored, marks)}; formats with such a mark: {', '.join(holding)}"


def _fit_attributes(annotations: list[Annotation], held: Capabilities, sentences: list[str]) -> list[Annotation]:
    with_faces = [annotation for annotation in annotations if len(annotation.boxes)] or annotations
    present = dict.fromkeys(name for annotation in with_faces for name in annotation.attributes)
    kept = [name for name in present if all(_holds(held, name, annotation) for annotation in with_faces)]
    lost = [name for name in present if name not in kept and _says_something(name, with_faces)]
    unknown = [
        name for name in held.attributes or () if held.all_attributes and name not in (*kept, *held.ignore_attributes)
    ]
    marks = [name for name in held.ignore_attributes if name in kept]
    unmarked = [annotation.ignored & ~_marked(annotation, marks) for annotation in annotations]
    must_mark = any(map(np.any, unmarked))
    if lost:
        sentences.append(f"dropped: the attributes {_words(lost)}")
    if unknown:
        sentences.append(f"not known and written as 0: the attributes {_words(unknown)}")
    defaults = {name: held.attributes[name] for name in kept} if held.attributes is not None else {}
    for name, default in defaults.items():
        count = sum(int((~is_known(each.attributes[name])).sum()) for each in with_faces)
        _say(sentences, count, f"not known of {{}} and written as {default or 0}: {name}")

    fitted = []
    for annotation, faces in zip(annotations, unmarked, strict=True):
        count = len(annotation.boxes)
        attributes = {name: annotation.attributes.get(name, np.zeros(count)) for name in kept}
        attributes |= {name: _filled(attributes[name], default) for name, default in defaults.items()}
        attributes |= {name: np.zeros(count) for name in unknown}
        if held.ignore_attributes and (must_mark or held.all_attributes):
            mark = held.ignore_attributes[-1]
            attributes[mark] = np.where(faces, 1.0, attributes.get(mark, np.zeros(count)))
        fitted.append(replace(annotation, attributes=attributes))
    return fitted


def _holds(held: Capabilities, name: str, annotation: Annotation) -> bool:
    """Whether an image's faces have an attribute, with values that the format can hold."""
    if name not in annotation.attributes:
        return False
    values = annotation.attributes[name]
    if name in held.ignore_attributes:
        return have_type(values, float) and bool(np.isin(values[is_known(values)], (0, 1)).all())
    return held.attributes is None or (name in held.attributes and have_type(values, type(held.attributes[name])))


def _filled(values: np.ndarray, default: float | str) -> np.ndarray:
    """Return the values of an attribute with the default in place of unknown ones."""
    if values.dtype != object:
        return values
    filled = [default if value is None else value for value in values]
    return np.array(filled, np.float64 if isinstance(default, float) else object)


def _says_something(name: str, annotations: list[Annotation]) -> bool:
    """Whether an attribute is more than a mark of ignored faces that no face has."""
    values = (each.attributes[name] for each in annotations if name in each.attributes)
    return name not in IGNORED_ATTRIBUTES or any(np.any(each[is_known(each)] != 0) for each in values)


def _marked(annotation: Annotation, marks: Sequence[str]) -> np.ndarray:
    """Return (N,) bool: the faces that some of the attributes mark as ignored."""
    mask = np.zeros(len(annotation.boxes), bool)
    for name in marks:
        mask |= annotation.attributes.get(name, 0) == 1
    return mask


def _drop_rest(annotations: list[Annotation], held: Capabilities, sentences: list[str]) -> list[Annotation]:
    """Drop the rest from the annotations as well, so that fitting the result again says nothing of it."""
    if not held.landmarks:
        count = sum(int((each.landmarks != -1).any(axis=(1, 2)).sum()) for each in annotations)
        _say(sentences, count, "dropped: the landmarks of {}")
        annotations = [replace(each, landmarks=np.full_like(each.landmarks, -1.0)) for each in annotations]
    if not held.boxes:
        annotations = [annotation.select(np.zeros(len(annotation.boxes), bool)) for annotation in annotations]
    lost = dict.fromkeys(name for each in annotations for name in each.subsets if name not in held.subsets)
    if lost:
        sentences.append(f"dropped: the subsets {_words(lost)}")
    if not held.ids and any(each.identity is not None for each in annotations):
        sentences.append("dropped: the ids of the images")
        annotations = [replace(each, identity=None) for each in annotations]
    if not held.sizes and any(each.size for each in annotations):
        sentences.append("dropped: the sizes of the images")
        annotations = [replace(each, size=None) for each in annotations]
    if not held.suffixes and any(image_key(each.name) != each.name for each in annotations):
        sentences.append("dropped: the suffixes of the images' names")
    kept = [{name: mask for name, mask in each.subsets.items() if name in held.subsets} for each in annotations]
    return [replace(each, subsets=subsets) for each, subsets in zip(annotations, kept, strict=True)]


def _say(sentences: list[str], count: int, sentence: str, word: str = "face") -> None:
    if count:
        sentences.append(sentence.format(counted(count, word)))


def _words(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names))

"""What each format can hold, and leaving out the rest of an annotation, saying so."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations.attributes import have_type, is_known
from data.annotations.coco import FLAGS
from data.annotations.label_text import COUNTED_ATTRIBUTES
from data.annotations.reading import KINDS
from data.annotations.record import IGNORED_ATTRIBUTES, WIDER_VALUES, Annotation, clean_name
from data.annotations.voc import DEFAULTS
from data.annotations.wider_mat import SUBSETS
from data.annotations.yolo import CLASSES, inside_image
from data.image_files import image_key, image_size
from utils.errors import UserError
from utils.files import join_inside, path_inside
from utils.wording import counted, printable


@dataclass(frozen=True)
class Form:
    """What a format holds of an annotation.

    Attributes:
        in_folder: whether it is a folder, with a file for each image or several files.
        attributes: name -> default, whose type is that of the values; None: all of any type.
        complete: whether each face has all the attributes.
        marks: the attributes by which it tells that a face is ignored; the last one stands for all others.
        negative_sizes: whether a box may end before it begins.
        suffixes: whether an image's name has its suffix.
    """

    in_folder: bool = False
    boxes: bool = True
    landmarks: bool = False
    attributes: Mapping[str, float | str] | None = None
    complete: bool = False
    marks: tuple[str, ...] = ()
    sizes: bool = False
    identities: bool = False
    subsets: tuple[str, ...] = ()
    negative_sizes: bool = False
    suffixes: bool = True


_WIDER = dict.fromkeys(WIDER_VALUES, 0.0)
_LABORO = dict.fromkeys(COUNTED_ATTRIBUTES["laboro"], 0.0)
FORMS = {
    "label": Form(landmarks=True, attributes={}),
    "wider": Form(attributes=_WIDER, complete=True, marks=("invalid",)),
    "laboro": Form(attributes=_LABORO, complete=True),
    "wider_mat": Form(
        in_folder=True, attributes=_WIDER, marks=("invalid",), subsets=SUBSETS, negative_sizes=True, suffixes=False
    ),
    "coco": Form(landmarks=True, marks=tuple(FLAGS.values()), sizes=True, identities=True),
    "voc": Form(in_folder=True, attributes=DEFAULTS, marks=("difficult",), sizes=True),
    "yolo": Form(in_folder=True, landmarks=True, attributes={}, sizes=True),
    "list": Form(boxes=False, attributes={}),
}


def fit_annotations(
    annotations: Sequence[Annotation], kind: str, *, images: str | Path | None = None
) -> tuple[list[Annotation], list[str]]:
    """Leave out what a format cannot hold. Arguments as for `write_annotations`.

    Faces that are ignored are left out where the format has no mark for them: a detector would learn them as any
    other. So are, for YOLO, faces outside their image, and always images that have no face besides: it would learn
    that theirs is none.

    Returns:
        the annotations, all with the same attributes, and sentences, with counts, that say what was left out, or
        filled in because it was not known.

    Raises:
        UserError: no such format, no images, a name that the format cannot hold or that is there twice, or a size
            that is needed and not known.
    """
    if kind not in KINDS:
        raise UserError(f"{kind!r}: no such annotation format; expected one of {', '.join(KINDS)}")
    form, fitted = FORMS[kind], list(annotations)
    if not fitted:
        raise UserError("no images are left to write")
    _check_names([annotation.name for annotation in fitted], kind)
    sentences = []
    if form.sizes:
        fitted = [_with_size(annotation, images, needed=kind == "yolo") for annotation in fitted]
    if form.boxes:
        fitted = _drop_faces(fitted, form, sentences)
        if kind == "yolo":
            fitted = _clip(fitted, sentences)
    else:
        _say(sentences, sum(len(annotation.boxes) for annotation in fitted), "left out: the boxes of {}")
    fitted = _fit_attributes(fitted, form, sentences)
    return _drop_rest(fitted, form, sentences), sentences


def _check_names(names: Sequence[str], kind: str) -> None:
    seen = {}
    for name in names:
        path_inside("the folder of the images", name)
        if problem := _name_problem(name, kind):
            raise UserError(f"{printable(name)!r}: {problem}; rename the image")
        # These formats have a file, or an entry, of the name without its suffix.
        key = image_key(name) if FORMS[kind].in_folder else name
        if key in seen:
            other = "" if name == seen[key] else f", or only its suffix tells it from {seen[key]!r}"
            raise UserError(f"{name!r}: is there twice{other}; expected each image once")
        seen[key] = name


def _name_problem(name: str, kind: str) -> str | None:
    if not name or name != clean_name(name.strip()):
        return "an image's name cannot begin or end with a blank, begin with a slash or hold a backslash"
    if any(ord(letter) < 32 or letter in "\x7f\x85" or "\ud800" <= letter <= "\udfff" for letter in name):
        return "an image's name cannot hold line ends, control characters or bytes that are no UTF-8"
    if kind in ("voc", "yolo"):
        path = PurePosixPath(name)
        if str(path) != name or any(part.startswith(".") for part in path.parts):
            return "a hidden file, or a path with empty parts, is not looked for below a folder"
    if kind == "yolo" and f"{PurePosixPath(image_key(name)).name}.txt" == CLASSES:
        return f"its labels would be called {CLASSES}, which names the classes"
    if kind in ("wider", "laboro", "list") and name.startswith("#"):
        return "a '#' begins a label of another format"
    return None


def _with_size(annotation: Annotation, images: str | Path | None, needed: bool) -> Annotation:
    if annotation.size:
        return annotation
    path = join_inside(images, annotation.name) if images is not None else None
    if path is not None and os.path.isfile(path):
        return replace(annotation, size=image_size(path))
    if needed:
        raise UserError(
            f"{path or repr(annotation.name)}: no such image, and YOLO needs its size; name the folder of the"
            " images with --images"
        )
    return annotation


def _drop_faces(annotations: list[Annotation], form: Form, sentences: list[str]) -> list[Annotation]:
    """Leave out faces that the format cannot hold, and images of nothing but these."""
    ignored = negative = images = 0
    kept = []
    for annotation in annotations:
        is_negative = (annotation.boxes[:, 2:] < annotation.boxes[:, :2]).any(axis=1) & (not form.negative_sizes)
        is_ignored = annotation.ignored & ~is_negative & (not form.marks)
        negative += int(is_negative.sum())
        ignored += int(is_ignored.sum())
        holds = ~(is_negative | is_ignored)
        if len(holds) and not holds.any():
            images += 1
        else:
            kept.append(_choose(annotation, holds))
    _say(sentences, ignored, "left out: {} to be ignored, for which the format has no mark")
    _say(sentences, negative, "left out: {} of negative width or height")
    _say(sentences, images, "left out: {} of nothing but such faces", "image")
    if not kept:
        raise UserError("no face is left that the format can hold")
    return kept


def _clip(annotations: list[Annotation], sentences: list[str]) -> list[Annotation]:
    """Clip the boxes that YOLO cannot hold otherwise; leave out those outside, and images of nothing but these."""
    clipped = outside = images = 0
    kept = []
    for annotation in annotations:
        inside = inside_image(annotation)
        changed = (inside.boxes != annotation.boxes).any(axis=1)
        is_outside = changed & (inside.boxes[:, 2:] <= inside.boxes[:, :2]).any(axis=1)
        clipped += int((changed & ~is_outside).sum())
        outside += int(is_outside.sum())
        if len(is_outside) and is_outside.all():
            images += 1
        else:
            kept.append(_choose(inside, ~is_outside))
    _say(sentences, clipped, "left out: the parts of {} outside the image")
    _say(sentences, outside, "left out: {} outside the image")
    _say(sentences, images, "left out: {} of nothing but such faces", "image")
    if not kept:
        raise UserError("no face is left that the format can hold")
    return kept


def _fit_attributes(annotations: list[Annotation], form: Form, sentences: list[str]) -> list[Annotation]:
    with_faces = [annotation for annotation in annotations if len(annotation.boxes)] or annotations
    present = dict.fromkeys(name for annotation in with_faces for name in annotation.attributes)
    held = [name for name in present if all(_holds(form, name, annotation) for annotation in with_faces)]
    lost = [name for name in present if name not in held and _says_something(name, with_faces)]
    unknown = [name for name in form.attributes or () if form.complete and name not in (*held, *form.marks)]
    marks = [name for name in form.marks if name in held]
    unmarked = [annotation.ignored & ~_marked(annotation, marks) for annotation in annotations]
    must_mark = any(map(np.any, unmarked))
    if lost:
        sentences.append(f"left out: the attributes {_words(lost)}")
    if unknown:
        sentences.append(f"not known and written as 0: the attributes {_words(unknown)}")
    defaults = {name: form.attributes[name] for name in held} if form.attributes is not None else {}
    for name, default in defaults.items():
        count = sum(int((~is_known(each.attributes[name])).sum()) for each in with_faces)
        _say(sentences, count, f"not known of {{}} and written as {default or 0}: {name}")

    fitted = []
    for annotation, faces in zip(annotations, unmarked, strict=True):
        count = len(annotation.boxes)
        attributes = {name: annotation.attributes.get(name, np.zeros(count)) for name in held}
        attributes |= {name: _filled(attributes[name], default) for name, default in defaults.items()}
        attributes |= {name: np.zeros(count) for name in unknown}
        if form.marks and (must_mark or form.complete):
            mark = form.marks[-1]
            attributes[mark] = np.where(faces, 1.0, attributes.get(mark, np.zeros(count)))
        fitted.append(replace(annotation, attributes=attributes))
    return fitted


def _holds(form: Form, name: str, annotation: Annotation) -> bool:
    """Whether the format has an attribute with values of that type, and the image's faces have it."""
    if name not in annotation.attributes:
        return False
    values = annotation.attributes[name]
    if name in form.marks:
        return have_type(values, float) and bool(np.isin(values[is_known(values)], (0, 1)).all())
    return form.attributes is None or (name in form.attributes and have_type(values, type(form.attributes[name])))


def _filled(values: np.ndarray, default: float | str) -> np.ndarray:
    if values.dtype != object:
        return values
    filled = [default if value is None else value for value in values]
    return np.array(filled, np.float64 if isinstance(default, float) else object)


def _says_something(name: str, annotations: list[Annotation]) -> bool:
    """Whether an attribute is more than a mark to be ignored that no face has."""
    values = (each.attributes[name] for each in annotations if name in each.attributes)
    return name not in IGNORED_ATTRIBUTES or any(np.any(each[is_known(each)] != 0) for each in values)


def _marked(annotation: Annotation, marks: Sequence[str]) -> np.ndarray:
    """(N,) bool: the faces that some of the attributes say to ignore."""
    mask = np.zeros(len(annotation.boxes), bool)
    for name in marks:
        mask |= annotation.attributes.get(name, 0) == 1
    return mask


def _drop_rest(annotations: list[Annotation], form: Form, sentences: list[str]) -> list[Annotation]:
    """Leave out what is not asked for, so that nothing is said of it when the result is fitted again."""
    if not form.landmarks:
        count = sum(int((each.landmarks != -1).any(axis=(1, 2)).sum()) for each in annotations)
        _say(sentences, count, "left out: the landmarks of {}")
        annotations = [replace(each, landmarks=np.full_like(each.landmarks, -1.0)) for each in annotations]
    if not form.boxes:
        annotations = [_choose(annotation, np.zeros(len(annotation.boxes), bool)) for annotation in annotations]
    lost = dict.fromkeys(name for each in annotations for name in each.subsets if name not in form.subsets)
    if lost:
        sentences.append(f"left out: the subsets {_words(lost)}")
    if not form.identities and any(each.identity is not None for each in annotations):
        sentences.append("left out: the ids of the images")
        annotations = [replace(each, identity=None) for each in annotations]
    if not form.sizes and any(each.size for each in annotations):
        sentences.append("left out: the sizes of the images")
        annotations = [replace(each, size=None) for each in annotations]
    if not form.suffixes and any(image_key(each.name) != each.name for each in annotations):
        sentences.append("left out: the suffixes of the images' names")
    kept = [{name: mask for name, mask in each.subsets.items() if name in form.subsets} for each in annotations]
    return [replace(each, subsets=subsets) for each, subsets in zip(annotations, kept, strict=True)]


def _choose(annotation: Annotation, mask: np.ndarray) -> Annotation:
    """Return an annotation with some of its faces; `mask` is (N,) bool."""
    if mask.all():
        return annotation
    return replace(
        annotation,
        boxes=annotation.boxes[mask],
        landmarks=annotation.landmarks[mask],
        attributes={name: values[mask] for name, values in annotation.attributes.items()},
        subsets={name: values[mask] for name, values in annotation.subsets.items()},
    )


def _say(sentences: list[str], count: int, sentence: str, word: str = "face") -> None:
    if count:
        sentences.append(sentence.format(counted(count, word)))


def _words(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names))

"""The ground truth of the WIDER FACE evaluation, in MATLAB files of any name."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations.format import Capabilities, Format
from data.annotations.formats.face_list import FACE_VARIABLES, FaceList, find_difference, parse_face_list
from data.annotations.formats.mat_file import load_variables
from data.annotations.places import Places
from data.annotations.record import WIDER_VALUES, Annotation, Annotations, make_annotations
from data.annotations.written_numbers import written_boxes
from data.image_files import image_key
from utils.errors import UserError
from utils.wording import counted

FACES = "wider_face_val.mat"
SUBSETS = {subset: f"wider_{subset}_val.mat" for subset in ("easy", "medium", "hard")}
ATTRIBUTE_LISTS = {name: f"{name}_label_list" for name in WIDER_VALUES}
# Words of a file's name that do not belong to the name of its subset.
COMMON_WORDS = re.compile(r"(wider|faces?|tv|val|dev|test|gt|list|ground|truth)+", re.IGNORECASE)


def read_wider_mat(path: Path) -> Annotations:
    """Read a file with face_bbx_list and file_list, and the subsets of all files in its folder that have a gt_list.

    file_list and face_bbx_list have a cell for each event of event_list, which holds a cell for each image; or, without
    events, a cell for each image. The gt_list of a subset holds the 1-based indices of the faces of an image that are
    not ignored, in the same layout. A subset is named after its file. Without any gt_list all faces count, and a single
    box of zeros stands for an image without faces. With one, boxes are read as they are, even those of no or negative
    size, as for the published figures. The attribute lists (blur_label_list ...) are read where the file has them.

    Raises:
        UserError: a file is not MATLAB's, or has another layout.
    """
    content = load_variables(path, (*FACE_VARIABLES, *ATTRIBUTE_LISTS.values()))
    faces = parse_face_list(path, content)
    subsets, notes = _read_subsets(path, faces)
    try:
        attributes = {
            name: _attribute(key, faces.per_image(content[key]), faces.counts)
            for name, key in ATTRIBUTE_LISTS.items()
            if key in content
        }
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: is not laid out as the WIDER FACE ground truth ({error})") from error
    boxes, counts = np.concatenate([np.empty((0, 4)), *faces.boxes]), np.array(faces.counts, int)
    if not subsets:
        is_face = boxes.any(axis=1) | (np.repeat(counts, counts) > 1)
        notes += [f"{counted(int((~is_face).sum()), 'box')} of zeros read as images without faces"] * (
            not is_face.all()
        )
        boxes, attributes = boxes[is_face], {name: values[is_face] for name, values in attributes.items()}
        counts -= np.bincount(np.repeat(np.arange(len(counts)), counts)[~is_face], minlength=len(counts))
    return make_annotations(
        faces.names,
        counts,
        boxes,
        attributes=attributes,
        subsets=subsets,
        places=_places(path, faces.names, counts),
        notes=notes,
    )


def find_face_list(paths: Sequence[Path]) -> Path | None:
    """Return the one of a folder's .mat files that `read_wider_mat` reads, None where none has faces.

    Raises:
        UserError: several files have faces, and not the same ones; a file is not MATLAB's.
    """
    found: dict[Path, FaceList] = {}
    has_subset = {}
    for path in paths:
        content = load_variables(path, (*FACE_VARIABLES, "gt_list"))
        if "face_bbx_list" in content:
            found[path], has_subset[path] = parse_face_list(path, content), "gt_list" in content
    if not found:
        return None
    first = min(found, key=has_subset.get)  # official files without a gt_list have all faces, too
    for path, faces in found.items():
        if difference := find_difference(found[first], faces):
            raise UserError(
                f"{first}: has other faces than {path} beside it ({difference}); name one of them, or move the files of"
                " another set to another folder"
            )
    return first


def subset_name(path: Path) -> str:
    """Return the subset of a file with a gt_list: easy for wider_easy_val.mat, all where no word remains."""
    words = [word for word in re.split(r"[_\W]+", path.stem) if word and not COMMON_WORDS.fullmatch(word)]
    return "_".join(words) or "all"


def _read_subsets(path: Path, faces: FaceList) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return subset -> (F,) bool from the files in the folder of a face list, and what to say about them."""
    masks: dict[str, np.ndarray] = {}
    origins: dict[str, Path] = {}
    notes = []
    for file in sorted(file for file in path.parent.iterdir() if file.suffix.lower() == path.suffix.lower()):
        content = load_variables(file, (*FACE_VARIABLES, "gt_list"))
        if "gt_list" not in content:
            continue
        if file != path and "face_bbx_list" in content and find_difference(faces, parse_face_list(file, content)):
            notes.append(f"{file.name} is not read: it has other faces than {path.name}")
            continue
        name = subset_name(file)
        try:
            mask = _mask(faces.per_image(content["gt_list"]), faces.counts)
        except (TypeError, ValueError) as error:
            raise UserError(f"{file}: its gt_list does not fit the faces of {path.name} ({error})") from error
        if name in masks and not np.array_equal(mask, masks[name]):
            raise UserError(
                f"{origins[name]} and {file}: have different faces of the subset {name!r}; rename one of them"
            )
        masks[name], origins[name] = mask, file
    missing = [name for name in SUBSETS if name not in masks]
    if 0 < len(missing) < len(SUBSETS):
        notes.append(f"no file has the subset {', '.join(missing)}")
    return {name: masks[name] for name in [*SUBSETS, *masks] if name in masks}, notes


def _places(path: Path, names: list[str], counts: Sequence[int]) -> Places:
    images = [f"{path}: {name}" for name in names]
    faces = [f"{where}, face {i}" for where, count in zip(images, counts, strict=True) for i in range(1, count + 1)]
    return Places(images, faces)


def _numbers(cells: list[np.ndarray]) -> np.ndarray:
    """Return the numbers of all cells, one after the other, as float64."""
    return np.concatenate([np.empty(0), *(cell.astype(np.float64).ravel() for cell in cells)])


def _attribute(key: str, cells: list[np.ndarray], counts: list[int]) -> np.ndarray:
    if [cell.size for cell in cells] != counts:
        raise ValueError(f"{key} has not one value for each face")
    return _numbers(cells)


def _mask(cells: list[np.ndarray], counts: list[int]) -> np.ndarray:
    """Return (F,) bool over the faces of all images from each image's 1-based indices."""
    lengths = [cell.size for cell in cells]
    values = _numbers(cells)
    if not ((values >= 1) & (values <= np.repeat(counts, lengths)) & (values % 1 == 0)).all():
        raise ValueError("it names a face that the image has not; expected indices from 1 on")
    mask = np.zeros(sum(counts), bool)
    mask[values.astype(int) - 1 + np.repeat(np.cumsum(counts) - counts, lengths)] = True
    return mask


def write_wider_mat(folder: Path, annotations: Sequence[Annotation]) -> None:
    """Write wider_face_val.mat and the lists of the three subsets into an existing folder.

    An image's event is its folder, or "." without one, and its name has no suffix, as in the official files. Without
    subsets, each list has every face that is not ignored.
    """
    import scipy.io

    events = {}
    for annotation in annotations:
        events.setdefault(str(PurePosixPath(annotation.name).parent), []).append(annotation)
    groups = list(events.values())

    def per_image(value: Callable[[Annotation], object]) -> np.ndarray:
        return _cell(_cell(value(annotation) for annotation in group) for group in groups)

    def in_subset(subset: str) -> Callable[[Annotation], np.ndarray]:
        return lambda annotation: _column(np.flatnonzero(annotation.subsets.get(subset, ~annotation.ignored)) + 1)

    content = {
        "event_list": _cell(events),
        "file_list": per_image(lambda annotation: PurePosixPath(image_key(annotation.name)).name),
        "face_bbx_list": per_image(lambda annotation: written_boxes(annotation.boxes)),
    }
    for name in annotations[0].attributes:
        content[f"{name}_label_list"] = per_image(lambda annotation, name=name: _column(annotation.attributes[name]))
    scipy.io.savemat(folder / FACES, content, do_compression=True)
    for subset, file in SUBSETS.items():
        gt_list = {"gt_list": per_image(in_subset(subset))}
        scipy.io.savemat(folder / file, gt_list, do_compression=True)


def _cell(values: Iterable[object]) -> np.ndarray:
    """Return MATLAB's (N, 1) cell array."""
    values = list(values)
    cell = np.empty((len(values), 1), object)
    for index, value in enumerate(values):
        cell[index, 0] = value
    return cell


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64).reshape(-1, 1)


WIDER_MAT = Format(
    name="wider_mat",
    description="the WIDER FACE .mat set",
    read=lambda path, options: read_wider_mat(path),
    write=write_wider_mat,
    capabilities=Capabilities(
        attributes=dict.fromkeys(WIDER_VALUES, 0.0),
        ignore_attributes=("invalid",),
        subsets=tuple(SUBSETS),
        negative_sizes=True,
        suffixes=False,
    ),
    files="*.mat",
    choose=find_face_list,
    is_folder=True,
    name_in_dataset="ground_truth",
)

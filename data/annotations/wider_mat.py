"""The ground truth of the official WIDER FACE evaluation, in MATLAB files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations.format import Capabilities, Format
from data.annotations.record import WIDER_VALUES, Annotation, Annotations, Places, make_annotations, written_boxes
from data.image_files import image_key
from utils.errors import UserError

FACES = "wider_face_val.mat"
SUBSETS = {subset: f"wider_{subset}_val.mat" for subset in ("easy", "medium", "hard")}


def read_wider_mat(path: Path) -> Annotations:
    """Read wider_face_val.mat and, beside it, wider_{easy,medium,hard}_val.mat.

    The gt_list of a subset holds, for each event and image, the 1-based indices of the faces that are not ignored. The
    official boxes are read as they are, even the one of negative size, as for the published figures. The attribute
    lists, blur_label_list and so on, are read where the file has them.

    Raises:
        UserError: a file is missing, is not MATLAB's, or has another layout.
    """
    attribute_lists = {name: f"{name}_label_list" for name in WIDER_VALUES}
    content = _load(path, ("event_list", "file_list", "face_bbx_list"), tuple(attribute_lists.values()))
    gt_lists = {subset: _load(path.with_name(file), ("gt_list",))["gt_list"] for subset, file in SUBSETS.items()}
    try:
        events, files = content["event_list"][:, 0], content["file_list"][:, 0]
        names = [
            str(PurePosixPath(event[0], image[0]))  # the event "." is no folder
            for event, images in zip(events, files, strict=True)
            for image in images[:, 0]
        ]
        boxes = [cell.reshape(-1, 4) for cell in _cells(content["face_bbx_list"], files)]
        counts = [len(cell) for cell in boxes]
        return make_annotations(
            names,
            counts,
            _join(boxes),
            attributes={
                name: _attribute(key, content[key], files, counts)
                for name, key in attribute_lists.items()
                if key in content
            },
            subsets={subset: _mask(subset, gt_list, files, counts) for subset, gt_list in gt_lists.items()},
            places=_places(path, names, counts),
        )
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is not laid out as the WIDER FACE ground truth ({error})") from error


def _places(path: Path, names: list[str], counts: list[int]) -> Places:
    images = [f"{path}: {name}" for name in names]
    faces = [f"{where}, face {i}" for where, count in zip(images, counts, strict=True) for i in range(1, count + 1)]
    return Places(images, faces)


def _load(path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    import scipy.io  # its import takes longer than reading most files

    try:
        content = scipy.io.loadmat(path, variable_names=(*required, *optional))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # SciPy raises many types for a file that is not MATLAB's
        raise UserError(f"{path}: is not a MATLAB file ({error})") from error
    for key in required:
        if key not in content:
            raise UserError(f"{path}: has no {key}; expected the WIDER FACE ground truth")
    return content


def _cells(events: np.ndarray, files: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the cell of each image, event by event, from a list that must be as long as that of the file names."""
    for images, names in zip(events[:, 0], files, strict=True):
        if len(images) != len(names):
            raise ValueError(f"{len(images)} entries for the {len(names)} images of an event")
        yield from images[:, 0]


def _join(cells: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(cells).astype(np.float64)


def _attribute(key: str, events: np.ndarray, files: np.ndarray, counts: list[int]) -> np.ndarray:
    cells = [cell.ravel() for cell in _cells(events, files)]
    if list(map(len, cells)) != counts:
        raise ValueError(f"{key} has not one value for each face")
    return _join(cells)


def _mask(subset: str, gt_list: np.ndarray, files: np.ndarray, counts: list[int]) -> np.ndarray:
    """Return (F,) bool over the faces of all images from each image's 1-based indices."""
    cells = [cell.ravel() for cell in _cells(gt_list, files)]
    indices = _join(cells).astype(int)
    lengths = list(map(len, cells))
    if (indices < 1).any() or (indices > np.repeat(counts, lengths)).any():
        raise ValueError(f"the list of subset {subset} names a face that the image has not")
    mask = np.zeros(sum(counts), bool)
    mask[indices - 1 + np.repeat(np.cumsum(counts) - counts, lengths)] = True
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
    files=FACES,
    is_folder=True,
    name_in_dataset="ground_truth",
)

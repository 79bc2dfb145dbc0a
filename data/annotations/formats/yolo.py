"""YOLO: a text file for each image, a row for each object. Coordinates are fractions of the image's size."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations.classes import Classes, choose_classes
from data.annotations.folders import joined_splits, label_files, path_problem
from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.formats.yolo_names import CLASSES, NOTES, ClassNames, is_names_file, read_class_names
from data.annotations.formats.yolo_rows import (
    FARTHEST_CORNER,
    PIXEL,
    Faces,
    Layout,
    Row,
    choose_layouts,
    read_faces,
    read_rows,
    row_problem,
)
from data.annotations.orientation import header_bar, in_stored_pixels
from data.annotations.places import Places
from data.annotations.problems import Problem, skip_or_raise
from data.annotations.record import Annotation, Annotations, make_annotations
from data.annotations.text_lines import format_row, parse_numbers
from data.image_files import IMAGE_SUFFIXES, find_images, image_key, keys_of_image, passed_over, usual_images
from data.image_header import ImageHeader, read_header
from utils.errors import UserError
from utils.files import join_inside, read_text
from utils.wording import count_each

SEVERAL = 3  # lines of a text file by which a list of images is known


def read_yolo(
    folder: Path, images: Path | None = None, category: str | None = None, problems: list[Problem] | None = None
) -> Annotations:
    """Read the label files below a folder, or `labels` in it, for the images that `keys_of_image` finds.

    The layouts of rows are those of `choose_layouts`; of an outline, the box around it is read. `read_class_names` says
    where the names of the classes come from. Without names, the numbers of the classes are their names. An image
    without a label file has no faces.

    Fractions are parts of the image as labelling tools show it: with its EXIF rotation. The boxes are turned to stored
    pixels.

    Args:
        images: folder of the images; their sizes are needed to compute pixels; None: that of `usual_images`.
        problems: as for `read_annotations`; an unreadable image then has no faces.

    Raises:
        UserError: a malformed row, named by file and line, a label file without an image, an image that cannot be
            read, names that contradict each other, or no such folders.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is a single file; YOLO labels are named by the folder that holds them")
    images = images or usual_images(folder)
    if (folder / "labels").is_dir():  # the folder of a dataset with images/ and labels/
        folder = folder / "labels"
    names, files = read_class_names(folder), find_images(images)
    labels = _match_labels(folder, files, images, problems)
    rows, layouts = _read_labels([labels.get(key) for key in files], names, problems)
    chosen = _choose_classes(folder, rows, names, category)
    headers = _read_headers(files, problems)
    faces = _rows_of_faces(rows, headers, chosen)
    counts = [len(group) for group in faces]
    sizes = [header.shown_size if header else None for header in headers]
    found = read_faces([row for group in faces for row in group], layouts)
    boxes, landmarks = _to_pixels(found, sizes, counts)
    sources = [str(labels.get(key, path)) for key, path in files.items()]
    paths = [path.relative_to(images).as_posix() for path in files.values()]
    annotations = make_annotations(
        paths,
        counts,
        boxes,
        landmarks,
        sizes=sizes,
        places=Places(sources, [row.place for group in faces for row in group]),
        classes=chosen,
        notes=[*joined_splits(paths), *_notes(len(files) - len(labels), found.outlines, images)],
        unread=count_each(
            (found.hidden, "landmark", "visibility 1 of {}"),
            (found.keypoints, "face", "keypoints other than five of {}"),
            (found.tracks, "face", "the track (sixth column) of {}"),
        ),
    )
    return in_stored_pixels(annotations, headers)


def _match_labels(
    folder: Path, files: Mapping[str, Path], images: Path, problems: list[Problem] | None
) -> dict[str, Path]:
    """Return key of an image -> its label file."""
    labels = {}
    for name in _label_files(folder):
        path, keys = folder / name, keys_of_image(name[:-4])
        key = next((key for key in keys if key in files), None)
        try:
            if key in labels:
                raise UserError(
                    f"{path}: is for the image {key!r}, as is {labels[key]}; expected one label file for each"
                )
            if key is not None:
                labels[key] = path
            elif not _is_image_list(path):
                raise UserError(
                    f"{path}: found no image {keys[0]!r} below {images}; name the folder of the images with --images"
                )
        except UserError as error:
            skip_or_raise(error, problems)
    return labels


def _label_files(folder: Path) -> list[str]:
    """Return the paths below the folder of the files that may have labels."""
    names = [name for name in label_files(folder, {".txt"}) if _may_have_labels(folder / name)]
    if not names:
        raise UserError(f"{folder}: has no YOLO labels (*.txt); name the folder that has them")
    return names


def _may_have_labels(path: Path) -> bool:
    return not is_names_file(path) and not path.name.upper().startswith("README")


def _is_image_list(path: Path) -> bool:
    """Whether a text file is a list of images, as train.txt is in exports for Darknet and Ultralytics."""
    lines = [line.strip() for line in read_text(path).split("\n") if line.strip()][:SEVERAL]
    return bool(lines) and all(PurePosixPath(line).suffix.lower() in IMAGE_SUFFIXES for line in lines)


def _read_labels(
    labels: Sequence[Path | None], names: ClassNames, problems: list[Problem] | None
) -> tuple[list[list[Row]], dict[int, Layout]]:
    """Return the valid rows of each image, by the images' label files, and the layouts of the rows."""
    rows = [read_rows(path, names, problems, index) if path else [] for index, path in enumerate(labels)]
    layouts = choose_layouts((row for group in rows for row in group), names.keypoints)
    return [_valid_rows(group, layouts, problems, index) for index, group in enumerate(rows)], layouts


def _valid_rows(
    rows: Sequence[Row], layouts: Mapping[int, Layout], problems: list[Problem] | None, record: int
) -> list[Row]:
    valid = []
    for row in rows:
        if problem := row_problem(row, layouts[len(row.values)]):
            shown = " ".join([row.name, *(f"{value:g}" for value in row.values)])
            skip_or_raise(UserError(f"{row.place}: found {shown[:80]!r}; {problem}"), problems, record)
        else:
            valid.append(row)
    return valid


def _choose_classes(folder: Path, rows: Sequence[Sequence[Row]], names: ClassNames, category: str | None) -> Classes:
    counts = Counter(dict.fromkeys(names.names.values(), 0))
    counts.update(row.name for group in rows for row in group)
    return choose_classes(folder, counts, category)


def _rows_of_faces(
    rows: Sequence[Sequence[Row]], headers: Sequence[ImageHeader | None], chosen: Classes
) -> list[list[Row]]:
    """Return the rows of faces of each image, none of an unreadable one: their place in pixels is not known."""
    return [
        [row for row in group if row.name in chosen.faces] if header else []
        for group, header in zip(rows, headers, strict=True)
    ]


def _notes(unlabelled: int, outlines: int, images: Path) -> list[str]:
    unread = passed_over(images)
    return [
        *count_each(
            (unlabelled, "image", "{} without a label file: read as background"),
            (outlines, "face", "{} with an outline or a rotated box: the box around it is read"),
        ),
        *([unread] if unread else []),
    ]


def _read_headers(files: Mapping[str, Path], problems: list[Problem] | None) -> list[ImageHeader | None]:
    """Return the header of each image; None for an unreadable one, which is among the problems."""
    headers = []
    for path in header_bar(files.values()):
        try:
            headers.append(read_header(path))
        except UserError as error:
            skip_or_raise(error, problems)
            headers.append(None)
    return headers


def _to_pixels(
    faces: Faces, sizes: Sequence[tuple[int, int] | None], counts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (F, 4) x y w h and landmarks (F, 5, 2) in pixels.

    Args:
        sizes, counts: (P,) (height, width) and numbers of faces of the images.
    """
    scale = np.repeat([size[::-1] if size else (0, 0) for size in sizes], counts, axis=0)
    boxes = faces.boxes.reshape(-1, 2, 2) * scale[:, None]
    boxes[:, 0] -= boxes[:, 1] / 2
    landmarks = faces.landmarks * scale[:, None]
    missing = (np.isnan(landmarks) | (np.abs(landmarks + 1) < PIXEL)).all(axis=2, keepdims=True)
    return boxes.reshape(-1, 4), np.where(missing, -1.0, landmarks)


def write_yolo(folder: Path, annotations: Sequence[Annotation]) -> None:
    """Write classes.txt and, at the path of each image, a label file, which is empty for an image without faces.

    Rows have 5 columns, or 20 where any face of the set has a landmark.

    Args:
        folder: exists.
        annotations: with sizes, and boxes as `inside_image` returns them.
    """
    (folder / CLASSES).write_text("face\n", encoding="utf-8", newline="\n")
    with_points = any((annotation.landmarks != -1).any() for annotation in annotations)
    for annotation in annotations:
        scale = np.array(annotation.size[::-1], np.float64)
        rows = np.insert(_parts(annotation), 0, 0, axis=1)
        if with_points:
            known = (annotation.landmarks != -1).any(axis=2, keepdims=True)
            points = np.concatenate([annotation.landmarks / scale, np.full_like(known, 2, np.float64)], axis=2)
            rows = np.concatenate([rows, np.where(known, points, 0).reshape(-1, 15)], axis=1)
        path = join_inside(folder, f"{image_key(annotation.name)}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{format_row(row)}\n" for row in rows)
        path.write_text(text, encoding="utf-8", newline="\n")


def inside_image(annotation: Annotation) -> Annotation:
    """Clip the boxes with a center or size outside the image, which YOLO cannot hold."""
    height, width = annotation.size
    edge = (width, height, width, height)
    parts = _parts(annotation)
    beyond = ((parts < 0) | (parts > 1)).any(axis=1, keepdims=True)
    return replace(annotation, boxes=np.where(beyond, np.clip(annotation.boxes, 0, edge), annotation.boxes))


def _parts(annotation: Annotation) -> np.ndarray:
    """Return (N, 4) center and size of the boxes as fractions of the image's size."""
    scale = np.array(annotation.size[::-1], np.float64)
    low, high = annotation.boxes[:, :2], annotation.boxes[:, 2:]
    return np.concatenate([(low + high) / 2 / scale, (high - low) / scale], axis=1)


def _recognizes(head: FileHead) -> bool:
    words = head.lines[0].replace(",", " ").split() if head.lines else []
    start = next((index for index, word in enumerate(words) if not word.isalpha()), len(words))
    numbers = parse_numbers(" ".join(words[start:]))
    if numbers and start == 0:  # the class is a number, or a name of one or more words
        number, *numbers = numbers
        if number not in range(10_000):
            return False
    if not numbers or len(numbers) < 4:
        return False
    in_pixels = len(numbers) == 4 and min(numbers) > 1  # which the reader explains
    return in_pixels or max(map(abs, numbers[:4])) <= (1.01 if len(numbers) == 4 else FARTHEST_CORNER)


def _recognizes_folder(folder: Path) -> str | None:
    """Return an empty file of a folder where all of several files are empty, or where classes.txt lies beside it."""
    names = label_files(folder, {".txt"})
    empty = [name for name in names if not (folder / name).stat().st_size]
    has_classes = any(PurePosixPath(name).name == CLASSES for name in names)
    return empty[0] if len(empty) == len(names) > 1 or (empty and has_classes) else None


def _name_problem(name: str) -> str | None:
    if f"{PurePosixPath(image_key(name)).name}.txt" == CLASSES:
        return f"its labels would be called {CLASSES}, which names the classes"
    return path_problem(name)


YOLO = Format(
    name="yolo",
    description="YOLO labels",
    read=lambda path, options: read_yolo(path, options.images, options.category, options.problems),
    write=write_yolo,
    capabilities=Capabilities(landmarks=True, sizes=True, needs_sizes=True),
    recognizes=_recognizes,
    companions=(CLASSES, NOTES),
    file_per_image=True,
    is_folder=True,
    recognizes_folder=_recognizes_folder,
    has_classes=True,
    reads_images=True,
    name_in_dataset="labels",
    name_problem=_name_problem,
    clip=inside_image,
)

"""YOLO: a text file for each image, a row for each object. Coordinates are fractions of the image's size."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations.classes import Classes, choose_classes
from data.annotations.folders import label_files, path_problem
from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.problems import Problem, skip_or_raise
from data.annotations.record import (
    Annotation,
    Annotations,
    Places,
    make_annotations,
)
from data.annotations.text_lines import format_row, parse_numbers
from data.image_files import find_images, image_key, image_size, passed_over, usual_images
from utils.errors import UserError
from utils.files import join_inside, read_text
from utils.wording import count_each

CLASSES = "classes.txt"
FARTHEST = 1e4  # of a landmark, as a fraction of the image's size; less than LARGEST pixels in any image
TOLERANCE = 0.001  # coordinates are rounded when they are written


def read_yolo(
    folder: Path, images: Path | None = None, category: str | None = None, problems: list[Problem] | None = None
) -> Annotations:
    """Read the label files below a folder, or `labels` in it, for the images at the same paths below their own.

    A row is `class cx cy w h`, which five landmarks `x y visibility` may follow. `classes.txt` names the classes. It
    lies in the folder, or in a folder above up to the one that has `labels`. Without it, the numbers of the classes are
    their names. An image without a label file has no faces.

    Args:
        images: folder of the images; their sizes are needed to compute pixels; None: that of `usual_images`.
        problems: as for `read_annotations`; an unreadable image then has no faces.

    Raises:
        UserError: a malformed row, named by file and line, a label file without an image, an image that cannot be
            read, or no such folders.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: is a single file; YOLO labels are named by the folder that holds them")
    images = images or usual_images(folder)
    if (folder / "labels").is_dir():  # the folder of a dataset with images/ and labels/
        folder = folder / "labels"
    labels, files, classes = _find_labels(folder), find_images(images), _read_classes(folder)
    indices = {key: index for index, key in enumerate(files)}
    rows = {key: [] for key in files}
    for key, path in labels.items():
        if key in files:
            rows[key] = _read_rows(path, classes, problems, indices[key])
        else:
            message = f"{path}: found no image {key!r} below {images}; name the folder of the images with --images"
            skip_or_raise(UserError(message), problems)
    faces, chosen = _select_faces(folder, rows, classes, category)
    sizes = _read_sizes(files, problems)
    faces = {key: group if size else [] for (key, group), size in zip(faces.items(), sizes, strict=True)}

    counts = [len(group) for group in faces.values()]
    scale = np.repeat([size[::-1] if size else (0, 0) for size in sizes], counts, axis=0)
    face_rows = [row for group in faces.values() for _, row in group]
    boxes, landmarks, hidden = _to_pixels(face_rows, scale)
    sources = [str(labels.get(key, path)) for key, path in files.items()]
    return make_annotations(
        [path.relative_to(images).as_posix() for path in files.values()],
        counts,
        boxes,
        landmarks,
        sizes=sizes,
        places=Places(sources, [place for group in faces.values() for place, _ in group]),
        classes=chosen,
        notes=[unread] if (unread := passed_over(images)) else [],
        unread=count_each((hidden, "landmark", "visibility 1 of {}")),
    )


def _select_faces(
    folder: Path, rows: dict[str, list[tuple[str, list[float]]]], classes: dict[int, str], category: str | None
) -> tuple[dict[str, list[tuple[str, list[float]]]], Classes]:
    """Return the rows of faces, and the classes; without names of the classes, their numbers are the names."""
    used = Counter(int(row[0]) for group in rows.values() for _, row in group)
    classes = classes or {number: str(number) for number in sorted(used)}
    counts = Counter()
    for number, name in classes.items():
        counts[name] += used[number]
    chosen = choose_classes(folder, counts, category)
    faces = {number for number, name in classes.items() if name in chosen.faces}
    return {key: [(place, row) for place, row in group if row[0] in faces] for key, group in rows.items()}, chosen


def _read_sizes(files: dict[str, Path], problems: list[Problem] | None) -> list[tuple[int, int] | None]:
    """Return (height, width) of each image; None for an unreadable one, which is among the problems."""
    sizes = []
    for path in files.values():
        try:
            sizes.append(image_size(path))
        except UserError as error:
            skip_or_raise(error, problems)
            sizes.append(None)
    return sizes


def _to_pixels(rows: list[list[float]], scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return boxes (F, 2, 2) x y w h and landmarks (F, 5, 2) in pixels, and the number of hidden landmarks.

    Args:
        rows: F rows of a label file.
        scale: (F, 2), width and height of each face's image.
    """
    boxes = np.array([row[1:5] for row in rows]).reshape(-1, 2, 2) * scale[:, None]
    boxes[:, 0] -= boxes[:, 1] / 2
    points = np.array([row[5:] or [0.0] * 15 for row in rows]).reshape(-1, 5, 3)
    landmarks = np.where(points[:, :, 2:] == 0, -1.0, points[:, :, :2] * scale[:, None])
    return boxes, landmarks, int((points[:, :, 2] == 1).sum())


def _find_labels(folder: Path) -> dict[str, Path]:
    """Return path below the folder without its suffix -> label file."""
    files = [name for name in label_files(folder, {".txt"}) if PurePosixPath(name).name != CLASSES]
    if not files:
        raise UserError(f"{folder}: has no YOLO labels (*.txt); name the folder that has them")
    return {name[:-4]: folder / name for name in files}


def _read_classes(folder: Path) -> dict[int, str]:
    """Return number -> name of the classes from the nearest classes.txt; empty where there is none."""
    folder = Path(os.path.abspath(folder))
    above = folder.parents[: folder.parts[::-1].index("labels") + 1] if "labels" in folder.parts else []
    for place in (folder, *above):
        if (place / CLASSES).is_file():
            names = read_text(place / CLASSES).strip().split("\n")
            return dict(enumerate(name.strip() for name in names))
    return {}


def _read_rows(
    path: Path, classes: dict[int, str], problems: list[Problem] | None, record: int
) -> list[tuple[str, list[float]]]:
    """Return the place and the numbers of each row of a record."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            row = parse_numbers(line)
            problem = _problem(row, classes)
            if problem:
                skip_or_raise(UserError(f"{path}:{number}: found {line.strip()[:80]!r}; {problem}"), problems, record)
            else:
                rows.append((f"{path}:{number}", row))
    return rows


def _problem(row: list[float] | None, classes: dict[int, str]) -> str | None:
    """Return what is wrong with a row, None where it is valid."""
    if row is not None and len(row) == 6:
        return "six columns are a prediction with its confidence; expected the ground truth, 'class cx cy w h'"
    if row is not None and len(row) > 6 and len(row) != 20:
        return (
            "expected a box, 'class cx cy w h', alone or with five landmarks 'x y visibility' (20 columns); outlines"
            " and other keypoints are not read"
        )
    if row is None or len(row) not in (5, 20):
        return "expected 'class cx cy w h'"
    if row[0] < 0 or row[0] != int(row[0]):
        return "the class must be a whole number"
    if classes and row[0] not in classes:
        return f"{CLASSES} names the classes 0 to {len(classes) - 1}"
    if row[3] < 0 or row[4] < 0:
        return "a face's width and height cannot be negative"
    if not all(-TOLERANCE <= value <= 1 + TOLERANCE for value in row[1:5]):
        return "expected parts of the image, from 0 to 1"
    if not all(abs(value) <= FARTHEST for value in row[5:]):
        return "landmarks are parts of the image, too"
    return None


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
    numbers = parse_numbers(head.lines[0]) if head.lines else None
    if numbers is None or len(numbers) < 5 or numbers[0] not in range(10_000):
        return False
    return all(-0.01 <= value <= 1.01 for value in numbers[1:5])


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
    companions=(CLASSES,),
    file_per_image=True,
    is_folder=True,
    recognizes_folder=_recognizes_folder,
    has_classes=True,
    name_in_dataset="labels",
    name_problem=_name_problem,
    clip=inside_image,
)

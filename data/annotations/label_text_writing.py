"""Writing the text formats that hold all images in one file; text.py describes and reads them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from data.annotations.label_text import (
    COUNTED_ATTRIBUTES,
    HEAD,
    WRITTEN_NOWHERE,
    WRITTEN_SCORE,
    WRITTEN_VISIBLE,
    recognise_text,
)
from data.annotations.record import Annotation, written_boxes, written_number
from utils.errors import UserError

NO_POINT = ["-1", "-1", str(WRITTEN_NOWHERE)]


def write_label(path: Path, annotations: Sequence[Annotation]) -> None:
    """Write '# image' labels: 20 columns in all rows where any face has a landmark, else 4.

    Rows of one width are what is read fastest.

    Raises:
        UserError: a name by which the file would be taken for another format; of all writers here.
    """
    with_points = any((annotation.landmarks != -1).any() for annotation in annotations)

    def lines() -> Iterator[str]:
        for annotation in annotations:
            yield f"# {annotation.name}"
            for box, points in zip(written_boxes(annotation.boxes), annotation.landmarks, strict=True):
                yield _row(box) + (" " + " ".join([*_points(points), str(WRITTEN_SCORE)]) if with_points else "")

    _write(path, "label", annotations, lines())


def write_counted(path: Path, annotations: Sequence[Annotation], kind: str) -> None:
    """Write a text of kind "wider" or "laboro".

    WIDER FACE gives an image without faces one row of zeros, and so does this.

    Args:
        annotations: with all attributes of COUNTED_ATTRIBUTES.
    """
    names = COUNTED_ATTRIBUTES[kind]
    separator = ", " if kind == "laboro" else " "

    def lines() -> Iterator[str]:
        for annotation in annotations:
            yield annotation.name
            yield str(len(annotation.boxes))
            if kind == "wider" and not len(annotation.boxes):
                yield _row([0.0] * (4 + len(names)))
            columns = [annotation.attributes[name] for name in names]
            for row in np.column_stack([written_boxes(annotation.boxes), *columns]):
                yield _row(row, separator)

    _write(path, kind, annotations, lines())


def write_list(path: Path, annotations: Sequence[Annotation]) -> None:
    """Write the names of images, one a line."""
    _write(path, "list", annotations, (annotation.name for annotation in annotations))


def _write(path: Path, kind: str, annotations: Sequence[Annotation], lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if recognise_text(text[:HEAD], text.split("\n"), kind) != kind:
        raise UserError(
            f"{annotations[0].name!r}: no reader would know the file for one of the format {kind} by this name of its"
            " first image; rename the image or choose another format"
        )
    path.write_text(text, encoding="utf-8", newline="\n")


def _row(values: Iterable[float], separator: str = " ") -> str:
    return separator.join(map(written_number, values))


def _points(points: np.ndarray) -> Iterator[str]:
    for x, y in points.tolist():
        yield from NO_POINT if x == y == -1 else (written_number(x), written_number(y), str(WRITTEN_VISIBLE))

"""The images and objects of a labelling tool's export while it is read: objects of any class and shape become faces."""

import re
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.annotations.attributes import attribute_columns
from data.annotations.classes import choose_classes
from data.annotations.folders import joined_splits
from data.annotations.format import ReadOptions
from data.annotations.json_values import is_attribute, is_number, whole_text
from data.annotations.name_search import names_below
from data.annotations.places import Places
from data.annotations.problems import LARGEST, check_extent, skip_or_raise
from data.annotations.record import Annotations, make_annotations
from data.annotations.shapes import DIGITS, LARGEST_PART, RECTANGLE, Shape
from data.image_files import ImageFolder, usual_images
from data.image_header import read_header
from utils.errors import UserError
from utils.wording import count_each, counted, printable

NO_CLASS = "(no class)"
JOINED = "{} of an image that has another one: their objects are joined"
NO_ATTRIBUTES: Mapping[str, float | str] = {}
CROWDS = {"is_crowd": "crowd", "iscrowd": "crowd"}  # what Datumaro and FiftyOne call COCO's flag among the attributes
Size = tuple[int, int]


class LabelledObject(NamedTuple):
    """An object of an image, packed: a file may have millions.

    Attributes:
        place: where it is in the file, behind the file's path.
        label: its class.
        kind: of its shape.
        row: of its box among those of the reader; None: it has no area.
        attributes: shared by all objects with the same ones.
    """

    place: str
    label: str
    kind: str
    row: int | None
    attributes: Mapping[str, float | str]


@dataclass(slots=True)
class LabelledImage:
    """An image: its number in the file, its place behind the file's path, (height, width) if known, and objects.

    Attributes:
        in_parts: whether the coordinates of the objects are parts of the image's width and height.
    """

    number: int
    place: str
    size: Size | None
    objects: list[LabelledObject] = field(default_factory=list)
    in_parts: bool = False


class ObjectReader:
    """Collects the images and objects of a file or folder, and makes records of the faces among them.

    Attributes:
        notes: sentences, with counts, for the user.
    """

    def __init__(self, path: Path, options: ReadOptions):
        self.path, self.options = path, options
        self.folder = options.images or usual_images(path)
        self.notes: list[str] = []
        self._images: dict[str, LabelledImage] = {}
        self._boxes = array("d")  # x y w h of each object
        self._attributes: dict[tuple, Mapping[str, float | str]] = {(): {}}
        self._first_problem = len(options.problems or ())
        self._repeated = 0

    def image(self, name: str, where: str, size: Size | None = None, in_parts: bool = False) -> LabelledImage:
        """Return the image of a name, a new one or the one that has been read before.

        Raises:
            UserError: the name is empty or no text.
        """
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"{where}: found no name of an image; expected one")
        image = self._images.get(name)
        if image is None:
            image = LabelledImage(len(self._images), self._place(where), size, in_parts=in_parts)
            self._images[whole_text(where, name)] = image
        image.size = image.size or size
        return image

    def new_image(self, name: str, where: str, size: Size | None = None, in_parts: bool = False) -> LabelledImage:
        """Return the image of a record of its own. One that has several records is counted in a note."""
        self._repeated += isinstance(name, str) and name in self._images
        return self.image(name, where, size, in_parts)

    def _place(self, where: str) -> str:
        return where.removeprefix(str(self.path))

    def add(
        self,
        image: LabelledImage,
        where: str,
        labels: Sequence[str],
        shape: Shape,
        attributes: Mapping[str, object] = NO_ATTRIBUTES,
    ) -> None:
        """Add an object.

        Args:
            labels: its classes; that of faces is preferred.
            attributes: those whose values are no numbers, booleans or texts are dropped.

        Raises:
            UserError: a negative width or height, or coordinates beyond LARGEST.
        """
        if shape.box is not None:
            if not (shape.box[2] >= 0 and shape.box[3] >= 0):
                raise UserError(f"{where}: found {_numbers(shape.box)}; a face's width and height cannot be negative")
            check_extent(where, shape.box)
        wanted = (self.options.category or "face").casefold()
        names = [whole_text(where, str(label)).strip() for label in labels if label is not None]
        label = next((name for name in names if name.casefold() == wanted), names[0] if names else "")
        known = ((CROWDS.get(name, name), value) for name, value in attributes.items() if is_attribute(value))
        values = tuple((whole_text(where, name), _value(where, value)) for name, value in known)
        own = self._attributes.setdefault(values, dict(values))
        row = None if shape.box is None else len(self._boxes) // 4
        self._boxes.extend(shape.box or ())
        label = sys.intern(label or NO_CLASS)
        image.objects.append(LabelledObject(self._place(where), label, sys.intern(shape.kind), row, own))

    def set_in_parts(self) -> None:
        """Say that all coordinates are parts of the images' sizes."""
        self.notes.append(f"read as parts of the images' sizes: the coordinates, none of which is above {LARGEST_PART}")
        for image in self._images.values():
            image.in_parts = True

    @contextmanager
    def skipping(self, image: LabelledImage | None = None) -> Iterator[None]:
        """Record the problem of a place that cannot be read, and go on after it; raise it where none is recorded."""
        try:
            yield
        except UserError as error:
            skip_or_raise(error, self.options.problems, None if image is None else image.number)

    def annotations(self) -> Annotations:
        """Return the records of all images with the objects of the class of faces.

        Raises:
            UserError: the class of faces is not clear, or the size of an image is needed and not known.
        """
        counts = Counter(each.label for image in self._images.values() for each in image.objects)
        chosen = choose_classes(self.path, counts, self.options.category)
        others = self._drop_shapes_without_area(chosen.faces)
        images = list(self._images.values())
        names, notes = names_below(list(self._images), self.folder)
        faces, ends, boxes = [], [], np.array(self._boxes).reshape(-1, 4)
        for name, image in zip(names, images, strict=True):
            own = [each for each in image.objects if each.label in chosen.faces]
            if own and image.in_parts:
                with self.skipping(image):
                    image.size = image.size or self._shown_size(name, image)
                own = own if image.size else []
                rows = [each.row for each in own]
                boxes[rows] = (boxes[rows] * np.tile((image.size or (0, 0))[::-1], 2)).round(DIGITS)
            faces += own
            ends.append(len(own))
        columns, _ = attribute_columns([each.attributes for each in faces], {})
        return make_annotations(
            names,
            ends,
            boxes[[each.row for each in faces]],
            attributes=columns,
            sizes=[image.size for image in images],
            places=Places(*(_Places(self.path, [each.place for each in group]) for group in (images, faces))),
            classes=chosen,
            notes=[
                *notes,
                *joined_splits(names),
                *count_each((self._repeated, "record", JOINED)),
                *_outline_notes(faces),
                *others,
                *self.notes,
            ],
        )

    def _drop_shapes_without_area(self, classes: Collection[str]) -> list[str]:
        """Drop the faces that are points or masks, and images that lose all their faces; return sentences on them.

        Such an image would become a background image.
        """
        dropped, kept = Counter(), {}
        for name, image in self._images.items():
            faces = [each for each in image.objects if each.label in classes]
            dropped.update(each.kind for each in faces if each.row is None)
            if not faces or any(each.row is not None for each in faces):
                kept[name] = image
            image.objects = [each for each in image.objects if each.row is not None]
        lost, self._images = len(self._images) - len(kept), kept
        self._renumber()
        words = f"not read, since they are no boxes or outlines: {_counted(dropped)}"
        return [words + (f", and {counted(lost, 'image')} with no other faces" if lost else "")] if dropped else []

    def _renumber(self) -> None:
        """Number the images anew, also in the problems that have been recorded."""
        numbers = {image.number: number for number, image in enumerate(self._images.values())}
        for image in self._images.values():
            image.number = numbers[image.number]
        if problems := self.options.problems:
            own = [each._replace(record=numbers.get(each.record)) for each in problems[self._first_problem :]]
            problems[self._first_problem :] = own

    def _shown_size(self, name: str, image: LabelledImage) -> Size:
        try:
            return read_header(self.folder / ImageFolder(self.folder).find(name)).shown_size
        except UserError as error:
            raise UserError(
                f"{self.path}{image.place}: its coordinates are parts of the image's size, which the file does not"
                f" have, so that the image is needed (--images names the folder): {error}"
            ) from error


def _value(where: str, value: object) -> float | str:
    return whole_text(where, value) if isinstance(value, str) else float(value)


def _numbers(values: Sequence[float]) -> str:
    return "x y w h " + " ".join(f"{value:g}" for value in values)


class _Places(Sequence[str]):
    """Places behind the path of their file or folder, put together on demand."""

    def __init__(self, path: Path, ends: Sequence[str]):
        self.path, self.ends = path, ends

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index):
        return (
            [self[i] for i in range(len(self))[index]] if isinstance(index, slice) else f"{self.path}{self.ends[index]}"
        )


def _outline_notes(faces: Sequence[LabelledObject]) -> list[str]:
    """Return a sentence on the shapes that are read as the boxes around them."""
    kinds = Counter(each.kind for each in faces if each.kind != RECTANGLE)
    return [f"read as the boxes around them: {_counted(kinds)}"] if kinds else []


def _counted(kinds: Mapping[str, int]) -> str:
    return ", ".join(counted(number, printable(kind)) for kind, number in kinds.items())


def valid_size(height: object, width: object) -> Size | None:
    """Return (height, width) of an image as whole numbers, None where they are none; a tool may write 0 or texts."""
    sides = []
    for side in (height, width):
        if isinstance(side, str) and re.fullmatch(r"\d{1,9}(\.0+)?", side.strip()):
            side = float(side)
        if not is_number(side) or side != int(side) or not 0 < side < LARGEST:
            return None
        sides.append(int(side))
    return tuple(sides)


def text_value(text: str) -> float | str:
    """Return an attribute's value by its text: 1 or 0 for true and false, a number, or the text."""
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    return float(text) if re.fullmatch(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?", text) else text

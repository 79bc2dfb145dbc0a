"""The lists of images and boxes in WIDER FACE's MATLAB files."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations.formats.mat_file import MOST_NAMES, elements, is_text, list_variables, texts
from data.annotations.places import clean_name
from utils.errors import UserError

# The variables of a face list; event_list may be missing.
FACE_VARIABLES = ("event_list", "file_list", "face_bbx_list")


@dataclass(frozen=True)
class FaceList:
    """The images of a file, and their boxes.

    Attributes:
        events: the number of images of each event; None: the lists have an entry for each image, without events.
        names: (P,), event/image.
        boxes: (P,) arrays (N, 4), x y w h.
    """

    events: list[int] | None
    names: list[str]
    boxes: list[np.ndarray]

    @property
    def counts(self) -> list[int]:
        return list(map(len, self.boxes))

    def per_image(self, cells: np.ndarray) -> list[np.ndarray]:
        """Return the (P,) entries of a list that has one for each image.

        Raises:
            ValueError: the list is for other images.
        """
        return _entries(cells, self.events, len(self.names))


def parse_face_list(path: Path, content: dict[str, np.ndarray]) -> FaceList:
    """Return the images and boxes of the variables of a file.

    Raises:
        UserError: variables are missing, or have another layout.
    """
    for key in ("face_bbx_list", "file_list"):
        if key not in content:
            there = ", ".join(list(list_variables(path))[:MOST_NAMES]) or "no variable"
            raise UserError(f"{path}: found {there}; expected face_bbx_list and file_list, the WIDER FACE ground truth")
    try:
        cells = elements(content["face_bbx_list"])
        files = content["file_list"]
        nested = any(cell.dtype == object for cell in cells)
        groups = [texts(group) for group in elements(files)] if nested else [texts(files)]
        if nested and len(groups) != len(cells):
            raise ValueError(f"face_bbx_list has {len(cells)} events; file_list {len(groups)}")
        events = [len(group) for group in groups] if nested else None
        names = _full_names(groups, texts(content["event_list"]) if "event_list" in content else [], nested)
        boxes = _entries(content["face_bbx_list"], events, len(names))
        return FaceList(events, names, [_boxes(name, cell) for name, cell in zip(names, boxes, strict=True)])
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: is not laid out as the WIDER FACE ground truth ({error})") from error


def _full_names(groups: list[list[str]], events: list[str], nested: bool) -> list[str]:
    """Return event/image for all images; `events` may be empty."""
    images = [image for group in groups for image in group]
    if nested and events:
        if len(events) != len(groups):
            raise ValueError(f"event_list has {len(events)} events; file_list {len(groups)}")
        events = [event for event, group in zip(events, groups, strict=True) for _ in group]
    elif len(events) == 1:
        events *= len(images)
    elif events and len(events) != len(images):
        raise ValueError(f"event_list has {len(events)} entries for {len(images)} images")
    return [
        _full_name(event, clean_name(name)) for event, name in zip(events or [""] * len(images), images, strict=True)
    ]


def _full_name(event: str, name: str) -> str:
    if not name:
        raise ValueError("found an image without a name")
    if event and name.startswith(f"{event}/"):
        return name
    return str(PurePosixPath(event, name))  # the event "." is no folder


def _entries(cells: np.ndarray, events: list[int] | None, images: int) -> list[np.ndarray]:
    """Return the entries of all images, from a list with a cell for each event or each image."""
    if events is None:
        groups, events = [cells], [images]
    else:
        groups = elements(cells)
        if len(groups) != len(events):
            raise ValueError(f"{len(groups)} entries for {len(events)} events")
    entries = []
    for group, count in zip(groups, events, strict=True):
        is_single = count == 1 and group.dtype != object  # an event of one image may have its entry without a cell
        found = [group] if is_single else elements(group)
        if len(found) != count:
            raise ValueError(f"{len(found)} entries for the {count} images of an event")
        entries += found
    return entries


def _boxes(name: str, cell: np.ndarray) -> np.ndarray:
    """Return (N, 4) float64, from numbers of any type: sums of unsigned integers would overflow."""
    if not cell.size:
        return np.empty((0, 4))
    if is_text(cell) or cell.dtype == object or cell.ndim != 2 or cell.shape[1] != 4:
        shape = " x ".join(map(str, cell.shape))
        raise ValueError(f"{name}: found boxes of {cell.dtype}, {shape}; expected numbers, N x 4")
    return cell.astype(np.float64)


def find_difference(first: FaceList, second: FaceList) -> str | None:
    """Return where two face lists differ, None where they do not."""
    if first.names != second.names:
        if sorted(first.names) != sorted(second.names):
            return f"{len(first.names):,} and {len(second.names):,} images, not of the same names"
        return "the images are in another order"
    pairs = zip(first.names, first.boxes, second.boxes, strict=True)
    return next((name for name, boxes, others in pairs if not np.array_equal(boxes, others, equal_nan=True)), None)

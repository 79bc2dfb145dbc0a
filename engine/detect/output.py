"""What detect.py writes: drawn or pixelated images and videos, JSON lines, faces cut out."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from models.detector import Detections
from utils.drawing import draw_detections, pixelate
from utils.errors import UserError
from utils.files import join_inside, write_image

WRITABLE = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}  # by OpenCV


@dataclass(frozen=True)
class FacesOutput:
    """How faces are shown and where they go.

    Attributes:
        folder: of everything but the crops.
        min_size: faces whose shorter side has fewer pixels are left out.
        blur: pixelate faces instead of drawing boxes.
        crops: folder of the faces cut out; None: none.
        inputs: resolved paths that nothing may be written to.
    """

    folder: Path
    min_size: int
    blur: bool
    crops: Path | None
    inputs: frozenset[Path]

    def choose(self, found: Detections) -> Detections:
        """Return the faces that are large enough."""
        sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1)
        return found.where(sides >= self.min_size)

    def show(self, image: np.ndarray, found: Detections) -> np.ndarray:
        """Return a copy of an image, (H, W, 3) uint8 BGR, with its faces marked or made unrecognisable."""
        if self.blur:
            return pixelate(image, found.boxes)
        return draw_detections(image, found.boxes, found.scores, found.landmarks)

    def image(self, name: str) -> Path:
        """Return where the shown image goes, as PNG where its own format cannot be written."""
        suffix = "" if Path(name).suffix.lower() in WRITABLE else ".png"
        return self.checked(join_inside(self.folder, f"{name}{suffix}"))

    def cut_out(self, name: str, image: np.ndarray, found: Detections) -> None:
        """Write the part of each box that is inside the image as `name`_00.jpg and on, best first."""
        if self.crops is None:
            return
        height, width = image.shape[:2]
        corners = np.rint(found.boxes.clip(0, [width, height] * 2)).astype(int)
        for number, (x1, y1, x2, y2) in enumerate(corners.tolist()):
            if x1 < x2 and y1 < y2:
                write_image(self.checked(join_inside(self.crops, f"{name}_{number:02}.jpg")), image[y1:y2, x1:x2])

    def checked(self, path: Path) -> Path:
        """Return a path that is no input.

        Raises:
            UserError: it is one.
        """
        if path.resolve() in self.inputs:
            raise UserError(f"{path}: is an input, which an output would overwrite; name other output folders")
        return path


def describe_faces(found: Detections) -> list[dict]:
    """Return faces as JSON has them: box x1 y1 x2 y2 in pixels to a hundredth, score, and landmarks if there are."""
    faces = []
    for index, (box, score) in enumerate(zip(found.boxes, found.scores, strict=True)):
        face = {"box": _rounded(box, 2), "score": _rounded(score, 4)}
        if found.landmarks is not None:
            face["landmarks"] = _rounded(found.landmarks[index], 2)
        faces.append(face)
    return faces


def _rounded(values: np.ndarray, digits: int) -> list | float:
    return values.astype(np.float64).round(digits).tolist()


@contextmanager
def growing_file(path: Path) -> Iterator[Path]:
    """Give the path of a file that grows while the block runs, called NAME.part.SUFFIX until the block has succeeded.

    A run that fails or is killed leaves the part, if there is anything in it, and what was at `path` before.
    """
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
    except BaseException:
        if not _remove_if_empty(part):
            print(f"unfinished: {part}", file=sys.stderr)
        raise
    if not _remove_if_empty(part):
        part.replace(path)


def _remove_if_empty(part: Path) -> bool:
    if part.exists() and part.stat().st_size:
        return False
    part.unlink(missing_ok=True)
    return True


def write_line(file: TextIO, record: dict) -> None:
    """Append a record as a line that is on its way to the disk when this returns."""
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is no text
        text = json.dumps(record)
    file.write(text + "\n")
    file.flush()

"""Outputs of detect.py: drawn or pixelated images and videos, JSON lines and crops of faces."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.detect.sources import MediaSource
from models.detector import Detections
from utils.drawing import draw_detections, pixelate
from utils.errors import UserError
from utils.files import join_inside, write_image

WRITABLE = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}  # by OpenCV


@dataclass(frozen=True)
class MediaOutput:
    """Which outputs are written, and where.

    Attributes:
        folder: folder of all outputs but the crops.
        draws: whether images and videos are written, not only JSON lines.
        blurs: whether faces are pixelated instead of marked with boxes.
        min_size: faces whose shorter side has fewer pixels are dropped.
        crops: folder of the crops; None: no crops.
        inputs: resolved paths of the inputs, which are never overwritten.
    """

    folder: Path
    draws: bool
    blurs: bool
    min_size: int
    crops: Path | None
    inputs: frozenset[Path]

    def filter(self, detections: Detections) -> Detections:
        """Return the faces that are large enough."""
        sides = (detections.boxes[:, 2:] - detections.boxes[:, :2]).min(axis=1)
        return detections.where(sides >= self.min_size)

    def draw(self, image: np.ndarray, faces: Detections) -> np.ndarray:
        """Return a copy of an image, (H, W, 3) uint8 BGR, with its faces marked or pixelated."""
        if self.blurs:
            return pixelate(image, faces.boxes)
        return draw_detections(image, faces.boxes, faces.scores, faces.landmarks)

    def write_image(self, source: MediaSource, image: np.ndarray, detections: Detections) -> dict:
        """Write the drawn image and the crops of an image, (H, W, 3) uint8 BGR, and return its JSON record."""
        faces = self.filter(detections)
        if self.draws:
            write_image(self.drawn_image(source), self.draw(image, faces))
        self.write_crops(source.name, image, faces)
        record = {"picture": str(source.path), "height": image.shape[0], "width": image.shape[1]}
        if source.page is not None:
            record["page"] = source.page + 1
        return record | {"faces": faces_to_json(faces)}

    def write_crops(self, name: str, image: np.ndarray, faces: Detections) -> None:
        """Write the part of the image inside each box as `name`_00.jpg and so on, best first."""
        if self.crops is None:
            return
        height, width = image.shape[:2]
        corners = np.rint(faces.boxes.clip(0, [width, height] * 2)).astype(int)
        for number, (x1, y1, x2, y2) in enumerate(corners.tolist()):
            if x1 < x2 and y1 < y2:
                path = self._checked(join_inside(self.crops, f"{name}_{number:02}.jpg"))
                write_image(path, image[y1:y2, x1:x2])

    @property
    def image_lines(self) -> Path:
        """File of the JSON lines of all images."""
        return self._checked(self.folder / "detections.jsonl")

    def drawn_image(self, source: MediaSource) -> Path:
        """Return the file of a drawn image; PNG if OpenCV cannot write the format of the input."""
        suffix = "" if Path(source.name).suffix.lower() in WRITABLE else ".png"
        return self._checked(join_inside(self.folder, f"{source.name}{suffix}"))

    def drawn_video(self, source: MediaSource) -> Path:
        """Return the file of a drawn video."""
        return self._video_file(source, ".mp4")

    def video_lines(self, source: MediaSource) -> Path:
        """Return the file of the JSON lines of a video."""
        return self._video_file(source, ".jsonl")

    def _video_file(self, source: MediaSource, suffix: str) -> Path:
        """Return the file of a video's output: film.mp4 for film.mov, and anim.gif.mp4 for an animated image."""
        path = join_inside(self.folder, source.name)
        return self._checked(path.with_name(path.name + suffix) if source.is_image else path.with_suffix(suffix))

    def check_paths(self, images: Sequence[MediaSource], videos: Sequence[MediaSource]) -> None:
        """Check that no output file is an input or belongs to two sources.

        Raises:
            UserError: names the file and its sources.
        """
        owners = {self.image_lines: "the lines of all images"} if images else {}
        outputs = [(self.drawn_image(source), source) for source in images if self.draws]
        outputs += [(file(source), source) for source in videos for file in (self.drawn_video, self.video_lines)]
        for path, source in outputs:
            if path in owners:
                raise UserError(f"{path}: {owners[path]} and {source} would be written there; detect them one by one")
            owners[path] = source

    def _checked(self, path: Path) -> Path:
        if path.resolve() in self.inputs:
            raise UserError(f"{path}: is an input, which an output would overwrite; name other output folders")
        return path


def faces_to_json(faces: Detections) -> list[dict]:
    """Return each face as a dict: box x1 y1 x2 y2 in pixels, score and, if the network predicts them, landmarks."""
    records = []
    for index, (box, score) in enumerate(zip(faces.boxes, faces.scores, strict=True)):
        record = {"box": _rounded(box, 2), "score": _rounded(score, 4)}
        if faces.landmarks is not None:
            record["landmarks"] = _rounded(faces.landmarks[index], 2)
        records.append(record)
    return records


def _rounded(values: np.ndarray, digits: int) -> list | float:
    return values.astype(np.float64).round(digits).tolist()


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Yield NAME.part.SUFFIX to write to; it is renamed to `path` when the block succeeds.

    If the block fails, a partial file that has content stays, and so does an earlier file at `path`.
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
        if path.exists():
            print(f"note: {path}: replaced, an earlier run had written it", file=sys.stderr)
        part.replace(path)


def _remove_if_empty(part: Path) -> bool:
    if part.exists() and part.stat().st_size:
        return False
    part.unlink(missing_ok=True)
    return True


@contextmanager
def json_lines(path: Path) -> Iterator[Callable[[dict], None]]:
    """Yield a function that appends a record to a partial file as one line and flushes it."""
    with partial_file(path) as part, open(part, "w", encoding="utf-8") as file:

        def write_record(record: dict) -> None:
            text = json.dumps(record, ensure_ascii=False)
            try:
                text.encode()
            except UnicodeEncodeError:  # a file name that is not valid UTF-8
                text = json.dumps(record)
            file.write(text + "\n")
            file.flush()

        yield write_record

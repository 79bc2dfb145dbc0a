"""The JSON lines of detect.py: a line for each image, or for each frame of a video.

    {"picture": "my_images/a.jpg", "height": 1080, "width": 1920, "faces": [{"box": [541.6, 356.4, 577.5, 398.4],
     "score": 0.99, "landmarks": [[550.1, 371.9], ...]}]}
    {"frame": 25, "time": 1.0, "faces": []}

box is x1 y1 x2 y2 in pixels of the image as people see it, with its EXIF rotation applied. The
records have stored pixels.
"""

import io
import json
import os
import re
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.annotations.format import Capabilities, Format
from data.annotations.json_values import is_number, parse_json
from data.annotations.name_search import names_below
from data.annotations.orientation import in_stored_pixels, read_headers
from data.annotations.places import Lines, Places
from data.annotations.problems import Problem, check_extent, check_landmarks, skip_or_raise
from data.annotations.record import SCORE, Annotations, make_annotations
from data.image_files import DETECTIONS_SUFFIX
from utils.errors import UserError
from utils.files import read_bytes
from utils.wording import counted, printable

OF_LINES = {"picture", "page", "frame", "time", "height", "width", "faces"}
OF_FACES = {"box", "score", "landmarks"}
COLUMNS = 15  # x1 y1 x2 y2, score, five landmarks x y


@dataclass
class DetectionLines:
    """The content of a file of P lines with F faces.

    Attributes:
        sources: (P,) the image's path as given to detect.py, or the number of the frame.
        times: (P,) seconds since the start of the video; None for an image.
        sizes: (P,) (height, width); None for a frame.
        counts: (P,) number of faces.
        numbers: (P,) line in the file.
        values: F times x1 y1 x2 y2, score and five landmarks x y, -1 for a missing one.
        unread: words -> number of lines or faces that have something of this kind.
        pages: number of lines of further pages of a TIFF, which are left out, since labels refer to the first page.
        is_cut: whether the last line is incomplete, as of a run that was killed.
    """

    sources: list[str | int] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)
    sizes: list[tuple[int, int] | None] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    values: array = field(default_factory=lambda: array("d"))
    unread: Counter = field(default_factory=Counter)
    pages: int = 0
    is_cut: bool = False


def read_detections(path: Path, images: Path | None = None, problems: list[Problem] | None = None) -> Annotations:
    """Read the lines as annotations with the attribute `score`; `problems` as for `read_annotations`.

    An image's name is its path below `images`, or below the folder that all images of the file have in common. A frame
    is called as `frame_name` says, and its number is its identity.

    Raises:
        UserError: a line that is malformed, or no complete line.
    """
    return to_annotations(path, parse_lines(path, problems), images)


def to_annotations(path: Path, lines: DetectionLines, images: Path | None = None) -> Annotations:
    """Return the lines of a file as annotations; see `read_detections`."""
    names, notes, folder = _image_names(path, lines, images)
    if lines.pages:
        notes.append(f"{counted(lines.pages, 'further page')} of TIFF files not read; labels refer to the first page")
    if lines.is_cut:
        notes.append(
            f"the last line is incomplete, as of a run that was stopped; read: {counted(len(names), 'line')} before it"
        )
    values = np.frombuffer(lines.values).reshape(-1, COLUMNS)
    landmarks = values[:, 5:].reshape(-1, 5, 2)
    annotations = make_annotations(
        names,
        lines.counts,
        np.concatenate([values[:, :2], values[:, 2:4] - values[:, :2]], axis=1),
        landmarks if (landmarks != -1).any() else None,
        {SCORE: values[:, 4].copy()},
        sizes=lines.sizes,
        identities=lines.sources if all(isinstance(source, int) for source in lines.sources) else None,
        places=Places(Lines(path, lines.numbers), Lines(path, np.repeat(lines.numbers, lines.counts))),
        notes=notes,
        unread=[f"{printable(key)} of {counted(count, noun)}" for (key, noun), count in lines.unread.items()],
    )
    return annotations if folder is None else in_stored_pixels(annotations, read_headers(annotations, folder))


def frame_name(path: Path, frame: int) -> str:
    """Return the name of a video's frame as an image: film_000025.jpg for frame 25 in film.jsonl."""
    return f"{path.stem.removesuffix('.part')}_{frame:06}.jpg"


def parse_lines(path: Path, problems: list[Problem] | None = None) -> DetectionLines:
    """Parse a file of detect.py; `problems` as for `read_annotations`.

    Raises:
        UserError: as `read_detections`.
    """
    content = read_bytes(path).removeprefix(b"\xef\xbb\xbf").rstrip(b"\0")
    parsed, last = DetectionLines(), content.count(b"\n") + 1
    for number, line in enumerate(io.BytesIO(content), start=1):
        if not line.strip():
            continue
        before = len(parsed.values)
        try:
            if not _parse_line(f"{path}:{number}", line, parsed):
                parsed.pages += 1
                continue
        except UserError as error:
            del parsed.values[before:]
            if number == last and not _is_json(line):
                parsed.is_cut = True
            else:
                skip_or_raise(error, problems)
            continue
        parsed.numbers.append(number)
    if not parsed.numbers and not problems:
        raise UserError(f"{path}: has no complete line; expected the JSON lines of detect.py")
    return parsed


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _parse_line(where: str, line: bytes, parsed: DetectionLines) -> bool:
    """Append the content of a line, of which only `values` may be incomplete after an error.

    Returns:
        False for a further page of a TIFF, of which nothing is appended.
    """
    try:
        record = parse_json(where, line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: found {_shown(line)}; expected JSON") from error
    faces = record.get("faces") if isinstance(record, dict) else None
    source = record.get("picture", record.get("frame")) if isinstance(record, dict) else None
    is_frame = type(source) is int and 0 <= source < 10**12
    if not isinstance(faces, list) or not (is_frame or (isinstance(source, str) and source.strip())):
        raise UserError(
            f"{where}: found {_shown(line)}; expected a line of detect.py, with picture or frame, and faces"
        )
    if re.search("[\ud800-\udc7f\udd00-\udfff]", str(source)):  # the others stand for bytes that are not UTF-8
        raise UserError(f"{where}: found half a letter in {printable(str(source))!r}; expected text")
    if type(page := record.get("page", 1)) is int and page > 1:
        return False
    for number, face in enumerate(faces, start=1):
        parsed.values.extend(_parse_face(f"{where}: face {number}", face))
        parsed.unread.update((key, "face") for key in face if key not in OF_FACES)
    parsed.unread.update((key, "line") for key in record if key not in OF_LINES)
    parsed.sources.append(source)
    time, height, width = record.get("time"), record.get("height"), record.get("width")
    parsed.times.append(float(time) if is_number(time) else None)
    parsed.sizes.append((height, width) if _is_size(height) and _is_size(width) else None)
    parsed.counts.append(len(faces))
    return True


def _shown(line: bytes) -> str:
    return repr(printable(line[:200].decode(errors="replace").strip()))


def _parse_face(where: str, face: object) -> list[float]:
    """Return x1 y1 x2 y2, score and five landmarks x y of a face."""
    if not isinstance(face, dict):
        raise UserError(f"{where}: found {repr(face)[:80]}; expected box and score")
    box, score, points = face.get("box"), face.get("score"), face.get("landmarks")
    if not isinstance(box, list) or len(box) != 4 or not _are_numbers(box):
        raise UserError(f"{where}: found box {repr(box)[:80]}; expected four finite numbers, x1 y1 x2 y2")
    if not is_number(score):
        raise UserError(f"{where}: found score {repr(score)[:80]}; expected a finite number")
    x1, y1, x2, y2 = map(float, box)
    if x2 < x1 or y2 < y1:
        raise UserError(f"{where}: found box {repr(box)[:80]}; expected x1 y1 x2 y2 with x2 >= x1 and y2 >= y1")
    check_extent(where, (x1, y1, x2 - x1, y2 - y1))
    if points is None:
        return [x1, y1, x2, y2, float(score), *[-1.0] * 10]
    are_points = isinstance(points, list) and len(points) == 5
    if not are_points or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise UserError(f"{where}: found landmarks {repr(points)[:80]}; expected five points [x, y]")
    if not all(map(_are_numbers, points)):
        raise UserError(f"{where}: found landmarks {repr(points)[:80]}; expected finite numbers")
    check_landmarks(where, points)
    return [x1, y1, x2, y2, float(score), *(float(value) for point in points for value in point)]


def _are_numbers(values: Iterable[object]) -> bool:
    return all(map(is_number, values))


def _is_size(value: object) -> bool:
    return type(value) is int and 0 < value < 1 << 31


def _image_names(path: Path, lines: DetectionLines, images: Path | None) -> tuple[list[str], list[str], Path | None]:
    """Return the names of the images and frames, what to say of them, and the folder of the images."""
    pictures = [source for source in lines.sources if isinstance(source, str)]
    frames, notes, folder = len(lines.sources) - len(pictures), [], images
    if images is not None:
        pictures, notes = names_below(pictures, images)
    elif pictures:
        pictures, folder = _below_common_folder(pictures)
        notes = [f"the names of the images are their paths below {folder}"]
    if frames:
        notes.append(f"{counted(frames, 'frame')} of a video; tools.convert --frames writes them as images")
    rest = iter(pictures)
    names = [next(rest) if isinstance(source, str) else frame_name(path, source) for source in lines.sources]
    return names, notes, folder


def _below_common_folder(pictures: list[str]) -> tuple[list[str], Path]:
    """Return paths below the folder that all of them have in common, and the folder."""
    # A path with backslashes only may have been written on Windows.
    absolute = [os.path.abspath(path if "/" in path else path.replace("\\", "/")) for path in pictures]
    folder = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [os.path.relpath(path, folder).replace(os.sep, "/") for path in absolute], Path(folder)


DETECTIONS = Format(
    name="detections",
    description="the JSON lines of detect.py",
    read=lambda path, options: read_detections(path, options.images, options.problems),
    capabilities=Capabilities(landmarks=True, attributes={SCORE: 0.0}, sizes=True, ids=True),
    recognizes=lambda head: re.match(r'\s*\{\s*"(picture|frame)"\s*:', head.text) is not None,
    files=f"*{DETECTIONS_SUFFIX}",
    is_prediction=True,
    reads_images=True,
)

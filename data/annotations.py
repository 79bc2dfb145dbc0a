"""Readers of the annotation formats: one record per picture, whatever the file.

    label.txt         # relative/path.jpg, then per face x y w h, alone or with five landmarks (20 columns)
    WIDER FACE txt    path, count, then x y w h blur expression illumination invalid occlusion pose
    Laboro TV         picture ID, count, then x, y, w, h, blur, shakiness, occlusion, pose
    WIDER FACE .mat   wider_face_val.mat with the lists of the faces that count beside it
    list              a picture's name a line, no boxes

Which of them a file is in is recognised by its content.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from utils.errors import UserError
from utils.files import read_text

WIDER_ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
LABORO_ATTRIBUTES = ("blur", "shakiness", "occlusion", "pose")
WIDER_SUBSETS = ("easy", "medium", "hard")
# A name without an extension may still hold a dot, so that only the suffixes of pictures are taken off.
PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


@dataclass
class Annotation:
    """What is known of one picture's faces.

    Attributes:
        name: path of the picture below its images folder, with forward slashes.
        boxes: (N, 4) float64, x1 y1 x2 y2 in pixels, as the file has them: not clipped, possibly of zero size.
        landmarks: (N, 5, 2) float64, x y in pixels of left eye, right eye, nose, left and right mouth corner
            (sides of the picture); -1 where a face has none.
        attributes: name -> (N,) float64.
        subsets: name -> (N,) bool, the faces that count in that subset of an evaluation.
    """

    name: str
    boxes: np.ndarray
    landmarks: np.ndarray
    attributes: dict[str, np.ndarray] = field(default_factory=dict)
    subsets: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def landmark_mask(self) -> np.ndarray:
        """(N,) bool: the faces whose five landmarks are all known."""
        return ~(self.landmarks == -1).all(axis=2).any(axis=1)


def picture_key(name: str) -> str:
    """Return a picture's name without its extension, by which annotations and detection files are matched."""
    path = PurePosixPath(name)
    return str(path.with_suffix("") if path.suffix.lower() in PICTURE_SUFFIXES else path)


def read_annotations(path: str | Path) -> list[Annotation]:
    """Read a file in any of the formats, or a folder that holds one such file or the WIDER FACE .mat set.

    Raises:
        UserError: nothing to read, no known format, or a malformed row, named by file and line.
    """
    path = _find_file(Path(path))
    if path.suffix == ".mat":
        return _read_wider_mat(path)
    lines = [line.strip() for line in read_text(path).split("\n")]
    used = list(islice((line for line in lines if line), 3))
    if not used:
        raise UserError(f"{path}: the file is empty; expected picture names or labels")
    if used[0].startswith("#"):
        return list(_parse_label(path, lines))
    if _looks_counted(used):
        return list(_parse_counted(path, lines))
    if any("\0" in line for line in used) or _numbers(used[0]) is not None:
        raise UserError(
            f"{path}: in no known annotation format: the first line is {used[0][:60]!r}; expected '# picture.jpg',"
            " or a picture's name"
        )
    return [_annotation(line, []) for line in lines if line]


def _find_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"{path}: no such annotation file or folder")
    if (path / "wider_face_val.mat").is_file():
        return path / "wider_face_val.mat"
    found = sorted(p for p in path.glob("*.txt") if not p.name.endswith("_list.txt"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(p.name for p in found) if found else "no label file (*.txt) and no wider_face_val.mat"
    raise UserError(f"{path}: found {names}; name the one annotation file")


def _numbers(line: str) -> list[float] | None:
    """Return the finite numbers of a row separated by blanks or commas, None where it has anything else."""
    try:
        values = [float(value) for value in line.replace(",", " ").split()]
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _looks_counted(used: list[str]) -> bool:
    """Whether the first lines are a picture and the number of its faces; an ID of digits needs a row behind it."""
    if len(used) < 2 or not used[1].isdecimal():
        return False
    has_row = len(used) == 3 and len(used[2].replace(",", " ").split()) > 1
    return has_row or int(used[1]) == 0 or _numbers(used[0]) is None


def _row(path: Path, number: int, line: str, columns: tuple[int, ...], expected: str) -> list[float]:
    values = _numbers(line)
    if values is None or len(values) not in columns:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; expected {expected}")
    if values[2] < 0 or values[3] < 0:
        raise UserError(f"{path}:{number}: found {line[:80]!r}; a face's width and height cannot be negative")
    return values


def _annotation(name: str, rows: list[list[float]], attributes: tuple[str, ...] = ()) -> Annotation:
    """Build the record of one picture from rows of x y w h and either attributes or 15 or 16 landmark columns."""
    count = len(rows)
    boxes = np.array([row[:4] for row in rows], np.float64).reshape(count, 4)
    boxes[:, 2:] += boxes[:, :2]
    landmarks = np.full((count, 5, 2), -1.0)
    for face, row in enumerate(rows):
        if len(row) >= 19:
            landmarks[face] = np.reshape(row[4:19], (5, 3))[:, :2]
    columns = {key: np.array([row[4 + i] for row in rows]) for i, key in enumerate(attributes)}
    # Lists of WIDER FACE begin their names with a slash that means the images folder.
    return Annotation(name.replace("\\", "/").lstrip("/"), boxes, landmarks, columns)


def _parse_label(path: Path, lines: list[str]) -> Iterator[Annotation]:
    expected = "'x y w h' or the 20 columns 'x y w h', five 'x y visibility' and a score"
    name, rows = "", []
    for number, line in enumerate(lines, start=1):
        if line.startswith("#"):
            if name:
                yield _annotation(name, rows)
            name, rows = line[1:].strip(), []
            if not name:
                raise UserError(f"{path}:{number}: found '#' alone; expected '# relative/path.jpg'")
        elif line:
            rows.append(_row(path, number, line, (4, 19, 20), expected))
    yield _annotation(name, rows)


def _parse_counted(path: Path, lines: list[str]) -> Iterator[Annotation]:
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line)
    waiting = next(numbered, None)
    while waiting:
        number, name = waiting
        count_number, count = next(numbered, (number + 1, ""))
        if not count.isdecimal():
            raise UserError(f"{path}:{count_number}: found {count[:80]!r}; expected the number of faces in {name}")
        rows, attributes = [], ()
        for _ in range(int(count)):
            row_number, line = next(numbered, (count_number + 1, ""))
            attributes = attributes or (LABORO_ATTRIBUTES if "," in line else WIDER_ATTRIBUTES)
            expected = f"a face of {name} as 'x y w h {' '.join(attributes)}'"
            rows.append(_row(path, row_number, line, (4 + len(attributes),), expected))
        waiting = next(numbered, None)
        if count == "0" and waiting and _numbers(waiting[1]) == [0.0] * 10:
            waiting = next(numbered, None)  # WIDER FACE gives a picture without faces one row of zeros
        yield _annotation(name, rows, attributes)


def _read_wider_mat(path: Path) -> list[Annotation]:
    """Read wider_face_val.mat and, beside it, wider_{easy,medium,hard}_val.mat.

    In them gt_list holds, for each event and picture, the 1-based indices of the faces that count. The official boxes
    are taken as they are, one of negative size among them, since the published figures do so.
    """
    faces = _load_mat(path, ("event_list", "file_list", "face_bbx_list"))
    counted = {
        subset: _load_mat(path.with_name(f"wider_{subset}_val.mat"), ("gt_list",))["gt_list"]
        for subset in WIDER_SUBSETS
    }
    annotations = []
    try:
        for e, event in enumerate(faces["event_list"][:, 0]):
            for i, picture in enumerate(faces["file_list"][e, 0][:, 0]):
                boxes = np.asarray(faces["face_bbx_list"][e, 0][i, 0], np.float64).reshape(-1, 4)
                annotation = _annotation(f"{event[0]}/{picture[0]}", boxes.tolist())
                for subset, gt_list in counted.items():
                    indices = gt_list[e, 0][i, 0].ravel().astype(int)
                    annotation.subsets[subset] = np.isin(np.arange(1, len(boxes) + 1), indices)
                annotations.append(annotation)
    except (IndexError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is not laid out as the WIDER FACE ground truth ({error})") from error
    return annotations


def _load_mat(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    import scipy.io  # here, since it takes longer to import than most files take to read

    try:
        content = scipy.io.loadmat(path, variable_names=keys)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # whatever SciPy meets in a file that is not MATLAB's
        raise UserError(f"{path}: is not a MATLAB file ({error})") from error
    for key in keys:
        if key not in content:
            raise UserError(f"{path}: has no {key}; expected the WIDER FACE ground truth")
    return content

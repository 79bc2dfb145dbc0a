"""Detecting the pictures of a list: a text file per picture, which evaluation.predictions reads."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from data.annotations import picture_key
from models.detector import Detections, Detector
from utils.drawing import draw_detections
from utils.errors import UserError
from utils.files import join_inside, read_image, write_image, write_text

FARTHEST = 4e8


def detect_pictures(
    detector: Detector,
    names: Iterable[str],
    images: Path,
    save_folder: Path,
    drawn_folder: Path | None = None,
    vis_thres: float = 0.5,
) -> None:
    """Write a text file below save_folder for each picture, in the sub-folders of the names.

    Args:
        names: paths of the pictures below `images`.
        drawn_folder: where the pictures with their boxes go, as JPEG; None: nowhere.
        vis_thres: lowest score that is drawn.

    Raises:
        UserError: a name that leads outside or is there twice, a picture that cannot be read, a file that cannot be
            written; what was written before stays.
    """
    pictures = locate_pictures(names, images)
    with tqdm(pictures.items(), desc="detecting", unit="picture", disable=None) as progress:
        for key, path in progress:
            image = read_image(path)
            found = detector(image)
            write_text(join_inside(save_folder, f"{key}.txt"), format_detections(PurePosixPath(key).name, found))
            if drawn_folder is not None:
                seen = found.scores >= vis_thres
                drawn = draw_detections(image, found.boxes[seen], found.scores[seen])
                write_image(join_inside(drawn_folder, f"{key}.jpg"), drawn)


def locate_pictures(names: Iterable[str], images: Path) -> dict[str, Path]:
    """Return picture_key(name) -> path below a folder, all looked at before the first is detected.

    Raises:
        UserError: a name that leads outside or is there twice, or a picture that does not exist.
    """
    pictures = {}
    for name in names:
        key, path = picture_key(name), join_inside(images, name)
        if key in pictures:
            raise UserError(f"{path}: the list has this picture twice, or another of the same name ({pictures[key]})")
        if not path.is_file():
            raise UserError(f"{path}: no such picture; correct the list or name its folder with --dataset_folder")
        pictures[key] = path
    return pictures


def written_rows(found: Detections) -> np.ndarray:
    """Return (N, 5) float64 x1 y1 x2 y2 score, as they are after they were written to a text file and read again.

    Corners are cut to whole pixels, scores rounded to seven digits. An untrained network's boxes may pass every
    integer, so that they end at a distance where no picture is.
    """
    corners = np.trunc(found.boxes.astype(np.float64).clip(-FARTHEST, FARTHEST))
    return np.column_stack([corners, found.scores.astype(np.float64).round(7)])


def format_detections(stem: str, found: Detections) -> str:
    """Return the text of a detection file: base name, count, then `x y w h score` a line, best first."""
    rows = [
        f"{x1:.0f} {y1:.0f} {x2 - x1:.0f} {y2 - y1:.0f} {score:.7f}"
        for x1, y1, x2, y2, score in written_rows(found).tolist()
    ]
    return "\n".join([stem, str(len(rows)), *rows]) + "\n"

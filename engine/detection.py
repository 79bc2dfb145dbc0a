"""Detecting the pictures of a list: a text file per picture, which evaluation.predictions reads."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from data.annotations import picture_key
from models.detector import Detections, Detector
from utils.drawing import draw_detections
from utils.files import join_inside, read_image, write_image, write_text


def detect_pictures(
    detector: Detector,
    names: Iterable[str],
    images: Path,
    save_folder: Path,
    drawn_folder: Path | None = None,
    vis_thres: float = 0.5,
) -> None:
    """Write `name.txt` below save_folder for each picture, in the sub-folders of the names.

    Args:
        names: paths of the pictures below `images`.
        drawn_folder: where the pictures with their boxes go; None: nowhere.
        vis_thres: lowest score that is drawn.

    Raises:
        UserError: a name that leads outside, a picture that cannot be read, a file that cannot be written; what was
            written before stays.
    """
    # All names are looked at first: a bad one should not turn up after an hour.
    paths = [(name, join_inside(images, name)) for name in names]
    for name, path in tqdm(paths, desc="detecting", unit="picture", disable=None):
        image = read_image(path)
        found = detector(image)
        key = picture_key(name)
        write_text(join_inside(save_folder, f"{key}.txt"), format_detections(PurePosixPath(key).name, found))
        if drawn_folder is not None:
            seen = found.scores >= vis_thres
            drawn = draw_detections(image, found.boxes[seen], found.scores[seen])
            write_image(join_inside(drawn_folder, name), drawn)


def format_detections(stem: str, found: Detections) -> str:
    """Return the text of a detection file: base name, count, then `x y w h score` a line, best first."""
    corners = np.trunc(found.boxes).astype(int)
    rows = [
        f"{x1} {y1} {x2 - x1} {y2 - y1} {score:.7f}"
        for (x1, y1, x2, y2), score in zip(corners.tolist(), found.scores.tolist(), strict=True)
    ]
    return "\n".join([stem, str(len(rows)), *rows]) + "\n"

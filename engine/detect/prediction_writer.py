"""Prediction files, one text per listed image, as evaluation.predictions reads them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from data.annotations.json_values import parse_json
from engine.detect.pipeline import ImageJob
from models.detector import Detections
from utils.drawing import draw_detections
from utils.errors import UserError
from utils.files import join_inside, read_text, write_image, write_text

SETTINGS_FILE = ".detection.json"
MAX_COORDINATE = 4e8  # pixels; an untrained network's boxes can exceed every integer


@dataclass(frozen=True)
class PredictionWriter:
    """Writes the prediction file, and on request the drawn image, of each listed image.

    Attributes:
        folder: folder of the prediction files, with the sub-folders of the list.
        started: time in ns at which the run began; files written since then are complete.
        drawn_folder: folder of the drawn images (JPEG); None: none are written.
        min_score: lowest score that is drawn.
        decimals: of x y w h, as `rounded_rows`.
    """

    folder: Path
    started: int
    drawn_folder: Path | None = None
    min_score: float = 0.5
    decimals: int = 0

    def is_done(self, key: str) -> bool:
        """Whether this run has written the prediction file, the last output of an image."""
        try:
            return self._path(key).stat().st_mtime_ns >= self.started
        except OSError:
            return False

    def write(self, job: ImageJob) -> int:
        """Write the outputs of an image and return the number of its faces.

        Raises:
            UserError: a file cannot be written.
        """
        key, detections = job.source.key, job.detections
        if self.drawn_folder is not None:
            shown = detections.where(detections.scores >= self.min_score)
            drawn = draw_detections(job.image, shown.boxes, shown.scores, shown.landmarks)
            write_image(join_inside(self.drawn_folder, f"{key}.jpg"), drawn)
        write_text(self._path(key), format_prediction(PurePosixPath(key).name, detections, self.decimals))
        return len(detections.scores)

    def remove(self, job: ImageJob) -> None:
        """Remove the prediction file that an earlier run wrote for an image that cannot be read now."""
        self._path(job.source.key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return join_inside(self.folder, f"{key}.txt")


def record_settings(folder: Path, settings: Mapping[str, object], resume: bool) -> int:
    """Record the settings of a run in its output folder and return the time of the record in ns.

    Args:
        resume: keep the record of the previous run, if it exists; its settings must be the same.

    Raises:
        UserError: the previous run had other settings, or the folder cannot be written.
    """
    file = folder / SETTINGS_FILE
    if not (resume and file.is_file()):
        write_text(file, json.dumps(settings, indent=1) + "\n")
        return file.stat().st_mtime_ns
    try:
        old = parse_json(file, read_text(file))
        differences = [f"{key} {old[key]}, not {value}" for key, value in settings.items() if old[key] != value]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(
            f"{file}: not a record of detection settings; omit --resume to detect all images again"
        ) from error
    if differences:
        raise UserError(
            f"{folder}: its files were written with {'; '.join(differences)}; omit --resume to detect all images again"
        )
    return file.stat().st_mtime_ns


def rounded_rows(detections: Detections, decimals: int = 0) -> np.ndarray:
    """Return (N, 5) float64 x1 y1 x2 y2 score as a prediction file stores them.

    Corners are rounded to some decimals, or truncated to whole pixels, as published, where there are none. Scores have
    seven digits.
    """
    corners = detections.boxes.astype(np.float64).clip(-MAX_COORDINATE, MAX_COORDINATE)
    corners = corners.round(decimals) if decimals else np.trunc(corners)
    return np.column_stack([corners, detections.scores.astype(np.float64).round(7)])


def format_prediction(stem: str, detections: Detections, decimals: int = 0) -> str:
    """Return the text of a prediction file: base name, count, then `x y w h score` a line, best first."""
    rows = [
        f"{x1:.{decimals}f} {y1:.{decimals}f} {x2 - x1:.{decimals}f} {y2 - y1:.{decimals}f} {score:.7f}"
        for x1, y1, x2, y2, score in rounded_rows(detections, decimals).tolist()
    ]
    return "\n".join([stem, str(len(rows)), *rows]) + "\n"

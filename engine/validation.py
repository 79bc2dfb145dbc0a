"""The AP of the dev set while training: detected on all ranks, scored in memory on the first."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from data.annotations import Annotation, read_annotations
from engine.detection import locate_pictures, written_rows
from evaluation.protocol import evaluate
from models.detector import Detector
from utils.drawing import draw_detections
from utils.errors import UserError
from utils.files import read_image
from utils.processes import Ranks

SHOWN = 8
SHOWN_SCORE = 0.5


@dataclass
class DevSet:
    """Labelled pictures that a training does not learn from.

    Attributes:
        annotations: of the pictures.
        paths: picture_key(name) -> file, in the same order.
    """

    annotations: list[Annotation]
    paths: dict[str, Path]

    @classmethod
    def read(cls, label_file: str | Path) -> "DevSet":
        """Read a label file whose pictures are in images/ beside it.

        Raises:
            UserError: no such file, no faces in it, or a picture that does not exist.
        """
        label_file = Path(label_file)
        if not label_file.is_file():
            raise UserError(f"{label_file}: no such label file; name the dev set's with --val_dataset")
        annotations = read_annotations(label_file)
        if not any(len(annotation.boxes) for annotation in annotations):
            raise UserError(f"{label_file}: has no faces; --val_dataset needs boxes to score with")
        return cls(annotations, locate_pictures([each.name for each in annotations], label_file.parent / "images"))


@dataclass
class DevScore:
    """AP of the dev set, 0..1, on every rank; pictures with their detections, (H, W, 3) uint8 BGR, on the first."""

    ap: float
    drawn: list[np.ndarray]


def score_dev_set(
    model: nn.Module, cfg: dict, device: torch.device, dev_set: DevSet, ranks: Ranks, stop: Callable[[], bool]
) -> DevScore | None:
    """Detect and score the dev set as val_tvface.py and eval.py do with their defaults.

    Args:
        model: a RetinaFace; it is left in the mode that it had.
        stop: asked before each picture whether to give up.

    Returns:
        None where a rank was told to give up.

    Raises:
        UserError: a picture that cannot be read.
    """
    training = model.training
    detector = Detector(model, cfg, device)
    mine = dict(list(dev_set.paths.items())[ranks.rank :: ranks.size])
    share = ranks.agree(lambda: _detect(detector, mine, ranks.first, stop))
    model.train(training)
    shares = ranks.gather(None if share is None else share[0])
    if share is None or None in shares:
        return None

    def average_precision() -> float:
        result = evaluate({key: rows for found in shares for key, rows in found.items()}, dev_set.annotations)
        return result.subsets[result.main].ap

    return DevScore(ranks.from_first(average_precision), share[1])


def _detect(
    detector: Detector, paths: dict[str, Path], is_first: bool, stop: Callable[[], bool]
) -> tuple[dict[str, np.ndarray], list[np.ndarray]] | None:
    """Return the detections in some pictures and, on the first rank, drawings of them; None if told to give up."""
    found, drawn = {}, []
    for key, path in tqdm(
        paths.items(), desc="dev set", unit="picture", leave=False, disable=None if is_first else True
    ):
        if stop():
            return None
        image = read_image(path)
        detections = detector(image)
        found[key] = written_rows(detections)
        if is_first and len(drawn) < SHOWN:
            seen = detections.scores >= SHOWN_SCORE
            drawn.append(draw_detections(image, detections.boxes[seen], detections.scores[seen]))
    return found, drawn

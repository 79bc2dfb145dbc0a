"""The AP of the dev set while training: detected on all ranks, scored in memory on the first."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data.annotations import Annotation, read_annotations
from engine.detect.image_list import check_images, locate_images, written_rows
from evaluation.protocol import evaluate
from models.detector import Detector
from utils.console import progress_bar, say
from utils.distributed import Ranks
from utils.drawing import draw_detections
from utils.errors import UserError
from utils.files import read_image

SHOWN = 8
SHOWN_SCORE = 0.5


@dataclass
class DevSet:
    """Labelled images that a training does not learn from.

    Attributes:
        annotations: of the images.
        paths: image_key(name) -> file, in the same order.
        skip_unreadable: whether an image that cannot be read is left out of a score; otherwise there is none.
    """

    annotations: list[Annotation]
    paths: dict[str, Path]
    skip_unreadable: bool = False

    @classmethod
    def read(cls, label_file: str | Path, skip_unreadable: bool = False) -> "DevSet":
        """Read a label file whose images are in images/ beside it.

        Raises:
            UserError: no such file, no faces in it, or an image that does not exist.
        """
        label_file = Path(label_file)
        if not label_file.is_file():
            raise UserError(f"{label_file}: no such label file; name the dev set's with --val_dataset")
        annotations = read_annotations(label_file)
        if not any(len(annotation.boxes) for annotation in annotations):
            raise UserError(f"{label_file}: has no faces; --val_dataset needs boxes to score with")
        names, images = [each.name for each in annotations], label_file.parent / "images"
        check_images(names, images)
        paths = {listed.key: listed.path for listed in locate_images(names, images)}
        return cls(annotations, paths, skip_unreadable)


@dataclass
class DevScore:
    """AP of the dev set, 0..1, on every rank; images with their detections, (H, W, 3) uint8 BGR, on the first."""

    ap: float
    drawn: list[np.ndarray]


def score_dev_set(
    model: nn.Module, cfg: dict, device: torch.device, dev_set: DevSet, ranks: Ranks, stop: Callable[[], bool]
) -> DevScore | None:
    """Detect and score the dev set as val_tvface.py and eval.py do with their defaults.

    Args:
        model: a RetinaFace, which is left as it is.
        stop: asked before each image whether to give up.

    Returns:
        None where a rank was told to give up.

    Raises:
        UserError: an image that cannot be read, unless the dev set leaves such images out; or no other is left.
    """
    detector = Detector(model, cfg, device)
    mine = dict(list(dev_set.paths.items())[ranks.rank :: ranks.size])
    share = ranks.raise_together(lambda: _detect(detector, mine, dev_set.skip_unreadable, ranks.is_main, stop))
    shares = ranks.gather(None if share is None else share[0])
    if share is None or None in shares:
        return None

    def average_precision() -> float:
        predictions = {key: rows for found in shares for key, rows in found.items()}
        pairs = zip(dev_set.paths, dev_set.annotations, strict=True)
        annotations = [annotation for key, annotation in pairs if key in predictions]
        if not any(len(annotation.boxes) for annotation in annotations):
            raise UserError("--val_dataset: none of its images with faces can be read")
        result = evaluate(predictions, annotations)
        return result.subsets[result.main].ap

    return DevScore(ranks.run_on_main(average_precision), share[1])


def _detect(
    detector: Detector, paths: dict[str, Path], skip_unreadable: bool, is_first: bool, stop: Callable[[], bool]
) -> tuple[dict[str, np.ndarray], list[np.ndarray]] | None:
    """Return the detections in some images and, on the first rank, drawings of them; None if told to give up."""
    found, drawn = {}, []
    bar = {"desc": "dev set", "unit": "image", "leave": False, "disable": None if is_first else True}
    for key, path in progress_bar(iterable=paths.items(), **bar):
        if stop():
            return None
        try:
            image = read_image(path)
        except UserError as error:
            if not skip_unreadable:
                raise
            say(f"warning: {error}; left out of the dev AP", sys.stderr)
            continue
        detections = detector(image)
        found[key] = written_rows(detections)
        if is_first and len(drawn) < SHOWN:
            seen = detections.where(detections.scores >= SHOWN_SCORE)
            drawn.append(draw_detections(image, seen.boxes, seen.scores, seen.landmarks))
    return found, drawn

"""The AP of the dev set during training: detected on all ranks, scored in memory on the main rank."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data.annotations import annotation_images, has_classes, read_annotations
from data.annotations.record import Annotations
from data.dataset import existing_labels
from engine.detect.image_list import check_image_list, locate_images
from engine.detect.prediction_writer import rounded_rows
from evaluation.protocol import evaluate
from models.detector import Detector
from utils.console import progress_bar, say
from utils.distributed import Ranks
from utils.drawing import draw_detections
from utils.errors import UserError
from utils.files import read_image_with_notes
from utils.image_notes import ImageNotes

DRAWN_IMAGES = 8
DRAWN_SCORE = 0.5  # smallest score of a detection that is drawn


@dataclass
class DevSet:
    """Labelled images that score the network during training.

    Attributes:
        annotations: one for each image.
        paths: image_key(name) -> file, in the same order.
        skip_unreadable: whether images that cannot be read are excluded from the AP; otherwise they are an error.
        is_noted: whether the notes on the images have been printed.
    """

    annotations: Annotations
    paths: dict[str, Path]
    skip_unreadable: bool = False
    is_noted: bool = False

    @classmethod
    def read(cls, label_file: str | Path, skip_unreadable: bool = False, category: str | None = None) -> "DevSet":
        """Read labels with their images, as FaceDataset does.

        Raises:
            UserError: the labels are missing or have no faces, or an image does not exist.
        """
        label_file = existing_labels(label_file, "--val_dataset")
        annotations = read_annotations(label_file, category=category if has_classes(label_file) else None)
        if not any(len(annotation.boxes) for annotation in annotations):
            why = "; ".join(annotations.remarks) or "the AP of --val_dataset needs boxes"
            raise UserError(f"{label_file}: has no faces; {why}")
        names, images = [each.name for each in annotations], annotation_images(label_file)
        check_image_list(names, images)
        paths = {listed.key: listed.path for listed in locate_images(names, images)}
        return cls(annotations, paths, skip_unreadable)


@dataclass
class DevScore:
    """Score of the dev set.

    Attributes:
        ap: 0 to 1.
        drawn: images with detections, (H, W, 3) uint8 BGR; empty on ranks other than the main one.
    """

    ap: float
    drawn: list[np.ndarray]


def score_dev_set(
    model: nn.Module, cfg: dict, device: torch.device, dev_set: DevSet, ranks: Ranks, stop: Callable[[], bool]
) -> DevScore | None:
    """Detect and score the dev set as val_tvface.py and eval.py do with their defaults.

    Args:
        model: a RetinaFace, not changed.
        stop: asked before each image whether to stop.

    Returns:
        The score, or None if any rank was asked to stop.

    Raises:
        UserError: an image cannot be read and the dev set does not skip it, or no image with faces can be read.
    """
    detector = Detector(model, cfg, device)
    own_paths = dict(list(dev_set.paths.items())[ranks.rank :: ranks.size])
    notes = ImageNotes()
    share = ranks.raise_together(
        lambda: _detect(detector, own_paths, notes, dev_set.skip_unreadable, ranks.is_main, stop)
    )
    shares = ranks.gather(None if share is None else share[0])
    if share is None or None in shares:
        return None
    if not dev_set.is_noted:
        dev_set.is_noted = True
        for line in notes.lines():
            say(f"warning: dev set: {line}", sys.stderr)

    def average_precision() -> float:
        predictions = {key: rows for found in shares for key, rows in found.items()}
        pairs = zip(dev_set.paths, dev_set.annotations, strict=True)
        annotations = [annotation for key, annotation in pairs if key in predictions]
        if not any(len(annotation.boxes) for annotation in annotations):
            raise UserError("--val_dataset: no image with faces can be read")
        result = evaluate(predictions, annotations)
        return result.subsets[result.main].ap

    return DevScore(ranks.run_on_main(average_precision), share[1])


def _detect(
    detector: Detector,
    paths: dict[str, Path],
    noted: ImageNotes,
    skip_unreadable: bool,
    is_main: bool,
    stop: Callable[[], bool],
) -> tuple[dict[str, np.ndarray], list[np.ndarray]] | None:
    """Return detections by image key and, on the main rank, drawn images; None if asked to stop.

    The notes on the images are added to `noted`.
    """
    found, drawn = {}, []
    bar = {"desc": "dev set", "unit": "image", "leave": False, "disable": None if is_main else True}
    for key, path in progress_bar(iterable=paths.items(), **bar):
        if stop():
            return None
        try:
            image, notes = read_image_with_notes(path)
        except UserError as error:
            if not skip_unreadable:
                raise
            say(f"warning: {error}; excluded from the dev AP", sys.stderr)
            continue
        noted.add(path, notes)
        detections = detector(image)
        found[key] = rounded_rows(detections)
        if is_main and len(drawn) < DRAWN_IMAGES:
            seen = detections.where(detections.scores >= DRAWN_SCORE)
            drawn.append(draw_detections(image, seen.boxes, seen.scores, seen.landmarks))
    return found, drawn

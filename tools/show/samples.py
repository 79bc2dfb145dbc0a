"""Training samples as the network sees them, drawn for a contact sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from torch import Tensor
from tqdm import tqdm

from data.dataset import FaceDataset
from data.sampler import EpochBatches
from tools.show.grid import LANDMARKS, LEGEND, Cell, unreadable_cell
from utils.drawing import draw_boxes, draw_faces, scale_to_side
from utils.wording import counted

# Finds the prior boxes that learn the faces of a sample: (N, 4) x1 y1 x2 y2 in parts of its side -> the (K, 4) priors,
# in the same form, (K,) bool which of them match only because they are a face's best, (N,) bool which faces have one.
Matcher = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]

MATCHING, FORCED = "matching prior box", "prior box that matches only as its face's best"
OPACITY = 0.5  # of the many priors around a face, which must not hide it


@dataclass
class Shown:
    """What the cells of a sheet of samples show.

    Attributes:
        cells: one for each sample.
        errors: a line for each image that cannot be read.
        faces: that count, in all samples.
        priors, forced: how many prior boxes match, and how many of them only because they are a face's best.
        unmatched: faces that no prior box matches.
    """

    cells: list[Cell] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    faces: int = 0
    priors: int = 0
    forced: int = 0
    unmatched: int = 0


def first_samples(dataset: FaceDataset, epoch: int, count: int) -> list[tuple[int, int]]:
    """Return the keys (epoch, index) of the first samples that a training's epoch asks a dataset for."""
    order = EpochBatches(len(dataset), len(dataset), dataset.seed)
    order.epoch = epoch
    return next(iter(order))[:count]


def show_samples(
    dataset: FaceDataset, keys: Sequence[tuple[int, int]], side: int, matcher: Matcher | None = None
) -> Shown:
    """Make samples and draw their faces, and the prior boxes that match them where there is a `matcher`.

    Args:
        dataset: one that skips unreadable images.
        side: of a cell in pixels.
    """
    shown = Shown()
    for key in tqdm(keys, desc="drawing", unit="sample", disable=None):
        image, target, info = dataset[key]
        name = _name(dataset, key[1])
        if info.unreadable:
            shown.errors.append(f"{info.path}: cannot be read")
            shown.cells.append(unreadable_cell(name, side))
            continue
        learnt = target[:, 14].numpy() != 0
        picture, note = scale_to_side(image.permute(1, 2, 0).numpy(), side), counted(int(learnt.sum()), "face")
        kinds, marks = np.where(learnt, "face", "ignored face").astype(object), set()
        shown.faces += int(learnt.sum())
        if matcher is not None:
            priors, forced, matched = (found.numpy() for found in matcher(target[learnt, :4]))
            picture, marks = _draw_priors(picture, priors, forced)
            note += f", {counted(len(priors), 'prior')}"
            kinds[np.flatnonzero(learnt)[~matched]] = "face that no prior box matches"
            shown.priors += len(priors)
            shown.forced += int(forced.sum())
            shown.unmatched += int((~matched).sum())
        picture = draw_faces(picture, target, [LEGEND[kind] for kind in kinds])
        marks |= {*kinds, *(LANDMARKS if (target[:, 14] > 0).any() else ())}
        shown.cells.append(Cell(picture, name, note, frozenset(marks)))
    return shown


def _name(dataset: FaceDataset, index: int) -> str:
    """Return an image's name in the labels, or the path of one that is a negative."""
    names = dataset.annotations.names
    return names[index] if index < len(names) else str(dataset.path(index))


def _draw_priors(image: np.ndarray, priors: np.ndarray, forced: np.ndarray) -> tuple[np.ndarray, set[str]]:
    """Return a square image with the prior boxes that match its faces, and what there is of them in the legend."""
    side = len(image)
    outlines = draw_boxes(image, side * priors[~forced], colors=[LEGEND[MATCHING]] * int((~forced).sum()))
    image = cv2.addWeighted(outlines, OPACITY, image, 1 - OPACITY, 0)
    image = draw_boxes(image, side * priors[forced], colors=[LEGEND[FORCED]] * int(forced.sum()))
    marks = {FORCED if one else MATCHING for one in forced}
    return image, marks

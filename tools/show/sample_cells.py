"""Training samples as the network sees them, drawn for a contact sheet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from torch import Tensor
from tqdm import tqdm

from data.dataset import FaceDataset
from data.sampler import EpochBatches
from tools.show.grid import (
    FACE,
    FORCED_PRIOR,
    IGNORED,
    LANDMARKS,
    LEGEND,
    MATCHED_PRIOR,
    UNMATCHED,
    GridCell,
    unreadable_cell,
)
from utils.drawing import draw_boxes, draw_faces, scale_to_side
from utils.wording import counted

# Matches the (N, 4) faces of a sample, x1 y1 x2 y2 in parts of its side. Returns the (K, 4) matched priors,
# (K,) bool the ones below the threshold that are a face's best, and (N,) bool the matched faces.
Matcher = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]

OPACITY = 0.5  # of the priors, which must not hide the face


@dataclass
class DrawnSamples:
    """The cells of a sheet of samples, and counts over all samples.

    Attributes:
        cells: one for each sample.
        errors: a line for each unreadable image.
        faces: number of faces without the ignored ones.
        priors, forced: number of matched priors, and of those below the threshold that are a face's best.
        unmatched: number of faces without a matched prior.
    """

    cells: list[GridCell] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    faces: int = 0
    priors: int = 0
    forced: int = 0
    unmatched: int = 0


def first_samples(dataset: FaceDataset, epoch: int, count: int) -> list[tuple[int, int]]:
    """Return the keys (epoch, index) of the first samples of a training epoch."""
    order = EpochBatches(len(dataset), len(dataset), dataset.seed)
    order.set_epoch(epoch)
    return next(iter(order))[:count]


def show_samples(
    dataset: FaceDataset, keys: Sequence[tuple[int, int]], side: int, matcher: Matcher | None = None
) -> DrawnSamples:
    """Make training samples and draw their faces, and their matched priors if a `matcher` is given.

    Args:
        dataset: with `skip_unreadable`.
        keys: (epoch, index) of the samples.
        side: width and height of a cell in pixels.
    """
    shown = DrawnSamples()
    for key in tqdm(keys, desc="drawing", unit="sample", disable=None):
        image, target, info = dataset[key]
        name = _name(dataset, key[1])
        if info.unreadable:
            shown.errors.append(f"{info.path}: cannot be read")
            shown.cells.append(unreadable_cell(name, side))
            continue
        is_face = target[:, 14].numpy() != 0
        drawn, note = scale_to_side(image.permute(1, 2, 0).numpy(), side), counted(int(is_face.sum()), "face")
        kinds, marks = np.where(is_face, FACE, IGNORED).astype(object), set()
        shown.faces += int(is_face.sum())
        if matcher is not None:
            priors, forced, matched = (found.numpy() for found in matcher(target[is_face, :4]))
            drawn, marks = _draw_priors(drawn, priors, forced)
            note += f", {counted(len(priors), 'prior')}"
            kinds[np.flatnonzero(is_face)[~matched]] = UNMATCHED
            shown.priors += len(priors)
            shown.forced += int(forced.sum())
            shown.unmatched += int((~matched).sum())
        drawn = draw_faces(drawn, target, [LEGEND[kind] for kind in kinds])
        marks |= {*kinds, *(LANDMARKS if (target[:, 14] > 0).any() else ())}
        shown.cells.append(GridCell(drawn, name, note, frozenset(marks)))
    return shown


def _name(dataset: FaceDataset, index: int) -> str:
    """Return an image's name in the labels, or the path of a background image of --negatives."""
    names = dataset.annotations.names
    return names[index] if index < len(names) else str(dataset.path(index))


def _draw_priors(image: np.ndarray, priors: np.ndarray, forced: np.ndarray) -> tuple[np.ndarray, set[str]]:
    """Draw matched priors on a square image; return it and the marks for the legend."""
    side = len(image)
    outlines = draw_boxes(image, side * priors[~forced], colors=[LEGEND[MATCHED_PRIOR]] * int((~forced).sum()))
    image = cv2.addWeighted(outlines, OPACITY, image, 1 - OPACITY, 0)
    image = draw_boxes(image, side * priors[forced], colors=[LEGEND[FORCED_PRIOR]] * int(forced.sum()))
    marks = {FORCED_PRIOR if one else MATCHED_PRIOR for one in forced}
    return image, marks

"""Test-time augmentation: the views in which a Detector sees an image, the slices of a view, and the vote of boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from utils.errors import UserError
from utils.pixels import MEAN_BGR

GRID = 32  # pixels; slices begin at multiples of the coarsest map's stride, so that all slices share one grid of priors
OVERLAP = 320  # pixels that neighboring slices share at least: the largest face that no seam cuts
MIN_SLICE = 2 * OVERLAP
MOST_PAIRS = 1 << 24  # of a matrix of overlaps


@dataclass(frozen=True)
class Scaling:
    """Size of an image in the network: its short side is scaled to `target_size` pixels, or to less if the long side
    would exceed `max_size`; None: any."""

    target_size: int = 1600
    max_size: int | None = 2150

    def factor(self, height: int, width: int) -> float:
        """Return the factor by which an image is scaled."""
        short, long = sorted((height, width))
        factor = self.target_size / short
        if self.max_size is not None and round(factor * long) > self.max_size:
            factor = self.max_size / long
        return max(factor, 1 / short)  # at least one row of pixels is left


@dataclass(frozen=True)
class View:
    """How a Detector sees an image.

    Attributes:
        scaling: None: at the original size.
        flip: whether it is flipped horizontally.
    """

    scaling: Scaling | None = None
    flip: bool = False

    def factor(self, height: int, width: int) -> float:
        """Return the factor by which an image is scaled."""
        return 1.0 if self.scaling is None else self.scaling.factor(height, width)


class Slice(NamedTuple):
    """A part of an image, and the part of it whose prior boxes belong to this slice; in pixels.

    Attributes:
        left, top, width, height: its place; by less than GRID pixels it may reach beyond the image.
        core: x1 y1 x2 y2. The cores of all slices cover the image, and do not overlap.
    """

    left: int
    top: int
    width: int
    height: int
    core: tuple[float, float, float, float]


def cut_slices(height: int, width: int, side: int) -> list[Slice]:
    """Cut an image into slices that overlap by OVERLAP pixels or more.

    Args:
        side: a multiple of GRID. Slices of a narrow image are narrower.
    """
    return [
        Slice(left, top, columns, rows, (x1, y1, x2, y2))
        for top, rows, y1, y2 in _cut(height, side)
        for left, columns, x1, x2 in _cut(width, side)
    ]


def _cut(length: int, side: int) -> list[tuple[int, int, float, float]]:
    """Return start and length of each slice along an axis, and start and end of its core."""
    whole = round_up(length)
    side = min(side, whole)
    count = 1 + -(-(whole - side) // (side - OVERLAP)) if side < whole else 1
    starts = [round(i * (whole - side) / max(1, count - 1) / GRID) * GRID for i in range(count)]
    seams = [(start + before + side) / 2 for before, start in pairwise(starts)]
    return [(start, side, *core) for start, *core in zip(starts, [0.0, *seams], [*seams, float(length)], strict=True)]


def stack_slices(images: Tensor, places: Sequence[tuple[Slice, int]]) -> Tensor:
    """Return (N, 3, h, w) uint8 slices of (B, 3, H, W) uint8 images, beyond which they have the mean color.

    Args:
        places: N slices, each with the number of its image.
    """
    mean = torch.tensor(MEAN_BGR, dtype=torch.uint8, device=images.device)
    _, _, width, height, _ = places[0][0]
    stacked = mean[:, None, None].repeat(len(places), 1, height, width)
    for canvas, (place, image) in zip(stacked, places, strict=True):
        part = images[image, :, place.top : place.top + height, place.left : place.left + width]
        canvas[:, : part.shape[1], : part.shape[2]] = part
    return stacked


def slice_side(pixels: int) -> int:
    """Return the side of slices of `pixels`: the next multiple of GRID.

    Raises:
        UserError: slices would consist of overlaps.
    """
    if pixels < MIN_SLICE:
        raise UserError(f"--slices {pixels}: expected {MIN_SLICE} pixels or more, since slices overlap by {OVERLAP}")
    return round_up(pixels)


def round_up(pixels: int) -> int:
    """Return the next multiple of GRID."""
    return -(-pixels // GRID) * GRID


def vote(
    kept: Tensor, boxes: Tensor, scores: Tensor, points: Tensor, views: Tensor, count: int, iou_threshold: float
) -> tuple[Tensor, Tensor]:
    """Merge each kept detection with those that NMS removed in its favor.

    Coordinates are averaged, weighted by the scores (box voting; Gidaris and Komodakis 2015, section 5). The score is
    the mean over the views of the best score in each, 0 in a view that does not find the face.

    Args:
        kept: (K,) int64 detections that NMS kept, best first.
        boxes: (N, 4) x1 y1 x2 y2, as NMS compares them.
        scores: (N,).
        points: (N, D) coordinates to average.
        views: (N,) int64 the view of each detection, 0 to `count` - 1.
        iou_threshold: of NMS.

    Returns:
        (K, D) averages and (K,) scores.
    """
    owner = torch.full((len(boxes),), len(kept), dtype=torch.int64, device=boxes.device)
    ranks = torch.arange(len(kept), device=boxes.device)
    step = max(1, MOST_PAIRS // max(1, len(kept)))
    for start in range(0, len(boxes), step):
        overlaps = box_iou(boxes[start : start + step], boxes[kept]) > iou_threshold
        owner[start : start + step] = torch.where(overlaps, ranks, len(kept)).amin(dim=1)
    owner[kept] = ranks  # a box without area overlaps not even itself
    weights = points.new_zeros(len(kept) + 1).index_add_(0, owner, scores)[:-1]
    sums = points.new_zeros(len(kept) + 1, points.shape[1]).index_add_(0, owner, points * scores[:, None])[:-1]
    best = scores.new_zeros((len(kept) + 1) * count).scatter_reduce_(0, owner * count + views, scores, "amax")
    return sums / weights[:, None], best.unflatten(0, (-1, count))[:-1].mean(dim=1)

"""Detections before NMS: the network's outputs over the threshold, decoded to pixels of the images."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from data.augmentation import FLIPPED_LANDMARKS
from layers.functions.prior_box import PriorBox
from models.views import Slice
from utils.box_utils import decode, decode_landm
from utils.pixels import normalize


class Candidates(NamedTuple):
    """Detections before NMS of a batch of images, in pixels.

    Attributes:
        image: (N,) int64, the image of each.
        scores: (N,).
        boxes: (N, 4) x1 y1 x2 y2.
        landmarks: (N, 10) x y; (N, 0) without landmarks.
    """

    image: Tensor
    scores: Tensor
    boxes: Tensor
    landmarks: Tensor

    def flip(self, width: float, box_shift: float = 0.0) -> "Candidates":
        """Return the candidates of the images flipped horizontally, which are `width` pixels wide.

        Args:
            box_shift: pixels by which boxes are too far to the right, before and after the flip.
        """
        left, top, right, bottom = self.boxes.T
        span = width + 2 * box_shift
        boxes = torch.stack([span - right, top, span - left, bottom], dim=1)
        landmarks = self.landmarks
        if landmarks.shape[1]:
            x, y = landmarks.unflatten(1, (5, 2))[:, FLIPPED_LANDMARKS].unbind(2)
            landmarks = torch.stack([width - x, y], dim=2).flatten(1)
        return Candidates(self.image, self.scores, boxes, landmarks)


def find_candidates(
    network: nn.Module,
    cfg: dict,
    pixels: Tensor,
    factor: float,
    threshold: float,
    with_landmarks: bool,
    slices: Sequence[Slice] | None = None,
) -> Candidates:
    """Detect in a batch of images of one size, or of slices, by one pass of the network.

    Only candidates over the threshold are decoded, of all images at once, because small kernels leave a GPU idle.

    Args:
        network: a RetinaFace of phase "train".
        pixels: (B, 3, H, W) BGR 0..255 on the network's device.
        factor: by which the images have been scaled; the result is in pixels before that.
        threshold: candidates have a higher score.
        slices: where each image of the batch is cut from; a prior box outside its core is no candidate.

    Raises:
        FloatingPointError: scores are not finite, so that faces would be missing without a word.
    """
    height, width = pixels.shape[2:]
    dtype = next(network.parameters()).dtype
    loc, logits, landm = (output.float() for output in network(normalize(pixels).to(dtype)))
    scores = logits.softmax(dim=-1)[..., 1]
    if not scores.isfinite().all():
        raise FloatingPointError
    priors = PriorBox(cfg, (height, width), pixels.device).forward()
    size = torch.tensor([width, height], dtype=torch.float32, device=pixels.device)
    found = scores > threshold
    if slices is not None:
        corners = size.new_tensor([[each.left, each.top] for each in slices])
        cores = size.new_tensor([each.core for each in slices])[:, None]
        centers = priors[:, :2] * size + corners[:, None]
        found &= ((centers >= cores[..., :2]) & (centers < cores[..., 2:])).all(dim=2)
    image, prior = found.nonzero(as_tuple=True)
    size = size / factor
    boxes = decode(loc[image, prior], priors[prior], cfg["variance"]) * size.repeat(2)
    finite = boxes.isfinite().all(dim=1)  # sizes are exponentials, which overflow in an untrained network
    image, prior, boxes = image[finite], prior[finite], boxes[finite]
    landmarks = boxes.new_zeros(len(boxes), 0)
    if with_landmarks:
        landmarks = decode_landm(landm[image, prior], priors[prior], cfg["variance"]) * size.repeat(5)
    if slices is not None:
        shifts = (corners / factor)[image]
        boxes, landmarks = boxes + shifts.repeat(1, 2), landmarks + shifts.repeat(1, landmarks.shape[1] // 2)
    return Candidates(image, scores[image, prior], boxes, landmarks)

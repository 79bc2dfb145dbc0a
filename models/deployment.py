"""The whole way from images to boxes as one network, which torch.export and ONNX can hold."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import nms

from layers.functions.prior_box import build_prior_boxes
from models.folding import fold_batch_norm
from models.retinaface import RetinaFace
from utils.box_utils import decode, decode_landm
from utils.pixels import MEAN_BGR

# (boxes (N, P, 4), scores (N, P), IoU, score) -> image (M,) and prior (M,) of each box that stays
Suppression = Callable[[Tensor, Tensor, float, float], tuple[Tensor, Tensor]]


class RawHeads(nn.Module):
    """Images in, the three heads out: the folded network with the normalisation of its input."""

    def __init__(self, model: RetinaFace):
        super().__init__()
        self.network = fold_batch_norm(model)
        self.register_buffer("mean", torch.tensor(MEAN_BGR, dtype=torch.float32))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict for every prior box.

        Args:
            images: (N, H, W, 3) uint8, BGR.

        Returns:
            boxes (N, P, 4) and landmarks (N, P, 10) coded as in utils.box_utils, and between them the probabilities
            of background and face (N, P, 2).
        """
        # utils.pixels.normalize is quicker by a row of means, whose width an exported network does not know.
        boxes, logits, landmarks = self.network((images.float() - self.mean).permute(0, 3, 1, 2))
        return boxes, logits.softmax(dim=-1), landmarks


class ImagesToFaces(nn.Module):
    """What Detector does, without scaling and limits, as one network.

    Args:
        suppress: how boxes that overlap are found; formats differ in it.
    """

    def __init__(
        self, model: RetinaFace, cfg: dict, suppress: Suppression, confidence_threshold: float, nms_threshold: float
    ):
        super().__init__()
        self.heads = RawHeads(model)
        self.has_landmarks = model.has_learnt_landmarks()
        self.cfg = cfg
        self.suppress = suppress
        self.confidence_threshold = confidence_threshold
        self.nms_threshold = nms_threshold
        self.register_buffer("last_pixel", torch.tensor([0.0, 0, 1, 1]))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Find the faces in images of one size, in the order of the images, the best of each first.

        Args:
            images: (N, H, W, 3) uint8, BGR.

        Returns:
            boxes (M, 4) x1 y1 x2 y2 in pixels, scores (M,), landmarks (M, 5, 2) x y where the network has learnt them,
            and (M,) int64 the image of each face, 0 to N - 1.
        """
        loc, probabilities, landm = self.heads(images)
        height, width = images.shape[1:3]
        cfg = self.cfg
        priors = build_prior_boxes((height, width), cfg["min_sizes"], cfg["steps"], cfg["clip"]).to(loc.device)
        size = torch.stack([torch.scalar_tensor(width), torch.scalar_tensor(height)]).to(loc.device)
        scores = probabilities[..., 1]
        boxes = decode(loc, priors, cfg["variance"]) * torch.cat([size, size])
        image, prior = self.suppress(boxes + self.last_pixel, scores, self.nms_threshold, self.confidence_threshold)
        found = [boxes[image, prior], scores[image, prior]]
        if self.has_landmarks:
            found.append((decode_landm(landm, priors, cfg["variance"])).unflatten(-1, (5, 2))[image, prior] * size)
        return (*found, image)


def nms_by_torchvision(boxes: Tensor, scores: Tensor, iou: float, score: float) -> tuple[Tensor, Tensor]:
    """Suppress in all images at once: each is moved to a place of its own, in float64, which loses nothing."""
    image, prior = (scores > score).nonzero(as_tuple=True)
    candidates = boxes[image, prior].double()
    apart = candidates + (image * (2 * candidates.abs().sum() + 1))[:, None]
    in_turn = scores[image, prior].double() - 2 * image  # the best of the second below the last of the first
    # torch.export holds that nms gives two boxes or more: two of no size come last, and go again.
    kept = nms(F.pad(apart, (0, 0, 0, 2)), F.pad(in_turn, (0, 2), value=-torch.inf), iou)[:-2]
    return image[kept], prior[kept]


def nms_by_one_operator(boxes: Tensor, scores: Tensor, iou: float, score: float) -> tuple[Tensor, Tensor]:
    """Suppress by a single operator, for which ONNX has one of its own."""
    chosen = non_max_suppression(boxes, scores, iou, score)
    return chosen[:, 0], chosen[:, 1]


@torch.library.custom_op("retinaface::non_max_suppression", mutates_args=())
def non_max_suppression(boxes: Tensor, scores: Tensor, iou: float, score: float) -> Tensor:
    """Return (M, 2) int64: the image and the prior of each box that stays, as ONNX's NonMaxSuppression does."""
    return torch.stack(nms_by_torchvision(boxes, scores, iou, score), dim=1)


@non_max_suppression.register_fake
def _(boxes: Tensor, scores: Tensor, iou: float, score: float) -> Tensor:
    return boxes.new_empty((torch.library.get_ctx().new_dynamic_size(), 2), dtype=torch.int64)

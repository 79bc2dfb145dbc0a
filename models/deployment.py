"""Networks to export: from images to raw heads, or to boxes after NMS."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import ops

from layers.functions.prior_box import build_prior_boxes
from models.folding import fold_batch_norm
from models.retinaface import RetinaFace
from utils.box_utils import decode, decode_landm
from utils.pixels import MEAN_BGR

# (boxes (N, P, 4), scores (N, P), IoU threshold, score threshold) -> image (M,) and prior (M,) of each kept box
Nms = Callable[[Tensor, Tensor, float, float], tuple[Tensor, Tensor]]


class RawHeads(nn.Module):
    """From images to the three heads: the folded network, after the normalization of its input."""

    def __init__(self, model: RetinaFace):
        super().__init__()
        self.network = fold_batch_norm(model)
        self.register_buffer("mean", torch.tensor(MEAN_BGR, dtype=torch.float32))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict for every prior box.

        Args:
            images: (N, H, W, 3) uint8, BGR.

        Returns:
            Boxes (N, P, 4), probabilities of background and face (N, P, 2), and landmarks (N, P, 10); boxes and
            landmarks are coded as in utils.box_utils.
        """
        # utils.pixels.normalize is faster, but its row of means needs a width that is known at export.
        boxes, logits, landmarks = self.network((images.float() - self.mean).permute(0, 3, 1, 2))
        return boxes, logits.softmax(dim=-1), landmarks


class ImagesToFaces(nn.Module):
    """The steps of Detector, without scaling and limits, as one network.

    Args:
        nms: implementation of NMS, which depends on the export format.
    """

    def __init__(self, model: RetinaFace, cfg: dict, nms: Nms, confidence_threshold: float, nms_threshold: float):
        super().__init__()
        self.heads = RawHeads(model)
        self.has_landmarks = model.has_trained_landmarks()
        self.cfg = cfg
        self.nms = nms
        self.confidence_threshold = confidence_threshold
        self.nms_threshold = nms_threshold
        self.register_buffer("last_pixel", torch.tensor([0.0, 0, 1, 1]))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Detect the faces in images of one size, ordered by image and descending score.

        Args:
            images: (N, H, W, 3) uint8, BGR.

        Returns:
            boxes (M, 4) x1 y1 x2 y2 in pixels, scores (M,), landmarks (M, 5, 2) x y if the network was trained with
            them, and (M,) int64 the image of each face, 0 to N - 1.
        """
        loc, probabilities, landm = self.heads(images)
        height, width = images.shape[1:3]
        cfg = self.cfg
        priors = build_prior_boxes((height, width), cfg["min_sizes"], cfg["steps"], cfg["clip"]).to(loc.device)
        size = torch.stack([torch.scalar_tensor(width), torch.scalar_tensor(height)]).to(loc.device)
        scores = probabilities[..., 1]
        boxes = decode(loc, priors, cfg["variance"]) * torch.cat([size, size])
        image, prior = self.nms(boxes + self.last_pixel, scores, self.nms_threshold, self.confidence_threshold)
        found = [boxes[image, prior], scores[image, prior]]
        if self.has_landmarks:
            found.append((decode_landm(landm, priors, cfg["variance"])).unflatten(-1, (5, 2))[image, prior] * size)
        return (*found, image)


def nms_by_torchvision(boxes: Tensor, scores: Tensor, iou: float, score: float) -> tuple[Tensor, Tensor]:
    """NMS of all images at once: each image is shifted to its own region, in float64, which is exact."""
    image, prior = (scores > score).nonzero(as_tuple=True)
    candidates = boxes[image, prior].double()
    shifted = candidates + (image * (2 * candidates.abs().sum() + 1))[:, None]
    ranking = scores[image, prior].double() - 2 * image  # every score of an image is below those of the image before
    # torch.export assumes that NMS returns two boxes or more: two empty boxes are appended, and removed again.
    kept = ops.nms(F.pad(shifted, (0, 0, 0, 2)), F.pad(ranking, (0, 2), value=-torch.inf), iou)[:-2]
    return image[kept], prior[kept]


def nms_by_one_operator(boxes: Tensor, scores: Tensor, iou: float, score: float) -> tuple[Tensor, Tensor]:
    """NMS as a single operator, which the export replaces by ONNX's."""
    chosen = non_max_suppression(boxes, scores, iou, score)
    return chosen[:, 0], chosen[:, 1]


@torch.library.custom_op("retinaface::non_max_suppression", mutates_args=())
def non_max_suppression(boxes: Tensor, scores: Tensor, iou: float, score: float) -> Tensor:
    """Return (M, 2) int64, the image and the prior of each kept box, as ONNX's NonMaxSuppression does."""
    return torch.stack(nms_by_torchvision(boxes, scores, iou, score), dim=1)


@non_max_suppression.register_fake
def _(boxes: Tensor, scores: Tensor, iou: float, score: float) -> Tensor:
    return boxes.new_empty((torch.library.get_ctx().new_dynamic_size(), 2), dtype=torch.int64)

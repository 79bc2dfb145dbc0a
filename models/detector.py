"""The way from pixels to faces."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from data.config import NETWORKS
from layers.functions.prior_box import PriorBox
from models.retinaface import RetinaFace
from utils.box_utils import decode, decode_landm
from utils.checkpoint import load_into, read_state_dict
from utils.pixels import normalize


@dataclass
class Detections:
    """The faces found in a picture, best first.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the picture, not clipped to it.
        scores: (N,) float32, 0 to 1.
        landmarks: (N, 5, 2) float32, x y in pixels; meaningless where the network was trained without landmarks.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray


@dataclass
class Scaling:
    """The size at which a picture goes through the network: its short side becomes `target_size` pixels, or less
    where the long side would pass `max_size`."""

    target_size: int = 1600
    max_size: int = 2150

    def factor(self, height: int, width: int) -> float:
        """Return what to multiply a picture's size with."""
        short, long = sorted((height, width))
        factor = self.target_size / short
        if round(factor * long) > self.max_size:
            factor = self.max_size / long
        return max(factor, 1 / short)  # a strip keeps at least one row of pixels


class Detector:
    """Finds the faces in a picture.

    Args:
        model: a RetinaFace of phase "train", which gives logits; it is moved to the device and put in evaluation mode.
        cfg: its configuration.
        device: where it computes.
        scaling: None detects at the picture's own size.
        confidence_threshold: only scores above it are kept.
        nms_threshold: of two boxes that overlap more than this, the one with the lower score goes.
        top_k: how many of the best candidates reach NMS; 0: all.
        keep_top_k: how many of the best are kept after NMS; 0: all.
    """

    def __init__(
        self,
        model: RetinaFace,
        cfg: dict,
        device: torch.device,
        *,
        scaling: Scaling | None = None,
        confidence_threshold: float = 0.02,
        nms_threshold: float = 0.4,
        top_k: int = 0,
        keep_top_k: int = 0,
    ):
        if model.phase != "train":
            raise ValueError("a Detector takes a RetinaFace of phase 'train': it turns logits into scores itself")
        self.model = model.to(device, memory_format=torch.channels_last).eval()
        self.cfg = cfg
        self.device = device
        self.scaling = scaling
        self.confidence_threshold = confidence_threshold
        self.nms_threshold = nms_threshold
        self.top_k = top_k
        self.keep_top_k = keep_top_k

    @classmethod
    def load(cls, weights: str | Path, network: str, device: torch.device, **options) -> "Detector":
        """Build a detector from a checkpoint.

        Args:
            network: a key of data.config.NETWORKS.
            options: those of the class.

        Raises:
            UserError: a file that cannot be read, or the weights of another network.
        """
        cfg = NETWORKS[network]
        model = RetinaFace(cfg)
        load_into(model, read_state_dict(weights), weights)
        return cls(model, cfg, device, **options)

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> Detections:
        """Detect the faces of a picture, (H, W, 3) uint8 BGR."""
        factor = 1.0 if self.scaling is None else self.scaling.factor(*image.shape[:2])
        if factor != 1.0:
            # In bytes: resized as float, the published weights score half a point of AP less on enlarged pictures.
            image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(self.device)
        loc, logits, landm = (output[0] for output in self.model(normalize(pixels)))
        scores = logits.softmax(dim=-1)[:, 1]
        priors = PriorBox(self.cfg, image.shape[:2], self.device).forward()

        chosen = self._candidates(scores)
        size = torch.tensor([image.shape[1], image.shape[0]], dtype=torch.float32, device=self.device) / factor
        boxes = decode(loc[chosen], priors[chosen], self.cfg["variance"]) * size.repeat(2)
        finite = boxes.isfinite().all(dim=1)  # sizes are exponentials, which a half-trained network overflows
        chosen, boxes = chosen[finite], boxes[finite]
        landmarks = decode_landm(landm[chosen], priors[chosen], self.cfg["variance"]).unflatten(1, (5, 2)) * size
        kept = self._suppress(boxes, scores[chosen])
        found = (boxes[kept], scores[chosen][kept], landmarks[kept])
        return Detections(*(values.cpu().numpy() for values in found))

    def _candidates(self, scores: Tensor) -> Tensor:
        """Return the indices of the scores over the threshold, best first, at most top_k."""
        over = (scores > self.confidence_threshold).nonzero()[:, 0]
        order = over[scores[over].argsort(descending=True, stable=True)]
        return order[: self.top_k] if self.top_k else order

    def _suppress(self, boxes: Tensor, scores: Tensor) -> Tensor:
        """Return the indices that non-maximum suppression keeps, best first, at most keep_top_k."""
        # The published figures count a box's last pixel as inside it: width = x2 - x1 + 1.
        last_pixel = torch.tensor([0, 0, 1, 1], device=boxes.device)
        kept = nms(boxes + last_pixel, scores, self.nms_threshold)
        return kept[: self.keep_top_k] if self.keep_top_k else kept

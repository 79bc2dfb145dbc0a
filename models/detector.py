"""Detection: images in, boxes, scores and landmarks out."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from layers.functions.prior_box import PriorBox
from models.folding import fold_batch_norm
from models.memory import bytes_per_pixel
from models.retinaface import RetinaFace
from models.weights import load_network
from utils.box_utils import decode, decode_landm
from utils.devices import HALF_PRECISION, available_memory, choose_device
from utils.errors import UserError
from utils.nms import nms
from utils.pixels import normalize

# Measured peaks are 1.05 to 1.25 times the estimate on a CPU; some kernels of GPUs need more.
MEMORY_RESERVE = 1.8


@dataclass
class Detections:
    """The detections of one image, by descending score.

    Attributes:
        boxes: (N, 4) float32, x1 y1 x2 y2 in pixels of the image, not clipped to it.
        scores: (N,) float32, 0 to 1.
        landmarks: (N, 5, 2) float32, x y in pixels; None if the network was trained without landmarks.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray | None

    def where(self, mask: np.ndarray) -> "Detections":
        """Return the detections that a (N,) bool mask or indices select."""
        return Detections(self.boxes[mask], self.scores[mask], None if self.landmarks is None else self.landmarks[mask])


@dataclass
class Scaling:
    """Size of an image in the network: its short side is scaled to `target_size` pixels, or to less if the long side
    would exceed `max_size`."""

    target_size: int = 1600
    max_size: int = 2150

    def factor(self, height: int, width: int) -> float:
        """Return the factor by which an image is scaled."""
        short, long = sorted((height, width))
        factor = self.target_size / short
        if round(factor * long) > self.max_size:
            factor = self.max_size / long
        return max(factor, 1 / short)  # at least one row of pixels is left


class Detector:
    """Detects faces in images.

    Args:
        model: a RetinaFace of phase "train", which returns logits; it is copied.
        cfg: its configuration.
        device: device of the network.
        scaling: None detects at the original size.
        confidence_threshold: detections with a higher score are kept.
        nms_threshold: IoU threshold of NMS.
        top_k: number of candidates of an image before NMS; 0: all.
        keep_top_k: number of detections of an image after NMS; 0: all.
        amp: precision of the network, "float32", "bf16" or "fp16"; boxes and scores are always float32.
    """

    def __init__(
        self,
        model: RetinaFace,
        cfg: dict,
        device: torch.device | str,
        *,
        scaling: Scaling | None = None,
        confidence_threshold: float = 0.02,
        nms_threshold: float = 0.4,
        top_k: int = 0,
        keep_top_k: int = 0,
        amp: str = "float32",
    ):
        if model.phase != "train":
            raise ValueError("a Detector needs a RetinaFace of phase 'train', which returns logits")
        self.dtype = HALF_PRECISION.get(amp, torch.float32)
        self.network = fold_batch_norm(model).to(device, self.dtype, memory_format=torch.channels_last)
        self.has_landmarks = model.has_trained_landmarks()
        self.cfg = cfg
        self.device = torch.device(device)
        self.scaling = scaling
        self.confidence_threshold = confidence_threshold
        self.nms_threshold = nms_threshold
        self.top_k = top_k
        self.keep_top_k = keep_top_k
        self.bytes_per_pixel = MEMORY_RESERVE * bytes_per_pixel(self.network)
        self._at_once: dict[tuple[int, int], int] = {}

    @classmethod
    def load(
        cls, weights: str | Path, network: str | None = None, device: torch.device | str | None = None, **options
    ) -> "Detector":
        """Build a detector from a weight file.

        Args:
            network: name that the weights must have; None: the network is recognized from them.
            device: None: a GPU if there is one, else the CPU.
            options: of the constructor.

        Raises:
            UserError: the file cannot be read, or its weights are of another or an unknown network.
        """
        model, found = load_network(weights, network)
        return cls(model, found.cfg, choose_device() if device is None else device, **options)

    def __call__(self, images: np.ndarray | list[np.ndarray] | tuple[np.ndarray, ...]) -> Detections | list[Detections]:
        """Detect the faces in one image, or in a list of images; images of one size form a batch.

        Args:
            images: (H, W, 3) uint8 BGR each.

        Raises:
            ValueError: an array of another type or shape.
            UserError: an image needs more memory than is free, or its scores are not finite.
        """
        if not isinstance(images, list | tuple):
            return self([images])[0]
        found = self.detect_each(images)
        for result in found:
            if isinstance(result, UserError):
                raise result
        return found

    def detect_each(self, images: Sequence[np.ndarray]) -> list[Detections | UserError]:
        """Detect like a call, but return a UserError in the place of an image that cannot be detected."""
        by_size = {}
        for index, image in enumerate(images):
            if not isinstance(image, np.ndarray):
                raise ValueError(
                    f"found {type(image).__name__}; expected an array (cv2.imread returns None on failure)"
                )
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
                raise ValueError(f"found an array of {image.dtype} {image.shape}; expected uint8 (H, W, 3), BGR")
            by_size.setdefault(image.shape[:2], []).append(index)
        found = [None] * len(images)
        for indices in by_size.values():
            results = self._detect_same_size([images[index] for index in indices])
            for index, result in zip(indices, results, strict=True):
                found[index] = result
        return found

    def images_at_once(self, height: int, width: int) -> int:
        """Return how many images of a size fit into the memory that was free at the first of them.

        Raises:
            UserError: not even one image fits.
        """
        if (height, width) not in self._at_once:
            factor = 1.0 if self.scaling is None else self.scaling.factor(height, width)
            needed = self.bytes_per_pixel * factor**2 * height * width
            available = available_memory(self.device)
            if available is not None and self.device.type == "cuda":
                available /= 2  # two batches may be on the GPU at once
            if available is not None and available < needed:
                raise UserError(
                    f"{width} x {height} pixels need {needed / 1e9:.3g} GB of memory, and"
                    f" {available / 1e9:.3g} GB are free; split the image, or scale it with --origin_size false"
                )
            self._at_once[height, width] = sys.maxsize if available is None else int(available / needed)
        return self._at_once[height, width]

    def _detect_same_size(self, images: list[np.ndarray]) -> list[Detections | UserError]:
        """Detect images of one size, as many at once as the memory holds."""
        try:
            batch_size = self.images_at_once(*images[0].shape[:2])
        except UserError as error:
            return [error] * len(images)
        batches = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
        return [result for batch in batches for result in self._detect_or_split(batch)]

    def _detect_or_split(self, images: list[np.ndarray]) -> list[Detections | UserError]:
        """Detect images of one size, one by one if the batch fails.

        A single image fails if the memory is too small for it, or if its scores are not finite.
        """
        try:
            return self._detect(images)
        except FloatingPointError:
            cause = "its weights are too large" if self.dtype == torch.float32 else "use --amp float32"
            problem = f"the network's scores are not finite; {cause}"
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "DefaultCPUAllocator" not in str(error):
                raise
            height, width = images[0].shape[:2]
            problem = f"{width} x {height} pixels: the memory is full; scale images with --origin_size false"
        if len(images) == 1:
            return [UserError(problem)]
        return [self._detect_or_split([image])[0] for image in images]

    @torch.inference_mode()
    def _detect(self, images: list[np.ndarray]) -> list[Detections]:
        """Detect the faces of images of one size.

        Raises:
            FloatingPointError: scores are not finite, so that faces would be missing without a word.
        """
        factor = 1.0 if self.scaling is None else self.scaling.factor(*images[0].shape[:2])
        if factor != 1.0:
            # Resized as bytes: resized as float, the published weights lose half a point of AP on enlarged images.
            images = [cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR) for image in images]
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        outputs = self.network(normalize(pixels.to(self.device)).to(self.dtype))
        loc, logits, landm = (output.float() for output in outputs)
        scores = logits.softmax(dim=-1)[..., 1]
        if not scores.isfinite().all():
            raise FloatingPointError
        priors = PriorBox(self.cfg, pixels.shape[2:], self.device).forward()
        size = torch.tensor([pixels.shape[3], pixels.shape[2]], dtype=torch.float32, device=self.device) / factor

        # Decode only candidates over the threshold, of all images at once, because small kernels leave a GPU idle.
        owner, prior = (scores > self.confidence_threshold).nonzero(as_tuple=True)
        boxes = decode(loc[owner, prior], priors[prior], self.cfg["variance"]) * size.repeat(2)
        finite = boxes.isfinite().all(dim=1)  # sizes are exponentials, which overflow in an untrained network
        owner, prior, boxes = owner[finite], prior[finite], boxes[finite]
        scores = scores[owner, prior]
        order = scores.argsort(descending=True, stable=True)
        order = order[owner[order].argsort(stable=True)]
        kept = []
        for candidates in order.split(owner.bincount(minlength=len(images)).tolist()):
            candidates = candidates[: self.top_k] if self.top_k else candidates
            # The published protocol counts pixels inclusively: width = x2 - x1 + 1.
            enlarged = boxes[candidates] + boxes.new_tensor([0, 0, 1, 1])
            chosen = nms(enlarged, self.nms_threshold)
            kept.append(candidates[chosen[: self.keep_top_k] if self.keep_top_k else chosen])
        index = torch.cat(kept)
        found = [boxes[index], scores[index]]
        if self.has_landmarks:
            owner, prior = owner[index], prior[index]
            codes = decode_landm(landm[owner, prior], priors[prior], self.cfg["variance"])
            found.append(codes.unflatten(1, (5, 2)) * size)
        ends = np.cumsum([len(indices) for indices in kept])[:-1]
        parts = zip(*(np.split(values.cpu().numpy(), ends) for values in found), strict=True)
        return [Detections(*part, *(() if self.has_landmarks else (None,))) for part in parts]

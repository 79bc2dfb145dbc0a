"""Detection: images in, boxes, scores and landmarks out."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from models.candidates import Candidates, find_candidates
from models.folding import fold_batch_norm
from models.memory import bytes_per_pixel
from models.retinaface import RetinaFace
from models.views import Scaling, Slice, View, cut_slices, slice_side, stack_slices, vote
from models.weights import load_network
from utils.devices import HALF_PRECISION, available_memory, choose_device
from utils.errors import UserError
from utils.nms import nms

__all__ = ["Detections", "Detector", "Scaling"]

# Measured peaks are 1.05 to 1.25 times the estimate on a CPU; some kernels of GPUs need more.
MEMORY_RESERVE = 1.8
LOWEST_VOTE = 0.02  # score of a detection that is merged with those of other views


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


class Detector:
    """Detects faces in images.

    Args:
        model: a RetinaFace of phase "train", which returns logits; it is copied.
        cfg: its configuration.
        device: device of the network.
        scaling: None detects at the original size; several detect at each of the sizes.
        flip: detect in the flipped images, too. The detections of all sizes and of flipped images are merged by voting.
        slices: side in pixels of the overlapping square slices in which an image is detected; None: the whole image.
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
        scaling: Scaling | Sequence[Scaling] | None = None,
        flip: bool = False,
        slices: int | None = None,
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
        scalings = [scaling] if scaling is None or isinstance(scaling, Scaling) else scaling
        flips = (False, True) if flip else (False,)
        self.views = [View(each, flipped) for each in scalings for flipped in flips]
        self.slice_side = None if slices is None else slice_side(slices)
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
            factor = max(view.factor(height, width) for view in self.views)
            pixels = factor**2 * height * width if self.slice_side is None else self.slice_side**2
            needed = self.bytes_per_pixel * pixels
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
        parts = [
            (number, part) for number, view in enumerate(self.views) for part in self._find_candidates(images, view)
        ]
        image, scores, boxes, landmarks = Candidates(*map(torch.cat, zip(*(part for _, part in parts), strict=True)))
        views = torch.cat([torch.full_like(part.image, number) for number, part in parts])
        order = scores.argsort(descending=True, stable=True)
        order = order[image[order].argsort(stable=True)]
        found = []
        for candidates in order.split(image.bincount(minlength=len(images)).tolist()):
            candidates = candidates[: self.top_k] if self.top_k else candidates
            # The published protocol counts pixels inclusively: width = x2 - x1 + 1.
            enlarged = boxes[candidates] + boxes.new_tensor([0, 0, 1, 1])
            chosen = nms(enlarged, self.nms_threshold)
            points, values = torch.cat([boxes, landmarks], dim=1)[candidates], scores[candidates]
            if len(self.views) == 1:
                points, values = points[chosen], values[chosen]
            else:
                voters = (values, points, views[candidates], len(self.views))
                points, values = vote(chosen, enlarged, *voters, self.nms_threshold)
                best = values.argsort(descending=True, stable=True)
                best = best[values[best] > self.confidence_threshold]
                points, values = points[best], values[best]
            most = self.keep_top_k or None
            found.append((points[:most], values[:most]))
        points, scores = (torch.cat(values).cpu().numpy() for values in zip(*found, strict=True))
        ends = np.cumsum([len(each) for _, each in found])[:-1]
        return [
            Detections(each[:, :4], values, each[:, 4:].reshape(-1, 5, 2) if self.has_landmarks else None)
            for each, values in zip(np.split(points, ends), np.split(scores, ends), strict=True)
        ]

    def _find_candidates(self, images: list[np.ndarray], view: View) -> Iterator[Candidates]:
        """Yield the candidates of a view of images of one size, in as many parts as fit into the memory."""
        factor = view.factor(*images[0].shape[:2])
        # A face with a high score in one view has a low one in others, which count in its mean.
        threshold = self.confidence_threshold if len(self.views) == 1 else min(self.confidence_threshold, LOWEST_VOTE)
        if factor != 1.0:
            # Resized as bytes: resized as float, the published weights lose half a point of AP on enlarged images.
            images = [cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR) for image in images]
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(self.device)
        width = pixels.shape[3]
        pixels = pixels.flip(3) if view.flip else pixels
        for part, slices, first in self._batches(pixels, *images[0].shape[:2]):
            found = find_candidates(self.network, self.cfg, part, factor, threshold, self.has_landmarks, slices)
            found = found._replace(image=(found.image + first) % len(images))
            yield found.flip(width / factor, self.network.box_shift) if view.flip else found

    def _batches(self, pixels: Tensor, height: int, width: int) -> Iterator[tuple[Tensor, list[Slice] | None, int]]:
        """Yield what the network sees at once: the (B, 3, H, W) images, or some of their slices.

        Slices are ordered by place, then by image.

        Yields:
            images or slices; None or the places of the slices; the number of the first slice.
        """
        if self.slice_side is None:
            yield pixels, None, 0
            return
        slices = cut_slices(*pixels.shape[2:], self.slice_side)
        places = [(each, image) for each in slices for image in range(len(pixels))]
        at_once = self.images_at_once(height, width)
        for first in range(0, len(places), at_once):
            chosen = places[first : first + at_once]
            yield stack_slices(pixels, chosen), [each for each, _ in chosen], first

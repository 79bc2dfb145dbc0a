"""Prior boxes (SSD, section 2.2; RetinaFace, section 3.2)."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


class PriorBox:
    """The prior boxes of one image size.

    Args:
        cfg: a configuration of data/config.py: min_sizes and steps in pixels, clip.
        image_size: (height, width) in pixels.
        device: device of the priors.
    """

    def __init__(self, cfg: dict, image_size: tuple[int, int], device: torch.device | str = "cpu"):
        self.min_sizes = tuple(map(tuple, cfg["min_sizes"]))
        self.steps = tuple(cfg["steps"])
        self.clip = cfg["clip"]
        self.image_size = tuple(map(int, image_size))
        self.device = torch.device(device)

    def forward(self) -> Tensor:
        """Return (P, 4) float32 cx cy w h relative to the image's size; order: map, row, column, size.

        The tensor is cached and shared between calls: do not write to it.
        """
        return _prior_boxes(self.image_size, self.min_sizes, self.steps, self.clip, self.device)


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # tensors that a Detector caches stay usable in training
def _prior_boxes(
    image_size: tuple[int, int],
    min_sizes: tuple[tuple[int, ...], ...],
    steps: tuple[int, ...],
    clip: bool,
    device: torch.device,
) -> Tensor:
    return build_prior_boxes(image_size, min_sizes, steps, clip).to(device)


def build_prior_boxes(
    image_size: tuple[int, int], min_sizes: Sequence[Sequence[int]], steps: Sequence[int], clip: bool
) -> Tensor:
    """Build the priors on the CPU, without a cache; torch.export may trace the image's size."""
    height, width = image_size
    maps = []
    for sizes, step in zip(min_sizes, steps, strict=True):
        rows, columns = (height + step - 1) // step, (width + step - 1) // step  # rounded up
        y = (torch.arange(rows, dtype=torch.float64) + 0.5) * step
        x = (torch.arange(columns, dtype=torch.float64) + 0.5) * step
        size = torch.tensor(sizes, dtype=torch.float64)
        cy, cx, size = torch.meshgrid(y, x, size, indexing="ij")
        maps.append(torch.stack([cx / width, cy / height, size / width, size / height], dim=-1).reshape(-1, 4))
    priors = torch.cat(maps).to(torch.float32)
    return priors.clamp(0, 1) if clip else priors

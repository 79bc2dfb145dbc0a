"""Prior boxes: the fixed boxes against which faces are coded (SSD, section 2.2; RetinaFace, section 3.2)."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


class PriorBox:
    """The prior boxes of one image size.

    Args:
        cfg: a configuration of data/config.py: min_sizes and steps in pixels, clip.
        image_size: (height, width) in pixels.
        device: where the priors are wanted.
    """

    def __init__(self, cfg: dict, image_size: tuple[int, int], device: torch.device | str = "cpu"):
        self.min_sizes = tuple(map(tuple, cfg["min_sizes"]))
        self.steps = tuple(cfg["steps"])
        self.clip = cfg["clip"]
        self.image_size = tuple(map(int, image_size))
        self.device = torch.device(device)

    def forward(self) -> Tensor:
        """Return (P, 4) float32 cx cy w h in parts of the image's size; order: map, row, column, size.

        The tensor is cached and shared between calls: do not write to it.
        """
        return _prior_boxes(self.image_size, self.min_sizes, self.steps, self.clip, self.device)


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # else a Detector would leave tensors behind that no training can use
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
    """Return what PriorBox does, on the CPU and not cached; sizes may be those that torch.export traces."""
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

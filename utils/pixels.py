"""Normalization of images for the network: BGR minus the mean color, without a division."""

from functools import lru_cache

import torch
from torch import Tensor

MEAN_BGR = (104, 117, 123)


def normalize(images: Tensor) -> Tensor:
    """Convert (N, 3, H, W) BGR 0..255 of any type to the float32 input of the network, channels last in memory."""
    pixels = images.permute(0, 2, 3, 1).contiguous()
    # Subtracting from whole rows is ten times as fast on a CPU as from each pixel's three values.
    rows = pixels.flatten(2) - _mean_row(pixels.shape[2], images.device)
    return rows.unflatten(2, pixels.shape[2:]).permute(0, 3, 1, 2)


@lru_cache(maxsize=32)  # a copy to a GPU synchronizes
@torch.inference_mode(False)  # a tensor that a Detector caches stays usable in training
def _mean_row(width: int, device: torch.device) -> Tensor:
    """Return the (width * 3,) float32 mean of each value in a row of pixels."""
    return torch.tensor(MEAN_BGR, dtype=torch.float32).repeat(width).to(device)

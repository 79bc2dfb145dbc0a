"""What the network is given: BGR minus the mean colour, not divided by anything."""

from functools import lru_cache

import torch
from torch import Tensor

MEAN_BGR = (104, 117, 123)


def normalize(images: Tensor) -> Tensor:
    """Turn (N, 3, H, W) BGR 0..255 of any type into the float32 input of the network, channels last in memory."""
    pixels = images.permute(0, 2, 3, 1).contiguous()
    # A row at a time: with a mean for each pixel's three values a CPU takes ten times as long.
    rows = pixels.flatten(2) - _mean_row(pixels.shape[2], images.device)
    return rows.unflatten(2, pixels.shape[2:]).permute(0, 3, 1, 2)


@lru_cache(maxsize=32)  # since the copy to a GPU waits for it
@torch.inference_mode(False)  # else a Detector would leave a tensor behind that no training can use
def _mean_row(width: int, device: torch.device) -> Tensor:
    """Return (width * 3,) float32: the mean of each value in a row of pixels."""
    return torch.tensor(MEAN_BGR, dtype=torch.float32).repeat(width).to(device)

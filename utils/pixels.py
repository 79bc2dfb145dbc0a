"""What the network is given: BGR minus the mean colour, not divided by anything."""

from functools import cache

import torch
from torch import Tensor

MEAN_BGR = (104, 117, 123)


def normalize(images: Tensor) -> Tensor:
    """Turn (N, 3, H, W) BGR 0..255 of any type into the float32 input of the network, channels last in memory."""
    return (images - _mean(images.device)).contiguous(memory_format=torch.channels_last)


@cache  # made once, since the copy waits for a GPU
@torch.inference_mode(False)  # else a Detector would leave a tensor behind that no training can use
def _mean(device: torch.device) -> Tensor:
    return torch.tensor(MEAN_BGR, dtype=torch.float32, device=device).view(3, 1, 1)

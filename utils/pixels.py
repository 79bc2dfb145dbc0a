"""What the network is given: BGR minus the mean colour, not divided by anything."""

import torch
from torch import Tensor

MEAN_BGR = (104, 117, 123)


def normalize(images: Tensor) -> Tensor:
    """Turn (N, 3, H, W) BGR 0..255 of any type into the float32 input of the network, channels last in memory."""
    mean = torch.tensor(MEAN_BGR, dtype=torch.float32, device=images.device).view(3, 1, 1)
    return (images - mean).contiguous(memory_format=torch.channels_last)

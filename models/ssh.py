"""Context module with windows of 3 x 3, 5 x 5 and 7 x 7 (SSH, Najibi et al. 2017, section 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks import conv_bn, leaky_slope


class SSH(nn.Module):
    """(N, channels, h, w) -> the same shape. The larger windows are stacked 3 x 3 convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        slope = leaky_slope(channels)
        self.conv3X3 = conv_bn(channels, channels // 2, slope=None)
        self.conv5X5_1 = conv_bn(channels, channels // 4, slope=slope)
        self.conv5X5_2 = conv_bn(channels // 4, channels // 4, slope=None)
        self.conv7X7_2 = conv_bn(channels // 4, channels // 4, slope=slope)
        self.conv7x7_3 = conv_bn(channels // 4, channels // 4, slope=None)

    def forward(self, features: Tensor) -> Tensor:
        shared = self.conv5X5_1(features)
        window7 = self.conv7x7_3(self.conv7X7_2(shared))
        return F.relu(torch.cat([self.conv3X3(features), self.conv5X5_2(shared), window7], dim=1))

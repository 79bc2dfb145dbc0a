"""Backbones that torchvision does not have."""

import torch
from torch import nn

from models.blocks import conv_bn, conv_depthwise


class MobileNetV1(nn.Module):
    """MobileNetV1 (Howard et al. 2017, table 1) with LeakyReLU, and its classifier.

    Args:
        width: multiplier of the channels of every layer (section 3.3).
    """

    def __init__(self, width: float):
        super().__init__()
        c32, c64, c128, c256, c512, c1024 = (round(width * channels) for channels in (32, 64, 128, 256, 512, 1024))
        self.stage1 = nn.Sequential(
            conv_bn(3, c32, stride=2, slope=0.1),
            conv_depthwise(c32, c64),
            conv_depthwise(c64, c128, stride=2),
            conv_depthwise(c128, c128),
            conv_depthwise(c128, c256, stride=2),
            conv_depthwise(c256, c256),
        )
        self.stage2 = nn.Sequential(
            conv_depthwise(c256, c512, stride=2),
            *(conv_depthwise(c512, c512) for _ in range(5)),
        )
        self.stage3 = nn.Sequential(conv_depthwise(c512, c1024, stride=2), conv_depthwise(c1024, c1024))
        self.avg = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(c1024, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, 1000) ImageNet logits of (N, 3, H, W)."""
        features = self.stage3(self.stage2(self.stage1(images)))
        return self.fc(self.avg(features).flatten(1))

"""Feature pyramid network (Lin et al. 2017, section 3): coarse features are added to the finer maps."""

import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks import conv_bn, leaky_slope


class FPN(nn.Module):
    """Turns three maps of a backbone into three maps of the same sizes with `channels` channels.

    Args:
        inputs: channels of the three maps, finest first.
        channels: channels of each output.
    """

    def __init__(self, inputs: tuple[int, int, int], channels: int):
        super().__init__()
        slope = leaky_slope(channels)
        self.output1 = conv_bn(inputs[0], channels, kernel=1, slope=slope)
        self.output2 = conv_bn(inputs[1], channels, kernel=1, slope=slope)
        self.output3 = conv_bn(inputs[2], channels, kernel=1, slope=slope)
        self.merge1 = conv_bn(channels, channels, slope=slope)
        self.merge2 = conv_bn(channels, channels, slope=slope)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        """Each (N, inputs[i], h_i, w_i) -> (N, channels, h_i, w_i)."""
        fine, middle, coarse = self.output1(fine), self.output2(middle), self.output3(coarse)
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:], mode="nearest"))
        fine = self.merge1(fine + F.interpolate(middle, size=fine.shape[2:], mode="nearest"))
        return [fine, middle, coarse]

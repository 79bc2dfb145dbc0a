"""Convolutions with batch normalization, the blocks of all parts of the network."""

from torch import nn


def leaky_slope(channels: int) -> float:
    """Return the LeakyReLU slope of FPN and SSH; 0, a ReLU, if they have more than 64 channels."""
    return 0.1 if channels <= 64 else 0.0


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, slope: float | None = 0.0) -> nn.Sequential:
    """Convolution, batch normalization and LeakyReLU of this slope (0: ReLU; None: no activation)."""
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if slope is not None:
        layers.append(nn.LeakyReLU(slope, inplace=True))
    return nn.Sequential(*layers)


def conv_depthwise(inputs: int, outputs: int, stride: int = 1, slope: float = 0.1) -> nn.Sequential:
    """Depthwise separable convolution (MobileNet, section 3.1): 3 x 3 per channel, then 1 x 1 across channels."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.LeakyReLU(slope, inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(slope, inplace=True),
    )

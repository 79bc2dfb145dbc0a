"""Batch normalisation folded into the convolutions before it: at inference both are linear (Jacob et al. 2018, 3.2)."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Return a copy of a network whose convolutions do what its batch normalisations did, to be used, not trained.

    A normalisation belongs to the convolution that is registered before it in the same module, as in torchvision's
    ResNet and in models.blocks. The outputs are the same but for rounding.
    """
    return _fold(copy.deepcopy(model).eval()).requires_grad_(False)


def _fold(module: nn.Module) -> nn.Module:
    previous = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and previous is not None:
            setattr(module, previous, fuse_conv_bn_eval(getattr(module, previous), child))
            setattr(module, name, nn.Identity())
        else:
            _fold(child)
        previous = name if isinstance(child, nn.Conv2d) else None
    return module

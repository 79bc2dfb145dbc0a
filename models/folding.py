"""Fold batch normalization into the convolutions before it (Jacob et al. 2018, section 3.2)."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Return a copy of a network for inference, with its batch normalizations folded into its convolutions.

    A normalization is folded into the convolution that is registered directly before it in the same module, as in
    models.blocks and in torchvision's networks. The outputs are equal up to rounding.
    """
    return _fold(copy.deepcopy(model).eval()).requires_grad_(False)


def _fold(module: nn.Module) -> nn.Module:
    previous = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d | nn.SyncBatchNorm) and previous is not None:
            setattr(module, previous, fuse_conv_bn_eval(getattr(module, previous), child))
            setattr(module, name, nn.Identity())
        else:
            _fold(child)
        previous = name if isinstance(child, nn.Conv2d) else None
    return module

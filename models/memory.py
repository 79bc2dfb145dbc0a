"""Memory that a network takes, without running it."""

import weakref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

SIDE = 256  # of the image that is traced; the bytes per pixel do not depend on it


class LiveBytes(TorchDispatchMode):
    """Count the bytes of the tensors that operators return and that are alive, and the most at one time."""

    def __init__(self):
        super().__init__()
        self.seen = WeakIdKeyDictionary()
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and value.untyped_storage() not in self.seen:
                storage = value.untyped_storage()
                self.seen[storage] = True
                self.now += storage.nbytes()
                weakref.finalize(storage, self._free, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return result

    def _free(self, count: int) -> None:
        self.now -= count


@torch.no_grad()
def bytes_per_pixel(network: nn.Module) -> float:
    """Return the bytes that a network in evaluation mode takes for each pixel of its images, besides its weights.

    A forward pass on PyTorch's meta device, which has shapes but no data, counts the tensors that are alive at once.
    """
    weights = {key: value.to("meta") for key, value in network.state_dict().items()}
    dtype = next(value.dtype for value in weights.values() if value.is_floating_point())
    with LiveBytes() as live:
        images = torch.empty(1, 3, SIDE, SIDE, dtype=dtype, device="meta")
        torch.func.functional_call(network, weights, (images,))
    return live.peak / SIDE**2

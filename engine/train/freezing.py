"""Parts of the network that a training does not change."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.retinaface import RetinaFace


def freeze(network: RetinaFace, cfg: dict, stages: int, batch_norm: bool) -> None:
    """Freeze the first stages of the backbone, weights and statistics, and optionally all batch statistics.

    Args:
        network: in training mode; changed in place.
        cfg: its configuration.
        stages: number of maps of the backbone, 0 to 3, whose layers are frozen; a later one includes those before it.
        batch_norm: whether all batch normalization keeps its statistics; its weights are still trained.
    """
    layers: list[nn.Module] = []
    last = next((name for name, number in cfg["return_layers"].items() if number == stages), None)
    if last is not None:
        names = list(network.body)
        layers = [network.body[name] for name in names[: names.index(last) + 1]]
    for layer in layers:
        layer.requires_grad_(False)
        layer.eval()
    if batch_norm:
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.eval()

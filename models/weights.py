"""Weights of whole networks and of their backbones."""

import sys
from http.client import HTTPException
from pathlib import Path

import torch
from torch import nn
from torch.hub import download_url_to_file

from models.registry import Network, find_network
from utils.checkpoint import load_into, read_state_dict
from utils.errors import UserError


def load_backbone_weights(model: nn.Module, cfg: dict, path: str | Path | None = None) -> None:
    """Load ImageNet weights into the backbone of a RetinaFace, without the classifier layer.

    Args:
        model: a models.retinaface.RetinaFace, changed in place.
        cfg: its configuration.
        path: a state dict of the whole classifier network; None: the published weights of models.registry.

    Raises:
        UserError: no such file, no connection, or weights of another network.
    """
    network = find_network(cfg["name"])
    source = path or _published_weights(network)
    state = {
        key.removeprefix("features."): value
        for key, value in read_state_dict(source).items()
        if not key.startswith(("fc.", "classifier."))
    }
    load_into(model.body, state, source, f"the backbone of {network.flag}")


def _published_weights(network: Network) -> Path:
    """Return the file of a backbone's ImageNet weights, downloaded once."""
    weights = network.pretrained
    if weights is None:
        raise UserError(
            f"{network.flag}: no ImageNet weights are published for this backbone; name a file with"
            " --backbone_weights, or train without them with --no_pretrain"
        )
    if weights.path:
        if not weights.path.is_file():
            raise UserError(
                f"{weights.path}: no such file; download the ImageNet weights from {weights.url} to {weights.path}, or"
                " name another file with --backbone_weights, or train without them with --no_pretrain"
            )
        return weights.path
    file = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    if not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # The file's name ends in the start of its hash.
            hash_prefix = file.stem.split("-")[-1]
            download_url_to_file(weights.url, file, hash_prefix=hash_prefix, progress=sys.stderr.isatty())
        except (OSError, RuntimeError, HTTPException) as error:
            raise UserError(
                f"{file}: no such file, and the download failed ({error}); download {weights.url} to that path, or"
                " name a file with --backbone_weights, or train without it with --no_pretrain"
            ) from error
    return file

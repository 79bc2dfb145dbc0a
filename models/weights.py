"""Weights of networks and of their backbones, and the network that weights belong to."""

import re
import sys
from functools import cache
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.hub import download_url_to_file

from models.registry import NETWORKS, Network, find_network
from models.retinaface import BOX_SHIFT, RetinaFace
from utils.checkpoint import load_into, mismatch, read_state_dict, save_state_dict
from utils.errors import UserError

# Keys of yakhyo/retinaface-pytorch, and those of the same tensors here. Its depthwise convolutions are nested.
OTHER_LAYOUT = (
    (re.compile(r"^fx\.(features\.)?"), "body."),
    (re.compile(r"^class_head\.class_head\.(\d+)"), r"ClassHead.\1.conv1x1"),
    (re.compile(r"^bbox_head\.bbox_head\.(\d+)"), r"BboxHead.\1.conv1x1"),
    (re.compile(r"^landmark_head\.landmark_head\.(\d+)"), r"LandmarkHead.\1.conv1x1"),
    (re.compile(r"^(body\.stage\d\.\d+)\.0\.([01])\."), r"\1.\2."),
    (re.compile(r"^(body\.stage\d\.\d+)\.1\.0\."), r"\1.3."),
    (re.compile(r"^(body\.stage\d\.\d+)\.1\.1\."), r"\1.4."),
)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the state dict of a RetinaFace, in this repository's layout or that of yakhyo/retinaface-pytorch.

    Raises:
        UserError: the file is missing, truncated, or holds no state dict, or a weight is not finite.
    """
    state = _read_sound(path)
    if not any(key.startswith("fx.") for key in state):
        return state
    return {_key_here(key): value for key, value in state.items()}


def _read_sound(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict; refuse values with which a network would find nothing, without an error."""
    state = read_state_dict(path)
    for key, value in state.items():
        if value.is_complex():
            problem = "complex values"
        elif not (value.float() if value.is_floating_point() else value).isfinite().all():
            problem = "values that are not finite"
        elif key.endswith("running_var") and (value.float() < 0).any():
            problem = "values below 0, which no variance has"
        else:
            continue
        raise UserError(f"{path}: {key} has {problem}; name weights of a sound training")
    if not any(value.any() for value in state.values()):
        raise UserError(f"{path}: all weights are 0; name weights of a sound training")
    return state


def _key_here(key: str) -> str:
    for pattern, replacement in OTHER_LAYOUT:
        key = pattern.sub(replacement, key)
    return key


def load_network(path: str | Path, network: str | None = None) -> tuple[RetinaFace, Network]:
    """Build the network that a weight file belongs to, and load the weights.

    Args:
        network: name that the weights must have, as for `find_network`; None: any known network.

    Raises:
        UserError: the file cannot be read, or its weights are of an unknown network or not of the given one.
    """
    state = read_weights(path)
    found = recognize_network(state, path)
    if network is not None and find_network(network) != found:
        raise UserError(f"{path}: has weights of {found.flag}, not of {network}; omit --network, or use {found.flag}")
    model = RetinaFace(found.cfg)
    load_into(model, state, path, found.flag)
    return model, found


def save_network(model: RetinaFace, path: str | Path) -> None:
    """Write the weights of a network, as `load_network` reads them."""
    save_state_dict(model, path, {BOX_SHIFT: float(model.box_shift)} if model.box_shift else None)


def recognize_network(state: dict[str, Tensor], source: str | Path) -> Network:
    """Return the network whose keys and shapes a state dict has.

    Args:
        source: its file, for the message.

    Raises:
        UserError: no known network has them; the message compares the most similar one.
    """
    problems = {flag: mismatch(_expected_state(flag), state) for flag in NETWORKS}
    for flag, problem in problems.items():
        if not problem:
            return NETWORKS[flag]
    classes, landmarks = (state.get(f"{head}.0.conv1x1.weight") for head in ("ClassHead", "LandmarkHead"))
    if classes is not None and landmarks is not None and (len(classes), len(landmarks)) != (2 * 2, 2 * 10):
        priors = max(1, len(classes) // 2)
        raise UserError(
            f"{source}: the heads predict {len(landmarks) // (2 * priors)} landmarks for each of {priors} priors;"
            " expected 5 landmarks for each of 2 priors"
        )
    closest = max(NETWORKS, key=lambda flag: len(state.keys() & _expected_state(flag).keys()))
    raise UserError(f"{source}: state dict matches no known network; {closest} differs by {problems[closest]}")


@cache
def _expected_state(flag: str) -> dict[str, Tensor]:
    """Return a network's state dict without data: on PyTorch's meta device."""
    with torch.device("meta"):
        return RetinaFace(NETWORKS[flag].cfg).state_dict()


def load_backbone_weights(model: nn.Module, cfg: dict, path: str | Path | None = None) -> None:
    """Load ImageNet weights into the backbone of a RetinaFace, without the classifier layer.

    Args:
        model: a models.retinaface.RetinaFace, changed in place.
        cfg: its configuration.
        path: a state dict of the whole classifier network; None: the published weights of models.registry.

    Raises:
        UserError: no such file, no connection, a value that is not finite, or weights of another network.
    """
    network = find_network(cfg["name"])
    source = path or _published_weights(network)
    state = {
        key.removeprefix("features."): value
        for key, value in _read_sound(source).items()
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

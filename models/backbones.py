"""Backbones and their ImageNet weights."""

import sys
from http.client import HTTPException
from pathlib import Path

import torch
from torch import nn
from torch.hub import download_url_to_file
from torchvision.models import ResNet50_Weights, resnet50

from models.blocks import conv_bn, conv_depthwise
from utils.checkpoint import load_into, read_state_dict
from utils.errors import UserError

MOBILENET_WEIGHTS = Path("weights/mobilenetV1X0.25_pretrain.tar")
MOBILENET_URL = "https://drive.google.com/file/d/1bilHHmGKfuqjQ3V7loqLRGgpAP8KHIKV/view"


class MobileNetV1(nn.Module):
    """MobileNetV1 (Howard et al. 2017, table 1) with a quarter of its channels, LeakyReLU, and its classifier."""

    def __init__(self):
        super().__init__()
        self.stage1 = nn.Sequential(
            conv_bn(3, 8, stride=2, slope=0.1),
            conv_depthwise(8, 16),
            conv_depthwise(16, 32, stride=2),
            conv_depthwise(32, 32),
            conv_depthwise(32, 64, stride=2),
            conv_depthwise(64, 64),
        )
        self.stage2 = nn.Sequential(
            conv_depthwise(64, 128, stride=2),
            *(conv_depthwise(128, 128) for _ in range(5)),
        )
        self.stage3 = nn.Sequential(conv_depthwise(128, 256, stride=2), conv_depthwise(256, 256))
        self.avg = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(256, 1000)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return (N, 1000) ImageNet logits of (N, 3, H, W)."""
        features = self.stage3(self.stage2(self.stage1(images)))
        return self.fc(self.avg(features).flatten(1))


def build_backbone(name: str) -> nn.Module:
    """Build the classifier network that a configuration's `name` asks for, with random weights."""
    return MobileNetV1() if name == "mobilenet0.25" else resnet50(weights=None)


def load_backbone_weights(model: nn.Module, cfg: dict, path: str | Path | None = None) -> None:
    """Load ImageNet weights into the backbone of a RetinaFace, the classifier layer left out.

    Args:
        model: a models.retinaface.RetinaFace, changed in place.
        cfg: its configuration.
        path: a state dict of the whole classifier network; None takes weights/mobilenetV1X0.25_pretrain.tar
            for MobileNet0.25 and torchvision's IMAGENET1K_V1, downloaded once, for ResNet50.

    Raises:
        UserError: no such file, no network, or weights of another network.
    """
    state = _published_weights(cfg["name"]) if path is None else read_state_dict(path)
    state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    load_into(model.body, state, path or "the published backbone weights")


def _published_weights(name: str) -> dict[str, torch.Tensor]:
    if name == "mobilenet0.25":
        if not MOBILENET_WEIGHTS.is_file():
            raise UserError(
                f"{MOBILENET_WEIGHTS}: no such file; download the ImageNet weights from {MOBILENET_URL} to"
                f" {MOBILENET_WEIGHTS}, or name another file with --backbone_weights, or train without them with"
                " --no_pretrain"
            )
        return read_state_dict(MOBILENET_WEIGHTS)
    url = ResNet50_Weights.IMAGENET1K_V1.url
    file = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # The file's name ends in the start of its hash.
            download_url_to_file(url, file, hash_prefix=file.stem.split("-")[-1], progress=sys.stderr.isatty())
        except (OSError, RuntimeError, HTTPException) as error:
            raise UserError(
                f"{file}: no such file, and it cannot be downloaded ({error}); fetch {url} to that path, or name a"
                " file with --backbone_weights, or train without it with --no_pretrain"
            ) from error
    return read_state_dict(file)

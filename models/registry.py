"""The networks that --network names. To add one, add an entry to NETWORKS."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import nn

from data.config import cfg_mnet, cfg_re50
from models.backbones import MobileNetV1
from utils.errors import UserError

TORCHVISION = "https://download.pytorch.org/models"  # its weights IMAGENET1K_V1

DEFAULT_NETWORK = "mobile0.25"  # of train.py and the tools


@dataclass(frozen=True)
class BackboneWeights:
    """ImageNet weights of a backbone.

    Attributes:
        url: their address.
        path: where the user puts a file that has to be downloaded by hand; None: torch downloads it into its cache.
    """

    url: str
    path: Path | None = None


@dataclass(frozen=True)
class Network:
    """A RetinaFace with one backbone.

    Attributes:
        flag: value of --network.
        cfg: configuration with the keys of data/config.py; files are named after cfg["name"].
        build: builds the backbone with random weights; cfg["return_layers"] names three of its children.
        channels: of the three maps that these children return, finest first.
        pretrained: ImageNet weights of the backbone, None if none are published.
    """

    flag: str
    cfg: dict
    build: Callable[[], nn.Module]
    channels: tuple[int, int, int]
    pretrained: BackboneWeights | None


def _derive(cfg: dict, **changes) -> dict:
    """Return a copy of a published configuration with other values; `in_channel` exists in those alone."""
    return {key: value for key, value in {**cfg, **changes}.items() if key != "in_channel"}


def _torchvision(name: str) -> nn.Module:
    from torchvision.models import get_model  # takes a second to import, which tools that read `cfg` alone do without

    return get_model(name, weights=None)


NETWORKS = {
    network.flag: network
    for network in (
        Network(
            flag="mobile0.25",
            cfg=cfg_mnet,
            build=partial(MobileNetV1, width=0.25),
            channels=(64, 128, 256),
            pretrained=BackboneWeights(
                "https://drive.google.com/file/d/1bilHHmGKfuqjQ3V7loqLRGgpAP8KHIKV/view",
                Path("weights/mobilenetV1X0.25_pretrain.tar"),
            ),
        ),
        Network(
            flag="mobile0.5",
            cfg=_derive(cfg_mnet, name="mobilenet0.5", out_channel=128),
            build=partial(MobileNetV1, width=0.5),
            channels=(128, 256, 512),
            pretrained=None,
        ),
        Network(
            flag="mobilenetv2",
            cfg=_derive(cfg_mnet, name="mobilenetv2", return_layers={"6": 1, "13": 2, "18": 3}, out_channel=128),
            build=lambda: _torchvision("mobilenet_v2").features,
            channels=(32, 96, 1280),
            pretrained=BackboneWeights(f"{TORCHVISION}/mobilenet_v2-b0353104.pth"),
        ),
        Network(
            flag="resnet18",
            cfg=_derive(cfg_re50, name="resnet18", batch_size=32, out_channel=128),
            build=partial(_torchvision, "resnet18"),
            channels=(128, 256, 512),
            pretrained=BackboneWeights(f"{TORCHVISION}/resnet18-f37072fd.pth"),
        ),
        Network(
            flag="resnet34",
            cfg=_derive(cfg_re50, name="resnet34", batch_size=16, out_channel=128),
            build=partial(_torchvision, "resnet34"),
            channels=(128, 256, 512),
            pretrained=BackboneWeights(f"{TORCHVISION}/resnet34-b627a593.pth"),
        ),
        Network(
            flag="resnet50",
            cfg=cfg_re50,
            build=partial(_torchvision, "resnet50"),
            channels=(512, 1024, 2048),
            pretrained=BackboneWeights(f"{TORCHVISION}/resnet50-0676ba61.pth"),
        ),
    )
}


def find_network(name: str) -> Network:
    """Return the network of a value of --network, or of a configuration's name.

    Raises:
        UserError: an unknown name.
    """
    for network in NETWORKS.values():
        if name in (network.flag, network.cfg["name"]):
            return network
    raise UserError(f"network {name!r}: unknown; expected one of {', '.join(NETWORKS)}")

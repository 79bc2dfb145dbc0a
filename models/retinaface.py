"""RetinaFace (Deng et al. 2019): backbone, feature pyramid, context modules and three heads."""

import torch
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter

from data.augmentation import MOST_BOX_SHIFT
from models.fpn import FPN
from models.registry import find_network
from models.ssh import SSH

BOX_SHIFT = "box_shift"  # in the metadata of a state dict


class Head(nn.Module):
    """1 x 1 convolution that predicts `values` numbers for each prior box of a cell.

    (N, channels, h, w) -> (N, h * w * priors, values), in the order of the prior boxes.
    """

    def __init__(self, channels: int, priors: int, values: int):
        super().__init__()
        self.values = values
        self.conv1x1 = nn.Conv2d(channels, priors * values, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv1x1(features).permute(0, 2, 3, 1).reshape(features.shape[0], -1, self.values)


class RetinaFace(nn.Module):
    """The network with random weights; models.weights.load_backbone_weights loads those of a backbone.

    Args:
        cfg: a configuration of models.registry; its name decides the backbone.
        phase: "train" returns class logits, "test" class probabilities.

    Attributes:
        box_shift: pixels of the image by which the network was trained to predict boxes to the right and down:
            --box_shift of train.py. `models.weights.save_network` stores it in the metadata of the state dict, from
            which `load_state_dict` sets it.
    """

    box_shift: float = 0.0

    def __init__(self, cfg: dict, phase: str = "train"):
        super().__init__()
        if phase not in ("train", "test"):
            raise ValueError(f"phase is {phase!r}; expected 'train' or 'test'")
        self.phase = phase
        network, channels = find_network(cfg["name"]), cfg["out_channel"]
        self.body = IntermediateLayerGetter(network.build(), cfg["return_layers"])
        self.fpn = FPN(network.channels, channels)
        self.ssh1, self.ssh2, self.ssh3 = SSH(channels), SSH(channels), SSH(channels)
        priors = [len(sizes) for sizes in cfg["min_sizes"]]
        self.ClassHead = nn.ModuleList(Head(channels, count, 2) for count in priors)
        self.BboxHead = nn.ModuleList(Head(channels, count, 4) for count in priors)
        self.LandmarkHead = nn.ModuleList(Head(channels, count, 10) for count in priors)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict for every prior box of layers.functions.prior_box.PriorBox(cfg, (H, W)).

        Args:
            images: (N, 3, H, W) float, BGR minus (104, 117, 123).

        Returns:
            Boxes (N, P, 4), classes (N, P, 2) background and face, and landmarks (N, P, 10); boxes and landmarks are
            coded as in utils.box_utils.
        """
        maps = self.fpn(*self.body(images).values())
        maps = [ssh(features) for ssh, features in zip((self.ssh1, self.ssh2, self.ssh3), maps, strict=True)]
        boxes, classes, landmarks = (
            torch.cat([head(features) for head, features in zip(heads, maps, strict=True)], dim=1)
            for heads in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        if self.phase == "test":
            classes = classes.softmax(dim=-1)
        return boxes, classes, landmarks

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *args) -> None:
        shift = local_metadata.get(BOX_SHIFT)
        if isinstance(shift, float) and 0 <= shift <= MOST_BOX_SHIFT:
            self.box_shift = shift
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    def has_trained_landmarks(self) -> bool:
        """Return whether the landmark heads were trained; a dataset of boxes alone leaves them at random weights.

        PyTorch initializes them within +-1 / sqrt(channels). Weight decay moves them towards zero, so only gradients
        of landmarks move one beyond this range.
        """
        convs = [head.conv1x1 for head in self.LandmarkHead]
        return any(bool((conv.weight.abs() > conv.in_channels**-0.5).any()) for conv in convs)

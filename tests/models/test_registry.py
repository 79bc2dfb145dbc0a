"""Every network of the registry can be trained, detected with and exported."""

import numpy as np
import pytest
import torch

from data import cfg_mnet, cfg_re50
from engine.export.exporters import is_pytorch_new_enough
from models.detector import Detector
from models.registry import NETWORKS, find_network
from models.retinaface import RetinaFace
from utils.errors import UserError

NEW = [flag for flag in NETWORKS if flag not in ("mobile0.25", "resnet50")]


def test_a_network_is_found_by_flag_and_by_name():
    assert find_network("mobile0.25").cfg is find_network("mobilenet0.25").cfg is cfg_mnet
    assert find_network("resnet50").cfg is find_network("Resnet50").cfg is cfg_re50
    with pytest.raises(UserError, match=r"network 'Resnet101': unknown; expected one of mobile0\.25, .*resnet50"):
        RetinaFace({**cfg_re50, "name": "Resnet101"})


@pytest.mark.parametrize("cfg", [cfg_mnet, cfg_re50], ids=["mobile0.25", "resnet50"])
def test_channels_agree_with_in_channel_of_the_published_configurations(cfg):
    assert find_network(cfg["name"]).channels == tuple(factor * cfg["in_channel"] for factor in (2, 4, 8))


@pytest.mark.parametrize("flag", NETWORKS)
def test_a_backbone_returns_maps_of_its_channels_and_the_strides_of_the_priors(flag):
    network = NETWORKS[flag]
    maps = RetinaFace(network.cfg).eval().body(torch.zeros(1, 3, 64, 96)).values()
    assert [tuple(each.shape[1:]) for each in maps] == [
        (channels, 64 // step, 96 // step)
        for channels, step in zip(network.channels, network.cfg["steps"], strict=True)
    ]


@pytest.mark.parametrize("flag", NEW)
def test_a_new_network_is_trained_detected_with_and_exported(script, dataset, tmp_path, flag):
    flags = ("--network", flag, "--no_pretrain", "--epochs", 1, "--image_size", 64, "--batch_size", 2)
    trained = script(
        "train.py", *flags, "--training_dataset", dataset, "--save_folder", tmp_path, "--num_workers", 0, "--device",
        "cpu", "--tensorboard", "false",
    )  # fmt: skip
    assert trained.status == 0, trained.err
    weights = tmp_path / f"{NETWORKS[flag].cfg['name']}_Final.pth"
    found = Detector.load(weights, device="cpu", confidence_threshold=0, keep_top_k=5)(np.zeros((96, 64, 3), np.uint8))
    assert found.boxes.shape == (5, 4) and np.isfinite(found.boxes).all()
    exported = script("export_onnx.py", "-m", weights, "--network", flag, "--no_nms")
    if is_pytorch_new_enough():
        assert exported.status == 0, exported.err
        assert "the same heads as PyTorch's in 3 images" in exported.out
    else:
        exported.refuses("too old to export")

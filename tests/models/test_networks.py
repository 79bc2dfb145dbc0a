"""The published networks equal the reference, and their backbone weights load."""

import json
import runpy

import numpy as np
import pytest
import torch

from data import cfg_mnet, cfg_re50
from models.backbones import MobileNetV1
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from models.weights import load_backbone_weights
from utils.box_utils import decode, decode_landm
from utils.checkpoint import load_into, read_state_dict
from utils.errors import UserError

PUBLISHED = ("mobile0.25", "resnet50")


@pytest.fixture(scope="module")
def forward(shared):
    return np.load(shared / "reference" / "forward.npz")


def relative_error(value, reference) -> float:
    return float(np.abs(value.numpy() - reference).max() / np.abs(reference).max())


@pytest.mark.parametrize("network", PUBLISHED)
def test_state_dict_has_the_published_keys_and_shapes(shared, network):
    expected = json.loads((shared / "reference" / "state_keys.json").read_text())[network]
    state = RetinaFace(NETWORKS[network].cfg).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == expected


@pytest.mark.parametrize("phase", ["train", "test"])
@pytest.mark.parametrize("network", PUBLISHED)
def test_forward_of_filled_weights_equals_the_reference(shared, forward, network, phase):
    fill_state = runpy.run_path(str(shared / "reference" / "fill_state.py"))["fill_state"]
    model = RetinaFace(NETWORKS[network].cfg, phase).eval()
    model.load_state_dict(fill_state(model.state_dict()))
    with torch.inference_mode():
        outputs = model(torch.from_numpy(forward["input"]))
    classes = "conf" if phase == "test" else "logits"
    for output, name in zip(outputs, ("bbox", classes, "landm"), strict=True):
        assert relative_error(output, forward[f"{network}/{name}"]) < 1e-4, name


def test_forward_and_decoding_of_published_weights_equal_the_reference(shared, forward):
    model = RetinaFace(cfg_mnet, "test").eval()
    weights = shared / "weights" / "mobilenet0.25_Final.pth"
    load_into(model, read_state_dict(weights), weights)
    with torch.inference_mode():
        boxes, classes, landmarks = model(torch.from_numpy(forward["trained/input"]))
    assert relative_error(boxes, forward["trained/bbox"]) < 1e-4
    assert relative_error(classes, forward["trained/conf"]) < 1e-4
    assert relative_error(landmarks, forward["trained/landm"]) < 1e-4
    priors = torch.from_numpy(forward["priors_96x160"])
    assert relative_error(decode(boxes, priors, cfg_mnet["variance"]), forward["trained/boxes"]) < 1e-4
    assert relative_error(decode_landm(landmarks, priors, cfg_mnet["variance"]), forward["trained/landmarks"]) < 1e-4


def test_unknown_phase_is_refused():
    with pytest.raises(ValueError, match="'train' or 'test'"):
        RetinaFace(cfg_mnet, "deploy")


def test_mobilenet_backbone_weights_are_loaded(shared):
    file = shared / "weights" / "mobilenetV1X0.25_pretrain.tar"
    model = RetinaFace(cfg_mnet)
    load_backbone_weights(model, cfg_mnet, file)
    state = read_state_dict(file)
    own = model.body.state_dict()
    assert len(own) > 100
    for key, value in own.items():
        assert torch.equal(value, state[key]), key


def test_the_mobilenet_classifier_loads_its_published_weights(shared):
    model = MobileNetV1(0.25)
    file = shared / "weights" / "mobilenetV1X0.25_pretrain.tar"
    load_into(model, read_state_dict(file), file)
    assert model.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)


def test_missing_mobilenet_weights_name_the_download_and_the_flags(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        load_backbone_weights(RetinaFace(cfg_mnet), cfg_mnet)
    for part in ("weights/mobilenetV1X0.25_pretrain.tar", "https://", "--backbone_weights", "--no_pretrain"):
        assert part in str(error.value)


def test_missing_resnet_weights_name_the_download_and_the_flags(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("models.weights.download_url_to_file", no_network)
    with pytest.raises(UserError) as error:
        load_backbone_weights(RetinaFace(cfg_re50), cfg_re50)
    for part in (str(tmp_path), "https://download.pytorch.org", "--backbone_weights", "--no_pretrain"):
        assert part in str(error.value)


def test_resnet_backbone_weights_are_loaded_from_a_file(tmp_path):
    from torchvision.models import resnet50

    torch.manual_seed(1)
    classifier = resnet50(weights=None)
    torch.save(classifier.state_dict(), tmp_path / "resnet50.pth")
    model = RetinaFace(cfg_re50)
    load_backbone_weights(model, cfg_re50, tmp_path / "resnet50.pth")
    assert torch.equal(model.body.layer4[0].conv1.weight, classifier.layer4[0].conv1.weight)

"""Weight files of known layouts are loaded, and the network is recognized from them."""

from collections import OrderedDict

import cv2
import numpy as np
import pytest
import torch

from models.detector import Detector
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from models.weights import load_backbone_weights, load_network, read_weights, save_network
from utils.checkpoint import save_state_dict
from utils.errors import UserError


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weight file of each network, by flag."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {flag: folder / f"{flag}.pth" for flag in NETWORKS}
    for flag, path in paths.items():
        save_state_dict(RetinaFace(NETWORKS[flag].cfg), path)
    return paths


def other_key(key: str) -> str:
    """Rename a key of MobileNetV1 as yakhyo/retinaface-pytorch names it."""
    head, _, rest = key.partition(".conv1x1.")
    if rest:
        name, level = head.split(".")
        name = {"ClassHead": "class_head", "BboxHead": "bbox_head", "LandmarkHead": "landmark_head"}[name]
        return f"{name}.{name}.{level}.{rest}"
    parts = key.split(".")
    if parts[0] != "body":
        return key
    if len(parts) == 5 and parts[1:3] != ["stage1", "0"]:  # a depthwise convolution: 0 and 1, then 3 and 4
        part = int(parts[3])
        parts[3:4] = [str(part // 3), str(part % 3)]
    return ".".join(["fx", *parts[1:]])


@pytest.mark.parametrize("flag", NETWORKS)
def test_each_network_is_recognized_from_its_weights(weights, flag):
    model, network = load_network(weights[flag])
    assert network.flag == flag
    state = torch.load(weights[flag], weights_only=True)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_the_box_shift_of_the_training_is_stored_in_the_metadata(tmp_path):
    model = RetinaFace(NETWORKS["mobile0.25"].cfg)
    save_network(model, tmp_path / "without.pth")
    model.box_shift = 0.5
    save_network(model, tmp_path / "with.pth")
    assert load_network(tmp_path / "with.pth")[0].box_shift == 0.5
    assert load_network(tmp_path / "without.pth")[0].box_shift == 0
    state = torch.load(tmp_path / "with.pth", weights_only=True)
    assert state.keys() == model.state_dict().keys()
    other = RetinaFace(NETWORKS["mobile0.25"].cfg)
    other.load_state_dict(state)
    assert other.box_shift == 0.5


@pytest.mark.parametrize("shift", ["0.5", 10**400, 1e300, float("nan"), -1.0, [0.5]], ids=str)
def test_a_shift_that_no_training_has_is_ignored(weights, tmp_path, shift):
    assert_no_shift(weights, tmp_path, {"": {"box_shift": shift}})


@pytest.mark.parametrize("metadata", [[], {"": 3}, {3: {}}], ids=str)
def test_metadata_of_other_programs_is_ignored(weights, tmp_path, metadata):
    assert_no_shift(weights, tmp_path, metadata)


def assert_no_shift(weights, tmp_path, metadata):
    state = OrderedDict(torch.load(weights["mobile0.25"], weights_only=True))
    state._metadata = metadata
    torch.save(state, tmp_path / "a.pth")
    assert load_network(tmp_path / "a.pth")[0].box_shift == 0


@pytest.mark.parametrize("wrap", [lambda s: {"model": s, "optimizer": {}, "epoch": 3}, lambda s: {"state_dict": s}])
def test_nested_state_dicts_are_found(weights, tmp_path, wrap):
    state = torch.load(weights["mobile0.25"], weights_only=True)
    torch.save(wrap({f"module.{key}": value for key, value in state.items()}), tmp_path / "nested.pth")
    assert load_network(tmp_path / "nested.pth")[1].flag == "mobile0.25"


def test_the_other_layout_has_the_same_tensors_under_other_keys(weights, tmp_path):
    state = torch.load(weights["mobile0.25"], weights_only=True)
    torch.save({"model": {other_key(key): value for key, value in state.items()}}, tmp_path / "other.pth")
    read = read_weights(tmp_path / "other.pth")
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_a_published_file_of_the_other_layout_loads(shared):
    model, network = load_network(shared / "weights" / "other_layout.pth")
    assert network.flag == "mobile0.25"
    assert model.has_trained_landmarks()


def test_published_weights_of_both_layouts_find_the_same_faces(shared):
    image = cv2.imread(str(shared / "images" / "0_Parade_marchingband_1_20.jpg"))
    own = Detector.load(shared / "weights" / "mobilenet0.25_Final.pth", confidence_threshold=0.9)(image)
    other = Detector.load(shared / "weights" / "other_layout.pth", confidence_threshold=0.5)(image)
    assert len(other.scores) > 1
    for box in other.boxes:
        assert np.abs(own.boxes - box).max(axis=1).min() < 8


def test_a_wrong_network_is_refused_by_both_names(weights):
    with pytest.raises(UserError, match=r"has weights of resnet18, not of resnet50; omit --network, or use resnet18"):
        load_network(weights["resnet18"], "resnet50")


def test_heads_of_68_landmarks_are_refused(weights, tmp_path):
    state = torch.load(weights["mobile0.25"], weights_only=True)
    for level in range(3):
        for key, values in (("ClassHead", 6), ("BboxHead", 12), ("LandmarkHead", 408)):
            state[f"{key}.{level}.conv1x1.weight"] = torch.zeros(values, 64, 1, 1)
    torch.save(state, tmp_path / "heads.pt")
    with pytest.raises(UserError, match="predict 68 landmarks for each of 3 priors; expected 5 landmarks"):
        load_network(tmp_path / "heads.pt")


def test_unknown_weights_are_compared_with_the_most_similar_network(weights, tmp_path):
    state = torch.load(weights["resnet34"], weights_only=True)
    del state["fpn.merge1.0.weight"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(UserError) as error:
        load_network(tmp_path / "cut.pth")
    message = str(error.value)
    assert "matches no known network; resnet34 differs by 1 missing keys (fpn.merge1.0.weight)" in message


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_refused(weights, tmp_path, value):
    state = torch.load(weights["mobile0.25"], weights_only=True)
    state["fpn.merge1.1.running_var"][3] = value
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth: fpn\.merge1\.1\.running_var has values that are not finite"):
        load_network(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("fpn.merge1.1.running_var", lambda value: -value, "running_var has values below 0, which no variance has"),
        ("fpn.merge1.0.weight", lambda value: value.to(torch.int8), r"1 of whole numbers \(fpn\.merge1\.0\.weight\)"),
        ("fpn.merge1.0.weight", lambda value: value.to(torch.complex64), "weight has complex values"),
    ],
    ids=["negative variance", "quantized", "complex"],
)
def test_weights_with_which_a_network_finds_nothing_are_refused(weights, tmp_path, key, change, message):
    state = torch.load(weights["mobile0.25"], weights_only=True)
    state[key] = change(state[key])
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UserError, match=message):
        load_network(tmp_path / "a.pth")


def test_weights_of_zeros_are_refused(weights, tmp_path):
    state = torch.load(weights["mobile0.25"], weights_only=True)
    torch.save({key: torch.zeros_like(value) for key, value in state.items()}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth: all weights are 0"):
        load_network(tmp_path / "a.pth")


def test_backbone_weights_that_are_not_finite_are_refused(tmp_path):
    network = RetinaFace(NETWORKS["mobile0.25"].cfg)
    state = {key.removeprefix("body."): value for key, value in network.state_dict().items() if key.startswith("body.")}
    state["stage1.0.0.weight"][0] = torch.nan
    torch.save(state, tmp_path / "backbone.tar")
    with pytest.raises(UserError, match=r"backbone\.tar: stage1\.0\.0\.weight has values that are not finite"):
        load_backbone_weights(network, NETWORKS["mobile0.25"].cfg, tmp_path / "backbone.tar")

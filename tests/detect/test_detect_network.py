"""The scripts recognize the network from the weights, and refuse weights of another network or of other heads."""

from argparse import Namespace
from pathlib import Path

import pytest

from engine.detect.detector_flags import weights_file
from tests.helpers.detections import lines
from tests.helpers.images import draw_image
from tests.helpers.scripts import NEEDS_EXPORTERS


@pytest.fixture(
    params=["val_tvface.py", "test_tvface.py", "detect.py", pytest.param("export_onnx.py", marks=NEEDS_EXPORTERS)]
)
def apply_weights(request, script, tmp_path):
    """Run a script with some weights: apply_weights(weights, ...) -> Outcome; it writes to tmp_path / "out"."""
    draw_image(tmp_path / "images" / "a.png", [(20, 20, 40, 50)])
    for name in ("tvval_list.txt", "tvtest_list.txt"):
        (tmp_path / name).write_text("a.png\n")
    out = tmp_path / "out"
    flags = {
        "detect.py": (tmp_path / "images", "--cpu", "--save_folder", out),
        "export_onnx.py": ("--format", "torch", "--no_nms", "-o", out),
    }.get(request.param, ("--cpu", "--dataset_folder", tmp_path / "images", "--save_folder", out))
    return lambda weights, *more: script(request.param, *flags, "-m", weights, *more)


def test_the_network_is_recognized_from_the_weights(apply_weights, random_weights, tmp_path):
    outcome = apply_weights(random_weights["mobile0.25"])
    assert (outcome.status, outcome.err.count("error")) == (0, 0), outcome.err
    assert (tmp_path / "out").exists()


def test_weights_of_another_network_are_refused(apply_weights, random_weights, tmp_path):
    outcome = apply_weights(random_weights["mobile0.25"], "--network", "resnet50")
    outcome.refuses("mobile0.25.pth: has weights of mobile0.25, not of resnet50")
    assert not (tmp_path / "out").exists()


def test_heads_of_68_landmarks_are_refused(apply_weights, shared, tmp_path):
    apply_weights(shared / "weights" / "other_heads.pt").refuses("other_heads.pt: ", "68 landmarks")
    assert not (tmp_path / "out").exists()


def test_weights_of_the_other_layout_find_faces(script, shared, tmp_path):
    image = sorted((shared / "images").glob("*_20.jpg"))[0]
    weights, out = shared / "weights" / "other_layout.pth", tmp_path / "out"
    found = []
    for network in ((), ("--network", "mobile0.25")):
        outcome = script("detect.py", image, "-m", weights, *network, "--cpu", "--no_pictures", "--save_folder", out)
        assert outcome.status == 0, outcome.err
        found.append(lines(out / "detections.jsonl")[0]["faces"])
    assert found[0] == found[1] != []


@pytest.mark.parametrize(("network", "name"), [(None, "Resnet50"), ("mobile0.25", "mobilenet0.25")])
def test_the_default_weights_are_those_of_the_network(network, name):
    flags = Namespace(trained_model=None, network=network)
    assert weights_file(flags) == Path(f"weights/{name}_Final.pth")

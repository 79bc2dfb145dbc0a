"""export_onnx.py: the exported file finds the faces that PyTorch finds, in images and batches of any size."""

import sys

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from engine.export import export_cli, exporters
from models.detector import Detector
from tests.helpers.images import draw_image
from tests.helpers.scripts import NEEDS_EXPORTERS
from utils.files import read_image

pytestmark = NEEDS_EXPORTERS
CPU = torch.device("cpu")


@pytest.fixture
def small(random_weights, tmp_path_factory) -> tuple:
    """Flags that export random weights and compare them in a small image."""
    image = tmp_path_factory.mktemp("check") / "small.png"
    draw_image(image, [(20, 20, 40, 50)])
    flags = ("--network", "mobile0.25", "--confidence_threshold", 0.4, "--check", image)
    return ("-m", random_weights["mobile0.25"], *flags)


def scaled(image: np.ndarray) -> list[np.ndarray]:
    return [cv2.resize(image, size) for size in ((640, 480), (333, 501), (97, 64))]


def test_onnx_finds_the_faces_that_pytorch_finds(shared, script, tmp_path):
    weights = shared / "weights" / "mobilenet0.25_Final.pth"
    paths = sorted((shared / "images").glob("0*.jpg"))[:3]
    flags = ("-m", weights, "--network", "mobile0.25", "--confidence_threshold", 0.2, "--check", *paths)
    outcome = script("export_onnx.py", *flags, "-o", tmp_path / "m.onnx")
    assert outcome.status == 0, outcome.err
    assert "faces as PyTorch in 9 images" in outcome.out
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("pictures", "tensor(uint8)", ["batch", "height", "width", 3])
    assert [output.name for output in session.get_outputs()] == ["boxes", "scores", "landmarks", "picture"]
    detect = Detector.load(weights, "mobile0.25", CPU, confidence_threshold=0.2)
    for images in zip(*(scaled(read_image(path)) for path in paths), strict=True):
        boxes, scores, landmarks, owner = session.run(None, {"pictures": np.stack(images)})
        assert (np.diff(owner) >= 0).all()
        for number, expected in enumerate(detect(list(images))):
            mine = owner == number
            assert mine.sum() == len(expected.scores)
            np.testing.assert_allclose(scores[mine], expected.scores, atol=1e-4)
            np.testing.assert_allclose(boxes[mine], expected.boxes, atol=0.5)
            np.testing.assert_allclose(landmarks[mine], expected.landmarks, atol=0.5)
    assert {path.name for path in tmp_path.iterdir()} == {"m.onnx"}


def test_torch_export_finds_them_without_landmarks_if_none_were_trained(script, small, tmp_path):
    outcome = script("export_onnx.py", *small, "--format", "torch", "-o", tmp_path / "m.pt2")
    assert outcome.status == 0, outcome.err
    assert "images -> boxes, scores, picture; the same" in outcome.out
    module = torch.export.load(tmp_path / "m.pt2").module()
    images = np.random.default_rng(0).integers(0, 256, (3, 100, 70, 3), dtype=np.uint8)
    boxes, scores, owner = module(torch.from_numpy(images))
    detect = Detector.load(small[1], "mobile0.25", CPU, confidence_threshold=0.4)
    for number, expected in enumerate(detect(list(images))):
        mine = owner == number
        assert mine.sum() == len(expected.scores) > 0
        np.testing.assert_allclose(np.sort(scores[mine]), np.sort(expected.scores), atol=1e-5)
        distances = np.abs(boxes[mine].numpy()[:, None] - expected.boxes[None]).max(axis=2)
        assert max(distances.min(axis=0).max(), distances.min(axis=1).max()) < 0.01


def test_raw_heads_equal_those_of_the_network(script, small, tmp_path):
    outcome = script("export_onnx.py", *small, "--format", "torch", "--no_nms", "-o", tmp_path / "raw.pt2")
    assert outcome.status == 0, outcome.err
    assert "images -> loc, conf, landm; the same heads as PyTorch's in 3 images" in outcome.out
    module = torch.export.load(tmp_path / "raw.pt2").module()
    loc, conf, landm = module(torch.zeros(2, 64, 96, 3, dtype=torch.uint8))
    priors = 2 * (8 * 12 + 4 * 6 + 2 * 3)
    assert (loc.shape, conf.shape, landm.shape) == ((2, priors, 4), (2, priors, 2), (2, priors, 10))
    torch.testing.assert_close(conf.sum(dim=-1), torch.ones(2, priors))


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("one more", "finds 2 faces of 1"),
        ("moved", "is up to 0.60 pixels"),
        ("unsure", "and 0.25 of a score off"),
        ("no numbers", "nan pixels"),
        ("none", "the same 3 faces"),
        ("nothing", "the same 0 faces"),
    ],
)
def test_a_file_that_finds_other_faces_is_not_kept(script, small, tmp_path, monkeypatch, fault, complaint):
    threshold = 1 if fault == "nothing" else 0.4
    detect = Detector.load(small[1], "mobile0.25", CPU, confidence_threshold=threshold, keep_top_k=1)

    def export(network, path):
        def run(images):
            boxes = np.concatenate([detect(image).boxes for image in images])
            scores = np.concatenate([detect(image).scores for image in images])
            owner = np.arange(len(boxes))
            if fault == "one more":
                boxes, scores, owner = (np.concatenate([values, values[:1]]) for values in (boxes, scores, owner))
            boxes += {"moved": 0.6, "no numbers": np.nan}.get(fault, 0)
            return [boxes, scores - 0.25 * (fault == "unsure"), owner]

        path.write_bytes(b"whatever")
        return run

    monkeypatch.setitem(export_cli.EXPORTERS, "onnx", (".onnx", export, None))
    monkeypatch.setattr(export_cli, "Detector", lambda *_, **__: detect)
    outcome = script("export_onnx.py", *small, "-o", tmp_path / "m.onnx")
    if fault in ("none", "nothing"):
        assert outcome.status == 0 and complaint in outcome.out and (tmp_path / "m.onnx").exists()
        assert ("no face was found to compare" in outcome.err) == (fault == "nothing")
    else:
        outcome.refuses(complaint, "the file is not kept")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [0, np.nan])
def test_raw_heads_that_differ_are_not_kept(script, small, tmp_path, monkeypatch, value):
    def export(network, path):
        path.write_bytes(b"whatever")
        return lambda images: [value * output.numpy() for output in network(torch.from_numpy(images))]

    monkeypatch.setitem(export_cli.EXPORTERS, "onnx", (".onnx", export, None))
    outcome = script("export_onnx.py", *small, "--no_nms", "-o", tmp_path / "m.onnx")
    outcome.refuses("the exported heads are up to", "the file is not kept")
    assert not list(tmp_path.iterdir())


def test_no_input_is_overwritten(script, small, tmp_path):
    weights = tmp_path / "weights.onnx"
    weights.write_bytes(small[1].read_bytes())
    for flags in (("-m", weights), ("-o", small[-1])):
        script("export_onnx.py", *small, *flags).refuses("is an input, which the output would overwrite")
    assert weights.read_bytes() == small[1].read_bytes()


def test_an_older_pytorch_is_refused(script, small, tmp_path, monkeypatch):
    monkeypatch.setattr(exporters, "OLDEST_PYTORCH", (99, 1))
    script("export_onnx.py", *small, "-o", tmp_path / "m.onnx").refuses(
        f"PyTorch {torch.__version__}: too old to export; pip install 'torch>=99.1'"
    )


def test_a_missing_package_is_named(script, small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    script("export_onnx.py", *small, "-o", tmp_path / "m.onnx").refuses(
        "onnxruntime: not installed; pip install onnx onnxscript onnxruntime"
    )
    assert not list(tmp_path.iterdir())

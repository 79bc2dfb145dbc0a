"""Detector: pixels in, boxes out, for any size, batch, precision and memory."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from data import cfg_mnet
from layers.functions.prior_box import PriorBox
from models import detector as detector_module
from models.detector import Detections, Detector, Scaling
from models.folding import fold_batch_norm
from models.memory import bytes_per_pixel
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from utils import devices
from utils.box_utils import decode
from utils.devices import available_memory
from utils.errors import UserError

CPU = torch.device("cpu")


def build_model(cfg: dict = cfg_mnet) -> RetinaFace:
    """Return a network of random weights, its normalizations as if it had been trained."""
    torch.manual_seed(0)
    model = RetinaFace(cfg)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.weight, 0.5, 1.5), (module.bias, -0.5, 0.5),
                (module.running_mean, -0.5, 0.5), (module.running_var, 0.5, 2),
            ):  # fmt: skip
                nn.init.uniform_(values, low, high)
    return model


def detector(**options) -> Detector:
    return Detector(build_model(), cfg_mnet, CPU, **options)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def assert_same(one: Detections, other: Detections) -> None:
    assert len(one.scores) == len(other.scores) > 0
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_folding_keeps_the_outputs_and_the_original_network(network):
    model = build_model(NETWORKS[network].cfg)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    folded = fold_batch_norm(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert model.training and not folded.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    images = torch.randn(2, 3, 97, 130)
    with torch.inference_mode():
        for expected, found in zip(model.eval()(images), folded(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_synchronized_batch_normalization_is_folded_too():
    model = build_model()
    plain, synchronized = fold_batch_norm(model), fold_batch_norm(nn.SyncBatchNorm.convert_sync_batchnorm(model))
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in synchronized.modules())
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        for expected, found in zip(plain(images), synchronized(images), strict=True):
            assert torch.equal(found, expected)


def test_images_of_one_size_are_batched_and_the_order_is_kept():
    images = [noise(64, 96), noise(50, 70, 1), noise(64, 96, 2), noise(50, 70, 3), noise(64, 96, 4)]
    detect = detector(confidence_threshold=0.5)
    batches = []
    detect.network.register_forward_hook(lambda _, inputs, __: batches.append(len(inputs[0])))
    together = detect(images)
    assert batches == [3, 2]
    for image, found in zip(images, together, strict=True):
        assert_same(detect(image), found)
    assert detect([]) == []


@pytest.mark.parametrize("limit", ["top_k", "keep_top_k"])
def test_limits_apply_to_each_image(limit):
    images = [noise(64, 96), noise(64, 96, 2)]
    for image, found in zip(images, detector(**{limit: 3})(images), strict=True):
        assert 0 < len(found.scores) <= 3
        assert_same(detector(**{limit: 3})(image), found)


@pytest.mark.parametrize(
    "array",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)],
    ids=["gray", "transparent", "float", "empty"],
)
def test_arrays_that_are_not_images_are_refused(array):
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\), BGR"):
        detector()(array)


def test_other_objects_than_images_and_unknown_networks_are_refused(random_weights):
    for nothing in (None, "a.jpg", [None]):
        with pytest.raises(ValueError, match=r"expected an array \(cv2\.imread returns None"):
            detector()(nothing)
    with pytest.raises(UserError, match=r"network 'mobilenet': unknown; expected one of mobile0\.25, .*resnet50"):
        Detector.load(random_weights["mobile0.25"], "mobilenet", "cpu")


def test_half_precision_finds_about_the_same_faces(shared):
    image = cv2.imread(str(sorted((shared / "images").glob("*_20.jpg"))[0]))
    full, half = (
        Detector.load(
            shared / "weights" / "mobilenet0.25_Final.pth", "mobile0.25", CPU, amp=amp, confidence_threshold=0.5
        )(image)
        for amp in ("float32", "bf16")
    )
    assert len(full.scores) > 5
    assert half.boxes.dtype == half.scores.dtype == half.landmarks.dtype == np.float32
    distances = np.abs(full.boxes[:, None] - half.boxes[None]).max(axis=2)
    assert (distances.min(axis=1) < 3).mean() > 0.9
    assert distances.min(axis=1).max() > 0  # it is not float32 under another name


def test_landmarks_lie_in_their_boxes_in_the_order_of_a_face(shared):
    image = cv2.imread(str(sorted((shared / "images").glob("*_20.jpg"))[0]))
    weights = shared / "weights" / "mobilenet0.25_Final.pth"
    found = Detector.load(weights, "mobile0.25", CPU, confidence_threshold=0.9)(image)
    assert found.landmarks.shape == (len(found.scores), 5, 2)
    left_eye, right_eye, _, left_mouth, right_mouth = found.landmarks.transpose(1, 0, 2)
    assert (left_eye[:, 1] < left_mouth[:, 1]).all() and (right_eye[:, 1] < right_mouth[:, 1]).all()
    x1, y1, x2, _ = found.boxes.T[..., None]
    inside = (found.landmarks[..., 0] > x1) & (found.landmarks[..., 0] < x2) & (found.landmarks[..., 1] > y1)
    assert inside.mean() > 0.95


@pytest.mark.parametrize("trained", [False, True])
def test_trained_landmark_heads_are_recognized(trained):
    model = build_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    for _ in range(3):
        boxes, classes, landmarks = model(torch.randn(2, 3, 64, 64))
        loss = boxes.abs().sum() + classes.abs().sum() + trained * (landmarks - 1).abs().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model.has_trained_landmarks() == trained


def test_an_image_beyond_the_memory_is_refused_and_a_batch_is_split(monkeypatch):
    images = [noise(64, 96, seed) for seed in range(3)]
    expected = detector()(images)
    detect, batches = detector(), []
    each = 64 * 96 * detect.bytes_per_pixel
    monkeypatch.setattr(detector_module, "available_memory", lambda _: 1.5 * each)
    detect.network.register_forward_hook(lambda _, inputs, __: batches.append(len(inputs[0])))
    for one, other in zip(expected, detect(images), strict=True):
        assert_same(one, other)
    assert batches == [1, 1, 1]
    with pytest.raises(UserError, match=r"128 x 96 pixels need 0.000973 GB of memory, and 0.00073 GB are free"):
        detect(noise(96, 128))
    assert detector(scaling=Scaling(64, 96))(noise(960, 1280)).boxes.shape[1] == 4  # scaled down before detection


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
    ids=["gpu", "cpu"],
)
def test_out_of_memory_is_a_user_error_and_other_errors_stay(error):
    detect = detector()

    def fail(_):
        raise error

    detect.network.forward = fail
    with pytest.raises(UserError, match="96 x 64 pixels: the memory is full; scale images with --origin_size false"):
        detect([noise(64, 96)] * 2)
    error = RuntimeError("something else")
    with pytest.raises(RuntimeError, match="something else"):
        detect(noise(64, 96))


@pytest.mark.parametrize(("flag", "expected"), [("mobile0.25", 44), ("resnet50", 172)])
def test_memory_is_estimated_from_the_tensors_that_live_at_once(flag, expected):
    """A measured forward pass of one 1080p image takes 46 and 188 bytes per pixel on a CPU."""
    network = fold_batch_norm(build_model(NETWORKS[flag].cfg))
    assert bytes_per_pixel(network) == expected
    assert bytes_per_pixel(network.bfloat16()) == expected / 2


def test_two_batches_share_the_memory_of_a_gpu(monkeypatch):
    detect = detector()
    each = 64 * 96 * detect.bytes_per_pixel
    monkeypatch.setattr(detector_module, "available_memory", lambda _: 7 * each)
    detect.device = torch.device("cuda")
    assert detect.images_at_once(64, 96) == 3
    assert detector().images_at_once(64, 96) == 7


def test_a_batch_beyond_the_memory_is_detected_one_by_one():
    images = [noise(64, 96, seed) for seed in range(3)]
    expected = [detector()(image) for image in images]
    detect = detector()
    forward = detect.network.forward

    def only_one(batch):
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(batch)

    detect.network.forward = only_one
    for one, other in zip(expected, detect(images), strict=True):
        assert_same(one, other)


def test_available_memory_respects_the_control_groups(tmp_path, monkeypatch):
    free = available_memory(CPU)
    assert free is None or 10**7 < free < 10**14
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("4000000\n")
    (tmp_path / "memory.stat").write_text("anon 3700000\ninactive_file 300000\n")
    monkeypatch.setattr(devices, "CGROUPS", tmp_path)
    if free is not None:
        assert available_memory(CPU) == 1_300_000
        (tmp_path / "memory.max").write_text("max\n")
        assert available_memory(CPU) > 10**7


def test_boxes_that_overflow_are_dropped():
    model = RetinaFace(cfg_mnet)
    torch.nn.init.constant_(model.BboxHead[0].conv1x1.bias, 1e3)
    found = Detector(model, cfg_mnet, CPU)(np.zeros((64, 64, 3), np.uint8))
    assert np.isfinite(found.boxes).all()


@pytest.mark.parametrize(("amp", "advice"), [("float32", "its weights are too large"), ("bf16", "use --amp float32")])
def test_scores_that_are_not_finite_are_refused(amp, advice):
    model = build_model()
    torch.nn.init.constant_(model.ClassHead[0].conv1x1.weight, 3e38)
    with pytest.raises(UserError, match=f"scores are not finite; {advice}"):
        Detector(model, cfg_mnet, CPU, amp=amp)([noise(64, 64), noise(64, 64, 1)])


def test_a_network_that_returns_probabilities_is_refused():
    with pytest.raises(ValueError, match="phase 'train'"):
        Detector(RetinaFace(cfg_mnet, "test"), cfg_mnet, CPU)


def test_priors_that_a_detector_cached_are_usable_in_training():
    detector()(np.zeros((72, 88, 3), np.uint8))
    priors = PriorBox(cfg_mnet, (72, 88)).forward()
    loc = torch.zeros(len(priors), 4, requires_grad=True)
    decode(loc, priors, cfg_mnet["variance"]).sum().backward()
    assert loc.grad.any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (33, 57)])
@pytest.mark.parametrize("scaling", [None, Scaling(64, 100)])
def test_images_of_any_size_are_detected(shape, scaling):
    found = detector(scaling=scaling)(np.zeros((*shape, 3), np.uint8))
    assert found.boxes.shape == (len(found.scores), 4)
    assert found.landmarks is None


def test_an_image_without_detections_has_empty_arrays():
    found = detector(confidence_threshold=1.0)(np.zeros((40, 40, 3), np.uint8))
    assert found.boxes.shape == (0, 4) and found.scores.shape == (0,)


@pytest.mark.parametrize(
    ("height", "width", "factor"),
    [(1080, 1920, 2150 / 1920), (1000, 1000, 1.6), (1600, 2150, 1.0), (500, 640, 3.2), (1, 10000, 1.0)],
)
def test_scaling_is_the_published_rule(height, width, factor):
    assert Scaling().factor(height, width) == pytest.approx(factor)
    assert Scaling().factor(width, height) == pytest.approx(factor)


def test_boxes_of_a_scaled_image_are_in_pixels_of_the_original(shared):
    weights = shared / "weights" / "mobilenet0.25_Final.pth"
    image = cv2.imread(str(sorted((shared / "images").glob("*20.jpg"))[0]))
    options = {"confidence_threshold": 0.9}
    as_is = Detector.load(weights, "mobile0.25", CPU, **options)(image)
    larger = Detector.load(weights, "mobile0.25", CPU, scaling=Scaling(1000), **options)(image)
    assert len(as_is.boxes) > 3
    for box, landmarks in zip(as_is.boxes[:3], as_is.landmarks[:3], strict=True):
        nearest = np.abs(larger.boxes - box).max(axis=1).argmin()
        size = box[2] - box[0]
        assert np.abs(larger.boxes[nearest] - box).max() < 0.2 * size
        assert np.abs(larger.landmarks[nearest] - landmarks).max() < 0.2 * size


def test_boxes_keep_their_shift_in_flipped_images():
    model, image = build_model(), noise(64, 64)
    mirrored = np.ascontiguousarray(image[:, ::-1])
    plain = Detector(model, cfg_mnet, CPU, flip=True, keep_top_k=1)
    (box,), (mirror,) = plain(image).boxes, plain(mirrored).boxes
    np.testing.assert_allclose(box, [64 - mirror[2], mirror[1], 64 - mirror[0], mirror[3]], atol=1e-3)
    model.box_shift = 0.5
    shifted = Detector(model, cfg_mnet, CPU, flip=True, keep_top_k=1)
    (box,), (mirror,) = shifted(image).boxes, shifted(mirrored).boxes
    np.testing.assert_allclose(box, [65 - mirror[2], mirror[1], 65 - mirror[0], mirror[3]], atol=1e-3)

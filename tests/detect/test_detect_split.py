"""val_tvface.py and test_tvface.py: reference detections, published AP, flags and bad input."""

import json

import cv2
import numpy as np
import pytest

from models.detector import Detector
from tests.helpers.detections import read_detections
from tests.helpers.images import draw_image
from utils.drawing import draw_detections
from utils.files import read_image

SCRIPTS = ("val_tvface.py", "test_tvface.py")


@pytest.fixture
def published(shared):
    """The flags of the published MobileNet0.25 on the CPU."""
    return ("-m", shared / "weights" / "mobilenet0.25_Final.pth", "--network", "mobile0.25", "--cpu")


@pytest.fixture
def images(tmp_path, random_weights):
    """Three images, one in a sub-folder, their list, and the flags that detect in them with random weights."""
    names = ["a.jpg", "sub/b.png", "名 前.jpg"]
    for name in names[:2]:
        draw_image(tmp_path / "images" / name, [(20, 20, 40, 50)])
    (tmp_path / "images" / names[2]).write_bytes((tmp_path / "images" / "a.jpg").read_bytes())
    for list_name in ("tvval_list.txt", "tvtest_list.txt"):
        (tmp_path / list_name).write_text("\n".join(names) + "\n", encoding="utf-8")
    return (
        *("-m", random_weights["mobile0.25"], "--network", "mobile0.25", "--cpu"),
        *("--dataset_folder", tmp_path / "images", "--save_folder", tmp_path / "out"),
    )


def test_detections_equal_the_reference(shared, script, published, tmp_path):
    expected = sorted((shared / "reference" / "detections").glob("*.txt"))
    assert len(expected) == 6
    (tmp_path / "list.txt").write_text("".join(f"{path.stem}.jpg\n" for path in expected))
    where = ("--dataset_folder", shared / "images", "--list_file", tmp_path / "list.txt", "--save_folder", tmp_path)
    outcome = script("val_tvface.py", *published, *where)
    assert outcome.status == 0, outcome.err
    for path in expected:
        reference, found = read_detections(path), read_detections(tmp_path / path.name)
        assert abs(len(found) - len(reference)) <= 0.005 * len(reference)
        pixels = np.abs(found[:, None, :4] - reference[None, :, :4]).max(axis=2)
        scores = np.abs(found[:, None, 4] - reference[None, :, 4])
        twins = (pixels <= 1) & (scores <= 1e-3)
        assert twins.any(axis=0).mean() >= 0.995
        assert twins.any(axis=1).mean() >= 0.995


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("size", ["origin", "enlarged"])
def test_published_weights_reach_their_ap(shared, script, published, tmp_path, split, size):
    expected = json.loads((shared / "faces" / "expected.json").read_text())
    flags = () if size == "origin" else ("--origin_size", "false", "--target_size", 640, "--max_size", 1100)
    folder = shared / "faces" / split
    detected = script(
        f"{split}_tvface.py", *published, *flags,
        "--dataset_folder", folder / "images", "--save_folder", tmp_path / "txt",
    )  # fmt: skip
    assert detected.status == 0, detected.err
    scored = script(f"{split}_dataset_evaluate/eval.py", "-p", tmp_path / "txt", "-g", folder, "--result", tmp_path)
    assert scored.status == 0, scored.err
    ap = json.loads((tmp_path / "ap.json").read_text())["models"]["txt"]["subsets"]["all"]["ap"]
    if size == "origin":
        assert ap == pytest.approx(expected["splits"][split]["ap"], abs=0.0005)
    else:
        assert ap == pytest.approx(expected["enlarged"][split], abs=0.002)


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_listed_image_gets_a_prediction_file(script, images, tmp_path, name):
    outcome = script(name, *images)
    assert outcome.status == 0, outcome.err
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("[!.]*.*")}
    assert files == {"a.txt", "sub/b.txt", "名 前.txt"}
    scores = read_detections(tmp_path / "out" / "a.txt")[:, 4]
    assert len(scores) > 0
    assert (np.diff(scores) <= 0).all()
    assert (scores > 0.02).all()


def test_thresholds_top_k_and_keep_top_k_limit_the_detections(script, images, tmp_path):
    def found(*flags) -> np.ndarray:
        assert script("val_tvface.py", *images, *flags).status == 0
        return read_detections(tmp_path / "out" / "a.txt")

    everything = found()
    assert len(everything) > 5
    np.testing.assert_array_equal(found("--keep_top_k", 3), everything[:3])
    assert 1 <= len(found("--top_k", 2)) <= 2
    middle = np.median(everything[:, 4])
    np.testing.assert_array_equal(found("--confidence_threshold", middle), everything[everything[:, 4] > middle])
    assert len(found("--nms_threshold", 1)) > len(everything)


def test_save_image_draws_boxes_over_the_threshold(script, images, tmp_path):
    outcome = script("val_tvface.py", *images, "-s", "--vis_thres", 0)
    assert outcome.status == 0, outcome.err
    original = cv2.imread(str(tmp_path / "images" / "sub" / "b.png")).astype(int)

    def change() -> float:
        drawn = cv2.imread(str(tmp_path / "out_drawn" / "sub" / "b.jpg"))
        return np.abs(drawn - original).mean()

    with_boxes = change()
    script("val_tvface.py", *images, "-s", "--vis_thres", 1)
    assert with_boxes > 2 * change()  # the rest is JPEG compression
    assert {path.suffix for path in (tmp_path / "out").rglob("[!.]*.*")} == {".txt"}


@pytest.mark.parametrize(("text", "status"), [("true", 0), ("False", 0), ("0", 0), ("yes", 0), ("maybe", 2)])
def test_origin_size_is_a_boolean(script, images, text, status):
    outcome = script("val_tvface.py", *images, "--origin_size", text, "--target_size", 64)
    assert outcome.status == status
    if status:
        assert "argument --origin_size: found 'maybe'; expected true or false" in outcome.err
    elif text in ("true", "yes"):
        assert outcome.err == "warning: --target_size and --max_size do nothing without --origin_size false\n"
    else:
        assert outcome.err == ""


@pytest.mark.parametrize("named", ["labels/labels.txt", "labels"])
def test_a_list_may_be_any_annotation(script, images, tmp_path, named):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "labels.txt").write_text("# sub/b.png\n1 2 3 4\n")
    assert script("val_tvface.py", *images, "--list_file", tmp_path / named).status == 0
    assert [path.name for path in (tmp_path / "out").rglob("*.txt")] == ["b.txt"]


def test_bad_input_is_refused(script, images, tmp_path):
    def detect(*flags):
        return script("val_tvface.py", *images, *flags)

    detect("-m", tmp_path / "none.pth").refuses("none.pth: no such weights file")
    detect("--list_file", tmp_path / "none.txt").refuses("none.txt: no such list", "--list_file")
    detect("--dataset_folder", tmp_path / "nowhere").refuses("nowhere: no such folder", "python -m tools.sample")
    detect("--dataset_folder", tmp_path / "images" / "sub").refuses("tvval_list.txt: no such list")
    (tmp_path / "file").write_text("")
    detect("--save_folder", tmp_path / "file" / "out").refuses("file/out: the output folder cannot be written")
    listed = tmp_path / "list.txt"
    for entry in ("../../x.jpg", "sub/../../x.jpg"):
        listed.write_text(f"a.jpg\n{entry}\n")
        detect("--list_file", listed).refuses(entry, "inside")
    listed.write_text("")
    detect("--list_file", listed).refuses("list.txt: the file is empty")
    listed.write_text("a.jpg\nabsent.jpg\n")
    detect("--list_file", listed).refuses("absent.jpg: no such image")
    listed.write_text("a.jpg\na.jpg\n")
    detect("--list_file", listed).refuses("a.jpg: the list has this image twice")
    assert not list(tmp_path.rglob("a.txt"))


def test_a_linked_images_folder_has_its_list_beside_the_link(script, images, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images").rename(tmp_path / "elsewhere" / "images")
    (tmp_path / "images").symlink_to(tmp_path / "elsewhere" / "images")
    assert script("val_tvface.py", *images).status == 0


def test_drawing_copies_its_input_and_accepts_boxes_outside():
    image = np.zeros((50, 50, 3), np.uint8)
    drawn = draw_detections(image, np.array([[-20.0, -20, 30, 30], [10, 10, 200, 200]]), np.array([0.9, 0.8]))
    assert not image.any()
    assert drawn.any()


def test_boxes_far_outside_are_drawn_like_boxes_just_outside():
    """An untrained network's boxes can exceed OpenCV's integers."""
    image, scores = np.zeros((50, 60, 3), np.uint8), np.array([0.9, 0.8, 0.7])
    near = np.array([[-99, -99, 30, 30], [10, 10, 99, 99], [-99, 20, 99, 99]], np.float32)
    far = np.where(np.abs(near) == 99, np.sign(near) * np.float32(3e38), near)
    assert (draw_detections(image, far, scores) == draw_detections(image, near, scores)).all()
    assert draw_detections(image, far, scores).any()


def test_decimals_keep_the_boxes_of_the_detector(script, images, random_weights, tmp_path):
    assert script("val_tvface.py", *images, "--decimals", 2).status == 0
    found = read_detections(tmp_path / "out" / "a.txt")
    expected = Detector.load(random_weights["mobile0.25"], device="cpu")(read_image(tmp_path / "images" / "a.jpg"))
    corners = np.hstack([found[:, :2], found[:, :2] + found[:, 2:4]])
    assert len(found) == len(expected.boxes) > 0
    assert np.abs(corners - expected.boxes).max() < 0.011
    assert (found[:, :4] % 1 != 0).any()

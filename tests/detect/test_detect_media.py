"""detect.py with images: drawn, pixelated, cropped, and listed as JSON."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.helpers.detections import assert_faces, lines
from tests.helpers.images import draw_image
from utils.drawing import LANDMARK_COLORS, pixelate
from utils.files import read_image


def test_images_are_drawn_and_listed_in_order(detect, detector, tmp_path):
    names = ["a b.jpg", "sub/deep/c.bmp", "sub/前.png"]
    for seed, name in enumerate(names):
        draw_image(tmp_path / "in" / "plain.png", [(20, 20, 40, 50)], seed=seed)
        image = cv2.imread(str(tmp_path / "in" / "plain.png"))
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())
    (tmp_path / "in" / "plain.png").unlink()
    (tmp_path / "in" / "notes.txt").write_text("not an image")
    outcome = detect(tmp_path / "in")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == f"faces: 12; images and frames: 3; written to {tmp_path / 'out'}\n"
    records = lines(tmp_path / "out" / "detections.jsonl")
    assert [record["picture"] for record in records] == [str(tmp_path / "in" / name) for name in names]
    for name, record in zip(names, records, strict=True):
        image = read_image(tmp_path / "in" / name)
        assert (record["height"], record["width"]) == image.shape[:2]
        assert_faces(record["faces"], image, detector)
        assert all(face.keys() == {"box", "score"} for face in record["faces"])  # random weights have no landmarks
        drawn = read_image(tmp_path / "out" / name)
        assert drawn.shape == image.shape and (drawn != image).any()
    assert {path.name for path in (tmp_path / "out").rglob("*.*")} == {"a b.jpg", "c.bmp", "前.png", "detections.jsonl"}
    assert (
        detect(tmp_path / "in").err
        == f"note: {tmp_path / 'out' / 'detections.jsonl'}: replaced, an earlier run had written it\n"
    )


def test_a_pattern_keeps_the_folders_below_its_fixed_part(detect, tmp_path):
    for name in ("x/1/a.jpg", "x/2/a.jpg", "x/2/b.png"):
        draw_image(tmp_path / "in" / name, [])
    assert detect(tmp_path / "in" / "x" / "*" / "a.*", "--no_pictures").status == 0
    assert [record["picture"] for record in lines(tmp_path / "out" / "detections.jsonl")] == [
        str(tmp_path / "in" / "x" / number / "a.jpg") for number in "12"
    ]
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["detections.jsonl"]
    assert detect(tmp_path / "in" / "**" / "*.jpg").status == 0
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg")} == {
        "x/1/a.jpg",
        "x/2/a.jpg",
    }


def test_landmarks_are_drawn_and_listed_if_the_network_was_trained_with_them(shared, script, tmp_path):
    image = sorted((shared / "images").glob("*_20.jpg"))[0]
    (tmp_path / "image.png").write_bytes(cv2.imencode(".png", read_image(image))[1].tobytes())
    flags = ("-m", shared / "weights" / "mobilenet0.25_Final.pth", "--network", "mobile0.25", "--cpu")
    outcome = script("detect.py", tmp_path / "image.png", *flags, "--save_folder", tmp_path / "out")
    assert outcome.status == 0, outcome.err
    (record,) = lines(tmp_path / "out" / "detections.jsonl")
    drawn = read_image(tmp_path / "out" / "image.png")
    face = record["faces"][0]
    x1, y1, x2, y2 = face["box"]
    assert len(record["faces"]) > 5 and x2 - x1 > 20
    for (x, y), color in zip(face["landmarks"], LANDMARK_COLORS, strict=True):
        assert x1 < x < x2 and y1 < y < y2
        assert np.abs(drawn[round(y), round(x)].astype(int) - color).max() < 60


def test_boxes_refer_to_the_upright_image(detect, detector, tmp_path):
    draw_image(tmp_path / "plain.png", [(20, 20, 40, 50)])
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.open(tmp_path / "plain.png").save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert detect(tmp_path / "turned.jpg").status == 0
    (record,) = lines(tmp_path / "out" / "detections.jsonl")
    assert (record["height"], record["width"]) == (128, 96)
    assert_faces(record["faces"], np.ascontiguousarray(np.rot90(read_image(tmp_path / "turned.jpg"), -1)), detector)
    assert read_image(tmp_path / "out" / "turned.jpg").shape == (128, 96, 3)


def test_images_of_one_pixel_and_of_every_color_format_are_detected(detect, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    color = Image.new("RGB", (40, 30), (200, 30, 60))
    Image.new("RGB", (1, 1), (90, 90, 90)).save(folder / "one.png")
    color.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    color.convert("L").save(folder / "gray.jpg")
    color.convert("RGBA").save(folder / "clear.png")
    color.save(folder / "moving.gif")
    cv2.imwrite(str(folder / "deep.png"), np.full((30, 40, 3), 0x1E00, np.uint16))
    outcome = detect(folder)
    assert (outcome.status, outcome.err) == (0, "")
    names = {path.name for path in (tmp_path / "out").glob("*.*")}
    assert names == {
        *("one.png", "cmyk.jpg", "gray.jpg", "clear.png", "deep.png", "moving.gif.png", "detections.jsonl"),
    }
    assert np.abs(read_image(folder / "cmyk.jpg")[15, 20].astype(int) - (60, 30, 200)).max() < 12
    assert read_image(folder / "deep.png")[15, 20].tolist() == [0x1E] * 3


@pytest.mark.parametrize("bits", [12, 16])
def test_a_jpeg_of_more_than_eight_bits_is_refused(detect, tmp_path, bits):
    draw_image(tmp_path / "deep.jpg", [])
    content = bytearray((tmp_path / "deep.jpg").read_bytes())
    content[content.index(b"\xff\xc0") + 4] = bits  # the precision, behind the frame header's length
    (tmp_path / "deep.jpg").write_bytes(content)
    detect(tmp_path / "deep.jpg").refuses("deep.jpg: is not an image that OpenCV can decode")


def test_wrong_sources_are_refused(detect, tmp_path):
    (tmp_path / "empty").mkdir()
    detect(tmp_path / "empty").refuses("empty: no images and no videos there")
    detect(tmp_path / "none.jpg").refuses("none.jpg: no such image, video or folder")
    detect(tmp_path / "*.jpg").refuses("*.jpg: no images and no videos there")
    detect("77").refuses("camera 77: cannot be opened")


def test_no_output_overwrites_an_input_or_another_output(detect, tmp_path):
    draw_image(tmp_path / "out" / "a.jpg", [])
    before = (tmp_path / "out" / "a.jpg").read_bytes()
    detect(tmp_path / "out" / "a.jpg").refuses("out/a.jpg: is an input, which an output would overwrite")
    draw_image(tmp_path / "in" / "a.jpg", [])
    detect(tmp_path / "out" / "a.jpg", tmp_path / "in").refuses("out/a.jpg: is an input")
    (tmp_path / "out" / "a.jpg").rename(tmp_path / "a.jpg")
    both = (tmp_path / "a.jpg", tmp_path / "in" / "a.jpg")
    detect(*both).refuses(f"out/a.jpg: {both[0]} and {both[1]} would be written there")
    assert detect(both[1], tmp_path / "in", tmp_path / "in" / "*.jpg").status == 0  # one image, named three times
    assert len(lines(tmp_path / "out" / "detections.jsonl")) == 1
    (tmp_path / "a.jpg").rename(tmp_path / "crop.jpg_00.jpg")
    draw_image(tmp_path / "crop.jpg", [])
    outcome = detect(tmp_path / "crop.jpg", tmp_path / "crop.jpg_00.jpg", "--crops", tmp_path)
    assert outcome.status == 2 and "crop.jpg_00.jpg: is an input" in outcome.err
    assert (tmp_path / "crop.jpg_00.jpg").read_bytes() == before
    detect(tmp_path / "out").refuses("out: all files there are in the output folders")
    detect(tmp_path / "in", "--crops", tmp_path / "out").refuses("crops need a folder of their own")


def test_earlier_outputs_below_the_input_are_skipped(detect, tmp_path):
    draw_image(tmp_path / "a.jpg", [])
    crops = ("--crops", tmp_path / "crops")
    for _ in range(2):
        assert detect(tmp_path, *crops).status == 0
        assert len(lines(tmp_path / "out" / "detections.jsonl")) == 1


def test_small_faces_are_dropped_and_crops_show_the_boxes(detect, tmp_path):
    draw_image(tmp_path / "in" / "a.png", [(20, 20, 40, 50)], size=(300, 400))

    def found(*flags) -> list[dict]:
        assert detect(tmp_path / "in", "--keep_top_k", 0, *flags).status == 0
        return lines(tmp_path / "out" / "detections.jsonl")[0]["faces"]

    def side(face: dict) -> float:
        return min(face["box"][2] - face["box"][0], face["box"][3] - face["box"][1])

    faces = found()
    limit = round(np.quantile([side(face) for face in faces], 0.8))
    large = found("--min_size", limit, "--crops", tmp_path / "crops")
    assert large == [face for face in faces if side(face) >= limit]
    assert 0 < len(large) < len(faces)
    image = read_image(tmp_path / "in" / "a.png")
    for number, face in enumerate(large):
        x1, y1, x2, y2 = (max(0, round(value)) for value in face["box"])
        crop = read_image(tmp_path / "crops" / f"a.png_{number:02}.jpg")
        assert crop.shape == image[y1:y2, x1:x2].shape
        assert np.abs(crop.astype(int) - image[y1:y2, x1:x2]).mean() < 25


def test_blur_faces_pixelates_faces_and_changes_nothing_else(detect, tmp_path):
    draw_image(tmp_path / "in" / "a.png", [(20, 20, 40, 50)], size=(300, 400))
    assert detect(tmp_path / "in", "--blur_faces", "--keep_top_k", 1).status == 0
    (face,) = lines(tmp_path / "out" / "detections.jsonl")[0]["faces"]
    before, after = read_image(tmp_path / "in" / "a.png"), read_image(tmp_path / "out" / "a.png")
    np.testing.assert_array_equal(after, pixelate(before, np.array([face["box"]])))
    x1, y1, x2, y2 = (round(value) for value in face["box"])
    inside = after[max(y1, 0) : y2, max(x1, 0) : x2]
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= 100 < len(np.unique(before.reshape(-1, 3), axis=0))


@pytest.mark.parametrize(
    "box", [[10, 10, 74, 90], [-50, -50, 30, 30], [60, 60, 500, 500], [5, 5, 6, 6], [-9, -9, -1, -1]]
)
def test_a_pixelated_face_has_few_colors_and_its_surroundings_stay(box):
    image = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    drawn = pixelate(image, np.array([box], np.float32))
    x1, y1, x2, y2 = box
    margin_x, margin_y = (x2 - x1) / 8 + 1, (y2 - y1) / 8 + 1
    rows, columns = np.mgrid[:100, :120]
    outside = (rows < y1 - margin_y) | (rows > y2 + margin_y) | (columns < x1 - margin_x) | (columns > x2 + margin_x)
    assert (drawn == image)[outside].all()
    inside = (rows >= y1) & (rows < y2) & (columns >= x1) & (columns < x2)
    if inside.sum() > 1:
        assert (drawn != image)[inside].any(axis=1).mean() > 0.9
        assert len(np.unique(drawn[inside], axis=0)) <= 81


def test_a_pattern_does_not_lead_outside_the_output(detect, tmp_path):
    for name in ("a/x.jpg", "b/secret.jpg"):
        draw_image(tmp_path / "in" / name, [])
    detect(f"{tmp_path}/in/a*/../b/*.jpg").refuses("must be a relative path that stays inside")


def test_flags_that_contradict_each_other_are_refused_or_warned_of(detect, tmp_path):
    draw_image(tmp_path / "a.jpg", [])
    outcome = detect(tmp_path / "a.jpg", "--blur_faces", "--no_pictures")
    assert outcome.status == 2 and "not allowed with argument" in outcome.err
    detect(tmp_path / "a.jpg", "--blur_faces", "--min_size", 9).refuses("--min_size: would leave small faces")
    outcome = detect(tmp_path / "a.jpg", "--blur_faces", "--crops", tmp_path / "crops", "--top_k", 5)
    assert outcome.status == 0
    for warning in (
        f"warning: {tmp_path / 'crops'}: gets the faces as they are; --blur_faces does not change crops",
        "warning: --top_k 5: leaves further faces of an image recognizable",
        "warning: --keep_top_k 4: leaves further faces of an image recognizable",
    ):
        assert warning in outcome.err
    outcome = detect(tmp_path / "a.jpg", "--every", 2)
    assert outcome.status == 0
    assert outcome.err.endswith("warning: --every does nothing without a video or a camera\n")


def test_help_shows_examples_and_outputs(script):
    outcome = script("detect.py", "--help")
    assert outcome.status == 0
    for word in ("python detect.py film.mp4 --blur_faces", "--every N", "detections.jsonl", "Exit status"):
        assert word in outcome.out

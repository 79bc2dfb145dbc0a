"""detect.py: pictures, videos and cameras in; drawn pictures, videos, crops and JSON lines out."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT, draw_picture
from PIL import Image

from data.video import Video, VideoWriter
from models import detector as detector_module
from models.detector import Detector
from utils.drawing import LANDMARK_COLORS, pixelate
from utils.files import read_image

CPU = torch.device("cpu")
FLAGS = ("--network", "mobile0.25", "--cpu", "--keep_top_k", 4, "--confidence_threshold", 0.3)
OPTIONS = {"keep_top_k": 4, "confidence_threshold": 0.3}


@pytest.fixture
def detect(script, random_weights, tmp_path):
    """Run detect.py with random weights: detect(source, ...) -> Outcome; it writes to tmp_path / "out"."""
    weights = random_weights["mobile0.25"]
    return lambda *arguments: script("detect.py", "-m", weights, *FLAGS, "--save_folder", tmp_path / "out", *arguments)


@pytest.fixture
def detector(random_weights) -> Detector:
    return Detector.load(random_weights["mobile0.25"], "mobile0.25", CPU, **OPTIONS)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_faces(found: list[dict], image: np.ndarray, detector: Detector) -> None:
    """Assert that JSON has what the detector finds in a picture."""
    expected = detector(image)
    assert len(found) == len(expected.scores) > 0
    np.testing.assert_allclose([face["box"] for face in found], expected.boxes, atol=0.02)
    np.testing.assert_allclose([face["score"] for face in found], expected.scores, atol=1e-3)


def make_video(path: Path, frames: int = 20, size=(96, 128), rate=Fraction(30000, 1001), **options) -> list[np.ndarray]:
    """Encode a moving picture as H.264 and return its frames as a player sees them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 255, (12, 40, 3), dtype=np.uint8), (size[1] + 100, size[0]))
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options={"g": "5"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for i in range(frames):
            left = 4 * i % 100
            image = np.ascontiguousarray(scene[:, left : left + size[1]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode(None))
    return [image for _, image in Video(path).frames()]


def test_pictures_are_drawn_and_listed_in_their_order(detect, detector, tmp_path):
    names = ["a b.jpg", "sub/deep/c.bmp", "sub/前.png"]
    for seed, name in enumerate(names):
        draw_picture(tmp_path / "in" / "plain.png", [(20, 20, 40, 50)], seed=seed)
        image = cv2.imread(str(tmp_path / "in" / "plain.png"))
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())
    (tmp_path / "in" / "plain.png").unlink()
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    outcome = detect(tmp_path / "in")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == f"faces: 12; pictures and frames: 3; written to {tmp_path / 'out'}\n"
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


def test_patterns_keep_the_folders_below_their_plain_part(detect, tmp_path):
    for name in ("x/1/a.jpg", "x/2/a.jpg", "x/2/b.png"):
        draw_picture(tmp_path / "in" / name, [])
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


def test_landmarks_are_drawn_and_listed_where_the_network_learnt_them(shared, script, tmp_path):
    picture = sorted((shared / "images").glob("*_20.jpg"))[0]
    (tmp_path / "picture.png").write_bytes(cv2.imencode(".png", read_image(picture))[1].tobytes())
    flags = ("-m", shared / "weights" / "mobilenet0.25_Final.pth", "--network", "mobile0.25", "--cpu")
    outcome = script("detect.py", tmp_path / "picture.png", *flags, "--save_folder", tmp_path / "out")
    assert outcome.status == 0, outcome.err
    (record,) = lines(tmp_path / "out" / "detections.jsonl")
    drawn = read_image(tmp_path / "out" / "picture.png")
    face = record["faces"][0]
    x1, y1, x2, y2 = face["box"]
    assert len(record["faces"]) > 5 and x2 - x1 > 20
    for (x, y), color in zip(face["landmarks"], LANDMARK_COLORS, strict=True):
        assert x1 < x < x2 and y1 < y < y2
        assert np.abs(drawn[round(y), round(x)].astype(int) - color).max() < 60


def test_boxes_refer_to_the_picture_as_people_see_it(detect, detector, tmp_path):
    draw_picture(tmp_path / "plain.png", [(20, 20, 40, 50)])
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.open(tmp_path / "plain.png").save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert detect(tmp_path / "turned.jpg").status == 0
    (record,) = lines(tmp_path / "out" / "detections.jsonl")
    assert (record["height"], record["width"]) == (128, 96)
    assert_faces(record["faces"], np.ascontiguousarray(np.rot90(read_image(tmp_path / "turned.jpg"), -1)), detector)
    assert read_image(tmp_path / "out" / "turned.jpg").shape == (128, 96, 3)


def test_pictures_of_one_pixel_and_of_other_kinds_are_detected(detect, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    color = Image.new("RGB", (40, 30), (200, 30, 60))
    Image.new("RGB", (1, 1)).save(folder / "one.png")
    color.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    color.convert("L").save(folder / "grey.jpg")
    color.convert("RGBA").save(folder / "clear.png")
    color.save(folder / "moving.gif")
    cv2.imwrite(str(folder / "deep.png"), np.full((30, 40, 3), 0x1E00, np.uint16))
    outcome = detect(folder)
    assert (outcome.status, outcome.err) == (0, "")
    names = {path.name for path in (tmp_path / "out").glob("*.*")}
    assert names == {
        *("one.png", "cmyk.jpg", "grey.jpg", "clear.png", "deep.png", "moving.gif.png", "detections.jsonl"),
    }
    assert np.abs(read_image(folder / "cmyk.jpg")[15, 20].astype(int) - (60, 30, 200)).max() < 12
    assert read_image(folder / "deep.png")[15, 20].tolist() == [0x1E] * 3


def png_header(path: Path, width: int, height: int) -> None:
    """Write a PNG file that claims to be of some size."""
    chunks = b""
    for kind, content in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def test_what_cannot_be_read_is_named_at_the_end_and_stops_nothing(detect, tmp_path, monkeypatch):
    monkeypatch.setattr(detector_module, "available_memory", lambda _: 24 * 10**9)
    folder = tmp_path / "in"
    draw_picture(folder / "whole.jpg", [])
    png_header(folder / "huge.png", 20_000, 20_000)
    (folder / "text.jpg").write_text("not a picture")
    (folder / "early.mp4").write_bytes(b"\0" * 100)
    make_video(folder / "video.mp4", frames=3)
    outcome = detect(folder)
    assert outcome.status == 3
    assert outcome.out.startswith("faces: 16; pictures and frames: 4;")
    errors = outcome.err.splitlines()
    assert len(errors) == 3
    assert errors[0].startswith(
        f"error: {folder / 'huge.png'}: 20000 x 20000 pixels take 32 GB of memory, of which 24 GB"
    )
    assert errors[1].startswith(f"error: {folder / 'text.jpg'}: is not a picture")
    assert errors[2].startswith(f"error: {folder / 'early.mp4'}: is no video that can be read")
    assert len(lines(tmp_path / "out" / "detections.jsonl")) == 1
    detect(folder / "text.jpg").refuses("text.jpg: is not a picture")
    assert len(lines(tmp_path / "out" / "detections.jsonl")) == 1  # as before
    detect(folder / "early.mp4").refuses("early.mp4: is no video that can be read")


def test_wrong_sources_are_refused(detect, tmp_path):
    (tmp_path / "empty").mkdir()
    detect(tmp_path / "empty").refuses("empty: no pictures and no videos there")
    detect(tmp_path / "none.jpg").refuses("none.jpg: no such picture, video or folder")
    detect(tmp_path / "*.jpg").refuses("*.jpg: no pictures and no videos there")
    detect("77").refuses("camera 77: cannot be opened")


def test_no_output_overwrites_an_input_or_another_output(detect, tmp_path):
    draw_picture(tmp_path / "out" / "a.jpg", [])
    before = (tmp_path / "out" / "a.jpg").read_bytes()
    detect(tmp_path / "out" / "a.jpg").refuses("out/a.jpg: is an input, which an output would overwrite")
    draw_picture(tmp_path / "in" / "a.jpg", [])
    detect(tmp_path / "out" / "a.jpg", tmp_path / "in").refuses("out/a.jpg: is an input")
    (tmp_path / "out" / "a.jpg").rename(tmp_path / "a.jpg")
    both = (tmp_path / "a.jpg", tmp_path / "in" / "a.jpg")
    detect(*both).refuses(f"out/a.jpg: {both[0]} and {both[1]} would be written there")
    assert detect(both[1], tmp_path / "in", tmp_path / "in" / "*.jpg").status == 0  # one picture, named three times
    assert len(lines(tmp_path / "out" / "detections.jsonl")) == 1
    (tmp_path / "a.jpg").rename(tmp_path / "crop.jpg_00.jpg")
    draw_picture(tmp_path / "crop.jpg", [])
    outcome = detect(tmp_path / "crop.jpg", tmp_path / "crop.jpg_00.jpg", "--crops", tmp_path)
    assert outcome.status == 2 and "crop.jpg_00.jpg: is an input" in outcome.err
    assert (tmp_path / "crop.jpg_00.jpg").read_bytes() == before
    detect(tmp_path / "out").refuses("out: all that is there belongs to the output")
    detect(tmp_path / "in", "--crops", tmp_path / "out").refuses("crops need a folder of their own")


def test_earlier_outputs_below_the_input_are_no_inputs(detect, tmp_path):
    draw_picture(tmp_path / "a.jpg", [])
    crops = ("--crops", tmp_path / "crops")
    for _ in range(2):
        assert detect(tmp_path, *crops).status == 0
        assert len(lines(tmp_path / "out" / "detections.jsonl")) == 1


def test_small_faces_are_left_out_and_crops_are_the_boxes(detect, tmp_path):
    draw_picture(tmp_path / "in" / "a.png", [(20, 20, 40, 50)], size=(300, 400))

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
    assert large == [
        face for face in faces if min(face["box"][2] - face["box"][0], face["box"][3] - face["box"][1]) > limit
    ]
    image = read_image(tmp_path / "in" / "a.png")
    for number, face in enumerate(large):
        x1, y1, x2, y2 = (max(0, round(value)) for value in face["box"])
        crop = read_image(tmp_path / "crops" / f"a.png_{number:02}.jpg")
        assert crop.shape == image[y1:y2, x1:x2].shape
        assert np.abs(crop.astype(int) - image[y1:y2, x1:x2]).mean() < 25


def test_blurred_faces_are_squares_and_nothing_else_changes(detect, tmp_path):
    draw_picture(tmp_path / "in" / "a.png", [(20, 20, 40, 50)], size=(300, 400))
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
def test_a_pixelated_face_has_few_colours_and_its_surroundings_stay(box):
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


@pytest.mark.parametrize("batch", [1, 4])
def test_a_video_becomes_a_video_of_the_same_rate_and_a_line_for_each_frame(detect, detector, tmp_path, batch):
    frames = make_video(tmp_path / "film.mkv", size=(98, 130))
    outcome = detect(tmp_path / "film.mkv", "--batch_size", batch)
    assert (outcome.status, outcome.err) == (0, "")
    shown = Video(tmp_path / "out" / "film.mp4")
    assert float(shown.rate) == pytest.approx(30000 / 1001, rel=2e-3) and not shown.container.streams.audio
    read = list(shown.frames())
    assert shown.problem is None
    records = lines(tmp_path / "out" / "film.jsonl")
    assert [record["frame"] for record in records] == list(range(20))
    for record, image, (frame, drawn) in zip(records, frames, read, strict=True):
        assert record["time"] == pytest.approx(record["frame"] * 1001 / 30000, abs=2e-3)
        assert frame.time == pytest.approx(record["time"], abs=2e-3)
        assert_faces(record["faces"], image, detector)
        assert drawn.shape == image.shape
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"film.mp4", "film.jsonl"}


def test_every_third_frame_alone_is_detected_and_shown_at_its_time(detect, tmp_path):
    make_video(tmp_path / "film.mp4", size=(96, 128))
    assert detect(tmp_path / "film.mp4", "--every", 3, "--crops", tmp_path / "crops").status == 0
    records = lines(tmp_path / "out" / "film.jsonl")
    assert [record["frame"] for record in records] == list(range(0, 20, 3))
    times = [frame.time for frame, _ in Video(tmp_path / "out" / "film.mp4").frames()]
    assert times == pytest.approx([record["time"] for record in records], abs=2e-3)
    assert {path.name for path in (tmp_path / "crops").iterdir()} >= {
        "film.mp4_000000_00.jpg",
        "film.mp4_000003_00.jpg",
    }


def test_videos_of_odd_sizes_and_turned_ones_are_shown_upright(detect, tmp_path):
    writer = VideoWriter(tmp_path / "odd.mp4", Fraction(25))
    images = [np.full((97, 131, 3), (200 - 9 * i, 30, 60), np.uint8) for i in range(5)]
    for i, image in enumerate(images):
        writer.write(image, i / 25)
    writer.close()
    for (_, read), image in zip(Video(tmp_path / "odd.mp4").frames(), images, strict=True):
        assert read.shape == (98, 132, 3) and np.abs(read.astype(int) - image[0, 0]).max() <= 6
    make_video(tmp_path / "turned.mp4")
    content = bytearray((tmp_path / "turned.mp4").read_bytes())
    matrix = content.index(b"tkhd") + 44  # ISO 14496-12, 8.3.2: a quarter turn to the right
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    upright = [np.rot90(image, -1) for _, image in Video(tmp_path / "turned.mp4").frames()]
    (tmp_path / "turned.mp4").write_bytes(content)
    for (_, image), expected in zip(Video(tmp_path / "turned.mp4").frames(), upright, strict=True):
        np.testing.assert_array_equal(image, expected)
    assert detect(tmp_path / "turned.mp4").status == 0
    assert next(Video(tmp_path / "out" / "turned.mp4").frames())[1].shape == (128, 96, 3)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("cut", r"ends early, after 0\.\d\d of 0\.67 s"),
        ("broken", "some of its frames are broken, and left out or damaged"),
    ],
)
def test_what_is_whole_of_a_damaged_video_is_detected(detect, tmp_path, damage, problem):
    film = tmp_path / "film.mp4"
    make_video(film, movflags="faststart")
    content = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux() if packet.size]
    if damage == "cut":
        film.write_bytes(content[: packets[9][0]])
    else:
        start, size = packets[7]
        content[start : start + size] = bytes(size)
        film.write_bytes(content)
    outcome = detect(film)
    assert outcome.status == 3, outcome.err
    assert re.fullmatch(rf"error: {film}: {problem}\n", outcome.err)
    records = lines(tmp_path / "out" / "film.jsonl")
    assert 6 < len(records) < 20
    assert len(list(Video(tmp_path / "out" / "film.mp4").frames())) == len(records)


def test_a_last_frame_that_stays_is_no_early_end(tmp_path):
    writer = VideoWriter(tmp_path / "slides.mp4", Fraction(25))
    for time_ in (0, 0.04, 5, 5.04):
        writer.write(np.zeros((48, 64, 3), np.uint8), time_)
    writer.close()
    video = Video(tmp_path / "slides.mp4")
    assert [frame.time for frame, _ in video.frames()] == [0, 0.04, 5, 5.04]
    assert video.problem is None


def test_a_video_whose_frames_change_their_size_keeps_that_of_the_first(detect, tmp_path):
    for name, size in (("large", (96, 128)), ("small", (64, 96))):
        make_video(tmp_path / f"{name}.ts", frames=8, size=size)
    for first, second, shape in (("large", "small", (96, 128, 3)), ("small", "large", (64, 96, 3))):
        film = tmp_path / f"{first}_first.ts"
        film.write_bytes((tmp_path / f"{first}.ts").read_bytes() + (tmp_path / f"{second}.ts").read_bytes())
        assert detect(film).status in (0, 3)
        frames = list(Video(tmp_path / "out" / f"{first}_first.mp4").frames())
        assert len(frames) > 10 and {image.shape for _, image in frames} == {shape}


def test_a_stream_that_ends_before_its_first_frame_is_named(detect, tmp_path):
    make_video(tmp_path / "film.ts")
    (tmp_path / "film.ts").write_bytes((tmp_path / "film.ts").read_bytes()[: 188 * 4])
    detect(tmp_path / "film.ts").refuses("film.ts: ")


def test_names_that_are_no_text_or_hold_colons_are_detected(detect, tmp_path, monkeypatch):
    draw_picture(tmp_path / "in" / "a.jpg", [])
    os.rename(tmp_path / "in" / "a.jpg", os.fsencode(tmp_path / "in") + b"/\xe9.jpg")
    assert detect(tmp_path / "in").status == 0
    assert lines(tmp_path / "out" / "detections.jsonl")[0]["picture"].endswith("in/\udce9.jpg")
    make_video(tmp_path / "12.mp4", frames=3)
    (tmp_path / "12.mp4").rename(tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    assert detect(tmp_path / "12:30.mp4", "--every", 3 * 10**9).status == 0
    assert len(lines(tmp_path / "out" / "12:30.jsonl")) == 1


def test_a_pattern_does_not_lead_outside_the_output(detect, tmp_path):
    for name in ("a/x.jpg", "b/secret.jpg"):
        draw_picture(tmp_path / "in" / name, [])
    detect(f"{tmp_path}/in/a*/../b/*.jpg").refuses("must be a relative path that stays inside")


def test_a_video_without_pictures_is_refused(detect, tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    detect(tmp_path / "sound.mp4").refuses("sound.mp4: has no pictures, only sound")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_video_leaves_what_was_done(random_weights, tmp_path, number):
    make_video(tmp_path / "film.mp4", frames=1500, size=(96, 128))
    command = ("detect.py", tmp_path / "film.mp4", "-m", random_weights["mobile0.25"], *FLAGS)
    run = subprocess.Popen(
        [sys.executable, *map(str, command), "--save_folder", tmp_path / "out"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    part = tmp_path / "out" / "film.part.jsonl"
    while not part.is_file() or part.read_text().count("\n") < 300:
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert run.returncode == (130 if number == signal.SIGINT else -number), err
    assert not (tmp_path / "out" / "film.mp4").exists()
    text = part.read_text()
    whole = [json.loads(line) for line in text[: text.rindex("\n")].splitlines()]
    frames = sum(1 for _ in Video(tmp_path / "out" / "film.part.mp4").frames())
    if number == signal.SIGINT:
        assert len(whole) == frames < 1500 and text.endswith("\n")
    else:
        assert len(whole) - 150 < frames <= len(whole) + 1


class FakeCamera:
    """Stands for cv2.VideoCapture: gives frames until it is unplugged."""

    def __init__(self, number: int):
        self.left = 6 if number == 0 else 0

    def isOpened(self) -> bool:
        return self.left > 0

    def get(self, property_: int) -> float:
        return {cv2.CAP_PROP_FRAME_HEIGHT: 48, cv2.CAP_PROP_FRAME_WIDTH: 64, cv2.CAP_PROP_FPS: 29.97}[property_]

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        time.sleep(0.01)
        return self.left >= 0, np.full((48, 64, 3), 100, np.uint8) if self.left >= 0 else None

    def release(self) -> None:
        pass


def test_a_camera_is_detected_until_it_ends(detect, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    outcome = detect("0")
    assert outcome.status == 0, outcome.err
    records = lines(tmp_path / "out" / "camera_0.jsonl")
    assert len(records) == 6
    times = [frame.time for frame, _ in Video(tmp_path / "out" / "camera_0.mp4").frames()]
    assert len(times) == 6 and all(later > earlier for earlier, later in pairwise(times))
    detect("1").refuses("camera 1: cannot be opened")


def test_flags_that_do_nothing_together_are_refused_or_named(detect, tmp_path):
    draw_picture(tmp_path / "a.jpg", [])
    outcome = detect(tmp_path / "a.jpg", "--blur_faces", "--no_pictures")
    assert outcome.status == 2 and "not allowed with argument" in outcome.err
    detect(tmp_path / "a.jpg", "--blur_faces", "--min_size", 9).refuses("--min_size: would leave small faces")
    outcome = detect(tmp_path / "a.jpg", "--every", 2)
    assert (outcome.status, outcome.err) == (0, "warning: --every does nothing without a video or a camera\n")


def test_help_teaches(script):
    outcome = script("detect.py", "--help")
    assert outcome.status == 0
    for word in ("python detect.py film.mp4 --blur_faces", "--every N", "detections.jsonl", "Exit status"):
        assert word in outcome.out

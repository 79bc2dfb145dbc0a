"""detect.py with videos and cameras: whole, damaged, turned, interrupted, of odd sizes and names."""

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

from engine.detect.video import Video
from engine.detect.video_writer import VideoWriter
from models import detector as detector_module
from tests.helpers.detections import DETECT_FLAGS, assert_faces, lines
from tests.helpers.images import draw_image
from tests.helpers.scripts import ROOT
from tests.helpers.videos import moving_images, write_video


def make_video(path: Path, frames: int = 20, size=(96, 128), rate=Fraction(30000, 1001), **options) -> list[np.ndarray]:
    """Encode a moving image as H.264 and return its frames as a player sees them."""
    write_video(path, moving_images(frames, size), rate=rate, options={"g": "5"}, container_options=options)
    return [image for _, image in Video(path).frames()]


def png_header(path: Path, width: int, height: int) -> None:
    """Write a PNG file that claims to be of some size."""
    chunks = b""
    for kind, content in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def test_unreadable_sources_are_named_at_the_end_and_the_rest_is_detected(detect, tmp_path, monkeypatch):
    monkeypatch.setattr(detector_module, "available_memory", lambda _: 24 * 10**9)
    folder = tmp_path / "in"
    draw_image(folder / "whole.jpg", [])
    png_header(folder / "huge.png", 20_000, 20_000)
    (folder / "text.jpg").write_text("not an image")
    (folder / "early.mp4").write_bytes(b"\0" * 100)
    make_video(folder / "video.mp4", frames=3)
    outcome = detect(folder)
    assert outcome.status == 3
    assert outcome.out.startswith("faces: 16; images and frames: 4;")
    errors = outcome.err.splitlines()
    assert len(errors) == 3
    assert errors[0].startswith(f"error: {folder / 'huge.png'}: 20000 x 20000 pixels need 31.7 GB of memory, and 24 GB")
    assert errors[1].startswith(f"error: {folder / 'text.jpg'}: is not an image")
    assert errors[2].startswith(f"error: {folder / 'early.mp4'}: is not a video that can be read")
    assert len(lines(tmp_path / "out" / "detections.jsonl")) == 1
    detect(folder / "text.jpg").refuses("text.jpg: is not an image")
    assert len(lines(tmp_path / "out" / "detections.jsonl")) == 1  # as before
    detect(folder / "early.mp4").refuses("early.mp4: is not a video that can be read")


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


def test_every_third_frame_is_detected_and_shown_at_its_time(detect, tmp_path):
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


def test_videos_of_odd_sizes_and_rotated_videos_are_written_upright(detect, tmp_path):
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
        ("broken", "some frames are broken; they are missing or damaged in the output"),
    ],
)
def test_the_intact_frames_of_a_damaged_video_are_detected(detect, tmp_path, damage, problem):
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


def test_a_trimmed_video_has_no_problem(tmp_path):
    """An edit list hides the first ten of its thirty frames, as players and cameras cut without encoding anew."""
    with av.open(str(tmp_path / "trimmed.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "5", "bf": "0"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        images = [av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * i, np.uint8), "bgr24") for i in range(30)]
        for packet in [packet for image in [*images, None] for packet in stream.encode(image)]:
            packet.pts = packet.dts = packet.pts - round(0.4 / packet.time_base)
            container.mux(packet)
    video = Video(tmp_path / "trimmed.mp4")
    assert video.count == 30
    assert [frame.time for frame, _ in video.frames()] == pytest.approx([i / 25 for i in range(20)])
    assert video.problem is None


def test_a_long_last_frame_is_not_an_early_end(tmp_path):
    writer = VideoWriter(tmp_path / "slides.mp4", Fraction(25))
    for time_ in (0, 0.04, 5, 5.04):
        writer.write(np.zeros((48, 64, 3), np.uint8), time_)
    writer.close()
    video = Video(tmp_path / "slides.mp4")
    assert [frame.time for frame, _ in video.frames()] == [0, 0.04, 5, 5.04]
    assert video.problem is None


def test_a_video_of_several_sizes_is_written_at_the_first_size(detect, tmp_path):
    for name, size in (("large", (96, 128)), ("small", (64, 96))):
        make_video(tmp_path / f"{name}.ts", frames=8, size=size)
    for first, second, shape in (("large", "small", (96, 128, 3)), ("small", "large", (64, 96, 3))):
        film = tmp_path / f"{first}_first.ts"
        film.write_bytes((tmp_path / f"{first}.ts").read_bytes() + (tmp_path / f"{second}.ts").read_bytes())
        assert detect(film).status in (0, 3)
        frames = list(Video(tmp_path / "out" / f"{first}_first.mp4").frames())
        assert len(frames) > 10 and {image.shape for _, image in frames} == {shape}


def test_a_stream_without_a_complete_frame_is_refused(detect, tmp_path):
    make_video(tmp_path / "film.ts")
    (tmp_path / "film.ts").write_bytes((tmp_path / "film.ts").read_bytes()[: 188 * 4])
    detect(tmp_path / "film.ts").refuses("film.ts: ")


def test_names_that_are_not_utf8_or_contain_colons_are_detected(detect, tmp_path, monkeypatch):
    draw_image(tmp_path / "in" / "a.jpg", [])
    os.rename(tmp_path / "in" / "a.jpg", os.fsencode(tmp_path / "in") + b"/\xe9.jpg")
    assert detect(tmp_path / "in").status == 0
    assert lines(tmp_path / "out" / "detections.jsonl")[0]["picture"].endswith("in/\udce9.jpg")
    make_video(tmp_path / "12.mp4", frames=3)
    (tmp_path / "12.mp4").rename(tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    assert detect(tmp_path / "12:30.mp4", "--every", 3 * 10**9).status == 0
    assert len(lines(tmp_path / "out" / "12:30.jsonl")) == 1


def test_a_video_without_images_is_refused(detect, tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    detect(tmp_path / "sound.mp4").refuses("sound.mp4: has no images, only sound")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_video_keeps_the_finished_frames(random_weights, tmp_path, number):
    make_video(tmp_path / "film.mp4", frames=600, size=(96, 128))
    command = ("detect.py", tmp_path / "film.mp4", "-m", random_weights["mobile0.25"], *DETECT_FLAGS)
    run = subprocess.Popen(
        [sys.executable, *map(str, command), "--save_folder", tmp_path / "out"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    part = tmp_path / "out" / "film.part.jsonl"
    while not part.is_file() or part.read_text().count("\n") < 200:
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
        assert len(whole) == frames < 600 and text.endswith("\n")
    else:
        assert len(whole) - 160 < frames <= len(whole) + 1


class FakeCamera:
    """Stands for cv2.VideoCapture: gives frames until it is unplugged."""

    def __init__(self, number: int):
        self.left = 6 if number in (0, 5) else 0
        self.number = number

    def isOpened(self) -> bool:
        return self.left > 0

    def get(self, property_: int) -> float:
        return {cv2.CAP_PROP_FRAME_HEIGHT: 48, cv2.CAP_PROP_FRAME_WIDTH: 64, cv2.CAP_PROP_FPS: 29.97}[property_]

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        time.sleep(0.01)
        if self.number == 5 and self.left == 3:
            os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C
            self.left = 1000
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


def test_ctrl_c_ends_all_cameras(detect, tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    outcome = detect("5", "0")
    assert outcome.status == 0
    assert outcome.err.strip().splitlines() == ["SIGINT: what is begun is written to its end; Ctrl-C ends at once"]
    # The two frames before the signal, and perhaps those that came while it was on its way.
    assert 2 <= len(lines(tmp_path / "out" / "camera_5.jsonl")) < 1000
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"camera_5.jsonl", "camera_5.mp4"}

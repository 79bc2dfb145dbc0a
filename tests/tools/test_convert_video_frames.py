"""`python -m tools.convert --frames`: frames of a video as images with draft labels."""

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from data.annotations import read_annotations
from engine.detect.video import Video
from tests.helpers.annotations import write_files
from tools.convert import video_frames

FACE = {"box": [10.5, 15, 25.25, 36], "score": 0.97, "landmarks": [[14, 22], [20, 22], [17, 26], [14, 30], [20, 30]]}


def make_film(path, frames: int = 12, aspect: Fraction | None = None) -> list[np.ndarray]:
    """Encode frames of different colors as H.264, ten a second, and return them as they are read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for i in range(frames):
            image = np.full((96, 128, 3), (20 * i, 255 - 20 * i, 90), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode(None))
    return [image for _, image in Video(path).frames()]


def lines_of(frames, rate: float = 10, faces=(FACE,)) -> str:
    """Return the JSON lines of frames; only those of even number have faces."""
    records = ({"frame": i, "time": i / rate, "faces": list(faces) * (i % 2 == 0)} for i in frames)
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def film(tmp_path):
    make_film(tmp_path / "film.mp4")
    return write_files(tmp_path, {"found/film.jsonl": lines_of(range(12))})


@pytest.mark.parametrize("kind", ["coco", "label", "yolo", "voc"])
def test_frames_become_images_with_their_faces(convert, film, kind):
    flags = ("--video", film / "film.mp4", "--frames", 5, "--to", kind)
    outcome = convert(film / "found" / "film.jsonl", film / "out", *flags)
    assert outcome.status == 0, outcome.err
    assert f"{kind}: 3 images (1 background), 2 faces" in outcome.out
    assert "nothing is detected in 1 image" in outcome.out and "warning" not in outcome.out
    names = [f"film_{number:06}.jpg" for number in (0, 5, 10)]
    assert sorted(path.name for path in (film / "out" / "images").iterdir()) == names
    frames = [image for _, image in Video(film / "film.mp4").frames()]
    for name, number in zip(names, (0, 5, 10), strict=True):
        written = cv2.imread(str(film / "out" / "images" / name))
        assert np.abs(written.astype(int) - frames[number]).max() <= 4

    (place,) = (path for path in (film / "out").iterdir() if path.name != "images")
    annotations = read_annotations(place, predictions=True)
    assert [each.name for each in annotations] == names
    assert [each.boxes.round(6).tolist() for each in annotations] == [[FACE["box"]], [], [FACE["box"]]]
    if kind == "coco":
        faces = json.loads(place.read_text())["annotations"]
        assert [face["score"] for face in faces] == [0.97, 0.97]
        assert annotations[0].landmarks[0].tolist() == FACE["landmarks"]


def test_a_corrected_draft_becomes_a_dataset_with_a_film_in_one_split(convert, film):
    make_film(film / "second.mp4")
    write_files(film, {"found/second.jsonl": lines_of(range(0, 12, 4)), "found/detections.jsonl": ""})
    videos = (film / "film.mp4", film / "second.mp4")
    outcome = convert(film / "found", film / "drafts", "--video", *videos, "--frames", 2, "--to", "coco")
    assert "coco: 9 images (0 background), 9 faces" in outcome.out
    content = json.loads((film / "drafts" / "annotations.json").read_text())
    for face in content["annotations"]:
        del face["score"]
    (film / "drafts" / "corrected.json").write_text(json.dumps(content))
    split = ("--split", "train=0.5", "val=0.5", "--by_prefix", "--images", film / "drafts" / "images")
    outcome = convert(film / "drafts" / "corrected.json", film / "data", *split)
    assert outcome.status == 0, outcome.err
    for part in ("train", "val"):
        assert len({path.name[:4] for path in (film / "data" / part / "images").iterdir()}) == 1


def test_frames_keep_only_faces_and_images_that_are_asked_for(convert, film):
    second = {**FACE, "score": 0.6}
    (film / "found" / "film.jsonl").write_text(lines_of(range(12), faces=(FACE, second)))
    flags = ("--video", film / "film.mp4", "--frames", 3, "--min_score", 0.7, "--faces_only")
    outcome = convert(film / "found" / "film.jsonl", film / "out", *flags)
    assert (film / "out" / "label.txt").read_text().count("# film_") == 2
    assert len(list((film / "out" / "images").iterdir())) == 2
    assert "dropped: 2 of 4 faces with a score below 0.7 (--min_score)" in outcome.out


def test_only_frames_that_were_detected_are_written(convert, film):
    lines = lines_of(range(0, 9, 3))
    (film / "found" / "film.part.jsonl").write_text(lines + lines[:20])
    flags = ("--video", film / "film.mp4", "--frames", 2)
    outcome = convert(film / "found" / "film.part.jsonl", film / "every 2", *flags)
    assert "detected 3 frames apart, so the images are 6 frames apart, not 2" in outcome.out
    flags = ("--video", film / "film.mp4", "--frames", 1)
    outcome = convert(film / "found" / "film.part.jsonl", film / "out", *flags)
    assert "the last line is incomplete" in outcome.out
    assert sorted(path.stem for path in (film / "out" / "images").iterdir()) == [f"film_{i:06}" for i in (0, 3, 6)]


def test_frames_of_pixels_that_are_not_square_are_written_as_players_show_them(convert, film):
    make_film(film / "wide.mp4", 2, Fraction(3, 2))
    write_files(film, {"found/wide.jsonl": lines_of(range(2))})
    flags = ("--video", film / "wide.mp4", "--frames", 2)
    outcome = convert(film / "found" / "wide.jsonl", film / "out", *flags)
    assert cv2.imread(str(film / "out" / "images" / "wide_000000.jpg")).shape == (96, 192, 3)
    assert read_annotations(film / "out")[0].boxes.tolist() == [[15.75, 15, 37.875, 36]]
    assert "its pixels are not square" in outcome.out


def test_lines_of_another_version_of_the_video_are_noticed(convert, film):
    far = {**FACE, "box": [500, 15, 520, 36]}
    (film / "found" / "film.jsonl").write_text(lines_of(range(0, 30, 2), rate=25, faces=(far,)))
    outcome = convert(film / "found" / "film.jsonl", film / "out", "--video", film / "film.mp4", "--frames", 4)
    assert outcome.status == 0
    for words in (
        "it ends before 5 detected frames",
        "3 faces lie outside of its frames",
        "2 frames have other times than recorded (frame 4: 0.40 s, recorded 0.16 s)",
        "another version of the video?",
    ):
        assert words in outcome.out


def test_a_full_disk_is_one_line_and_leaves_nothing(convert, film, monkeypatch):
    written = []

    def fill(path, image):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(video_frames, "write_image", fill)
    before = sorted(film.rglob("*"))
    flags = ("--video", film / "film.mp4", "--frames", 1)
    convert(film / "found" / "film.jsonl", film / "out", *flags).refuses(film / "out", "No space left on device")
    assert sorted(film.rglob("*")) == before


@pytest.mark.parametrize(
    ("source", "flags", "expected"),
    [
        ("found/film.jsonl", ["--frames", "5"], "--frames and --video go together"),
        ("found/film.jsonl", ["--video", "film.mp4"], "--frames and --video go together"),
        ("found/film.jsonl", ["--video", "no.mp4", "--frames", "5"], "no.mp4: no such video"),
        ("found/film.jsonl", ["--video", "film.mp4", "film.mp4", "--frames", "5"], "detections of one video, but"),
        ("found/film.jsonl", ["--video", "film.mp4", "--frames", "5", "--to", "list"], "--to list: has no faces"),
        ("found/film.jsonl", ["--video", "film.mp4", "--frames", "5", "--split", "train=1"], "--split: does nothing"),
        ("found/images.jsonl", ["--video", "film.mp4", "--frames", "5"], "has images and no frames of a video"),
        ("found/odd.jsonl", ["--video", "film.mp4", "--frames", "2"], "has none of every 2 frames"),
        ("found/odd.jsonl", ["--video", "film.mp4", "--frames", "3", "--faces_only"], "has no faces in every 3 frames"),
        ("found", ["--video", "film.mp4", "other/film.mp4", "--frames", "5"], "have the same name"),
        ("found", ["--video", "unknown.mp4", "--frames", "5"], "expected one file unknown.jsonl"),
        (
            "film.jsonl",
            ["--video", "film.mp4", "--frames", "5"],
            "where detect.py writes the video with its drawn boxes",
        ),
        ("found/film.jsonl", ["--video", "unknown.mp4", "--frames", "5"], "is not a video"),
    ],
)
def test_mistakes_are_named(convert, film, monkeypatch, source, flags, expected):
    write_files(
        film,
        {
            "film.jsonl": lines_of(range(12)),
            "found/odd.jsonl": lines_of(range(1, 12, 2)),
            "found/images.jsonl": json.dumps({"picture": "a.jpg", "faces": []}) + "\n",
            "unknown.mp4": "text",
            "other/film.mp4": "text",
        },
    )
    flags = [film / flag if flag.endswith(".mp4") else flag for flag in flags]
    convert(film / source, film / "out", *flags).refuses(expected)
    assert not (film / "out").exists()

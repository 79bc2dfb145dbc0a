"""detect.py and val_tvface.py with images of rare kinds: what is read, and what is said of it."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.detect.video import Video
from tests.helpers.detections import assert_faces, lines
from tests.helpers.image_files import damaged_jpeg, frames, saved, scene
from utils.files import read_image


def test_an_image_that_is_read_when_named_is_read_in_a_folder(detect, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    kinds = {"a.jfif": "JPEG", "b.JPE": "JPEG", "c.jp2": "JPEG2000", "d.ppm": "PPM", "e.tga": "TGA", "f.dib": "BMP"}
    for name, kind in kinds.items():
        (folder / name).write_bytes(saved(scene(), kind))
    outcome = detect(folder)
    assert (outcome.status, outcome.err) == (0, "")
    records = lines(tmp_path / "out" / "detections.jsonl")
    assert [Path(record["picture"]).name for record in records] == list(kinds)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"a.jfif.png", "e.tga.png"}


def test_what_is_passed_over_in_a_folder_is_counted(detect, tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    jpeg = saved(scene(), "JPEG")
    for name in ("a.jpg", "sub/b", "c.jpg_large", "d.heic", "sub/e.HEIC", "notes.txt", "list.json"):
        (folder / name).write_bytes(jpeg)
    (folder / "f.zip").write_bytes(b"PK\x03\x04")
    outcome = detect(folder)
    assert outcome.status == 0 and len(lines(tmp_path / "out" / "detections.jsonl")) == 1
    assert f"{folder}: 4 image files are passed over for the suffix (2 .heic, " in outcome.err
    assert "1 without suffix" in outcome.err and "1 .jpg_large" in outcome.err
    (folder / "a.jpg").unlink()
    detect(folder).refuses("no images and no videos there", "4 image files are passed over")


def test_damage_is_named_and_the_rest_is_detected(detect, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "bad.jpg").write_bytes(damaged_jpeg(scene()))
    (folder / "good.jpg").write_bytes(saved(scene(), "JPEG"))
    outcome = detect(folder)
    assert outcome.status == 0 and len(lines(tmp_path / "out" / "detections.jsonl")) == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"warning: 1 image is damaged and decoded as far as possible: {folder / 'bad.jpg'} (Corrupt")


def test_val_tvface_names_damage_and_first_frames(script, random_weights, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / "bad.jpg").write_bytes(damaged_jpeg(scene()))
    (images / "two.gif").write_bytes(frames("GIF", 2))
    (images / "deep.png").write_bytes(cv2.imencode(".png", scene().astype(np.uint16) * 16)[1])
    (tmp_path / "list.txt").write_text("bad.jpg\ntwo.gif\ndeep.png\n")
    flags = ("-m", random_weights["mobile0.25"], "--cpu", "--dataset_folder", images, "--save_folder", tmp_path / "out")
    outcome = script("val_tvface.py", *flags, "--list_file", tmp_path / "list.txt")
    assert outcome.status == 0 and {path.stem for path in (tmp_path / "out").glob("*.txt")} == {"bad", "two", "deep"}
    said = [line.split(":")[1] for line in outcome.err.splitlines() if line.startswith("warning: ")]
    assert said == [
        " 1 image is damaged and decoded as far as possible",
        " 1 image is scaled to the bits in use",
        " 1 image is read in the first frame or page only",
    ]


@pytest.mark.parametrize(("name", "kind"), [("a.gif", "GIF"), ("a.webp", "WEBP"), ("a.png", "PNG")])
def test_an_animated_image_is_detected_frame_by_frame(detect, detector, tmp_path, name, kind):
    (tmp_path / name).write_bytes(
        frames(kind, 3, duration=[200, 400, 200], **({"lossless": True} if kind == "WEBP" else {}))
    )
    outcome = detect(tmp_path / name)
    assert (outcome.status, outcome.err) == (0, "")
    records = lines(tmp_path / "out" / f"{name}.jsonl")
    assert [(record["frame"], record["time"]) for record in records] == [(0, 0.0), (1, 0.2), (2, 0.6)]
    if kind != "GIF":  # of 256 colors
        for number, record in enumerate(records):
            assert_faces(record["faces"], scene(number), detector)
    written = list(Video(tmp_path / "out" / f"{name}.mp4").frames())
    assert [round(frame.time, 2) for frame, _ in written] == [0.0, 0.2, 0.6]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{name}.jsonl", f"{name}.mp4"]


def test_blur_faces_leaves_no_frame_and_no_page_out(detect, tmp_path):
    for name, kind in (("a.gif", "GIF"), ("b.tif", "TIFF")):
        (tmp_path / name).write_bytes(frames(kind, 3))
    outcome = detect(tmp_path / "a.gif", tmp_path / "b.tif", "--blur_faces", "--keep_top_k", 1)
    assert outcome.status == 0 and "faces: 6; images and frames: 6" in outcome.out
    pages = lines(tmp_path / "out" / "detections.jsonl")
    assert [page["page"] for page in pages] == [1, 2, 3]
    for number, page in enumerate(pages):
        drawn = read_image(tmp_path / "out" / f"b.tif_page{number + 1:03}.tif")
        x1, y1, x2, y2 = (round(max(0, side)) for side in page["faces"][0]["box"])
        assert (drawn != scene(number))[y1:y2, x1:x2].any()
    assert len(list(Video(tmp_path / "out" / "a.gif.mp4").frames())) == 3


def test_an_animated_image_that_breaks_off_is_named(detect, tmp_path):
    content = frames("GIF", 3)
    (tmp_path / "a.gif").write_bytes(content[: int(len(content) * 0.9)])
    outcome = detect(tmp_path / "a.gif")
    assert outcome.status == 3 and "a.gif: only 2 of 3 frames can be decoded" in outcome.err
    assert len(lines(tmp_path / "out" / "a.gif.jsonl")) == 2


def test_pipes_and_odd_folders_do_not_stop_a_run(detect, tmp_path):
    (tmp_path / "in" / "folder.jpg").mkdir(parents=True)
    (tmp_path / "in" / "folder.jpg" / "a.jpg").write_bytes(saved(scene(), "JPEG"))
    (tmp_path / "in" / "empty.jpg").touch()
    for name in ("pipe.jpg", "pipe.mp4", "recording.ts", "pipe"):
        os.mkfifo(tmp_path / "in" / name)
    outcome = detect(tmp_path / "in")
    assert outcome.status == 3 and len(lines(tmp_path / "out" / "detections.jsonl")) == 1
    for name in ("pipe.jpg", "pipe.mp4", "recording.ts"):
        assert f"{name}: is a pipe or a device" in outcome.err
    assert "empty.jpg: is not an image, it is an empty file of 0 bytes" in outcome.err
    detect(tmp_path / "in" / "pipe.jpg").refuses("pipe.jpg: is a pipe or a device; expected a file")

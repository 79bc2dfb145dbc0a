"""`python -m tools.check` on unusual formats, files and names."""

import json
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.helpers.planted_faults import CHECK, another_view, check, labelled
from tests.helpers.scripts import ROOT


@pytest.mark.parametrize("kind", ["wider", "laboro"])
def test_a_wrong_count_affects_only_one_image(script, tmp_path, kind):
    row = "10 20 30 40 0 0 0 0 0 0" if kind == "wider" else "10, 20, 30, 40, 0, 0, 0, 0"
    images = dict.fromkeys(("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"), (200, 300))
    names = [name if kind == "wider" else name[:1] for name in images]
    a, b, c, d, e = names
    text = f"{a}\n3\n{row}\n{row}\n{b}\n1\n{row}\n{row}\n{c}\n1\n{row[:-1]}x\n{d}\n0\n{e}\n2\n{row}\n"
    label = labelled(tmp_path, text, images)
    report, _ = check(script, label)
    where = [int(one["where"].rpartition(":")[2]) for one in report["findings"] if one["kind"] == "row"]
    assert where == [5, 8, 11, 17]  # the third face of a, the second of b, that of c, the second of e
    part = next(iter(report["parts"].values()))
    assert (part["records"], part["faces"], part["records_without_faces"]) == (5, 4, 2)


def test_all_voc_and_yolo_files_are_read(script, tmp_path):
    labelled(tmp_path / "voc", "-", {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    (tmp_path / "voc" / "label.txt").unlink()
    box = "<bndbox><xmin>{}</xmin><ymin>5</ymin><xmax>40</xmax><ymax>50</ymax></bndbox>"
    one = f"<annotation><object><name>face</name>{box.format(90)}</object></annotation>"
    (tmp_path / "voc" / "a.xml").write_text(one)
    (tmp_path / "voc" / "b.xml").write_text("<annotation>")
    report, _ = check(script, tmp_path / "voc")
    assert [one["where"] for one in report["findings"] if one["kind"] == "row"] == [
        str(tmp_path / "voc" / "b.xml"),
        str(tmp_path / "voc" / "a.xml"),
    ]

    labelled(tmp_path / "yolo", "-", {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    (tmp_path / "yolo" / "label.txt").unlink()
    labels = tmp_path / "yolo" / "labels"
    labels.mkdir()
    (labels / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n0 0.5 0.5 20 0.2\n0 1 2\n")
    (labels / "c.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "yolo" / "images" / "b.jpg").write_bytes(b"")
    report, _ = check(script, tmp_path / "yolo")
    found = [one["where"] for one in report["findings"] if one["kind"] == "row"]
    assert {f"{labels}/a.txt:2", f"{labels}/a.txt:3", f"{labels}/c.txt"} <= set(found)
    assert [one["kind"] for one in report["findings"] if "b.jpg" in one["where"]].count("unreadable") == 1


def test_a_list_without_labels_is_checked(script, tmp_path):
    label = labelled(tmp_path / "val", "-", {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    label.unlink()
    (tmp_path / "val" / "tvval_list.txt").write_text("a.jpg\r\n\r\nb.jpg\r\nc.jpg\r\na.jpg\r\n")
    report, _ = check(script, tmp_path)
    found = [(one["kind"], one["where"].rpartition(":")[2]) for one in report["findings"]]
    assert found == [("missing", "4"), ("repeated", "5")]


def test_unusual_spelling_is_accepted(script, tmp_path):
    """A byte-order mark, Windows' line ends, commas, tabs, floats, Japanese names and no end of the last line."""
    text = "\ufeff# ニュース/一.jpg\r\n10, 10, 40.5, 50\r\n# b.jpg\r\n10\t10\t40\t50"
    label = labelled(tmp_path, text, {"ニュース/一.jpg": (200, 300), "b.jpg": (200, 300)})
    report, status = check(script, label)
    assert status == 0 and report["findings"] == []
    assert next(iter(report["parts"].values()))["faces"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such dataset"),
        (["empty"], "has no images/"),
        (["other/label.txt"], "none of its 1 images is in"),
        (["none/label.txt"], "no such folder of images"),
        (["good/label.txt", "--images", "nowhere"], "no such folder of images"),
        (["good", "good/label.txt"], "is named twice"),
        (["good/label.txt", "good/nothing.json"], "nothing.json: has no images"),
    ],
)
def test_datasets_that_cannot_be_checked_are_refused(script, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    labelled(tmp_path / "other", "# x.jpg\n1 2 3 4\n", {"a.jpg": (64, 64)})
    labelled(tmp_path / "good", "# a.jpg\n1 2 3 4\n", {"a.jpg": (64, 64)})
    (tmp_path / "good" / "nothing.json").write_text('{"images": [], "annotations": [], "categories": []}')
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "label.txt").write_text("# a.jpg\n")
    paths = [one if one.startswith("-") else tmp_path / one for one in arguments]
    script(CHECK, *paths).refuses(said, tmp_path)


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "TIFF"])
def test_images_rotated_by_exif_are_reported(script, tmp_path, kind):
    """MPO is the JPEG of many phones, with further images behind the first."""
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    label = labelled(tmp_path, "# turned.jpg\n10 10 20 20\n# plain.jpg\n30 10 20 20\n", {"plain.jpg": (90, 120)})
    image = Image.fromarray(np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8))
    further = {"save_all": True, "append_images": [image]} if kind == "MPO" else {}
    image.save(tmp_path / "images" / "turned.jpg", kind, exif=exif, **further)
    report, _ = check(script, label)
    (found,) = [one for one in report["findings"] if one["kind"] == "rotated"]
    assert found["where"].endswith("turned.jpg") and "EXIF orientation 6" in found["message"]


def test_yolo_classes_may_be_beside_the_labels(script, tmp_path):
    labelled(tmp_path, "-", {"a.png": (100, 200)}).unlink()
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.3 0.3 0.2 0.4\n1 0.7 0.7 0.2 0.4\n")
    for path in (tmp_path, tmp_path / "labels"):
        for names, faces in (("person\nface\n", 2), ("face\nperson\n", 1)):
            (tmp_path / "classes.txt").write_text(names)
            report, status = check(script, path)
            assert status == 0 and next(iter(report["parts"].values()))["faces"] == faces


BAD = "0 0.5 0.5 0 0.2\n0 0.5 0.5 0.2 0.2\n"


@pytest.mark.parametrize(
    ("labels", "images"),
    [
        ("labels/train", "images/train"),
        ("labels/train.v1", "images/train.v1"),
        ("set", "set/images"),
        ("set", "set"),
        ("set/labels", "set/images"),
    ],
)
def test_a_fixed_folder_finds_the_images_of_its_original(script, tmp_path, labels, images):
    labelled(tmp_path / "drawn", "-", {"a.png": (100, 200)})
    (tmp_path / images).mkdir(parents=True)
    (tmp_path / "drawn" / "images" / "a.png").rename(tmp_path / images / "a.png")
    (tmp_path / labels).mkdir(parents=True, exist_ok=True)
    (tmp_path / labels / "a.txt").write_text(BAD)
    (tmp_path / labels).with_name("day_list.txt").write_text("a.png\ngone.png\n")
    assert script(CHECK, tmp_path / labels, "--fix").status == 1
    report, status = check(script, tmp_path / f"{labels}_fixed")
    assert status == 0 and report["findings"] == []
    (part,) = report["parts"].values()
    assert (part["pictures"], part["faces"]) == (1, 1)


def test_labels_x_prefers_images_x_to_images_beside_it(script, tmp_path):
    labelled(tmp_path, "-", {"train/a.png": (100, 200)}).unlink()
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "images").mkdir()
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    report, status = check(script, tmp_path / "labels" / "train")
    assert status == 0 and report["findings"] == []


def test_flat_images_are_not_copies(script, tmp_path):
    label = labelled(tmp_path, "# a.png\n# b.png\n", {})
    for name, gray in (("a.png", 60), ("b.png", 62)):
        cv2.imwrite(str(tmp_path / "images" / name), np.full((100, 100, 3), gray, np.uint8))
    report, _ = check(script, label)
    assert report["findings"] == []


def test_pipes_devices_and_huge_images_are_reported(script, tmp_path):
    text = "".join(f"# {name}\n" for name in ("good.jpg", "pipe.jpg", "endless.jpg", "huge.png", "zeros.jpg"))
    label = labelled(tmp_path, text, {"good.jpg": (64, 64)})
    images = tmp_path / "images"
    os.mkfifo(images / "pipe.jpg")
    (images / "endless.jpg").symlink_to("/dev/zero")
    with open(images / "zeros.jpg", "wb") as file:
        file.truncate(5 << 30)
    header = b"\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(header[4:]))
    (images / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + crc + b"\0\0\0\0IEND\xaeB`\x82")
    report, status = check(script, label)
    said = {Path(one["where"]).name: one["message"] for one in report["findings"] if one["kind"] == "unreadable"}
    assert status == 1 and len(report["findings"]) == 4
    assert "pipe or a device" in said["pipe.jpg"] and "pipe or a device" in said["endless.jpg"]
    assert "5,368,709,120 bytes" in said["zeros.jpg"] and "40000 x 40000 pixels" in said["huge.png"]


def test_impossible_file_names_are_reported(script, tmp_path):
    label = labelled(tmp_path, f"# a.jpg\n# {'n' * 300}.jpg\n# sub/../a.jpg\n", {"a.jpg": (64, 64)})
    report, _ = check(script, label)
    found = [(one["kind"], one["where"]) for one in report["findings"]]
    assert found == [("missing", f"{label}:2"), ("name", f"{label}:3")]


def test_formats_that_only_opencv_knows_are_read(script, tmp_path):
    label = labelled(tmp_path, "# a.jpg\n10 10 20 20\n", {})
    (tmp_path / "images" / "a.jpg").write_bytes(cv2.imencode(".ppm", another_view(1))[1])
    report, status = check(script, label)
    assert status == 0 and report["findings"] == []
    assert next(iter(report["parts"].values()))["quantiles"]["width"][0] == 640


@pytest.mark.parametrize("images", [{"a.jpg": (64, 64)}, {}])
def test_a_file_without_a_good_line_is_reported_line_by_line(script, tmp_path, images):
    label = labelled(tmp_path, "#\n1 2 3\n#\n", images)
    (tmp_path / "tvval_list.txt").write_bytes(b"\xff\xfe\0")
    report, status = check(script, label)
    assert status == 1
    where = [one["where"] for one in report["findings"] if one["kind"] == "row"]
    assert where == [f"{label}:1", f"{label}:2", f"{label}:3", str(tmp_path / "tvval_list.txt")]


def test_workers_end_when_the_main_process_is_killed():
    program = (
        "import multiprocessing, os, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from tools.check.image_checks import _start_worker\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(2, multiprocessing.get_context('spawn'), _start_worker) as pool:\n"
        "        print(*pool.map(time.sleep, [0, 0]), *pool._processes, flush=True)\n"
        "        time.sleep(60)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    workers = [int(word) for word in run.stdout.readline().split() if word != "None"]
    assert len(workers) == 2
    run.kill()
    run.wait()
    until = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until, "the processes are still there"
        time.sleep(0.05)


def test_json_is_valid_on_an_ascii_terminal(tmp_path):
    label = labelled(tmp_path, "# a.jpg\n10 10 0 20\n", {"a.jpg": (64, 64), "é日.jpg": (64, 64)})
    command = [sys.executable, CHECK, label, "--json", "--num_workers", "1"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    assert run.returncode == 1, run.stderr
    unlisted = next(one for one in json.loads(run.stdout)["findings"] if one["kind"] == "unlisted")
    assert unlisted["where"] == str(tmp_path / "images" / "é日.jpg")


def test_labels_and_images_with_a_folder_for_each_split_are_checked_as_splits(script, tmp_path):
    labelled(tmp_path, "-", {"train/a.png": (100, 200), "val/b.png": (90, 120)}).unlink()
    for split, name in (("train", "a"), ("val", "b")):
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    report, status = check(script, tmp_path)
    assert status == 0, report["findings"]
    assert {name: (part["pictures"], part["faces"]) for name, part in report["parts"].items()} == {
        "train": (1, 1),
        "val": (1, 1),
    }


def test_tables_that_are_called_like_splits_are_checked_as_splits(script, tmp_path):
    labelled(tmp_path, "-", {"a.png": (100, 200), "b.png": (90, 120)}).unlink()
    for split, name in (("train", "a"), ("test", "b")):
        row = f"{name}.png,200,100,face,10,20,40,60" if name == "a" else f"{name}.png,120,90,face,10,20,40,60"
        (tmp_path / f"{split}_list.txt").write_text(f"{name}.png\n")
        (tmp_path / f"{split}_labels.csv").write_text(f"filename,width,height,class,xmin,ymin,xmax,ymax\n{row}\n")
    report, _ = check(script, tmp_path)
    assert report["findings"] == []  # though each image is in one table only
    assert {name: (part["pictures"], part["faces"]) for name, part in report["parts"].items()} == {
        "train": (1, 1),
        "test": (1, 1),
    }
    another = cv2.resize(another_view(2), (100, 100))
    cv2.imwrite(str(tmp_path / "images" / "c.png"), another)
    report, _ = check(script, tmp_path)
    assert {(one["kind"], one["where"]) for one in report["findings"]} == {
        ("unlisted", str(tmp_path / "images" / "c.png"))
    }


@pytest.mark.parametrize(
    ("folder", "suffix", "content"),
    [
        (
            "annotations",
            ".xml",
            "<annotation><filename>{}.png</filename><object><name>face</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>40</xmax>"
            "<ymax>60</ymax></bndbox></object></annotation>",
        ),
        ("labels", ".txt", "0 0.5 0.5 0.2 0.2\n"),
    ],
)
def test_a_file_per_image_that_is_called_like_a_split_is_no_split(script, tmp_path, folder, suffix, content):
    names = ("train_0001", "test_0001", "val_0003")
    sizes = {f"{name}.png": (100 + 9 * i, 200) for i, name in enumerate(names)}
    labelled(tmp_path, "-", sizes).unlink()
    (tmp_path / folder).mkdir()
    for name in names:
        (tmp_path / folder / f"{name}{suffix}").write_text(content.format(name))
    report, status = check(script, tmp_path)
    assert status == 0 and report["findings"] == []
    assert [part["faces"] for part in report["parts"].values()] == [3]

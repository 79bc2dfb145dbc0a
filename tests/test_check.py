"""`python -m data.check`: it finds what is planted, nothing else, and cleans without touching what is there."""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ROOT

from data.annotations import KINDS, read_annotations
from data.sample.files import make_sample
from utils.files import read_image

CHECK = "data/check/__main__.py"


class Planter:
    """A copy of a dataset in TV Face's layout, and the faults that were planted in it.

    Each fault takes a picture of its own, and notes the kind of finding and a part of its place that it must have.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.expected = []
        self.lines = {split: (self.label(split)).read_text().splitlines() for split in ("train", "val", "test")}
        names = [line[2:] for line in self.lines["train"] if line.startswith("#")]
        # Pictures with a face that is large enough to be moved by a pixel, and that no other picture is a copy of.
        self.fresh = iter([name for name in names if max(map(min, self.sizes(name))) >= 24])

    def label(self, split: str) -> Path:
        return self.folder / split / ("label.txt" if split == "train" else f"tv{split}_label.txt")

    def image(self, name: str, split: str = "train") -> Path:
        return self.folder / split / "images" / name

    def rows(self, name: str, split: str = "train") -> list[int]:
        """The indices of the lines of a picture's faces."""
        lines = self.lines[split]
        first = lines.index(f"# {name}") + 1
        last = next((i for i in range(first, len(lines)) if lines[i].startswith("#")), len(lines))
        return list(range(first, last))

    def sizes(self, name: str) -> list[tuple[int, int]]:
        return [tuple(map(int, self.lines["train"][i].split()[2:])) for i in self.rows(name)]

    def expect(self, kind: str, *parts: str) -> None:
        self.expected.append((kind, parts))

    def picture(self, kind: str, spoil: Callable[[Path], None]) -> None:
        name = next(self.fresh)
        spoil(self.image(name))
        self.expect(kind, name)

    def row(self, kind: str, change: Callable[[list[int], int, int], str], *said: str) -> None:
        """Replace the row of a picture's largest face; change(x y w h, picture's width, its height) -> new row."""
        name = next(self.fresh)
        height, width = read_image(self.image(name)).shape[:2]
        row = max(self.rows(name), key=lambda i: np.prod([int(v) for v in self.lines["train"][i].split()[2:]]))
        old = [int(value) for value in self.lines["train"][row].split()]
        self.lines["train"][row] = change(old, width, height)
        self.expect(kind, ("label.txt", row), *said)

    def added_row(self, kind: str, change: Callable[[list[int]], list[int]]) -> None:
        """Add a row behind that of a picture's largest face."""
        name = next(self.fresh)
        row = max(self.rows(name), key=lambda i: np.prod([int(v) for v in self.lines["train"][i].split()[2:]]))
        new = change([int(value) for value in self.lines["train"][row].split()])
        self.insert("train", row + 1, " ".join(map(str, new)))
        self.expect(kind, ("label.txt", row + 1))

    def insert(self, split: str, at: int, *lines: str) -> None:
        """Insert lines, and move the expected places behind them."""
        self.lines[split][at:at] = lines
        if split == "train":
            moved = []
            for kind, parts in self.expected:
                parts = tuple(
                    (part[0], part[1] + len(lines) * (part[1] >= at)) if isinstance(part, tuple) else part
                    for part in parts
                )
                moved.append((kind, parts))
            self.expected = moved

    def copied(self, kind: str, split: str, change: Callable[[np.ndarray], np.ndarray] | None, quality=95) -> None:
        """Put a copy of a training picture into a split under another name, with a label."""
        name = next(self.fresh)
        new = f"copy_{len(self.expected)}.jpg"
        if change is None:
            shutil.copy(self.image(name), self.image(new, split))
        else:
            image = change(read_image(self.image(name)))
            cv2.imwrite(str(self.image(new, split)), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        self.insert(split, len(self.lines[split]), f"# {new}")
        if split != "train":
            with open(self.folder / split / f"tv{split}_list.txt", "a") as file:
                file.write(f"{new}\n")
        self.expect(kind, new, name)

    def write(self) -> None:
        for split, lines in self.lines.items():
            self.label(split).write_text("\n".join(lines) + "\n")


def spoil(content: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content(path.read_bytes()))


def turn(path: Path) -> None:
    """Give a JPEG the EXIF tag of a camera that was held upright."""
    tag = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    jpeg = path.read_bytes()
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(tag) + 2).to_bytes(2, "big") + tag + jpeg[2:])


def another_view(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC)


def plant(folder: Path) -> Planter:
    """Plant more than forty faults."""
    planter = Planter(folder)
    lines = planter.lines

    planter.picture("unreadable", spoil(lambda content: b""))
    planter.picture("unreadable", spoil(lambda content: content[: len(content) // 2]))
    planter.picture("unreadable", spoil(lambda content: content[:20]))
    planter.picture("unreadable", spoil(lambda content: b"<html>404 Not Found</html>"))
    planter.picture("unreadable", lambda path: path.write_bytes(cv2.imencode(".png", read_image(path))[1][:900]))
    middle = 0.4  # of the file, where there are nothing but coefficients
    planter.picture(
        "unreadable",
        spoil(lambda it: it[: int(middle * len(it))] + bytes(1500) + it[int(middle * len(it)) + 1500 :]),
    )
    planter.picture("unreadable", spoil(lambda content: content[: len(content) // 2] + b"\xff\xd9"))
    planter.picture("damaged", spoil(lambda content: content[:-2] + b"\0\1\2\3" * 10 + content[-2:]))
    planter.picture("rotated", turn)
    planter.picture("missing", Path.unlink)
    planter.picture("missing", lambda path: (path.unlink(), path.mkdir()))

    planter.row("row", lambda box, width, height: "12 30 14", "'12 30 14'", "expected 'x y w h'")
    planter.row("row", lambda box, width, height: "10 20 thirty 40", "'10 20 thirty 40'")
    planter.row("row", lambda box, width, height: "10 20 30 40 1", "'10 20 30 40 1'")
    planter.row("row", lambda box, width, height: "10 20 nan 40", "nan")
    planter.row("row", lambda box, width, height: "10 20 3O 40", "3O")
    planter.row("row", lambda box, width, height: "50 20 -30 40", "cannot be negative")
    planter.row("row", lambda box, width, height: "50 20 30 -40", "cannot be negative")
    planter.row("row", lambda box, width, height: "10 1e12 30 40", "1e9")
    planter.row("row", lambda box, width, height: "news/0001.jpg", "news/0001.jpg")
    planter.row("empty", lambda box, width, height: f"{box[0]} {box[1]} 0 {box[3]}")
    planter.row("empty", lambda box, width, height: f"{box[0]} {box[1]} {box[2]} 0")
    planter.row("empty", lambda box, width, height: "0 0 0 0")
    planter.row("outside", lambda box, width, height: f"{width + 20} 10 30 40")
    planter.row("outside", lambda box, width, height: f"10 {height + 5} 30 40")
    planter.row("outside", lambda box, width, height: "-80 10 30 40")
    planter.row("beyond", lambda box, width, height: f"{width - 20} {box[1]} 30 {box[3]}", "by 10 px")
    planter.row("beyond", lambda box, width, height: f"{box[0]} {height - 20} {box[2]} 35", "by 15 px")
    planter.row("beyond", lambda box, width, height: f"-7 {box[1]} 30 {box[3]}", "by 7 px")
    planter.row("beyond", lambda box, width, height: f"{box[0]} -5.5 {box[2]} 30", "by 5.5 px")
    planter.added_row("double", lambda box: box)
    planter.added_row("double", lambda box: [box[0], box[1] + 1, box[2], box[3]])
    planter.added_row("double", lambda box: [box[0], box[1], box[2] + 1, box[3]])

    name = next(planter.fresh)
    end = len(lines["train"])
    planter.insert("train", end, f"# {name}", "1 2 3 4")
    planter.expect("repeated", ("label.txt", end), name)
    name = next(planter.fresh)
    end = len(lines["train"])
    planter.insert("train", end, f"# ./{name}")
    planter.expect("repeated", ("label.txt", end), name)
    end = len(lines["train"])
    planter.insert("train", end, "# ../val/images/a.jpg", "5 5 20 20")
    planter.expect("name", ("label.txt", end), "inside")
    end = len(lines["train"])
    planter.insert("train", end, "# nobody/has_it.jpg", "5 5 20 20")
    planter.expect("missing", ("label.txt", end), "has_it.jpg")
    end = len(lines["train"])
    planter.insert("train", end, "#", "5 5 20 20")
    planter.expect("row", ("label.txt", end), "'#' alone")
    planter.expect("row", ("label.txt", end + 1), "before the name of its picture")

    cv2.imwrite(str(planter.image("forgotten.jpg")), another_view(0))
    planter.expect("unlisted", "forgotten.jpg")
    cv2.imwrite(str(planter.image("tiny.png")), another_view(1)[:10, :12])
    planter.insert("train", len(lines["train"]), "# tiny.png")
    planter.expect("size", "tiny.png", "12 x 10")

    cv2.imwrite(str(planter.image("only_labelled.jpg", "val")), another_view(2))
    planter.insert("val", len(lines["val"]), "# only_labelled.jpg")
    planter.expect("list", "tvval_label.txt", "only_labelled.jpg")
    test_list = folder / "test" / "tvtest_list.txt"
    first = test_list.read_text().splitlines()[0]
    test_list.write_text(test_list.read_text() + f"only_listed.jpg\n{first}\n")
    planter.expect("list", "tvtest_list.txt", "only_listed.jpg")
    planter.expect("repeated", "tvtest_list.txt", first)

    planter.copied("leak", "val", None)
    planter.copied("near leak", "test", lambda image: image, quality=40)
    planter.copied("near leak", "val", lambda image: cv2.resize(image, None, fx=0.5, fy=0.5))
    planter.copied("near leak", "test", lambda image: np.clip(image * 1.1 + 8, 0, 255).astype(np.uint8))
    planter.copied("copy", "train", None)
    planter.copied("near copy", "train", lambda image: image, quality=50)

    # What ends early: a file that was being written.
    end = len(lines["train"])
    planter.insert("train", end, "12 3")
    planter.expect("row", ("label.txt", end), "'12 3'")
    planter.write()
    return planter


def check(script, *arguments) -> tuple[dict, int]:
    outcome = script(CHECK, *arguments, "--json", "--num_workers", 2)
    assert outcome.status in (0, 1), outcome.err
    return json.loads(outcome.out), outcome.status


def findings(report: dict) -> set[tuple[str, str]]:
    return {(found["kind"], f"{found['where']}: {found['message']}") for found in report["findings"]}


def assert_found(planter: Planter, before: set, after: set) -> None:
    """Assert that of each planted fault there is one finding, and no other finding is new."""
    new = sorted(after - before)
    for kind, parts in planter.expected:
        parts = [f"{part[0]}:{part[1] + 1}: " if isinstance(part, tuple) else part for part in parts]
        found = [one for one in new if one[0] == kind and all(part in one[1] for part in parts)]
        assert found, f"not found: {kind} {parts}"
        new.remove(found[0])
    assert not new


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("check") / "tvface"
    make_sample(folder, {"train": 60, "val": 4, "test": 4}, (640, 360))
    return folder


def test_every_planted_fault_is_found_and_nothing_else(script, sample, tmp_path):
    before, status = check(script, sample)
    assert status == 0 and not [one for one in before["findings"] if one["error"]]
    folder = shutil.copytree(sample, tmp_path / "tvface")
    planter = plant(folder)
    assert len(planter.expected) >= 40
    after, status = check(script, folder)
    assert status == 1
    assert_found(planter, {(kind, words.replace(str(sample), str(folder))) for kind, words in findings(before)},
                 findings(after))  # fmt: skip


def test_faults_in_real_pictures(script, shared, tmp_path):
    """And of the dataset as it is, only what was looked at: the same pictures, some of them recompressed."""
    before, status = check(script, shared / "faces")
    assert status == 1  # since three pictures of val and test are in train, too
    kinds = sorted(one["kind"] for one in before["findings"])
    assert {kind: kinds.count(kind) for kind in kinds} == {"copy": 2, "leak": 3, "near copy": 5, "near leak": 4}
    priors = before["priors"]
    assert priors["part"] == "train" and priors["image_size"] == 640 and priors["faces"] > 1000
    assert 0.98 < priors["shares"][0] <= priors["shares"][1] <= 1 and priors["suggested_min_sizes"] is None
    folder = tmp_path / "faces"
    shutil.copytree(shared / "faces", folder, copy_function=shutil.copyfile)
    planter = plant(folder)
    after, _ = check(script, folder)
    assert_found(planter, {(kind, words.replace(str(shared / "faces"), str(folder)))
                           for kind, words in findings(before)}, findings(after))  # fmt: skip


def labelled(folder: Path, text: str, sizes: dict[str, tuple[int, int]]) -> Path:
    """Write a label file and pictures of (height, width), all different."""
    (folder / "images").mkdir(parents=True)
    for seed, (name, (height, width)) in enumerate(sizes.items()):
        (folder / "images" / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "images" / name), cv2.resize(another_view(seed), (width, height)))
    (folder / "label.txt").write_text(text, encoding="utf-8")
    return folder / "label.txt"


def test_report_for_people(script, tmp_path):
    label = labelled(
        tmp_path / "train", "# a.jpg\n10 10 40 50\n10 10 0 5\n# b.jpg\n", {"a.jpg": (200, 300), "b.jpg": (200, 300)}
    )
    outcome = script(CHECK, label)
    assert outcome.status == 1 and outcome.err == ""
    assert "error: boxes less than a pixel wide or high; expected pixels, not parts" in outcome.out
    assert f" (1)\n  {label}:3: x y w h 10 10 0 5\n" in outcome.out
    counts = next(line for line in outcome.out.splitlines() if line.startswith("train "))
    assert counts.split() == ["train", "2", "17799", "2", "2", "0", "1"]
    sizes = next(line for line in outcome.out.splitlines() if "face size, px" in line)
    assert sizes.split()[-1] == f"{np.sqrt(40 * 50):.4g}"  # that of the only face with a size
    assert outcome.out.splitlines()[-1] == "errors: 1, places to look at: 0"


def test_a_long_list_of_places_is_cut_and_json_has_all(script, tmp_path):
    rows = "".join(f"{10 * i} 5 0 8\n" for i in range(25))
    label = labelled(tmp_path, f"# a.jpg\n{rows}", {"a.jpg": (200, 300)})
    outcome = script(CHECK, label)
    assert "  and 15 more, which --json has" in outcome.out
    report, _ = check(script, label)
    assert [found["where"] for found in report["findings"]] == [f"{label}:{line}" for line in range(2, 27)]


def test_corners_in_place_of_sizes_are_recognised(script, tmp_path):
    rng = np.random.default_rng(0)
    corners = rng.integers(100, 190, (30, 2))
    rows = "".join(f"{x} {y} {x + 60} {y + 70}\n" for x, y in corners)
    label = labelled(tmp_path, f"# a.jpg\n{rows}", {"a.jpg": (270, 260)})
    report, status = check(script, label)
    assert status == 1
    assert [(one["kind"], one["where"]) for one in report["findings"] if one["kind"] != "double"] == [
        ("columns", str(label))
    ]


def test_sizes_that_coco_records_are_compared(script, tmp_path):
    labelled(tmp_path, "-", {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    content = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "height": 300, "width": 200},
            {"id": 2, "file_name": "b.jpg", "height": 200, "width": 300},
            {"id": 2, "file_name": "c.jpg"},
        ],
        "annotations": [
            {"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, "three", 4]},
            {"id": 6, "image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"id": 7, "image_id": 2, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"id": 8, "image_id": 2, "category_id": 1, "bbox": [280, 20, 30, 40]},
        ],
        "categories": [{"id": 1, "name": "face"}],
    }
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    report, status = check(script, path)
    assert status == 1
    found = [(one["kind"], one["where"], one["message"]) for one in report["findings"]]
    assert found == [
        ("row", str(path), "image id 2: is there twice; expected an id of its own for each image"),
        ("row", str(path), 'annotation id 5: found bbox [1, 2, "three", 4]; expected four finite numbers, x y w h'),
        ("row", str(path), "annotation id 6: found image_id 9; expected the id of one of the images"),
        ("size", f"{path}: image id 1", "200 x 300 is recorded, but the picture has 300 x 200"),
        ("beyond", f"{path}: annotation id 8", "x y w h 280 20 30 40 leaves a picture of 300 x 200 by 10 px"),
    ]


@pytest.mark.parametrize("kind", ["wider", "laboro"])
def test_a_wrong_count_costs_one_picture_only(script, tmp_path, kind):
    row = "10 20 30 40 0 0 0 0 0 0" if kind == "wider" else "10, 20, 30, 40, 0, 0, 0, 0"
    pictures = dict.fromkeys(("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"), (200, 300))
    names = [name if kind == "wider" else name[:1] for name in pictures]
    a, b, c, d, e = names
    text = f"{a}\n3\n{row}\n{row}\n{b}\n1\n{row}\n{row}\n{c}\n1\n{row[:-1]}x\n{d}\n0\n{e}\n2\n{row}\n"
    label = labelled(tmp_path, text, pictures)
    report, _ = check(script, label)
    where = [int(one["where"].rpartition(":")[2]) for one in report["findings"] if one["kind"] == "row"]
    assert where == [5, 8, 11, 17]  # the third face of a, the second of b, that of c, the second of e
    part = next(iter(report["parts"].values()))
    assert (part["records"], part["faces"], part["records_without_faces"]) == (5, 4, 2)


def test_voc_and_yolo_files_are_all_read(script, tmp_path):
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
    assert [f"{labels}/a.txt:2", f"{labels}/a.txt:3", f"{labels}/c.txt"] == found[:3]
    assert [one["kind"] for one in report["findings"] if "b.jpg" in one["where"]].count("unreadable") == 1


def test_a_list_alone_is_checked(script, tmp_path):
    label = labelled(tmp_path / "val", "-", {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    label.unlink()
    (tmp_path / "val" / "tvval_list.txt").write_text("a.jpg\r\n\r\nb.jpg\r\nc.jpg\r\na.jpg\r\n")
    report, _ = check(script, tmp_path)
    found = [(one["kind"], one["where"].rpartition(":")[2]) for one in report["findings"]]
    assert found == [("missing", "4"), ("repeated", "5")]


def test_spelling_that_is_no_fault(script, tmp_path):
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
        (["other/label.txt"], "none of its 1 pictures is in"),
        (["none/label.txt"], "no such folder of pictures"),
        (["good/label.txt", "--images", "nowhere"], "no such folder of pictures"),
    ],
)
def test_what_cannot_be_checked(script, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    labelled(tmp_path / "other", "# x.jpg\n1 2 3 4\n", {"a.jpg": (64, 64)})
    labelled(tmp_path / "good", "# a.jpg\n1 2 3 4\n", {"a.jpg": (64, 64)})
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "label.txt").write_text("# a.jpg\n")
    paths = [one if one.startswith("-") else tmp_path / one for one in arguments]
    script(CHECK, *paths).refuses(said, tmp_path)


def test_copies_within_and_between_any_datasets(script, tmp_path):
    first = labelled(tmp_path / "first", "# a.jpg\n", {"a.jpg": (200, 300)})
    second = labelled(tmp_path / "second", "# b.jpg\n# c.jpg\n", {"b.jpg": (200, 300), "c.jpg": (200, 300)})
    shutil.copy(tmp_path / "first" / "images" / "a.jpg", tmp_path / "second" / "images" / "b.jpg")
    report, status = check(script, first, second)
    assert status == 1
    (found,) = report["findings"]
    assert (found["kind"], found["part"]) == ("leak", "second")
    assert "second/images/b.jpg" in found["where"] and "first/images/a.jpg" in found["message"]


def test_flat_pictures_are_no_copies(script, tmp_path):
    label = labelled(tmp_path, "# a.png\n# b.png\n", {})
    for name, grey in (("a.png", 0), ("b.png", 2)):
        cv2.imwrite(str(tmp_path / "images" / name), np.full((100, 100, 3), grey, np.uint8))
    report, _ = check(script, label)
    assert report["findings"] == []


def bytes_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_fix_cleans_a_copy_and_leaves_everything_else(script, sample, tmp_path):
    folder = shutil.copytree(sample, tmp_path / "tvface")
    plant(folder)
    before = bytes_below(folder)
    outcome = script(CHECK, folder, "--fix", "--json")
    assert outcome.status == 1
    fixed = [folder / "train" / "label_fixed.txt", folder / "val" / "tvval_label_fixed.txt",
             folder / "test" / "tvtest_label_fixed.txt"]  # fmt: skip
    lists = [folder / split / f"tv{split}_list_fixed.txt" for split in ("val", "test")]
    assert set(bytes_below(folder)) == {*before, *map(str, fixed), *map(str, lists)}
    assert all(Path(path).read_bytes() == content for path, content in before.items())
    said = outcome.err.splitlines()
    assert [line.split(": ")[0] for line in said] == list(map(str, (fixed[0], fixed[1], lists[0], fixed[2], lists[1])))
    assert "3 faces of less than a pixel, 3 faces outside, 3 faces labelled twice; clipped: 4 faces" in said[0]
    report, _ = check(script, *fixed)
    kinds = {one["kind"] for one in report["findings"]}
    # What people have to decide on is left, and of the files those that the cleaned labels do not name.
    left = ["damaged", "rotated", "unlisted", "size", "near leak", "near copy"]
    assert sorted(kinds) == sorted(left)
    # Nobody who names a folder gets a cleaned copy without asking for it.
    assert len(read_annotations(folder / "val")) == len(read_annotations(folder / "val" / "tvval_label.txt"))


def test_what_fix_writes(script, tmp_path):
    landmarks = "12 15 0 30 15 0 20 25 0 14 40 0 28 40 0 0.9"
    text = (
        f"# a.jpg\n10 10 40.5 50 {landmarks}\n10 10 0 5\n-2 185 20 20\n400 10 5 5\nfour\n# none.jpg\n1 2 3 4\n"
        "# b.jpg\n# ./a.jpg\n10 11 40 50\n100 100 20 30\n"
    )
    label = labelled(tmp_path / "train", text, {"a.jpg": (200, 300), "b.jpg": (200, 300)})
    assert script(CHECK, label, "--fix").status == 1
    a, b = read_annotations(tmp_path / "train" / "label_fixed.txt")
    assert (a.name, b.name) == ("a.jpg", "b.jpg")
    assert a.boxes.tolist() == [[10, 10, 50.5, 60], [0, 185, 18, 200], [100, 100, 120, 130]]
    assert a.landmark_mask.tolist() == [True, False, False] and a.landmarks[0, 4].tolist() == [28, 40]
    assert len(b.boxes) == 0
    script(CHECK, label, "--fix").refuses(tmp_path / "train" / "label_fixed.txt", "exists already")


def test_fix_keeps_what_the_format_holds(script, tmp_path):
    labelled(tmp_path, "-", {"a.jpg": (200, 300)})
    (tmp_path / "label.txt").unlink()
    faces = [
        {"id": 1, "image_id": 4, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 1, "attributes": {"blur": 2}},
        {"id": 2, "image_id": 4, "category_id": 1, "bbox": [10, 20, 0, 40], "iscrowd": 0, "attributes": {"blur": 1}},
        {"id": 3, "image_id": 4, "category_id": 1, "bbox": [90, 20, 20, 40], "iscrowd": 0, "attributes": {"blur": 0}},
    ]
    content = {
        "images": [{"id": 4, "file_name": "a.jpg", "height": 200, "width": 300}],
        "annotations": faces,
        "categories": [{"id": 1, "name": "face"}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content))
    assert script(CHECK, tmp_path / "truth.json", "--fix").status == 1
    (a,) = read_annotations(tmp_path / "truth_fixed.json")
    assert a.identity == 4 and a.size == (200, 300)
    assert a.boxes.tolist() == [[10, 20, 40, 60], [90, 20, 110, 60]]
    assert a.ignored.tolist() == [True, False] and a.attributes["blur"].tolist() == [2, 0]


def test_of_equal_files_that_of_the_later_part_is_kept(script, tmp_path):
    labelled(tmp_path / "train", "# a.jpg\n1 2 30 40\n# b.jpg\n# c.jpg\n",
             {"a.jpg": (200, 300), "b.jpg": (200, 300), "c.jpg": (200, 300)})  # fmt: skip
    labelled(tmp_path / "val", "# d.jpg\n# e.jpg\n", {})
    shutil.copy(tmp_path / "train" / "images" / "b.jpg", tmp_path / "train" / "images" / "a.jpg")
    shutil.copy(tmp_path / "train" / "images" / "c.jpg", tmp_path / "val" / "images" / "d.jpg")
    cv2.imwrite(str(tmp_path / "val" / "images" / "e.jpg"), another_view(7))
    assert script(CHECK, tmp_path, "--fix").status == 1
    assert [one.name for one in read_annotations(tmp_path / "train" / "label_fixed.txt")] == ["a.jpg"]
    assert not (tmp_path / "val" / "label_fixed.txt").exists()  # there is nothing to mend


def test_equal_files_keep_the_labels(script, tmp_path):
    label = labelled(tmp_path, "# a.jpg\n# b.jpg\n1 2 30 40\n", {"a.jpg": (200, 300)})
    shutil.copy(tmp_path / "images" / "a.jpg", tmp_path / "images" / "b.jpg")
    script(CHECK, label, "--fix")
    (kept,) = read_annotations(tmp_path / "label_fixed.txt")
    assert kept.name == "b.jpg" and kept.boxes.tolist() == [[1, 2, 31, 42]]


def test_corners_are_not_mended_as_if_they_were_sizes(script, tmp_path):
    rows = "".join(f"{x} {x} {x + 60} {x + 70}\n" for x in range(100, 190, 3))
    label = labelled(tmp_path, f"# a.jpg\n{rows}", {"a.jpg": (270, 260)})
    outcome = script(CHECK, label, "--fix")
    assert "not written, since boxes are read as x y w h" in outcome.out
    assert not (tmp_path / "label_fixed.txt").exists()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "list"])
def test_every_format_is_checked_and_cleaned_where_convert_puts_it(script, tmp_path, kind):
    names = [f"show/{i}.jpg" for i in range(6)]
    text = "".join(f"# {name}\n10 20 30 40\n{280 if i % 2 else 90} 20 30 40\n" for i, name in enumerate(names))
    label = labelled(tmp_path / "raw", text, dict.fromkeys(names, (200, 300)))
    split = ("--split", "train=0.5", "val=0.5", "--to", kind)
    assert script("data/convert/__main__.py", label, tmp_path / "set", *split).status == 0
    report, status = check(script, tmp_path / "set", "--fix")
    assert status == 0
    assert [one["kind"] for one in report["findings"]] == ["beyond"] * 3
    assert sum(part["faces"] for part in report["parts"].values()) == 12
    written = sorted(path for path in (tmp_path / "set").glob("*/*_fixed*") if "_list_" not in path.name)
    assert len(written) == len({one["part"] for one in report["findings"]}) > 0
    for path in written:
        again, status = check(script, path)
        assert status == 0 and again["findings"] == []


def test_faces_are_compared_across_blocks(script, tmp_path):
    rows = [f"{7 * (i % 80)} {9 * (i // 80)} 6 8" for i in range(1100)]
    label = labelled(tmp_path, "\n".join(["# a.jpg", *rows, rows[0]]), {"a.jpg": (600, 900)})
    report, _ = check(script, label)
    (found,) = report["findings"]
    assert found["kind"] == "double" and found["where"] == f"{label}:1102" and f"{label}:2" in found["message"]


def test_what_would_hang_or_fill_the_memory_is_named(script, tmp_path):
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


def test_names_that_no_file_can_have(script, tmp_path):
    label = labelled(tmp_path, f"# a.jpg\n# {'n' * 300}.jpg\n# sub/../a.jpg\n", {"a.jpg": (64, 64)})
    report, _ = check(script, label)
    found = [(one["kind"], one["where"]) for one in report["findings"]]
    assert found == [("missing", f"{label}:2"), ("name", f"{label}:3")]


def test_kinds_of_pictures_that_only_opencv_knows(script, tmp_path):
    label = labelled(tmp_path, "# a.jpg\n10 10 20 20\n", {})
    (tmp_path / "images" / "a.jpg").write_bytes(cv2.imencode(".ppm", another_view(1))[1])
    report, status = check(script, label)
    assert status == 0 and report["findings"] == []
    assert next(iter(report["parts"].values()))["quantiles"]["width"][0] == 640


def test_ids_without_suffix_fit_a_list_with_them(script, tmp_path):
    text = "1\n1\n10, 20, 30, 40, 0, 0, 0, 0\n2\n0\n"
    labelled(tmp_path, "-", {"1.jpg": (200, 300), "2.png": (200, 300), "3.jpg": (200, 300), "3.png": (200, 300)})
    (tmp_path / "label.txt").write_text(text + "3\n0\n")
    (tmp_path / "tvval_list.txt").write_text("1.jpg\n2.png\n3.jpg\n")
    report, _ = check(script, tmp_path / "label.txt")
    # The last one may be either of two pictures.
    assert [(one["kind"], one["where"].rpartition("/")[2]) for one in report["findings"]] == [
        ("missing", "label.txt:6"),
        ("suffix", "label.txt"),
        ("unlisted", "3.jpg"),
        ("unlisted", "3.png"),
    ]


def test_a_file_in_which_nothing_is_right_is_reported_line_by_line(script, tmp_path):
    label = labelled(tmp_path, "#\n1 2 3\n#\n", {"a.jpg": (64, 64)})
    (tmp_path / "tvval_list.txt").write_bytes(b"\xff\xfe\0")
    report, status = check(script, label)
    assert status == 1
    where = [one["where"] for one in report["findings"] if one["kind"] == "row"]
    assert where == [f"{label}:1", f"{label}:2", f"{label}:3", str(tmp_path / "tvval_list.txt")]


def test_prior_boxes_are_tried_on_the_first_part_with_faces(script, tmp_path):
    label = labelled(tmp_path / "train", "-", {"a.jpg": (600, 600)})
    label.unlink()
    (tmp_path / "train" / "tvtrain_list.txt").write_text("a.jpg\n")
    rows = "".join(f"{9 * (i % 60)} {12 * (i // 60)} 7 9\n" for i in range(2400))
    labelled(tmp_path / "val", f"# b.jpg\n{rows}", {"c.jpg": (600, 600), "b.jpg": (600, 600)})
    report, _ = check(script, tmp_path)
    assert report["priors"]["part"] == "val" and report["priors"]["faces"] >= 50


def test_processes_end_with_the_program_however_it_ends():
    program = (
        "import multiprocessing, os, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from data.check.pictures import _begin\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(2, multiprocessing.get_context('spawn'), _begin) as pool:\n"
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


def test_parts_of_a_picture_are_no_pixels(script, tmp_path):
    label = labelled(tmp_path, "# a.jpg\n0.1 0.2 0.3 0.4\n1.2 0.5 0.8 0.9\n", {"a.jpg": (64, 64)})
    report, status = check(script, label)
    assert status == 1 and [one["kind"] for one in report["findings"]] == ["empty", "empty"]


def test_a_name_in_other_letters_and_names_without_suffix(script, tmp_path):
    text = "# A.JPG\n10 10 20 20\n# b\n10 10 20 20\n"
    label = labelled(tmp_path, text, {"a.jpg": (64, 64), "b.jpg": (64, 64)})
    report, _ = check(script, label)
    found = {one["kind"]: one["message"] for one in report["findings"]}
    assert sorted(found) == ["missing", "suffix", "unlisted"]
    assert found["missing"].endswith("is it a.jpg?") and "1 of 2 names" in found["suffix"]


def test_a_list_is_cleaned_where_it_alone_is_wrong(script, tmp_path):
    label = labelled(tmp_path / "val", "# a.jpg\n10 10 20 20\n", {"a.jpg": (64, 64)})
    (tmp_path / "val" / "tvval_list.txt").write_text("a.jpg\ngone.jpg\n")
    script(CHECK, label, "--fix")
    assert (tmp_path / "val" / "tvval_list_fixed.txt").read_text() == "a.jpg\n"

"""Datasets with planted faults, for the tests of `python -m tools.check`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from utils.files import read_image

CHECK = "tools/check/__main__.py"


class Planter:
    """A copy of a dataset in TV Face's layout, and the faults that were planted in it.

    Each fault takes an image of its own, and notes the kind of finding and a part of its place that it must have.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.expected = []
        self.lines = {split: (self.label(split)).read_text().splitlines() for split in ("train", "val", "test")}
        names = [line[2:] for line in self.lines["train"] if line.startswith("#")]
        # Images with a face that is large enough to be moved by a pixel, and that no other image is a copy of.
        self.fresh = iter([name for name in names if max(map(min, self.sizes(name))) >= 24])

    def label(self, split: str) -> Path:
        return self.folder / split / ("label.txt" if split == "train" else f"tv{split}_label.txt")

    def image(self, name: str, split: str = "train") -> Path:
        return self.folder / split / "images" / name

    def rows(self, name: str, split: str = "train") -> list[int]:
        """The indices of the lines of an image's faces."""
        lines = self.lines[split]
        first = lines.index(f"# {name}") + 1
        last = next((i for i in range(first, len(lines)) if lines[i].startswith("#")), len(lines))
        return list(range(first, last))

    def sizes(self, name: str) -> list[tuple[int, int]]:
        return [tuple(map(int, self.lines["train"][i].split()[2:])) for i in self.rows(name)]

    def expect(self, kind: str, *parts: str) -> None:
        self.expected.append((kind, parts))

    def spoiled_image(self, kind: str, spoil: Callable[[Path], None]) -> None:
        name = next(self.fresh)
        spoil(self.image(name))
        self.expect(kind, name)

    def row(self, kind: str, change: Callable[[list[int], int, int], str], *said: str) -> None:
        """Replace the row of an image's largest face; change(x y w h, image's width, its height) -> new row."""
        name = next(self.fresh)
        height, width = read_image(self.image(name)).shape[:2]
        row = max(self.rows(name), key=lambda i: np.prod([int(v) for v in self.lines["train"][i].split()[2:]]))
        old = [int(value) for value in self.lines["train"][row].split()]
        self.lines["train"][row] = change(old, width, height)
        self.expect(kind, ("label.txt", row), *said)

    def added_row(self, kind: str, change: Callable[[list[int]], list[int]]) -> None:
        """Add a row behind that of an image's largest face."""
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
        """Put a copy of a training image into a split under another name, with a label."""
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

    planter.spoiled_image("unreadable", spoil(lambda content: b""))
    planter.spoiled_image("unreadable", spoil(lambda content: content[: len(content) // 2]))
    planter.spoiled_image("unreadable", spoil(lambda content: content[:20]))
    planter.spoiled_image("unreadable", spoil(lambda content: b"<html>404 Not Found</html>"))
    planter.spoiled_image("unreadable", lambda path: path.write_bytes(cv2.imencode(".png", read_image(path))[1][:900]))
    middle = 0.4  # of the file, where there are nothing but coefficients
    planter.spoiled_image(
        "unreadable",
        spoil(lambda it: it[: int(middle * len(it))] + bytes(1500) + it[int(middle * len(it)) + 1500 :]),
    )
    planter.spoiled_image("unreadable", spoil(lambda content: content[: len(content) // 2] + b"\xff\xd9"))
    planter.spoiled_image("damaged", spoil(lambda content: content[:-2] + b"\0\1\2\3" * 10 + content[-2:]))
    planter.spoiled_image("rotated", turn)
    planter.spoiled_image("missing", Path.unlink)
    planter.spoiled_image("missing", lambda path: (path.unlink(), path.mkdir()))

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
    planter.expect("row", ("label.txt", end + 1), "before the name of its image")

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


def labelled(folder: Path, text: str, sizes: dict[str, tuple[int, int]]) -> Path:
    """Write a label file and images of (height, width), all different."""
    (folder / "images").mkdir(parents=True)
    for seed, (name, (height, width)) in enumerate(sizes.items()):
        (folder / "images" / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / "images" / name), cv2.resize(another_view(seed), (width, height)))
    (folder / "label.txt").write_text(text, encoding="utf-8")
    return folder / "label.txt"

"""The sample on disk: images, lists and labels in the layout of TV Face."""

import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from tools.sample.image import draw_image
from utils.errors import UserError
from utils.files import unique_beside

COUNTS = {"train": 160, "val": 40, "test": 40}  # the order also numbers the splits for the generator
SIZE, SMALLEST_SIZE = (640, 360), (160, 90)
NOTE = "README.txt"
MARK = "Drawn by `python -m tools.sample`"
OURS = re.compile(
    r"README\.txt|train/label\.txt|(val|test)/tv\1_(list|label)\.txt|"
    r"(train|val|test)/images/\3_\d{5,}\.jpg"
)


def make_sample(
    out: str | Path, counts: dict[str, int] | None = None, size: tuple[int, int] = SIZE, seed: int = 0
) -> None:
    """Draw a sample and write it to a folder, which appears there all at once.

    Args:
        out: the folder. One that holds an earlier sample is replaced; its parents are made.
        counts: images of each split (default: COUNTS).
        size: (width, height) of the images in pixels.
        seed: not negative; the same seed writes the same bytes.

    Raises:
        UserError: an invalid count, size or seed, or a folder that holds anything but a sample; it is left as it was.
    """
    counts = COUNTS if counts is None else counts
    if set(counts) != set(COUNTS) or min(counts.values()) < 1:
        raise UserError(f"a sample needs at least one image each for train, val and test, not {counts}")
    if size[0] < size[1] or size[0] < SMALLEST_SIZE[0] or size[1] < SMALLEST_SIZE[1]:
        raise UserError(
            f"images of {size[0]} x {size[1]} leave no room for faces: give at least "
            f"{SMALLEST_SIZE[0]} x {SMALLEST_SIZE[1]}, not higher than wide"
        )
    if seed < 0:
        raise UserError(f"the seed must not be negative, but is {seed}")
    out = Path(os.path.realpath(out))  # follow a link and replace its target
    check_replaceable(out)
    fresh, old = (unique_beside(out, part) for part in ("new", "old"))
    try:
        fresh.mkdir(parents=True)
        write_sample(fresh, counts, size, seed)
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); give another folder") from error
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)


def check_replaceable(out: Path) -> None:
    """Raise UserError unless `out` is missing, empty, or holds a sample and nothing else."""
    advice = "move it away or give another folder"
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file, not a folder; {advice}")
    if not out.exists() or not any(out.iterdir()):
        return
    note = out / NOTE
    if not note.is_file() or not note.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise UserError(f"{out}: holds something that `python -m tools.sample` did not make; {advice}")
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if not path.is_dir() and not OURS.fullmatch(name):
            raise UserError(f"{out}: is a sample to which {name} has been added; {advice}")


def write_sample(folder: Path, counts: dict[str, int], size: tuple[int, int], seed: int) -> None:
    """Write all splits into an empty folder. Arguments as for `make_sample`."""
    with tqdm(total=sum(counts.values()), desc="drawing the sample", unit="image", disable=None) as progress:
        for number, split in enumerate(COUNTS):
            (folder / split / "images").mkdir(parents=True)
            names, rows = "", ""
            for index in range(counts[split]):
                rng, name = np.random.default_rng([seed, number, index]), f"{split}_{index:05d}.jpg"
                image, boxes = draw_image(rng, size)
                _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(72, 96))])
                (folder / split / "images" / name).write_bytes(jpeg.tobytes())
                names += f"{name}\n"
                rows += f"# {name}\n" + "".join(f"{x} {y} {w} {h}\n" for x, y, w, h in boxes.tolist())
                progress.update()
            if split != "train":
                write_lf_text(folder / split / f"tv{split}_list.txt", names)
            write_lf_text(folder / split / ("label.txt" if split == "train" else f"tv{split}_label.txt"), rows)
    flags = " ".join(f"--{split} {counts[split]}" for split in COUNTS)
    flags = f"--seed {seed} {flags} --width {size[0]} --height {size[1]}"
    write_lf_text(folder / NOTE, f"{MARK} {flags}\nRunning it again replaces this folder.\n")


def write_lf_text(path: Path, text: str) -> None:
    """Write text with plain newlines on every system, since the same seed promises the same bytes."""
    path.write_text(text, encoding="utf-8", newline="\n")

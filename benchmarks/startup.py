"""Time the start of a training on a large label file, and the memory of its loader's workers.

    python benchmarks/startup.py --pictures 1000000 --workers 8

The label file has three faces per image and repeats the names of a thousand small images. Timed are: counting its
lines, parsing it, parsing the same faces with fractions and as WIDER FACE's text, building a FaceDataset, which checks
that each image exists, and the first batches of the workers. The private and shared memory of the processes is from
/proc/PID/smaps_rollup of Linux.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data import cfg_mnet
from data.annotations import read_annotations
from data.dataset import FaceDataset
from data.sampler import EpochBatches
from engine.train.loader import MatchedCollate, build_loader, close_loader
from layers.functions.prior_box import PriorBox
from layers.modules import MultiBoxLoss

FACES = 3
FILES = 1000
TEXTS = {"label.txt": "whole numbers", "fractions.txt": "fractions", "wider.txt": "WIDER FACE's text"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=8, metavar="N", help="(default: %(default)s)")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message="This DataLoader will create")  # more workers than cores
    with tempfile.TemporaryDirectory() as folder:
        label = draw_dataset(Path(folder), args.pictures)
        rows = FACES * args.pictures
        begun = time.perf_counter()
        lines = label.read_bytes().count(b"\n")
        print(f"counting {lines} lines: {time.perf_counter() - begun:.2f} s")
        for name, words in TEXTS.items():
            begun = time.perf_counter()
            read_annotations(label.with_name(name))
            seconds = time.perf_counter() - begun
            print(f"parsing {words}: {seconds:.2f} s, {rows / seconds / 1e6:.2f} million rows/s")
        begun = time.perf_counter()
        dataset = FaceDataset(label, 64)
        print(f"dataset, with a check of each image: {time.perf_counter() - begun:.2f} s")
        begun = time.perf_counter()
        dataset.fingerprint()
        print(f"fingerprint: {time.perf_counter() - begun:.2f} s")
        collate = MatchedCollate(MultiBoxLoss(), PriorBox(cfg_mnet, (64, 64)).forward())
        begun = time.perf_counter()
        loader = build_loader(dataset, EpochBatches(len(dataset), 8, 0), collate, args.workers, torch.device("cpu"))
        batches = iter(loader)
        for _ in range(4 * args.workers):
            next(batches)
        print(f"{4 * args.workers} batches of {args.workers} workers: {time.perf_counter() - begun:.2f} s")
        print(f"this process: {memory(os.getpid())}")
        for worker in batches._workers[:2]:
            print(f"a worker: {memory(worker.pid)}")
        close_loader(loader)


def draw_dataset(folder: Path, images: int) -> Path:
    (folder / "images").mkdir()
    for number in range(min(FILES, images)):
        cv2.imwrite(str(folder / "images" / f"programme_{number:08}.jpg"), np.zeros((64, 64, 3), np.uint8))
    corners = np.random.default_rng(0).integers(1, 30, (images, FACES, 4)).tolist()
    with (
        open(folder / "label.txt", "w") as label,
        open(folder / "fractions.txt", "w") as fractions,
        open(folder / "wider.txt", "w") as wider,
    ):
        for number, boxes in enumerate(corners):
            name = f"programme_{number % FILES:08}.jpg"
            label.write(f"# {name}\n")
            label.writelines(f"{x} {y} {w} {h}\n" for x, y, w, h in boxes)
            fractions.write(f"# {name}\n")
            fractions.writelines(f"{x}.25 {y}.5 {w}.75 {h}.125\n" for x, y, w, h in boxes)
            wider.write(f"{name}\n{FACES}\n")
            wider.writelines(f"{x} {y} {w} {h} 0 0 0 0 1 0 \n" for x, y, w, h in boxes)
    return folder / "label.txt"


def memory(process: int) -> str:
    """Return the private and shared memory of a process, as text."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return "unknown on this system"
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
    return f"{own / 1000:.0f} MB private, {(kilobytes['Rss'] - own) / 1000:.0f} MB shared"


if __name__ == "__main__":
    main()

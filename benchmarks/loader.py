"""Time training samples: by stage, beside the slow reference augmentation, and with several workers.

    python benchmarks/loader.py                                         drawn images of 1920 x 1080
    python benchmarks/loader.py --pictures FOLDER                       real images, scaled to 1920 x 1080
    python benchmarks/loader.py --training_dataset data/tvface/train/label.txt --workers 1 2 4 8

The first table has milliseconds of one core for a JPEG of 1920 x 1080, with the files in the system's cache: the mean
of all images and of --samples samples of each. "slow" is the augmentation of tests/helpers/slow_augmentation.py. The
second table, for a label file, has images/s of the batches that train.py trains on, matched with the priors, and the
number of workers that a GPU needs to train 50, 100, 200 or 400 images/s.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from data import augmentation, cfg_mnet
from data.dataset import FaceDataset
from engine.train.loader import MatchedCollate, start_worker
from layers.functions.prior_box import PriorBox
from layers.modules import MultiBoxLoss
from tests.helpers import slow_augmentation
from tools.sample.image import draw_image
from utils.devices import keep_freed_memory
from utils.files import read_image

STAGES = ("read + decode", "crop", "resize", "color", "pad + flip", "to tensor")
GPU_RATES = (50, 100, 200, 400)  # images/s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder of images, also in sub-folders (default: drawn ones)")
    parser.add_argument("--limit", type=int, default=20, help="images taken from the folder (default: %(default)s)")
    parser.add_argument("--quality", type=int, default=92, help="JPEG quality (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=20, help="samples per image (default: %(default)s)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[640, 840], help="sides of samples (default: 640 840)")
    parser.add_argument("--training_dataset", type=Path, help="label file for the DataLoader (default: none)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="DataLoader workers (default: 1 2 4)")
    parser.add_argument("--batch_size", type=int, default=32, help="images in a batch (default: %(default)s)")
    args = parser.parse_args()
    keep_freed_memory()  # as in the workers of a training
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, OpenCV {cv2.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(Path(folder), args.pictures, args.limit, args.quality)
        kilobytes = np.mean([path.stat().st_size for path in paths]) / 1e3
        print(f"{len(paths)} images of 1920 x 1080, {kilobytes:.0f} kB on average")
        print("  px", *(f"{title:>13}" for title in (*STAGES, "augment", "whole", "slow augment", "slow whole")))
        for size in args.sizes:
            print_stages(paths, size, args.samples)
    if args.training_dataset:
        print(f"{'px':>4} {'workers':>8} {'images/s':>11} {'ms/image':>11}", *(f"{n:>4}/s" for n in GPU_RATES))
        for size in args.sizes:
            for workers in args.workers:
                print_loader(args.training_dataset, size, workers, args.batch_size)


def write_images(folder: Path, source: Path | None, limit: int, quality: int) -> list[Path]:
    """Write JPEGs of 1920 x 1080 and return their paths."""
    if source is None:
        rng = np.random.default_rng(0)
        images = [draw_image(rng, (1920, 1080))[0] for _ in range(limit)]
    else:
        suffixes = {".jpg", ".jpeg", ".png"}
        found = sorted(path for path in source.rglob("*") if path.suffix.lower() in suffixes)
        if not found:
            sys.exit(f"{source}: no images")
        images = [read_image(path) for path in found[:: max(1, len(found) // limit)][:limit]]
    paths = [folder / f"{i}.jpg" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        large = cv2.resize(image, (1920, 1080), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(path), large, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return paths


def print_stages(paths: list[Path], size: int, samples: int) -> None:
    faces = make_faces()
    seconds = defaultdict(float)
    for path in paths:
        for seed in range(samples):
            begin = time.process_time()
            image = read_image(path)
            decoded = time.process_time()
            augmentation.augment(image, faces, size, np.random.default_rng(seed))
            fast = time.process_time()
            slow_augmentation.augment(image, faces, size, np.random.default_rng(seed))
            slow = time.process_time()
            seconds["read + decode"] += decoded - begin
            seconds["augment"] += fast - decoded
            seconds["slow augment"] += slow - fast
            time_stages(image, faces, size, seed, seconds)
    seconds["whole"] = sum(seconds[name] for name in ("read + decode", "augment", "to tensor"))
    seconds["slow whole"] = sum(seconds[name] for name in ("read + decode", "slow augment", "slow to tensor"))
    titles = (*STAGES, "augment", "whole", "slow augment", "slow whole")
    print(f"{size:4}", *(f"{seconds[title] * 1e3 / len(paths) / samples:13.2f}" for title in titles), flush=True)


def time_stages(image: np.ndarray, faces: augmentation.Faces, size: int, seed: int, seconds: dict[str, float]) -> None:
    """Apply the steps of augmentation.augment, and add up the seconds of each stage."""
    rng = np.random.default_rng(seed)
    last = time.process_time()

    def lap(stage: str) -> None:
        nonlocal last
        now = time.process_time()
        seconds[stage] += now - last
        last = time.process_time()

    image, faces, _ = augmentation.random_crop(image, faces, rng)
    lap("crop")
    change = augmentation.draw_color_change(rng)
    flipped = rng.random() < 0.5
    interpolation = augmentation.INTERPOLATIONS[rng.integers(len(augmentation.INTERPOLATIONS))]
    side = max(image.shape[:2])
    if side < size:
        image = augmentation.change_colors(image, change)
        lap("color")
    image = augmentation.resize(image, size / side, interpolation)
    lap("resize")
    if side >= size:
        image = augmentation.change_colors(image, change)
        lap("color")
    image = augmentation.place_in_square(image, 0, 0, size)
    if flipped:
        image, faces = cv2.flip(image, 1), augmentation.flip_faces(faces, side)
    lap("pad + flip")
    torch.from_numpy(image).permute(2, 0, 1)
    lap("to tensor")
    torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    lap("slow to tensor")


def make_faces() -> augmentation.Faces:
    """Return three faces, the average of an image of the TV Face dataset."""
    boxes = np.array([[420, 300, 560, 480], [900, 260, 1090, 500], [1400, 420, 1480, 520]], np.float64)
    return augmentation.Faces(boxes, np.full((3, 5, 2), -1.0), np.full(3, -1))


def print_loader(label_file: Path, size: int, workers: int, batch_size: int) -> None:
    """Time at least ten batches per worker, without the first batch of each worker."""
    dataset = FaceDataset(label_file, size)
    batches = 11 * max(workers, 1)
    keys = [(i // len(dataset), i % len(dataset)) for i in range(batches * batch_size)]
    collate = MatchedCollate(MultiBoxLoss(), PriorBox(cfg_mnet, (size, size)).forward())
    loader = DataLoader(
        dataset, batch_size, sampler=keys, num_workers=workers, collate_fn=collate, worker_init_fn=start_worker
    )
    batch_times = []
    for _ in loader:
        batch_times.append(time.perf_counter())
    warm = max(workers, 1)
    rate = (batches - warm) * batch_size / (batch_times[-1] - batch_times[warm - 1])
    ms = 1e3 * max(workers, 1) / rate
    print(f"{size:4} {workers:8} {rate:11.1f} {ms:11.2f}", *(f"{n * ms / 1e3:6.1f}" for n in GPU_RATES), flush=True)


if __name__ == "__main__":
    main()

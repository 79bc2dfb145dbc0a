"""Time python -m tools.check beside the bare decoding of the same images.

    python benchmarks/check.py                       drawn images of 1920 x 1080
    python benchmarks/check.py --pictures FOLDER     crops of the images of a folder, scaled to 1920 x 1080

Bare decoding reads and decodes each file with OpenCV, as training does, in as many processes. The check includes the
start of the interpreter and the report. The last figures are the comparison of images alone, whose time grows with the
square of their number.
"""

import argparse
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data.image_files import find_images
from tools.check.copies import find_copies
from tools.check.image_checks import CHUNK, SIDE, ImageChecks
from tools.sample.image import draw_image
from utils.files import read_image

SIZE = (1920, 1080)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder of images, also in sub-folders (default: drawn ones)")
    parser.add_argument("--count", type=int, default=1000, help="images that are checked (default: %(default)s)")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEGs (default: %(default)s)")
    parser.add_argument("--compared", type=int, nargs="+", default=[20_000, 100_000], help="(default: 20000 100000)")
    args = parser.parse_args()
    workers = os.cpu_count()
    print(f"{platform.processor() or platform.machine()}, {workers} cores, OpenCV {cv2.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        paths, label = write_varied_images(Path(folder), args)
        size = sum(path.stat().st_size for path in paths) / len(paths)
        print(f"{len(paths)} images of {SIZE[0]} x {SIZE[1]}, {size / 1000:.0f} kB on average")
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
            list(pool.map(decode_image_file, paths[: 4 * workers]))
            begun = time.perf_counter()
            list(pool.map(decode_image_file, paths, chunksize=CHUNK))
            bare = len(paths) / (time.perf_counter() - begun)
        print(f"bare decoding: {bare:.0f} images/s")
        begun = time.perf_counter()
        command = [sys.executable, "-m", "tools.check", label, "--num_workers", str(workers)]
        run = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        if run.returncode not in (0, 1):
            sys.exit(f"tools.check ended with status {run.returncode}")
        checked = len(paths) / (time.perf_counter() - begun)
        print(f"python -m tools.check: {checked:.0f} images/s, {checked / bare:.2f} of bare decoding")
    for count in args.compared:
        seconds = time_comparison(count)
        print(f"comparing {count} images with each other: {seconds:.1f} s")


def write_varied_images(folder: Path, args: argparse.Namespace) -> tuple[list[Path], Path]:
    """Write images without near copies, and a label file; return their paths."""
    rng = np.random.default_rng(0)
    images = folder / "images"
    images.mkdir()
    sources = [read_image(path) for path in find_images(args.pictures).values()] if args.pictures else None
    paths, lines = [], []
    for number in range(args.count):
        source = sources[number % len(sources)] if sources else draw_image(rng, (640, 360))[0]
        height, width = source.shape[:2]
        part = rng.uniform(0.5, 0.9)
        top, left = (int(rng.uniform(0, (1 - part) * length)) for length in (height, width))
        image = cv2.resize(source[top : top + int(part * height), left : left + int(part * width)], SIZE)
        paths.append(images / f"{number:06}.jpg")
        image = cv2.flip(image, 1) if number % 2 else image
        cv2.imwrite(str(paths[-1]), image, [cv2.IMWRITE_JPEG_QUALITY, args.quality])
        lines += [f"# {paths[-1].name}", *(f"{x} {y} 60 80" for x, y in rng.integers(0, 900, (3, 2)))]
    (folder / "label.txt").write_text("\n".join(lines) + "\n")
    return paths, folder / "label.txt"


def decode_image_file(path: Path) -> None:
    read_image(path)


def time_comparison(count: int) -> float:
    rng = np.random.default_rng(0)
    thumbnails = rng.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    digests = [bytes(rng.bytes(16)) for _ in range(count)]
    images = ImageChecks({}, {}, np.zeros((count, 2), int), np.ones(count), digests, thumbnails)
    begun = time.perf_counter()
    find_copies([images], [np.ones(count, bool)])
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()

"""Time the stages of detection, and the loop of val_tvface.py against the bare network.

    python benchmarks/detection.py --pictures my_images -m weights/mobilenet0.25_Final.pth
    python benchmarks/detection.py --network resnet50 --sizes 1920x1080 --batches 8 32 --amp fp16

The images (drawn ones without --pictures) are scaled to each size and stored as JPEG. Each size and batch has a row, in
ms per image:

    read                   read and decode a file
    prepare, network       normalize on the device; the network with folded batch norm
    choose, nms            scores, thresholds and decoding; NMS
    write                  the prediction file
    bare                   the folded network alone, its batch on the device
    loop                   the loop of val_tvface.py, in which the stages overlap, and its ratio to bare
    usual                  with --usual: one image at a time, with prior boxes in Python loops, the network as trained
                           and NMS in NumPy, and its ratio to the loop

Rounds of the bare network and the loop alternate; the medians are shown. Without -m the weights are random and find
nothing.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data.image_files import find_images
from engine.detect.image_list import detect_listed
from engine.detect.prediction_writer import PredictionWriter, format_prediction
from models import detector as detector_module
from models.detector import Detector
from models.registry import DEFAULT_NETWORK, NETWORKS, Network, find_network
from models.retinaface import RetinaFace
from models.weights import load_network
from tools.sample.image import draw_image
from utils.box_utils import decode, decode_landm
from utils.devices import choose_device, keep_freed_memory
from utils.distributed import Ranks
from utils.files import read_image, write_text
from utils.pixels import normalize
from utils.version import show_versions

ORIGINAL_SIZE = "own"


def main() -> None:
    args = parse_flags()
    device = choose_device(args.device)
    if device.type == "cpu":
        keep_freed_memory()  # as val_tvface.py
    model, network = load_or_make_network(args)
    detector = Detector(model, network.cfg, device, amp=args.amp)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{network.flag}, {args.amp}, {where}; {show_versions()}; ms per image")
    print("     size batch   read prepare network choose     nms  write |   bare   loop ratio images/s |  usual ratio")
    originals = load_originals(args)
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            names = store_images(originals, size, Path(folder), args.count)
            paths = [Path(folder, name) for name in names]
            usual = time_usual(model, network.cfg, paths, device) if args.usual else None
            for batch in args.batches:
                stages = time_stages(detector, paths, batch)
                bare, loop = time_loop(detector, Path(folder), names, batch, args.rounds)
                shown = "".join(f"{value:{width}.1f}" for value, width in zip(stages, (7, 8, 8, 7, 8, 7), strict=True))
                compared = "" if usual is None else f"{usual:7.1f} {usual / loop:5.2f}"
                rate = 1000 / loop
                print(f"{size:>9} {batch:5}{shown} |{bare:7.1f}{loop:7.1f}{loop / bare:6.2f}{rate:11.1f} |{compared}")


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--network", choices=list(NETWORKS), help=f"default: that of the weights, {DEFAULT_NETWORK} for random ones")
    add("-m", "--trained_model", metavar="FILE", help="weights (default: random ones that find nothing)")
    add("--pictures", nargs="+", type=Path, metavar="PATH", help="images or folders of them (default: drawn)")
    add("--sizes", nargs="+", default=["640x480", "1280x720", "1920x1080", "3840x2160"], metavar="WxH", help="or own")
    add("--batches", nargs="+", type=int, default=[1], metavar="N")
    add("--count", type=int, default=24, metavar="N", help="images of each size (default: %(default)s)")
    add("--rounds", type=int, default=3, metavar="N", help="of bare network and loop (default: %(default)s)")
    add("--amp", choices=("float32", "bf16", "fp16"), default="float32")
    add("--device", metavar="NAME")
    add("--usual", action="store_true", help="also time the usual code")
    return parser.parse_args()


def load_or_make_network(args: argparse.Namespace) -> tuple[RetinaFace, Network]:
    if args.trained_model:
        model, network = load_network(args.trained_model, args.network)
    else:
        network = find_network(args.network or DEFAULT_NETWORK)
        model = RetinaFace(network.cfg)
        for head in model.ClassHead:
            torch.nn.init.zeros_(head.conv1x1.weight)
            head.conv1x1.bias.data = torch.tensor([9.0, -9.0]).repeat(len(head.conv1x1.bias) // 2)
    return model.eval(), network


def load_originals(args: argparse.Namespace) -> list[np.ndarray]:
    if not args.pictures:
        return [draw_image(np.random.default_rng(seed), (1280, 720))[0] for seed in range(min(args.count, 8))]
    found = [[path] if path.is_file() else find_images(path).values() for path in args.pictures]
    return [read_image(path) for path in itertools.islice(itertools.chain(*found), args.count)]


def store_images(originals: Sequence[np.ndarray], size: str, folder: Path, count: int) -> list[str]:
    """Write images of a size as JPEG and return their names."""
    names = [f"{number}.jpg" for number in range(count)]
    for name, image in zip(names, itertools.cycle(originals), strict=False):
        if size != ORIGINAL_SIZE:
            image = cv2.resize(image, [int(length) for length in size.split("x")], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / name), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return names


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def time_stages(detector: Detector, paths: Sequence[Path], batch: int) -> list[float]:
    """Return the ms per image of read, prepare, network, choose, NMS and write, one after the other."""
    marks, nms_times = {}, []

    def mark(name: str) -> None:
        synchronize(detector.device)
        marks[name] = time.perf_counter()

    def timed_nms(*arguments):
        synchronize(detector.device)
        begun = time.perf_counter()
        kept = original(*arguments)
        synchronize(detector.device)
        nms_times.append(time.perf_counter() - begun)
        return kept

    original = detector_module.nms
    hooks = [
        detector.network.register_forward_pre_hook(lambda *_: mark("network")),
        detector.network.register_forward_hook(lambda *_: mark("choose")),
    ]
    rows = []
    detector([read_image(path) for path in paths[:batch]])  # warm-up
    detector_module.nms = timed_nms
    try:
        for start in range(0, len(paths), batch):
            some = paths[start : start + batch]
            nms_times.clear()
            mark("read")
            images = [read_image(path) for path in some]
            mark("prepare")
            found = detector(images)
            mark("write")
            for path, detections in zip(some, found, strict=True):
                write_text(path.with_suffix(".txt"), format_prediction(path.stem, detections))
            mark("end")
            names = ("read", "prepare", "network", "choose", "write", "end")
            taken = [marks[later] - marks[name] for name, later in itertools.pairwise(names)]
            taken[3] -= sum(nms_times)
            rows.append([*taken[:4], sum(nms_times), taken[4]])
            rows[-1] = [1000 * value / len(some) for value in rows[-1]]
    finally:
        detector_module.nms = original
        for hook in hooks:
            hook.remove()
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def time_loop(detector: Detector, folder: Path, names: Sequence[str], batch: int, rounds: int) -> tuple[float, float]:
    """Return the ms per image of the bare network and of the whole loop."""
    images = [read_image(folder / name) for name in names[:batch]]
    with torch.inference_mode():
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(detector.device)
        tensor = normalize(pixels).to(detector.dtype)

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(ceil(len(names) / batch)):
                detector.network(tensor)
        synchronize(detector.device)

    def loop() -> None:
        writer = PredictionWriter(folder / "txt", time.time_ns())
        detect_listed(detector, names, folder, writer, batch_size=batch, ranks=Ranks(), stop=lambda: False)

    times = {bare: [], loop: []}
    for round_ in range(rounds + 1):
        for function in (bare, loop, bare):
            begun = time.perf_counter()
            function()
            if round_:  # the first is a warm-up
                times[function].append(time.perf_counter() - begun)
    bare_images = ceil(len(names) / batch) * batch
    return 1000 * statistics.median(times[bare]) / bare_images, 1000 * statistics.median(times[loop]) / len(names)


def time_usual(model: RetinaFace, cfg: dict, paths: Sequence[Path], device: torch.device) -> float:
    """Return the ms per image of the usual code."""
    model = model.to(device)
    times = []
    for path in paths[: min(len(paths), 8)]:
        begun = time.perf_counter()
        image = read_image(path)
        pixels = torch.from_numpy((image.astype(np.float32) - (104, 117, 123)).astype(np.float32).transpose(2, 0, 1))
        with torch.no_grad():
            loc, logits, landm = (output[0] for output in model(pixels[None].to(device)))
        priors = loop_prior_boxes(cfg, image.shape[:2]).to(device)
        size = torch.tensor([image.shape[1], image.shape[0]] * 2, device=device)
        boxes = (decode(loc, priors, cfg["variance"]) * size).cpu().numpy()
        landmarks = (decode_landm(landm, priors, cfg["variance"]).unflatten(1, (5, 2)) * size[:2]).cpu().numpy()
        scores = logits.softmax(dim=-1)[:, 1].cpu().numpy()
        chosen = np.flatnonzero(scores > 0.02)
        chosen = chosen[scores[chosen].argsort()[::-1]]
        kept = chosen[nms_in_numpy(boxes[chosen], 0.4)]
        found = detector_module.Detections(boxes[kept], scores[kept], landmarks[kept])
        write_text(path.with_suffix(".txt"), format_prediction(path.stem, found))
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)


def loop_prior_boxes(cfg: dict, size: tuple[int, int]) -> torch.Tensor:
    height, width = size
    priors = []
    for sizes, step in zip(cfg["min_sizes"], cfg["steps"], strict=True):
        for row, column in itertools.product(range(ceil(height / step)), range(ceil(width / step))):
            for side in sizes:
                center = (column + 0.5) * step / width, (row + 0.5) * step / height
                priors += [*center, side / width, side / height]
    return torch.tensor(priors).view(-1, 4)


def nms_in_numpy(boxes: np.ndarray, threshold: float) -> list[int]:
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order, kept = np.arange(len(boxes)), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        width = np.minimum(x2[best], x2[order]) - np.maximum(x1[best], x1[order]) + 1
        height = np.minimum(y2[best], y2[order]) - np.maximum(y1[best], y1[order]) + 1
        shared = width.clip(0) * height.clip(0)
        order = order[shared / (areas[best] + areas[order] - shared) <= threshold]
    return kept


if __name__ == "__main__":
    main()

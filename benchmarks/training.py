"""Time a training step: the bare network, the network with its loss, and the whole loop with the real loader.

    python benchmarks/training.py --training_dataset data/tvface/train/label.txt
    python benchmarks/training.py --training_dataset data/tvface/train/label.txt --network resnet50 --amp bf16

(a) forward, backward and optimizer step of the network on a batch that lies on the device, from random gradients of its
outputs; (b) the step that train.py takes on such a batch, with normalisation and the MultiBox loss; (c) an epoch of
train.py, with the images read, decoded, augmented and matched by --num_workers processes. The steps of (a) and (b)
alternate, half of them before the epoch and half after it, and the median counts. Without a dataset one is drawn.
"""

import argparse
import contextlib
import io
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data.dataset import FaceDataset
from engine.train.config import fill_in, parse_flags
from engine.train.loop import Training
from engine.train.report import gpu_memory
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from utils.devices import HALF_PRECISION, choose_device, keep_freed_memory
from utils.distributed import Ranks
from utils.pixels import normalize
from utils.signals import StopRequest
from utils.version import show_versions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="All flags of train.py are taken, too.",
        allow_abbrev=False,
    )
    parser.add_argument("--steps", type=int, default=10, help="of (a) and (b), before (c) and after (default: 10)")
    args, of_training = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        if "--training_dataset" not in of_training:
            subprocess.run([sys.executable, "-m", "tools.sample", "--out", folder], cwd=ROOT, check=True)
            of_training += ["--training_dataset", f"{folder}/train/label.txt"]
        sys.argv = ["train.py", *of_training, "--epochs", "1", "--save_folder", folder, "--tensorboard", "false"]
        training = build_training()
        flags, device = training.flags, training.device
        where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
        print(
            f"{training.cfg['name']}, batch {flags.batch_size}, {flags.image_size} px, {flags.amp}"
            f"{', compiled' if flags.compile else ''}, {flags.num_workers} workers on {platform.machine()} {where};"
            f" {show_versions()}"
        )
        batch = next(training._groups())[0]  # the first of an epoch, which holds as many images as any
        steps = bare_step(training, batch), lambda: training.learner.step([batch], training._agree([batch])[0])
        before = time_steps(steps, args.steps, device)
        whole_loop = time_epoch(training)
        after = time_steps(steps, args.steps, device)
        bare, with_loss = (statistics.median(times) for times in np.hstack([before, after]))
        rates = {
            "(a) bare network": len(batch.images) / bare,
            "(b) with the loss": len(batch.images) / with_loss,
            "(c) whole loop": whole_loop,
        }
        for title, rate in rates.items():
            step, ratio = 1000 * len(batch.images) / rate, rate / rates["(a) bare network"]
            print(f"{title:18} {rate:8.2f} images/s {step:9.1f} ms a step {ratio:6.3f} of (a)")
        if device.type == "cuda":
            print(f"{gpu_memory(device):.1f} GB of GPU memory")


def build_training() -> Training:
    """Build what train.py would for the flags in sys.argv, with random weights."""
    flags = fill_in(parse_flags(__doc__), Ranks(), cards=1)
    device = choose_device(flags.device)
    if device.type == "cpu":
        keep_freed_memory()  # as train.py
    elif device.index is None:
        device = choose_device("cuda:0")  # one card, however many there are
    cfg = {**NETWORKS[flags.network].cfg, "image_size": flags.image_size}
    dataset = FaceDataset(flags.training_dataset, flags.image_size, flags.seed)
    torch.manual_seed(flags.seed)
    return Training(RetinaFace(cfg), cfg, flags, dataset, None, device, Ranks(), vars(flags))


def bare_step(training: Training, batch) -> Callable[[], None]:
    """Return a step of the network alone, with the same optimizer, precision and memory layout."""
    learner, device, amp = training.learner, training.device, training.flags.amp
    images = normalize(batch.images.to(device))
    with torch.no_grad():
        # Equal gradients would vanish in batch normalisation, and CPUs are slow with what is then left of them.
        draws = [1e-5 * torch.randn(output.shape, device=device) for output in learner.model(images)]

    def step() -> None:
        with torch.autocast(device.type, HALF_PRECISION.get(amp), enabled=amp in HALF_PRECISION):
            outputs = learner.model(images)
        torch.autograd.backward(outputs, [draw.to(output.dtype) for output, draw in zip(outputs, draws, strict=True)])
        learner.optimizer.step()
        learner.optimizer.zero_grad(set_to_none=True)

    return step


def time_steps(steps: Sequence[Callable], rounds: int, device: torch.device) -> list[list[float]]:
    """Return the seconds of each of some steps that take turns."""
    seconds = [[] for _ in steps]
    for round_ in range(rounds + 2):
        for step, times in zip(steps, seconds, strict=True):
            begun = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if round_ >= 2:  # the first ones find algorithms and memory
                times.append(time.perf_counter() - begun)
    return seconds


def time_epoch(training: Training) -> float:
    """Return the images/s of one epoch."""
    with contextlib.redirect_stdout(io.StringIO()):
        training.run(StopRequest())
    return training.state.history[-1]["pictures_per_s"]


if __name__ == "__main__":
    main()

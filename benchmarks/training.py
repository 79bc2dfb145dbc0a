"""Time a training step: the bare network, the network with its loss, and the whole loop with the loader.

    python benchmarks/training.py --training_dataset data/tvface/train/label.txt
    python benchmarks/training.py --training_dataset data/tvface/train/label.txt --network resnet50 --amp bf16

(a) Forward, backward, and optimizer step of the network on a batch that is on the device already, from random gradients
of its outputs. (b) The step of train.py on the same batch, with normalization and the MultiBox loss. (c) An epoch of
train.py: --num_workers processes read, decode, and augment the images, and match the priors. The steps of (a) and (b)
alternate, half of them before the epoch and half after it; their medians are reported. Without --training_dataset, a
sample is drawn.
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from utils.openmp import configure_openmp

configure_openmp()  # as train.py, before PyTorch is imported

import numpy as np
import torch

from data.dataset import FaceDataset
from engine.train.checkpoints import RunFiles
from engine.train.config import parse_config, resolve, to_saved
from engine.train.history import gpu_memory
from engine.train.loader import Batch, StepLoader
from engine.train.loop import train
from engine.train.main import build_run
from engine.train.report import Report
from engine.train.state import Run, RunState
from engine.train.step import train_step
from layers.modules import MultiBoxLoss
from models.registry import DEFAULT_NETWORK, find_network
from models.retinaface import RetinaFace
from utils.devices import HALF_PRECISION, choose_device, keep_freed_memory
from utils.distributed import Ranks
from utils.pixels import normalize
from utils.signals import StopRequest
from utils.version import show_versions


@dataclass
class Training:
    """A new run of train.py, with its loss, batches, and images."""

    run: Run
    criterion: MultiBoxLoss
    loader: StepLoader
    dataset: FaceDataset


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="All options of train.py are taken, too.",
        allow_abbrev=False,
    )
    parser.add_argument("--steps", type=int, default=10, help="of (a) and (b), before and after (c) (default: 10)")
    args, of_training = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        if "--training_dataset" not in of_training:
            subprocess.run([sys.executable, "-m", "tools.sample", "--out", folder], cwd=ROOT, check=True)
            of_training += ["--training_dataset", f"{folder}/train/label.txt"]
        sys.argv = ["train.py", *of_training, "--epochs", "1", "--save_folder", folder, "--tensorboard", "false"]
        training = build_training()
        try:
            print(describe_training(training.run))
            report_rates(training, args.steps)
        finally:
            training.loader.close()


def build_training() -> Training:
    """Build the training of the options in sys.argv, with random weights and on one GPU at most."""
    given = parse_config(__doc__)
    network = find_network(given.network or DEFAULT_NETWORK)
    config = resolve(given, network, world_size=1, local_world_size=1, gpus=1)
    device = choose_device(config.device)
    if device.type == "cpu":
        keep_freed_memory()  # as train.py
    elif device.index is None:
        device = choose_device("cuda:0")
    cfg = {**network.cfg, "image_size": config.image_size}
    dataset = FaceDataset(config.training_dataset, config.image_size, config.seed)
    torch.manual_seed(config.seed)
    run, criterion, loader = build_run(RetinaFace(cfg), cfg, config, RunState(), dataset, device, Ranks())
    return Training(run, criterion, loader, dataset)


def describe_training(run: Run) -> str:
    """Return a line with the network, the batch, and the machine."""
    config, device = run.config, run.device
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    return (
        f"{run.name}, batch {config.batch_size}, {config.image_size} px, {config.amp}"
        f"{', compiled' if config.compile else ''}, {config.num_workers} workers on {platform.machine()} {where};"
        f" {show_versions()}"
    )


def report_rates(training: Training, rounds: int) -> None:
    """Time (a), (b), and (c), and print a line for each.

    Args:
        rounds: steps of (a) and (b), before (c) and after it.
    """
    run = training.run
    (batch,) = next(training.loader.steps(0, 0)).batches[:1]  # no batch of an epoch has more images than the first
    counts = batch.matches.counts.tolist()
    steps = bare_step(run, batch), lambda: train_step(run, training.criterion, [batch], counts)
    before = time_steps(steps, rounds, run.device)
    whole_loop = time_epoch(training)
    after = time_steps(steps, rounds, run.device)
    bare, with_loss = (statistics.median(times) for times in np.hstack([before, after]))
    images = len(batch.images)
    rates = {
        "(a) bare network": images / bare,
        "(b) with the loss": images / with_loss,
        "(c) whole loop": whole_loop,
    }
    for title, rate in rates.items():
        step, ratio = 1000 * images / rate, rate / rates["(a) bare network"]
        print(f"{title:18} {rate:8.2f} images/s {step:9.1f} ms a step {ratio:6.3f} of (a)")
    if run.device.type == "cuda":
        print(f"{gpu_memory(run.device):.1f} GB of GPU memory")


def bare_step(run: Run, batch: Batch) -> Callable[[], None]:
    """Return a step of the network alone, with the same optimizer, precision, and memory layout."""
    device, amp = run.device, run.config.amp
    images = normalize(batch.images.to(device))
    with torch.no_grad():
        # Equal gradients would vanish in batch normalization, and CPUs are slow with the denormal numbers that remain.
        draws = [1e-5 * torch.randn(output.shape, device=device) for output in run.model(images)]

    def step() -> None:
        with torch.autocast(device.type, HALF_PRECISION.get(amp), enabled=amp in HALF_PRECISION):
            outputs = run.model(images)
        torch.autograd.backward(outputs, [draw.to(output.dtype) for output, draw in zip(outputs, draws, strict=True)])
        run.optimizer.step()
        run.optimizer.zero_grad(set_to_none=True)

    return step


def time_steps(steps: Sequence[Callable], rounds: int, device: torch.device) -> list[list[float]]:
    """Run steps alternately and return the seconds of each."""
    seconds = [[] for _ in steps]
    for round_ in range(rounds + 2):
        for step, times in zip(steps, seconds, strict=True):
            begun = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if round_ >= 2:  # the first steps select algorithms and allocate memory
                times.append(time.perf_counter() - begun)
    return seconds


def time_epoch(training: Training) -> float:
    """Train one epoch and return its images/s."""
    run, dataset = training.run, training.dataset
    files = RunFiles(run.config.save_folder, run.name, to_saved(run.config), dataset.fingerprint(), run.ranks)
    report = Report(files.path, dataset, is_main=True)
    with contextlib.redirect_stdout(io.StringIO()):
        train(run, training.criterion, training.loader, None, files, report, StopRequest())
    return run.state.history[-1]["pictures_per_s"]


if __name__ == "__main__":
    main()

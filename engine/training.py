"""The training loop: epochs over a dataset, the step schedule, checkpoints, and what is printed of it."""

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import MultiStepLR
from torch.utils.data import DataLoader
from tqdm import tqdm

from data.dataset import EpochSampler, FaceDataset, SampleInfo, detection_collate
from layers.functions.prior_box import PriorBox
from layers.modules import MultiBoxLoss
from utils.checkpoint import save_state_dict
from utils.devices import visible_cards
from utils.errors import UserError
from utils.files import make_folder
from utils.pixels import normalize


@dataclass
class Schedule:
    """How long a run goes on and how fast it learns.

    Attributes:
        epochs: at which the run ends, counted from the start of phase one.
        start_epoch: how many of them are done already.
        lr: of the first epoch of this run.
        decay_epochs: the epochs at which lr is multiplied by gamma; those up to start_epoch are over.
    """

    epochs: int
    start_epoch: int
    lr: float
    momentum: float
    weight_decay: float
    gamma: float
    decay_epochs: list[int]


def train(
    model: nn.Module,
    cfg: dict,
    dataset: FaceDataset,
    schedule: Schedule,
    *,
    device: torch.device,
    batch_size: int,
    num_workers: int,
    save_folder: str | Path,
    save_every: int,
    log_every: int,
) -> Path:
    """Train a RetinaFace and write its checkpoints.

    `{name}_epoch_{N}.pth` is written every `save_every` epochs and after the last one, `{name}_Final.pth` at the
    end, both plain state dicts.

    Args:
        model: a models.retinaface.RetinaFace in phase "train"; trained in place.
        cfg: its configuration, with the image_size of the dataset.

    Returns:
        The path of the final weights.

    Raises:
        UserError: a loss that is not finite, an unreadable picture, a folder or file that cannot be written.
    """
    if schedule.start_epoch >= schedule.epochs:
        raise UserError(
            f"--resume_epoch {schedule.start_epoch}: nothing is left to train of --epochs {schedule.epochs}"
        )
    save_folder = make_folder(save_folder)
    model = model.to(device, memory_format=torch.channels_last).train()
    if len(visible_cards(device)) > 1:
        model = nn.DataParallel(model)
    optimizer = torch.optim.SGD(
        model.parameters(), schedule.lr, momentum=schedule.momentum, weight_decay=schedule.weight_decay
    )
    decays = [epoch - schedule.start_epoch for epoch in schedule.decay_epochs if epoch > schedule.start_epoch]
    scheduler = MultiStepLR(optimizer, decays, schedule.gamma)

    sampler = EpochSampler(len(dataset), dataset.seed)
    loader = DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=detection_collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=_use_one_thread,
        persistent_workers=num_workers > 0,
    )
    priors = PriorBox(cfg, (dataset.image_size, dataset.image_size), device).forward()
    criterion = MultiBoxLoss(variances=cfg["variance"])
    print(_describe(cfg, dataset, schedule, device, batch_size), flush=True)

    for epoch in range(schedule.start_epoch, schedule.epochs):
        sampler.epoch = epoch
        progress = _Progress(epoch + 1, schedule.epochs, loader, optimizer.param_groups[0]["lr"], log_every)
        with progress.bar, _named_failures():
            train_one_epoch(model, criterion, priors, loader, optimizer, cfg["loc_weight"], progress)
        scheduler.step()
        progress.report(with_boxes=epoch == schedule.start_epoch)
        done = epoch + 1
        if done % save_every == 0 or done == schedule.epochs:
            save_state_dict(model, save_folder / f"{cfg['name']}_epoch_{done}.pth")
    final = save_folder / f"{cfg['name']}_Final.pth"
    save_state_dict(model, final)
    print(f"trained weights: {final}")
    return final


def train_one_epoch(
    model: nn.Module,
    criterion: MultiBoxLoss,
    priors: Tensor,
    loader: DataLoader,
    optimizer: torch.optim.Optimizer,
    loc_weight: float,
    progress: "_Progress",
) -> None:
    """Take one optimiser step for each batch of the loader.

    Raises:
        UserError: the loss of a batch, or the weights after the last one, are not finite. A checkpoint of weights
            that this function returned with is a good one.
    """
    for iteration, (images, targets, infos) in enumerate(loader, start=1):
        images = normalize(images.to(priors.device, non_blocking=True))
        targets = [target.to(priors.device, non_blocking=True) for target in targets]
        losses = criterion(model(images), priors, targets)
        loss_loc, loss_class, loss_landm = losses
        total = loc_weight * loss_loc + loss_class + loss_landm
        values = torch.stack(losses).tolist()
        if not all(map(math.isfinite, values)):
            raise UserError(_not_finite("the loss is", progress.epoch, iteration, values, infos))
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        progress.update(iteration, values, infos)
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise UserError(_not_finite("the weights are", progress.epoch, iteration, values, infos))


@contextmanager
def _named_failures() -> Iterator[None]:
    """Say what to do where a GPU's memory is full or a loader's worker was killed."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise UserError("the GPU's memory is full; lower --batch_size or --image_size") from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise UserError(
            "a process that reads pictures was killed, usually for want of memory; lower --num_workers, or give the"
            " machine or container more (shared) memory"
        ) from error


def _use_one_thread(worker: int) -> None:
    """Keep OpenCV in a loader's worker from starting a thread for each core of its own."""
    cv2.setNumThreads(0)


def _not_finite(what: str, epoch: int, iteration: int, values: list[float], infos: list[SampleInfo]) -> str:
    pictures = ", ".join(info.path for info in infos)
    return (
        f"{what} not finite in epoch {epoch}, iteration {iteration} ({_losses(values)}); try a lower --lr;"
        f" checkpoints written so far are good; pictures of this batch: {pictures}"
    )


def _describe(cfg: dict, dataset: FaceDataset, schedule: Schedule, device: torch.device, batch_size: int) -> str:
    faces = sum(len(annotation.boxes) for annotation in dataset.annotations)
    cards = [torch.cuda.get_device_name(card) for card in visible_cards(device)]
    return (
        f"{cfg['name']} on {' + '.join(cards) or device}, PyTorch {torch.__version__}:"
        f" {len(dataset)} pictures with {faces} faces at {dataset.image_size} px, batch {batch_size},"
        f" epochs {schedule.start_epoch + 1} to {schedule.epochs}, lr {schedule.lr:g}, seed {dataset.seed}"
    )


class _Progress:
    """What a person sees of an epoch: a bar in a terminal, a line every `log_every` iterations in a log."""

    def __init__(self, epoch: int, epochs: int, loader: DataLoader, lr: float, log_every: int):
        self.epoch = epoch
        self.title = f"epoch {epoch}/{epochs}"
        self.lr = lr
        self.log_every = log_every
        self.bar = tqdm(total=len(loader), desc=self.title, unit="batch", leave=False, disable=None)
        self.started = time.perf_counter()
        self.pictures = self.clipped = self.dropped = 0
        self.sums = [0.0, 0.0, 0.0]
        self.iteration = 0

    def update(self, iteration: int, values: list[float], infos: list[SampleInfo]) -> None:
        self.iteration = iteration
        self.pictures += len(infos)
        self.clipped += sum(info.clipped for info in infos)
        self.dropped += sum(info.dropped for info in infos)
        self.sums = [total + value for total, value in zip(self.sums, values, strict=True)]
        self.bar.set_postfix_str(_losses(values), refresh=False)
        self.bar.update()
        if self.bar.disable and iteration % self.log_every == 0:
            print(f"{self.title} iteration {iteration}/{self.bar.total} {_losses(values)}", flush=True)

    def report(self, with_boxes: bool) -> None:
        """Print the epoch's means and, where asked, how many boxes of the dataset had to be mended."""
        seconds = time.perf_counter() - self.started
        means = _losses([total / self.iteration for total in self.sums])
        print(
            f"{self.title} mean {means} lr {self.lr:g} {self.pictures / seconds:.1f} pictures/s {seconds:.0f} s",
            flush=True,
        )
        if with_boxes and self.clipped + self.dropped:
            print(
                f"labels: {self.clipped} boxes reached outside their picture and were clipped,"
                f" {self.dropped} had no size inside it and were dropped",
                file=sys.stderr,
            )


def _losses(values: list[float]) -> str:
    return "box {:.3f} class {:.3f} landmark {:.3f}".format(*values)

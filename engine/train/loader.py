"""The batches of a training: read, augmented, and matched with the priors in the loader's workers."""

import atexit
import math
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from data.dataset import FaceDataset, SampleInfo, detection_collate
from data.sampler import EpochBatches
from layers.modules import MultiBoxLoss, PriorMatches
from utils.devices import keep_freed_memory
from utils.errors import UserError
from utils.signals import ignore_first_signal


class UnreadableImage(UserError):
    """An image that cannot be read. The steps before it are valid."""


@dataclass
class Batch:
    """This rank's share of a batch.

    Attributes:
        images: (B, 3, S, S) uint8 BGR, channels last in memory.
        matches: targets of the matched priors.
        infos: one for each image.
    """

    images: Tensor
    matches: PriorMatches
    infos: list[SampleInfo]

    def pin_memory(self) -> "Batch":
        """Return the batch in page-locked memory; DataLoader calls this, so that copies to a GPU are asynchronous."""
        return Batch(self.images.pin_memory(), self.matches.pin_memory(), self.infos)


class MatchedCollate:
    """Collate samples and match their faces with the priors, in the loader's workers.

    Args:
        criterion: loss that the matches are for.
        priors: (P, 4), on the CPU.
    """

    def __init__(self, criterion: MultiBoxLoss, priors: Tensor):
        self.criterion = criterion
        self.priors = priors

    def __call__(self, samples: list[tuple[Tensor, Tensor, SampleInfo]]) -> Batch:
        images, targets, infos = detection_collate(samples)
        return Batch(images, self.criterion.match(targets, self.priors, [info.is_background for info in infos]), infos)


@dataclass
class StepBatches:
    """The batches of one optimizer step.

    Attributes:
        batches: this rank's shares; several with gradient accumulation.
        images_done: images of the epoch that are processed after this step, on all ranks.
        data_time: seconds that the loop waited for the batches.
        is_last: whether the epoch ends with this step.
    """

    batches: list[Batch]
    images_done: int
    data_time: float
    is_last: bool

    @property
    def infos(self) -> list[SampleInfo]:
        return [info for batch in self.batches for info in batch.infos]


class StepLoader:
    """Loads the batches of each optimizer step of an epoch.

    Args:
        sampler: batches of an epoch.
        collate: turns samples into a Batch.
        accumulate: batches per optimizer step.
    """

    def __init__(
        self,
        dataset: FaceDataset,
        sampler: EpochBatches,
        collate: MatchedCollate,
        *,
        accumulate: int,
        num_workers: int,
        device: torch.device,
    ):
        self.dataset, self.sampler, self.accumulate = dataset, sampler, accumulate
        self.loader = build_loader(dataset, sampler, collate, num_workers, device)

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.sampler.total / self.accumulate)

    def steps_done(self, images_done: int) -> int:
        """Return the number of optimizer steps that process the first `images_done` images of an epoch."""
        batches = int(np.searchsorted(self.sampler.bounds, images_done))
        return math.ceil(batches / self.accumulate)

    def steps(self, epoch: int, images_done: int) -> Iterator[StepBatches]:
        """Yield the remaining steps of an epoch.

        Args:
            epoch: number of finished epochs.
            images_done: images of this epoch that are processed already.

        Raises:
            UnreadableImage: an image cannot be read, unless the dataset skips such images.
        """
        self.sampler.set_epoch(epoch, images_done)
        number = self.sampler.first
        batches = iter(self.loader) if len(self.sampler) else iter(())
        while True:
            begun = time.perf_counter()
            try:
                group = list(islice(batches, self.accumulate))
            except UserError as error:
                raise UnreadableImage(str(error)) from error
            if not group:
                return
            number += len(group)
            data_time, is_last = time.perf_counter() - begun, number == self.sampler.total
            yield StepBatches(group, int(self.sampler.bounds[number]), data_time, is_last)

    def close(self) -> None:
        """End the workers."""
        close_loader(self.loader)


def build_loader(
    dataset: FaceDataset, sampler: EpochBatches, collate: MatchedCollate, num_workers: int, device: torch.device
) -> DataLoader:
    """Build a DataLoader of Batch objects; set the sampler's epoch before each iteration."""
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=start_worker,
        persistent_workers=num_workers > 0,
    )
    # After a crash nothing else closes the loader, and multiprocessing would wait for workers that ignore its SIGTERM.
    atexit.register(_close_if_alive, weakref.ref(loader))
    return loader


def close_loader(loader: DataLoader) -> None:
    """End the workers of a loader; its next iteration starts new ones."""
    if loader._iterator is not None:
        loader._iterator._shutdown_workers()
        loader._iterator = None


def _close_if_alive(reference: weakref.ref[DataLoader]) -> None:
    loader = reference()
    if loader is not None:
        close_loader(loader)


def start_worker(worker: int) -> None:
    """Initialize a loader worker; DataLoader calls this in each, with its number."""
    ignore_first_signal()
    keep_freed_memory()
    cv2.setNumThreads(0)  # one process per core is enough

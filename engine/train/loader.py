"""The batches of a training: read, augmented and matched with the prior boxes by the loader's workers."""

import atexit
import weakref
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from data.dataset import FaceDataset, SampleInfo, detection_collate
from data.sampler import EpochBatches
from layers.modules import Matches, MultiBoxLoss
from utils.devices import keep_freed_memory
from utils.signals import ignore_first_signal


@dataclass
class Batch:
    """A rank's share of a batch.

    Attributes:
        images: (B, 3, S, S) uint8 BGR, channels last in memory.
        matches: what the network's predictions for them are compared with.
        infos: of each image.
    """

    images: Tensor
    matches: Matches
    infos: list[SampleInfo]

    def pin_memory(self) -> "Batch":
        """Called by DataLoader, so that a GPU fetches the batch while it computes another."""
        return Batch(self.images.pin_memory(), self.matches.pin_memory(), self.infos)


class MatchedCollate:
    """Puts samples together and matches their faces, in the workers: the training loop need not wait for either.

    Args:
        criterion: the loss that the matches are for.
        priors: (P, 4), on the CPU.
    """

    def __init__(self, criterion: MultiBoxLoss, priors: Tensor):
        self.criterion = criterion
        self.priors = priors

    def __call__(self, samples: list[tuple[Tensor, Tensor, SampleInfo]]) -> Batch:
        images, targets, infos = detection_collate(samples)
        return Batch(images, self.criterion.match(targets, self.priors, [info.background for info in infos]), infos)


def build_loader(
    dataset: FaceDataset, batches: EpochBatches, collate: MatchedCollate, num_workers: int, device: torch.device
) -> DataLoader:
    """Build the loader of Batch objects; what the next epoch is, `batches` says."""
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=start_worker,
        persistent_workers=num_workers > 0,
    )
    # Where nothing else closes it, as after a defect: multiprocessing would wait for workers that outlive its SIGTERM.
    atexit.register(_close_if_alive, weakref.ref(loader))
    return loader


def close_loader(loader: DataLoader) -> None:
    """End the workers of a loader that has any; they start again with its next epoch."""
    if loader._iterator is not None:
        loader._iterator._shutdown_workers()
        loader._iterator = None


def _close_if_alive(reference: weakref.ref[DataLoader]) -> None:
    loader = reference()
    if loader is not None:
        close_loader(loader)


def start_worker(worker: int) -> None:
    """Prepare a process that makes samples; DataLoader calls this in each, with its number."""
    ignore_first_signal()
    keep_freed_memory()
    cv2.setNumThreads(0)  # as many processes as cores are enough

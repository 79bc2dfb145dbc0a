"""The order and the batches in which an epoch visits the images."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from utils.errors import UserError


class EpochBatches(Sampler):
    """The batches of an epoch, as lists of the keys (epoch, index) that a FaceDataset takes.

    The order is random and depends on (seed, epoch) only. The images are spread evenly over the batches, so that the
    last one is not small. Each rank takes its share of every batch: together, the ranks train on the same batches as a
    single process.

    Args:
        length: number of images.
        batch_size: most images in a batch, on all ranks together.
        seed: of the order.
        rank, ranks: the share of this process, and the number of shares.

    Attributes:
        epoch: the epoch of the next iteration; set it before iterating.
        done: how many images of that epoch a resumed run has trained on already.

    Raises:
        UserError: fewer images, or fewer in a batch, than ranks.
    """

    def __init__(self, length: int, batch_size: int, seed: int, rank: int = 0, ranks: int = 1):
        if min(length, batch_size) < ranks:
            subject = f"{length} images" if length < ranks else f"--batch_size {batch_size}"
            raise UserError(f"{subject} cannot be shared among {ranks} ranks; start fewer with --nproc_per_node")
        self.length = length
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0
        self.done = 0
        # With few images for many ranks, fewer and larger batches give each rank an image of each batch.
        batches = min(-(-length // batch_size), length // ranks)
        self.bounds = np.arange(batches + 1) * length // batches

    def set_epoch(self, epoch: int, images_done: int = 0) -> None:
        """Choose the epoch of the next iteration, and how many of its images are processed already."""
        self.epoch, self.done = epoch, images_done

    @property
    def total(self) -> int:
        """Number of batches in a whole epoch."""
        return len(self.bounds) - 1

    @property
    def first(self) -> int:
        """Index of the first remaining batch, counted from the epoch's start."""
        return int(np.searchsorted(self.bounds, self.done))

    def __len__(self) -> int:
        return max(0, self.total - self.first)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        for batch in range(self.first, self.total):
            share = order[self.bounds[batch] : self.bounds[batch + 1]][self.rank :: self.ranks]
            yield [(self.epoch, int(index)) for index in share]

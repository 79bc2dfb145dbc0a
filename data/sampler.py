"""In which order, and in which batches, an epoch visits the images."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from utils.errors import UserError


class EpochBatches(Sampler):
    """The batches of an epoch, as lists of the keys (epoch, index) that a FaceDataset takes.

    The order is random, and (seed, epoch) alone decide it. The images are spread evenly over as many batches as
    their number needs, so that the last one is not a handful. Of each batch a rank takes its share: all ranks
    together learn the batch that a single process would.

    Args:
        length: number of images.
        batch_size: most images in a batch, on all ranks together.
        seed: of the order.
        rank, ranks: which share this process takes, of how many.

    Attributes:
        epoch: which one the next iteration is of; to be set before it.
        done: how many images of that epoch are learnt already, where a run goes on in the middle of one.

    Raises:
        UserError: fewer images, or fewer in a batch, than ranks.
    """

    def __init__(self, length: int, batch_size: int, seed: int, rank: int = 0, ranks: int = 1):
        if min(length, batch_size) < ranks:
            what = f"{length} images" if length < ranks else f"--batch_size {batch_size}"
            raise UserError(f"{what} cannot be shared among {ranks} ranks; start fewer with --nproc_per_node")
        self.length = length
        self.seed = seed
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0
        self.done = 0
        # Where there are few images for many ranks, fewer and larger batches give each rank one of each.
        batches = min(-(-length // batch_size), length // ranks)
        self.bounds = np.arange(batches + 1) * length // batches

    @property
    def total(self) -> int:
        """Number of batches in a whole epoch."""
        return len(self.bounds) - 1

    @property
    def first(self) -> int:
        """The first batch that is left, counted from 0 at the epoch's start."""
        return int(np.searchsorted(self.bounds, self.done))

    def __len__(self) -> int:
        return max(0, self.total - self.first)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        for batch in range(self.first, self.total):
            share = order[self.bounds[batch] : self.bounds[batch + 1]][self.rank :: self.ranks]
            yield [(self.epoch, int(index)) for index in share]

"""The processes (ranks) of one run: one alone, or several that torchrun started on one machine or more."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from utils.errors import UserError

# What the collective libraries say when a rank is gone or silent: "Timed out waiting 60000ms", "Connection closed by
# peer", "Socket Timeout", "NCCL communicator was aborted".
_LOST_RANK = ("timed out", "timeout", "connection", "gloo", "nccl")


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: 0 to size - 1; rank 0 writes and prints.
        size: number of processes on all machines.
        local_rank: number of this process on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def of_torchrun(cls) -> "Ranks":
        """Read what torchrun tells its processes by the environment; without it, one process alone."""
        return cls(*(int(os.environ.get(name, default)) for name, default in _VARIABLES.items()))

    @property
    def first(self) -> bool:
        return self.rank == 0

    def reduce(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over the ranks, in place, without waiting for a GPU."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def highest(self, tensor: Tensor) -> Tensor:
        """Take the highest value over the ranks of each element of a tensor, in place."""
        if self.size > 1:
            dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return tensor

    def gather(self, value: Any) -> list | None:
        """Bring one value of each rank to rank 0, in the order of the ranks; None on the others."""
        if self.size == 1:
            return [value]
        values = [None] * self.size if self.first else None
        dist.gather_object(value, values)
        return values

    def from_first(self, function: Callable[[], Any]) -> Any:
        """Call a function on rank 0 alone and give its result to all ranks; its UserError ends all of them.

        The machines of a run need no folder in common: only rank 0 reads and writes.
        """
        if self.size == 1:
            return function()
        outcome = [None]
        if self.first:
            try:
                outcome[0] = function()
            except UserError as error:
                outcome[0] = error
        dist.broadcast_object_list(outcome)
        if isinstance(outcome[0], UserError):
            self.fail(outcome[0])
        return outcome[0]

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Give rank 0's values of these tensors to all ranks, in place."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def fail(self, error: UserError) -> NoReturn:
        """End every rank with an error that all of them have met: rank 0 says it, the others are quiet.

        Raises:
            UserError: on rank 0; SystemExit with the same status on the others.
        """
        if self.first:
            raise error
        raise SystemExit(2)


_VARIABLES = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0}


@contextmanager
def joined_ranks(device: torch.device, minutes: float) -> Iterator[Ranks]:
    """Connect the processes that torchrun started, over NCCL where they compute on GPUs, else over gloo.

    Args:
        device: where this rank computes.
        minutes: how long a rank waits for the others before it gives up.

    Raises:
        UserError: a rank that ended or does not answer.
    """
    ranks = Ranks.of_torchrun()
    if ranks.size == 1:
        yield ranks
        return
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timedelta(minutes=minutes))
        try:
            yield ranks
        except SystemExit:  # in which all ranks agree
            dist.destroy_process_group()
            raise
        dist.destroy_process_group()
    except RuntimeError as error:  # of which torch's DistError is one
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if not any(word in str(error).lower() for word in _LOST_RANK):
            raise
        raise UserError(
            f"rank {ranks.rank}: another rank ended, or did not answer within {minutes:g} minutes (--rank_timeout);"
            f" see what that one says, then go on with --resume ({reason})"
        ) from error


def restarted() -> bool:
    """Whether torchrun started this run again after one of its processes failed (--max_restarts)."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0

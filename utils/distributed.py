"""The processes (ranks) of one run: one alone, or several that torchrun started on one machine or more."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, NoReturn
from uuid import uuid4

import torch
import torch.distributed as dist
from torch import Tensor

from utils.devices import choose_device
from utils.errors import UserError

# gloo has no class for its errors. It says "[...gloo/transport/tcp/pair.cc:...] Connection closed by peer", "Timed out
# waiting ...ms for recv operation to complete" or "Application timeout caused pair closure".
OF_LOST_RANKS = ("gloo", "timed out", "timeout", "connection")
OF_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: 0 to size - 1; rank 0 writes and prints.
        size: number of processes on all machines.
        local_rank: number of this process on its machine; None where torchrun did not start it.
        local_size: number of processes on its machine.
        control: the connection over which ranks agree; it belongs to the CPUs, so that no GPU is waited for.
    """

    rank: int = 0
    size: int = 1
    local_rank: int | None = None
    local_size: int = 1
    control: dist.ProcessGroup | None = None

    @classmethod
    def of_torchrun(cls) -> "Ranks":
        """Read what torchrun tells its processes by the environment; without it, one process alone.

        Raises:
            UserError: a part of it is missing.
        """
        if "WORLD_SIZE" not in os.environ:
            return cls()
        missing = [name for name in OF_TORCHRUN if name not in os.environ]
        if missing:
            raise UserError(f"WORLD_SIZE is set, {' and '.join(missing)} not; start with torchrun, or unset WORLD_SIZE")
        numbers = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        return cls(*numbers, int(os.environ.get("LOCAL_WORLD_SIZE", 1)))

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def all_reduce_sum(self, values: list[float]) -> list[float]:
        """Return the sums of the ranks' values."""
        if self.size == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums, group=self.control)
        return sums.tolist()

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Give rank 0's values of these tensors to all ranks, in place."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def gather(self, value: Any) -> list:
        """Return one value of each rank, on all of them, in the order of the ranks."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value, group=self.control)
        return values

    def run_on_main(self, function: Callable[[], Any]) -> Any:
        """Call a function on rank 0 alone and give its result to all ranks; its UserError ends all of them."""
        if self.size == 1:
            return function()
        result, error = _outcome(function) if self.is_main else (None, None)
        outcome = [result, error]
        dist.broadcast_object_list(outcome, group=self.control)
        if outcome[1] is not None:
            self.fail(UserError(outcome[1]))
        return outcome[0]

    def raise_together(self, function: Callable[[], Any]) -> Any:
        """Call a function on every rank and return its result; the UserError of any of them ends all of them."""
        if self.size == 1:
            return function()
        result, error = _outcome(function)
        errors = self.gather(error)
        for rank, found in enumerate(errors):
            if found is not None:
                self.fail(UserError(found if rank == 0 else f"rank {rank}: {found}"))
        return result

    def fail(self, error: UserError) -> NoReturn:
        """End every rank with an error that all of them know of: rank 0 says it, the others are quiet.

        Raises:
            UserError: on rank 0; SystemExit with the same status on the others.
        """
        if self.size > 1:
            dist.destroy_process_group()
        if self.is_main:
            raise error
        raise SystemExit(2)


def device_of_rank(name: str | None) -> torch.device:
    """Return the device that is asked for; with torchrun and GPUs, each process of a machine has one of its own.

    Raises:
        UserError: not a device's name, one that this machine lacks, or one GPU for all ranks.
    """
    device, ranks = choose_device(name), Ranks.of_torchrun()
    if ranks.local_rank is not None and device.type == "cuda":
        if device.index is not None:
            raise UserError(f"--device {name}: torchrun gives each rank its own GPU; choose by CUDA_VISIBLE_DEVICES")
        return choose_device(f"cuda:{ranks.local_rank}")
    return device


def _outcome(function: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return what a function returns, or the message of its error."""
    try:
        return function(), None
    except UserError as error:
        return None, str(error)
    except OSError as error:
        return None, f"{error.filename}: {error.strerror}"


@contextmanager
def init_distributed(device: torch.device, minutes: float, flag: str = "") -> Iterator[Ranks]:
    """Connect the processes that torchrun started, over NCCL where they compute on GPUs, else over gloo.

    Args:
        device: where this rank computes.
        minutes: how long a rank waits for the others before it gives up.
        flag: by which the user sets the minutes, for the error.

    Raises:
        UserError: a rank that ended or does not answer.
    """
    ranks = Ranks.of_torchrun()
    if ranks.size == 1:
        yield ranks
        return
    limit = timedelta(minutes=minutes)
    try:
        if device.type == "cuda":
            # The connection between the GPUs waits longer: where it gives up, it ends the process without a word.
            _connect("nccl", 2 * limit)
            ranks = replace(ranks, control=dist.new_group(backend="gloo", timeout=limit))
        else:
            _connect("gloo", limit)
        try:
            yield ranks
        except SystemExit:  # in which all ranks agree
            if dist.is_initialized():
                dist.destroy_process_group()
            raise
        dist.destroy_process_group()
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and not any(word in str(error).lower() for word in OF_LOST_RANKS):
            raise
        *_, reason = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise UserError(
            f"rank {ranks.rank}: another rank ended, or did not answer within {minutes:g} minutes"
            f"{f' ({flag})' if flag else ''}; see what that one says, then go on with --resume ({reason})"
        ) from error


def _connect(backend: str, limit: timedelta) -> None:
    """Join the process group of the ranks that torchrun runs now.

    The ranks find each other by torchrun's store, which outlives them: after a restart it still has the addresses of
    those that were killed, so that each start needs keys of its own.
    """
    store, rank, size = next(dist.rendezvous("env://", timeout=limit))
    store = dist.PrefixStore(_name_of_start(store, rank, size, limit), store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=limit)


def _name_of_start(store: dist.Store, rank: int, size: int, limit: timedelta) -> str:
    """Agree on a name that only the processes of this start know, whatever earlier ones left in the store.

    torchrun's count of restarts is no such name: each machine has its own. Here rank 0 makes one up and answers with it
    whoever asks. A question of a process that was killed is answered, too, to no effect: only those that got the answer
    say so, and rank 0 waits for all of them.

    Raises:
        DistError: a rank that did not come within the limit.
    """
    own = uuid4().hex
    if rank > 0:
        store.set(f"question {rank}", own)
        store.wait([f"answer {own}"], limit)
        name = store.get(f"answer {own}").decode()
        store.set(f"{name} reached {rank}", "")
        return name
    deadline = time.monotonic() + limit.total_seconds()
    absent = list(range(1, size))
    while absent:
        if time.monotonic() > deadline:
            raise dist.DistStoreError(f"waited for {', '.join(f'rank {other}' for other in absent)}")
        for other in absent:
            if store.check([f"question {other}"]):
                store.set(f"answer {store.get(f'question {other}').decode()}", own)
        absent = [other for other in absent if not store.check([f"{own} reached {other}"])]
        time.sleep(0.02)
    return own

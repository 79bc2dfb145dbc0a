"""The ranks of a run: one process, or several that torchrun started on one or more machines."""

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

# gloo has no exception class of its own. Its messages: "[...gloo/transport/tcp/pair.cc:...] Connection closed by peer",
# "Timed out waiting ...ms for recv operation to complete", and "Application timeout caused pair closure".
LOST_RANK_MESSAGES = ("gloo", "timed out", "timeout", "connection")
# gloo's threads take the interpreter's lock to release the tensors of the last operation. A thread that comes to it
# while the interpreter ends aborts the process. PyTorch has no call that waits for these threads. With this time, which
# is far more than they take, 200 of 200 processes ended well, without it 109 of 120 (PyTorch 2.14.1, 2 cores).
GLOO_RELEASE_SECONDS = 0.2
TORCHRUN_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """This process among the ranks of the run.

    Attributes:
        rank: 0 to size - 1; rank 0, the main rank, writes and prints.
        size: number of ranks on all machines.
        local_rank: number of this rank on its machine; None without torchrun.
        local_size: number of ranks on its machine.
        control: process group between the CPUs, which never waits for a GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int | None = None
    local_size: int = 1
    control: dist.ProcessGroup | None = None

    @classmethod
    def of_torchrun(cls) -> "Ranks":
        """Read the environment variables of torchrun; without them, a single process.

        Raises:
            UserError: some of them are missing.
        """
        if "WORLD_SIZE" not in os.environ:
            return cls()
        missing = [name for name in TORCHRUN_VARIABLES if name not in os.environ]
        if missing:
            raise UserError(f"WORLD_SIZE is set, {' and '.join(missing)} not; start with torchrun, or unset WORLD_SIZE")
        numbers = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
        return cls(*numbers, int(os.environ.get("LOCAL_WORLD_SIZE", 1)))

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def all_reduce_sum(self, values: list[float]) -> list[float]:
        """Return the sums of the values over the ranks."""
        if self.size == 1:
            return values
        sums = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(sums, group=self.control)
        return sums.tolist()

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Copy the main rank's values of these tensors to all ranks, in place."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def gather(self, value: Any) -> list:
        """Return the values of all ranks, in their order, on each of them."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value, group=self.control)
        return values

    def run_on_main(self, function: Callable[[], Any]) -> Any:
        """Call a function on the main rank and return its result on all ranks; a UserError ends all ranks."""
        if self.size == 1:
            return function()
        outcome = list(_call(function)) if self.is_main else [None, None]
        dist.broadcast_object_list(outcome, group=self.control)
        result, error = outcome
        if error is not None:
            self.fail(UserError(error))
        return result

    def raise_together(self, function: Callable[[], Any]) -> Any:
        """Call a function on every rank and return its result; a UserError on any of them ends all ranks."""
        if self.size == 1:
            return function()
        result, error = _call(function)
        for rank, message in enumerate(self.gather(error)):
            if message is not None:
                self.fail(UserError(message if rank == 0 else f"rank {rank}: {message}"))
        return result

    def fail(self, error: UserError) -> NoReturn:
        """End all ranks with an error that all of them know.

        Raises:
            UserError: on the main rank; SystemExit with the same status on the others.
        """
        if self.size > 1:
            _disconnect()
        if self.is_main:
            raise error
        raise SystemExit(2)


def _call(function: Callable[[], Any]) -> tuple[Any, str | None]:
    """Return the result of a function, or the message of its error."""
    try:
        return function(), None
    except UserError as error:
        return None, str(error)
    except OSError as error:
        return None, f"{error.filename}: {error.strerror}"


def device_of_rank(name: str | None) -> torch.device:
    """Return the device of this process; with torchrun, each rank of a machine has its own GPU.

    Args:
        name: value of --device.

    Raises:
        UserError: an unknown or missing device, or one GPU for all ranks.
    """
    device, ranks = choose_device(name), Ranks.of_torchrun()
    if ranks.local_rank is not None and device.type == "cuda":
        if device.index is not None:
            raise UserError(
                f"--device {name}: torchrun gives each rank its own GPU; select GPUs with CUDA_VISIBLE_DEVICES"
            )
        return choose_device(f"cuda:{ranks.local_rank}")
    return device


@contextmanager
def init_distributed(device: torch.device, minutes: float, flag: str = "") -> Iterator[Ranks]:
    """Connect the ranks that torchrun started, over NCCL on GPUs and over gloo on CPUs; once in a process.

    Args:
        device: device of this rank.
        minutes: time after which a rank that does not answer is an error.
        flag: option that sets the minutes, for the message.

    Raises:
        UserError: a rank ended or does not answer.
    """
    ranks = Ranks.of_torchrun()
    if ranks.size == 1:
        yield ranks
        return
    limit = timedelta(minutes=minutes)
    try:
        if device.type == "cuda":
            # NCCL gets more time: when it times out, it ends the process without a message.
            _connect("nccl", 2 * limit)
            ranks = replace(ranks, control=dist.new_group(backend="gloo", timeout=limit))
        else:
            _connect("gloo", limit)
        try:
            yield ranks
        except SystemExit:  # all ranks end
            _disconnect()
            raise
        _disconnect()
    except RuntimeError as error:
        message = str(error).lower()
        if not isinstance(error, dist.DistError) and not any(known in message for known in LOST_RANK_MESSAGES):
            raise
        *_, reason = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise UserError(
            f"rank {ranks.rank}: another rank ended, or did not answer within {minutes:g} minutes"
            f"{f' ({flag})' if flag else ''}; see its message, then continue with --resume ({reason})"
        ) from error
    finally:
        if dist.is_initialized():
            time.sleep(GLOO_RELEASE_SECONDS)


def _connect(backend: str, limit: timedelta) -> None:
    """Create the process group.

    The ranks find each other through torchrun's store. It survives a restart and then still holds the addresses of the
    old processes, so each start needs its own prefix.
    """
    store, rank, size = next(dist.rendezvous("env://", timeout=limit))
    store = dist.PrefixStore(_agree_on_prefix(store, rank, size, limit), store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=limit)


def _disconnect() -> None:
    """Destroy the process group of NCCL; that of gloo ends with the process.

    In PyTorch 2.6 and 2.11 the destruction of gloo's group sometimes waits forever.
    """
    if dist.is_initialized() and dist.get_backend() == "nccl":
        dist.destroy_process_group()


def _agree_on_prefix(store: dist.Store, rank: int, size: int, limit: timedelta) -> str:
    """Return a prefix that only the ranks of this start know.

    torchrun's restart count does not serve: each machine counts for itself. Rank 0 draws a prefix and answers the
    question of each rank with it. It waits until each rank has confirmed the answer, since a question may be that of a
    process that was killed.

    Raises:
        DistError: a rank did not confirm within the limit.
    """
    own = uuid4().hex
    if rank > 0:
        store.set(f"question {rank}", own)
        store.wait([f"answer {own}"], limit)
        prefix = store.get(f"answer {own}").decode()
        store.set(f"{prefix} reached {rank}", "")
        return prefix
    deadline = time.monotonic() + limit.total_seconds()
    missing = list(range(1, size))
    while missing:
        if time.monotonic() > deadline:
            raise dist.DistStoreError(f"waited for {', '.join(f'rank {other}' for other in missing)}")
        for other in missing:
            if store.check([f"question {other}"]):
                store.set(f"answer {store.get(f'question {other}').decode()}", own)
        missing = [other for other in missing if not store.check([f"{own} reached {other}"])]
        time.sleep(0.02)
    return own

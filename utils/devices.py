"""Devices, cores, and memory."""

import ctypes
import os
import re
from contextlib import suppress
from pathlib import Path

import torch

from utils.errors import UserError

HALF_PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}
CGROUPS = Path("/sys/fs/cgroup")
CGROUP_FILES = (  # of version 2 and 1: limit, usage, and reclaimable cache
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def choose_device(name: str | None = None) -> torch.device:
    """Return the named device; without a name, a GPU if there is one, else the CPU.

    Raises:
        UserError: an unknown name, or a device that this machine does not have.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r}: expected cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device {name!r}: expected cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r}: PyTorch finds no CUDA device; omit the option, or use cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device {name!r}: PyTorch finds {torch.cuda.device_count()} GPUs, from cuda:0 on")
    return device


def visible_gpus(device: torch.device) -> list[int]:
    """Return the GPUs of a device: the one that it names, or all visible ones."""
    if device.type != "cuda":
        return []
    return list(range(torch.cuda.device_count())) if device.index is None else [device.index]


def describe_computer(device: torch.device) -> str:
    """Describe what decides how results are rounded: a GPU, or the CPU and its number of threads."""
    return "a GPU" if device.type == "cuda" else f"the CPU (threads: {torch.get_num_threads()})"


def usable_cores() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes; None if the system does not report it.

    On Linux this respects the limits of containers and batch systems (control groups).
    """
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    available = []
    with suppress(OSError, ValueError, IndexError):
        available.append(1024 * _number_after("MemAvailable:", Path("/proc/meminfo")))
    with suppress(OSError):
        groups = re.findall(r"^\d+:(memory|):/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
        for controller, path in groups:
            folder = CGROUPS / controller / path
            for group in (folder, *folder.parents):
                for limit, used, cached in CGROUP_FILES:
                    with suppress(OSError, ValueError, IndexError):  # a file of the other version, or no limit
                        free = int((group / limit).read_text()) - int((group / used).read_text())
                        available.append(free + _number_after(cached, group / "memory.stat"))
    return max(0, min(available)) if available else None


def _number_after(name: str, file: Path) -> int:
    return int(file.read_text().split(name, 1)[1].split()[0])


def keep_freed_memory() -> None:
    """Make glibc keep freed memory in this process; without glibc do nothing.

    By default glibc returns large blocks, such as activations and decoded images, to the system, which zeroes their
    pages again at the next allocation. Keeping them makes a training step on the CPU a third faster, and a sample a
    tenth.
    """
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, -1)

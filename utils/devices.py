"""Where a run computes."""

import ctypes
import os

import torch

from utils.errors import UserError


def choose_device(name: str | None = None) -> torch.device:
    """Return the device of this name; without one a GPU where there is one, else the CPU.

    Raises:
        UserError: not a device's name, or a device that this machine lacks.
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
        raise UserError(f"device {name!r}: PyTorch finds no CUDA here; leave the flag out or say cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device {name!r}: PyTorch finds {torch.cuda.device_count()} here, from cuda:0 on")
    return device


def visible_cards(device: torch.device) -> list[int]:
    """Return the GPUs that a run on this device may share its batches among: all of them where it names none."""
    if device.type != "cuda":
        return []
    return list(range(torch.cuda.device_count())) if device.index is None else [device.index]


def describe_computer(device: torch.device) -> str:
    """Return as text what decides how results are rounded: a GPU, or the CPU with a number of threads."""
    return "a GPU" if device.type == "cuda" else f"the CPU (threads: {torch.get_num_threads()})"


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, where the C library is glibc; elsewhere do nothing.

    glibc gives large blocks back to the system at once and asks for them again, filled with zeros page by page. The
    activations of a training step on the CPU are such blocks, and so are decoded pictures: kept, a step takes a third
    less time, and a sample a tenth.
    """
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, -1)

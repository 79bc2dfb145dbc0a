"""Reading and writing of state dicts and checkpoints: atomic writes, and reads that cannot run code."""

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from utils.errors import UserError
from utils.files import atomic_path


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict: plain, or nested under `state_dict` or `model`; the prefix `module.` is removed.

    Raises:
        UserError: the file is missing, truncated, or holds no state dict.
    """
    content = read_checkpoint(path)
    if isinstance(content, dict):
        if {"format", "state", "model", "optimizer"} <= content.keys():
            raise UserError(f"{path}: is the checkpoint of a run, for --resume; name weights, a .pth file")
        content = next((content[key] for key in ("state_dict", "model") if isinstance(content.get(key), dict)), content)
    named = isinstance(content, dict) and all(isinstance(key, str) for key in content)
    if not named or not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"{path}: holds no state dict; expected tensors by name, as torch.save(model.state_dict())")
    for key, value in content.items():
        if not _holds_its_values(value):
            raise UserError(
                f"{path}: {key[:80]!r} is a sparse, quantized, expanded or empty tensor; expected a dense one with all"
                " its values"
            )
    return {key.removeprefix("module."): value for key, value in content.items()}


def _holds_its_values(tensor: Tensor) -> bool:
    """Whether a tensor is dense and has a stored number for each element: a view can repeat one number endlessly."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def read_checkpoint(path: str | Path) -> object:
    """Read a file of torch.save on the CPU: tensors and plain values, nothing that can run code.

    Raises:
        UserError: the file is missing, truncated, or holds other objects.
    """
    _refuse_packed(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such weights file; train first, or name another file") from error
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: refused: it is truncated, or not a PyTorch checkpoint, or holds objects that could run code;"
            " expected a state dict of tensors"
        ) from error
    except Exception as error:  # PyTorch raises many kinds for a truncated or foreign file
        reason = str(error).partition(". ")[0].splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: is truncated or not a PyTorch checkpoint ({reason}); download it again, or name another file"
        ) from error


def _refuse_packed(path: str | Path) -> None:
    """Raise UserError for a zip file whose members are larger than itself.

    PyTorch stores members uncompressed, but also reads compressed ones, in which zeros take a thousandth of the memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        size = os.path.getsize(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # torch.load explains it, and reads its older format, which is no zip file
    if unpacked > size:
        raise UserError(
            f"{path}: has {size:,} bytes that unpack to {unpacked:,}; expected a file as torch.save writes it, which is"
            " not compressed"
        )


def load_into(model: nn.Module, state: dict[str, Tensor], source: str | Path, name: str = "this network") -> None:
    """Load a state dict that must match exactly.

    Args:
        source: its file, for the message.
        name: name of the network, for the message.

    Raises:
        UserError: keys are missing, unexpected, or of another shape.
    """
    if problem := mismatch(model.state_dict(), state):
        raise UserError(f"{source}: state dict does not match {name}: {problem}")
    model.load_state_dict(state, strict=False)


def mismatch(expected: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    """Describe how a state dict differs from the expected one in keys and shapes; empty if it does not."""
    # Files from before PyTorch 0.4.1 lack this counter, which is unused with a fixed momentum.
    missing = [key for key in expected if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in expected]
    reshaped = [key for key in expected if key in state and expected[key].shape != state[key].shape]
    integers = [
        key
        for key in expected
        if key in state and expected[key].is_floating_point() and not state[key].is_floating_point()
    ]
    kinds = {
        "missing keys": missing,
        "unexpected": unexpected,
        "of another shape": reshaped,
        "of whole numbers": integers,
    }
    return ", ".join(f"{len(keys)} {kind} ({_first(keys)})" for kind, keys in kinds.items() if keys)


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")


def save_state_dict(model: nn.Module, path: str | Path) -> None:
    """Write the plain state dict of a network, on the CPU and without the prefix of DataParallel."""
    save_checkpoint({key.removeprefix("module."): value.cpu() for key, value in model.state_dict().items()}, path)


def save_checkpoint(content: object, path: str | Path) -> None:
    """Write tensors and plain values with torch.save, atomically.

    Raises:
        UserError: the file cannot be written; its old content is unchanged.
    """
    buffer = io.BytesIO()  # torch.save to a full disk raises no OSError
    torch.save(content, buffer)
    existed = Path(path).exists()
    try:
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            write_all(file, buffer.getbuffer())
    except UserError as error:
        raise UserError(f"{error}; its old content is unchanged" if existed else str(error)) from error


def write_all(file: BinaryIO, content: memoryview) -> None:
    """Write and sync to the disk, so that a power cut cannot leave a new name without its content."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())

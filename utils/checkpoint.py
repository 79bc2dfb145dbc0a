"""Checkpoint files: plain state dicts, written whole or not at all, read without running what is in them."""

import io
import os
import pickle
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from utils.errors import UserError
from utils.files import atomic_path


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict: plain, or under the key `state_dict`; the prefix `module.` of DataParallel is taken off.

    Raises:
        UserError: no such file, a truncated one, one that holds more than tensors, or no state dict in it.
    """
    content = read_checkpoint(path)
    if isinstance(content, dict) and {"model", "optimizer"} <= content.keys():
        raise UserError(f"{path}: is the checkpoint of a run, which --resume goes on with; name weights, a .pth file")
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    named = isinstance(content, dict) and all(isinstance(key, str) for key in content)
    if not named or not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise UserError(f"{path}: holds no state dict; expected tensors by name, as torch.save(model.state_dict())")
    return {key.removeprefix("module."): value for key, value in content.items()}


def read_checkpoint(path: str | Path) -> object:
    """Read what torch.save wrote, on the CPU: tensors and plain values, nothing that could run code.

    Raises:
        UserError: no such file, a truncated one, or one that holds other objects.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such weights file; train it first, or name another file") from error
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: refused: it is truncated, or not a PyTorch checkpoint, or holds objects that could run code;"
            " expected a state dict of tensors"
        ) from error
    except Exception as error:  # whatever PyTorch meets in a file that is cut off or not its own
        reason = str(error).partition(". ")[0].splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: is truncated or not a PyTorch checkpoint ({reason}); fetch it again, or name another"
        ) from error


def load_into(model: nn.Module, state: dict[str, Tensor], source: str | Path, name: str = "this network") -> None:
    """Load a state dict that must fit exactly.

    Args:
        source: the file that it came from, for the error.
        name: of the network, for the error.

    Raises:
        UserError: keys that are missing, unexpected or of another shape, all of them counted, the first named.
    """
    own = model.state_dict()
    # Files from before PyTorch 0.4.1 lack this counter, which is not used where momentum is given.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or unexpected or reshaped:
        kinds = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
        found = ", ".join(f"{len(keys)} {kind} ({_first(keys)})" for kind, keys in kinds.items() if keys)
        raise UserError(f"{source}: state dict does not match {name}: keys {found}")
    model.load_state_dict(state, strict=False)


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")


def save_state_dict(model: nn.Module, path: str | Path) -> None:
    """Write the plain state dict of a network, on the CPU, without DataParallel's prefix."""
    save_checkpoint({key.removeprefix("module."): value.cpu() for key, value in model.state_dict().items()}, path)


def save_checkpoint(content: object, path: str | Path) -> None:
    """Write tensors and plain values with torch.save, the whole file or none of it.

    Raises:
        UserError: the file cannot be written; what it held before is whole.
    """
    buffer = io.BytesIO()  # torch.save to a full disk raises no OSError
    torch.save(content, buffer)
    existed = Path(path).exists()
    try:
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            write_all(file, buffer.getbuffer())
    except UserError as error:
        raise UserError(f"{error}; what it held before is whole" if existed else str(error)) from error


def write_all(file: BinaryIO, content: memoryview) -> None:
    """Write to the disk itself: else a power cut could leave a new name without its content."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())

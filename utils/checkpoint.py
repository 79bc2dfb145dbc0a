"""Reading and writing of state dicts and checkpoints: atomic writes, and reads that cannot run code."""

import io
import os
import pickle
import pickletools
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from utils.checkpoint_kinds import foreign_kind, zip_members
from utils.errors import UserError
from utils.files import atomic_path, check_file
from utils.wording import printable

USUAL_NAMES = ("state_dict", "model")
MOST_DEPTH = 3  # of dictionaries around a state dict
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module"}  # of DataParallel, torch.compile and FSDP; at any place
COUNTERS = {"n_averaged"}  # of torch.optim.swa_utils.AveragedModel
# Names under which programs hold their network, so that all keys begin with them.
ATTRIBUTES = {"model", "net", "network", "detector", "student", "teacher", "ema", "ema_model"}
# Operations of the pickles of a checkpoint: some, and more in a large file.
MOST_OPERATIONS = 100_000
BYTES_OF_OPERATION = 40


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict: plain, or nested in dictionaries; prefixes of wrappers such as `module.` are removed.

    Of several state dicts, the one under `state_dict` or `model` is used, else the one with most tensors; a line on
    stderr names the other networks, the averaged weights for example. Of the metadata, the numbers of the whole network
    are kept.

    Raises:
        UserError: the file is missing, truncated, or holds no state dict.
    """
    content = read_checkpoint(path)
    if isinstance(content, dict) and {"format", "state", "model", "optimizer"} <= content.keys():
        raise UserError(f"{path}: is the checkpoint of a run, for --resume; name weights, a .pth file")
    chosen = _choose_state_dict(path, _find_state_dicts(content))
    for key, value in chosen.items():
        if not _holds_its_values(value):
            raise UserError(
                f"{path}: {key[:80]!r} is a sparse, quantized, expanded or empty tensor; expected a dense one with all"
                " its values"
            )
    state = OrderedDict(_without_wrappers(chosen))
    modules = getattr(chosen, "_metadata", None)
    numbers = modules.get("") if isinstance(modules, dict) else None
    if isinstance(numbers, dict):
        state._metadata = {"": {name: value for name, value in numbers.items() if isinstance(value, float)}}
    return state


def _find_state_dicts(content: object, depth: int = MOST_DEPTH) -> dict[str, dict[str, Tensor]]:
    """Return the state dicts in nested dictionaries, by the keys that lead to them; "" is `content` itself."""
    if not isinstance(content, dict) or not content:
        return {}
    if all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()):
        return {"": content}
    found = {}
    for key, value in content.items() if depth else ():
        if str(key).startswith("optim"):  # whose state may be larger than the network
            continue
        for below, state in _find_state_dicts(value, depth - 1).items():
            found[f"{key}.{below}".rstrip(".")] = state
    return found


def _choose_state_dict(path: str | Path, found: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    if not found:
        raise UserError(f"{path}: holds no state dict; expected tensors by name, as torch.save(model.state_dict())")
    largest = max(found, key=lambda name: len(found[name]))
    chosen = next((name for name in USUAL_NAMES if name in found), largest)
    others = [name for name, state in found.items() if name != chosen and 2 * len(state) >= len(found[chosen])]
    if others:
        used, unused = printable(chosen), printable(", ".join(others))
        print(f"note: {path}: has several state dicts; used: {used}; not used: {unused}", file=sys.stderr)
    return found[chosen]


def _without_wrappers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict with the keys of the network itself, not those of what it was wrapped in."""
    state = {
        ".".join(part for part in key.split(".") if part not in WRAPPERS): value
        for key, value in state.items()
        if key not in COUNTERS
    }
    while len(first := {key.partition(".")[0] for key in state}) == 1 and first <= ATTRIBUTES:
        state = {key.partition(".")[2]: value for key, value in state.items()}
    return state


def _holds_its_values(tensor: Tensor) -> bool:
    """Whether a tensor is dense and has a stored number for each element: a view can repeat one number endlessly."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def read_checkpoint(path: str | Path) -> object:
    """Read a file of torch.save on the CPU: tensors and plain values, nothing that can run code.

    Raises:
        UserError: the file is missing, truncated, of another tool, or holds other objects.
    """
    try:
        return _load(path)
    except UserError as error:
        if os.path.isfile(path) and (kind := foreign_kind(path)):
            raise UserError(f"{path}: is {kind}") from error
        raise


def _load(path: str | Path) -> object:
    if os.path.exists(path):
        check_file(path, largest=None)  # a pipe would be waited for
    _refuse_packed(path)
    _refuse_many_objects(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such weights file; train first, or name another file") from error
    except pickle.UnpicklingError as error:
        if named := re.search(r"GLOBAL (\S+)", str(error)):
            raise UserError(
                f"{path}: refused: holds objects of {printable(named[1])}, which could run code; expected tensors only,"
                " as torch.save(model.state_dict()) writes them"
            ) from error
        raise UserError(f"{path}: refused: it is truncated, or not a PyTorch checkpoint") from error
    except Exception as error:  # PyTorch raises many kinds for a truncated or foreign file
        reason = str(error).partition(". ")[0].splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: is truncated or not a PyTorch checkpoint ({reason}); download it again, or name another file"
        ) from error


def _refuse_packed(path: str | Path) -> None:
    """Raise UserError for a zip file whose members are larger than itself.

    PyTorch stores members uncompressed, but also reads compressed ones, in which zeros take a thousandth of the memory.
    """
    unpacked = sum(member.file_size for member in zip_members(path))
    if unpacked and unpacked > (size := os.path.getsize(path)):
        raise UserError(
            f"{path}: has {size:,} bytes that unpack to {unpacked:,}; expected a file as torch.save writes it, which is"
            " not compressed"
        )


def _refuse_many_objects(path: str | Path) -> None:
    """Raise UserError for a file whose pickles take far more operations to load than a network needs.

    One byte of a pickle can be an object of a hundred bytes. A network takes some ten thousand operations, and each
    epoch in the history of a run thirty.
    """
    try:
        size = os.path.getsize(path)
        most = MOST_OPERATIONS + size // BYTES_OF_OPERATION
        count = sum(1 for _ in islice(_operations(path), most + 1))
    except Exception:  # of a truncated or foreign file, which torch.load explains
        return
    if count > most:
        raise UserError(
            f"{path}: holds more than {most:,} objects in {size:,} bytes; expected the weights of a network, tensors by"
            " name"
        )


def _operations(path: str | Path) -> Iterator[tuple]:
    """Yield the operations of the pickles in a file of torch.save."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    yield from pickletools.genops(archive.read(name))
    else:  # before PyTorch 1.6: a number, a version, the system, the content, and the keys of its tensors
        with open(path, "rb") as file:
            for _ in range(5):
                yield from pickletools.genops(file)


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


def save_state_dict(model: nn.Module, path: str | Path, metadata: Mapping[str, float] | None = None) -> None:
    """Write the plain state dict of a network, on the CPU and without the prefix of DataParallel.

    Args:
        metadata: numbers for the metadata of the state dict, where PyTorch stores the versions of modules, and from
            which a module takes them when it is loaded. Programs that do not know them ignore them.
    """
    state = {key.removeprefix("module."): value.cpu() for key, value in model.state_dict().items()}
    if metadata:
        state = OrderedDict(state)
        state._metadata = {"": dict(metadata)}
    save_checkpoint(state, path)


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

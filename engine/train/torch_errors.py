"""Advice for errors of PyTorch that the user can fix."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from utils.errors import UserError


@contextmanager
def explain_torch_errors() -> Iterator[None]:
    """Turn a full GPU, a killed loader worker, and a failed compilation in the block into a UserError with advice."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise UserError("out of GPU memory; lower --batch_size (and raise --accumulate) or --image_size") from error
    except RuntimeError as error:
        dynamo = sys.modules.get("torch._dynamo")  # --compile imports it, which takes seconds
        if dynamo and isinstance(error, dynamo.exc.BackendCompilerFailed):
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"--compile: torch.compile failed; omit --compile ({reason})") from error
        if not str(error).startswith("DataLoader worker (pid"):  # other errors of a worker keep their traceback
            raise
        raise UserError(
            "a loader worker was killed, usually because memory ran out; lower --num_workers, or give the machine or"
            " container more (shared) memory, and continue with --resume"
        ) from error

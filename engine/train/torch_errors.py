"""What PyTorch fails with for reasons that a user can mend, in a user's words."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from utils.errors import UserError


@contextmanager
def explain_torch_errors() -> Iterator[None]:
    """Say what to do where a GPU's memory is full, a loader's worker was killed or kernels cannot be compiled.

    Raises:
        UserError: one of these happened in the block.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(
            "the GPU's memory is full; lower --batch_size (and raise --accumulate) or --image_size"
        ) from error
    except RuntimeError as error:
        dynamo = sys.modules.get("torch._dynamo")  # which takes seconds to import, and --compile alone does
        if dynamo and isinstance(error, dynamo.exc.BackendCompilerFailed):
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"--compile: the network's kernels cannot be built; leave it out ({reason})") from error
        if not str(error).startswith("DataLoader worker (pid"):  # else it is what happened in one
            raise
        raise UserError(
            "a process that reads images was killed, usually for want of memory; lower --num_workers, or give the"
            " machine or container more (shared) memory, and go on with --resume"
        ) from error

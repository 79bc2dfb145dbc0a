"""File formats of exported networks."""

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from models.deployment import ImagesToFaces, non_max_suppression
from utils.errors import UserError

OLDEST_PYTORCH = (2, 11)  # the exporters of 2.6, 2.9 and 2.10 refuse the network
OPSET = 18

# Runs an exported file: images (N, H, W, 3) uint8 -> its outputs, in the order of output_names().
RunExported = Callable[[np.ndarray], list[np.ndarray]]

# Below 33 pixels the coarsest map has one row or column, for which torch.export specialises the network.
DYNAMIC_SHAPE = {0: Dim("batch"), 1: Dim("height", min=33), 2: Dim("width", min=33)}


def check_pytorch() -> None:
    """Raise UserError for a PyTorch whose exporters refuse the network."""
    if not is_pytorch_new_enough():
        needed = ".".join(map(str, OLDEST_PYTORCH))
        raise UserError(f"PyTorch {torch.__version__}: too old to export; pip install 'torch>={needed}'")


def is_pytorch_new_enough() -> bool:
    """Whether the installed PyTorch is OLDEST_PYTORCH or newer."""
    return tuple(map(int, torch.__version__.split(".")[:2])) >= OLDEST_PYTORCH


def output_names(network: nn.Module) -> list[str]:
    """Return the names of the outputs of a network of models.deployment, in order."""
    if not isinstance(network, ImagesToFaces):
        return ["loc", "conf", "landm"]
    return ["boxes", "scores", *(["landmarks"] if network.has_landmarks else []), "picture"]


def export_onnx(network: nn.Module, path: Path) -> RunExported:
    """Write a network of models.deployment as ONNX, and return a function that runs the file with ONNX Runtime.

    Raises:
        UserError: a package is not installed.
    """
    try:
        import onnxruntime
        from onnxscript import FLOAT, INT64
        from onnxscript import opset18 as op
    except ImportError as error:
        raise UserError(f"{error.name}: not installed; pip install onnx onnxscript onnxruntime") from error

    def onnx_nms(boxes: FLOAT, scores: FLOAT, iou: float, score: float) -> INT64:
        one_class = op.Unsqueeze(scores, op.Constant(value_ints=[1]))
        limits = op.Constant(value_int=2**62), op.Constant(value_float=iou), op.Constant(value_float=score)
        chosen = op.NonMaxSuppression(boxes, one_class, *limits)  # image, class, prior
        return op.Gather(chosen, op.Constant(value_ints=[0, 2]), axis=1)

    with _quiet():
        program = torch.onnx.export(
            network,
            (_example(),),
            dynamo=True,
            opset_version=OPSET,
            input_names=["pictures"],
            output_names=output_names(network),
            dynamic_shapes=(DYNAMIC_SHAPE,),
            custom_translation_table={non_max_suppression._opoverload: onnx_nms},
        )
        program.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"pictures": images})


def export_torch(network: nn.Module, path: Path) -> RunExported:
    """Write a network of models.deployment for torch.export.load, and return a function that runs the file."""
    with _quiet():
        program = torch.export.export(network, (_example(),), dynamic_shapes=(DYNAMIC_SHAPE,))
        buffer = io.BytesIO()  # torch.export.save accepts no path without its suffix
        torch.export.save(program, buffer)
    path.write_bytes(buffer.getvalue())
    module = torch.export.load(buffer).module()

    def run(images: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [output.numpy() for output in module(torch.from_numpy(images))]

    return run


def _example() -> Tensor:
    """Return images of a batch, height and width that torch.export does not take for constants."""
    return torch.zeros(2, 96, 160, 3, dtype=torch.uint8)


@contextlib.contextmanager
def _quiet():
    """Hide the progress and the warnings of the exporters."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield

"""A network written as one file for deployment, and whether that file finds what PyTorch finds."""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from models.deployment import ImagesToFaces, non_max_suppression
from models.detector import Detections, Detector
from utils.errors import UserError

OPSET = 18
PIXELS = 0.5  # that a box or a landmark may differ by
SCORE = 1e-3
RAW = 1e-3  # that a value of a head may differ by, relative to the head's largest

Outputs = list[np.ndarray]
Run = Callable[[np.ndarray], Outputs]


def output_names(network: nn.Module) -> list[str]:
    """Return what a network of models.deployment gives, in its order."""
    if not isinstance(network, ImagesToFaces):
        return ["loc", "conf", "landm"]
    return ["boxes", "scores", *(["landmarks"] if network.has_landmarks else []), "picture"]


def export_onnx(network: nn.Module, path: Path) -> Run:
    """Write a network of models.deployment as ONNX, and return how ONNX Runtime runs that file.

    Raises:
        UserError: packages are missing.
    """
    try:
        import onnxruntime
        from onnxscript import FLOAT, INT64
        from onnxscript import opset18 as op
    except ImportError as error:
        raise UserError(f"{error.name}: not installed; pip install onnx onnxscript onnxruntime") from error

    def suppress(boxes: FLOAT, scores: FLOAT, iou: float, score: float) -> INT64:
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
            dynamic_shapes=(_DYNAMIC,),
            custom_translation_table={non_max_suppression._opoverload: suppress},
        )
        program.save(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"pictures": images})


def export_torch(network: nn.Module, path: Path) -> Run:
    """Write a network of models.deployment for torch.export.load, and return how PyTorch runs that file."""
    with _quiet():
        program = torch.export.export(network, (_example(),), dynamic_shapes=(_DYNAMIC,))
        buffer = io.BytesIO()  # given a path, PyTorch insists on a suffix
        torch.export.save(program, buffer)
    path.write_bytes(buffer.getvalue())
    module = torch.export.load(buffer).module()

    def run(images: np.ndarray) -> Outputs:
        with torch.inference_mode():
            return [output.numpy() for output in module(torch.from_numpy(images))]

    return run


# Below 33 pixels the coarsest map is one cell high or wide, which torch.export takes for another network.
_DYNAMIC = {0: Dim("batch"), 1: Dim("height", min=33), 2: Dim("width", min=33)}


def _example() -> Tensor:
    """Return images whose batch, height and width no network can take for constants."""
    return torch.zeros(2, 96, 160, 3, dtype=torch.uint8)


@contextlib.contextmanager
def _quiet():
    """Keep the exporter's progress and its warnings about itself off the terminal."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def compare_faces(run: Run, detector: Detector, images: Sequence[np.ndarray]) -> str:
    """Detect images with an exported file and with a Detector, each alone and twice in one batch.

    Returns:
        what was compared, for people.

    Raises:
        UserError: another number of faces, or one that is more than PIXELS or SCORE off.
    """
    faces, differences = 0, [(0.0, 0.0)]
    for image in images:
        expected = detector(image)
        faces += len(expected.boxes)
        for copies in (1, 2):
            *values, owner = run(np.stack([image] * copies))
            for copy in range(copies):
                found = Detections(*[value[owner == copy] for value in values], *[None] * (3 - len(values)))
                if len(found.boxes) != len(expected.boxes):
                    raise UserError(
                        f"the exported network finds {len(found.boxes)} faces of {len(expected.boxes)} in an image of"
                        f" {image.shape[1]} x {image.shape[0]}; it is not kept"
                    )
                if len(expected.boxes):
                    differences.append(_differences(found, expected))
    pixels, score = np.max(differences, axis=0)
    if not pixels <= PIXELS or not score <= SCORE:  # nor where they are no numbers
        raise UserError(
            f"the exported network is up to {pixels:.2f} pixels and {score:.2g} of a score off; it is not kept"
        )
    if not faces:
        print("warning: no face was found to compare; name images with faces by --check", file=sys.stderr)
    return f"the same {faces} faces as PyTorch in {len(images)} images, within {pixels:.4f} px"


def _differences(found: Detections, expected: Detections) -> tuple[float, float]:
    """Return the largest of two sets of as many faces: of boxes and landmarks in pixels, and of scores."""
    # Where their scores are equal, faces may come in another order.
    nearest = np.abs(expected.boxes[:, None] - found.boxes[None]).max(axis=2).argmin(axis=1)
    found = found.where(nearest)
    pixels = [np.abs(found.boxes - expected.boxes).max()]
    if expected.landmarks is not None:
        pixels.append(np.abs(found.landmarks - expected.landmarks).max())
    return np.max(pixels), np.abs(found.scores - expected.scores).max()


def compare_heads(run: Run, network: nn.Module, images: Sequence[np.ndarray]) -> str:
    """Compare the raw heads of an exported file with those of the network, each image twice in one batch.

    Raises:
        UserError: a value that is off by more than RAW of the largest.
    """
    off = []
    for image in images:
        batch = np.stack([image] * 2)
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch))
        for one, other in zip(run(batch), expected, strict=True):
            off.append(np.abs(one - other.numpy()).max() / np.abs(other.numpy()).max())
    if not np.max(off) <= RAW:  # nor where it is not a number
        raise UserError(f"the exported heads are up to {np.max(off):.2g} of their largest value off; it is not kept")
    return f"the same heads as PyTorch's in {len(images)} images, within {np.max(off):.1e} of the largest value"

"""The command line of export_onnx.py."""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from engine.detect.detector_flags import add_threshold_flags, add_weights_flags, weights_file
from engine.export.comparison import compare_faces, compare_heads
from engine.export.exporters import check_pytorch, export_onnx, export_torch, output_names
from models.deployment import ImagesToFaces, RawHeads, nms_by_one_operator, nms_by_torchvision
from models.detector import Detector
from models.weights import load_network
from utils.errors import UserError
from utils.files import atomic_path, read_image

COMPARED_SCALES = (1.0, 0.75, 0.4)  # sizes at which each image is compared
EXPORTERS = {
    "onnx": (".onnx", export_onnx, nms_by_one_operator),
    "torch": (".pt2", export_torch, nms_by_torchvision),
}


def main(description: str, draw_default: Callable[[], np.ndarray]) -> None:
    """Read the flags of sys.argv, export the network and compare the file with PyTorch.

    Args:
        draw_default: returns the image, (H, W, 3) uint8 BGR, that is compared without --check.

    Raises:
        UserError: a mistake of the user, or a file that differs from PyTorch, which is not kept.
    """
    flags = _parse_flags(description)
    check_pytorch()
    weights = weights_file(flags)
    model, found = load_network(weights, flags.network)
    model.eval()
    images = [read_image(path) for path in flags.check] or [draw_default()]
    images = [cv2.resize(image, None, fx=scale, fy=scale) for image in images for scale in COMPARED_SCALES]
    suffix, export, nms = EXPORTERS[flags.format]
    path = _output_path(flags, weights, suffix)
    thresholds = {"confidence_threshold": flags.confidence_threshold, "nms_threshold": flags.nms_threshold}
    network = RawHeads(model) if flags.no_nms else ImagesToFaces(model, found.cfg, nms, **thresholds)
    with atomic_path(path) as temporary:
        run = export(network.eval(), temporary)
        if flags.no_nms:
            compared = compare_heads(run, network, images)
        else:
            compared = compare_faces(run, Detector(model, found.cfg, torch.device("cpu"), **thresholds), images)
    print(f"{path}: images -> {', '.join(output_names(network))}; {compared}")


def _output_path(flags: argparse.Namespace, weights: Path, suffix: str) -> Path:
    """Return the file to write: --output, or a file beside the weights.

    Raises:
        UserError: it is one of the inputs.
    """
    beside = weights.with_name(f"{weights.stem}{'_heads' if flags.no_nms else ''}{suffix}")
    path = Path(flags.output) if flags.output else beside
    if path.resolve() in {Path(file).resolve() for file in (weights, *flags.check)}:
        raise UserError(f"{path}: is an input, which the output would overwrite; name another with --output")
    return path


def _parse_flags(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add_weights_flags(parser)
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write (default: beside the weights, with .onnx or .pt2, after _heads with --no_nms)",
    )
    add(
        "--format",
        choices=list(EXPORTERS),
        default="onnx",
        help="onnx, or torch for torch.export.load (default: %(default)s)",
    )
    add_threshold_flags(parser, confidence_threshold=0.5, reason="the file returns no others")
    add("--no_nms", action="store_true", help="export the three raw heads, without decoding, thresholds and NMS")
    add(
        "--check",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="images in which the file is compared with PyTorch, each in three sizes (default: a drawn image)",
    )
    return parser.parse_args()

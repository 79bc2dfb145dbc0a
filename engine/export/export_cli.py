"""The command line of export_onnx.py."""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from engine.detect.detector_flags import add_threshold_flags, add_weights_flags, weights_file
from engine.export.formats import compare_faces, compare_heads, export_onnx, export_torch, output_names
from models.deployment import ImagesToFaces, RawHeads, nms_by_one_operator, nms_by_torchvision
from models.detector import Detector
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from tools.sample.image import draw_image
from utils.checkpoint import load_into, read_state_dict
from utils.errors import UserError
from utils.files import atomic_path, read_image

SCALES = (1.0, 0.75, 0.4)  # of the images that are compared
FORMATS = {
    "onnx": (".onnx", export_onnx, nms_by_one_operator),
    "torch": (".pt2", export_torch, nms_by_torchvision),
}


def main(description: str) -> None:
    """Read the flags of sys.argv, write the network as one file and compare what that finds with what PyTorch does.

    Raises:
        UserError: whatever the user can mend, or a file that does not find the same; it is not kept.
    """
    flags = _parse_flags(description)
    cfg, weights = NETWORKS[flags.network].cfg, weights_file(flags)
    model = RetinaFace(cfg).eval()
    load_into(model, read_state_dict(weights), weights)
    originals = [read_image(path) for path in flags.check] or [draw_image(np.random.default_rng(0), (960, 540))[0]]
    images = [cv2.resize(image, None, fx=scale, fy=scale) for image in originals for scale in SCALES]
    suffix, export, suppress = FORMATS[flags.format]
    beside = weights.with_name(f"{weights.stem}{'_heads' if flags.no_nms else ''}{suffix}")
    path = Path(flags.output) if flags.output else beside
    if path.resolve() in {Path(file).resolve() for file in (weights, *flags.check)}:
        raise UserError(f"{path}: is an input, which the output would overwrite; name another with --output")
    if flags.no_nms:
        network = RawHeads(model)
    else:
        network = ImagesToFaces(model, cfg, suppress, flags.confidence_threshold, flags.nms_threshold)
    with atomic_path(path) as temporary:
        run = export(network.eval(), temporary)
        if flags.no_nms:
            compared = compare_heads(run, network, images)
        else:
            thresholds = {"confidence_threshold": flags.confidence_threshold, "nms_threshold": flags.nms_threshold}
            compared = compare_faces(run, Detector(model, cfg, torch.device("cpu"), **thresholds), images)
    print(f"{path}: images -> {', '.join(output_names(network))}; {compared}")


def _parse_flags(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add_weights_flags(parser)
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="what is written (default: beside the weights, .onnx or .pt2, with --no_nms _heads.onnx)",
    )
    add(
        "--format",
        choices=list(FORMATS),
        default="onnx",
        help="onnx, or torch for torch.export.load (default: %(default)s)",
    )
    add_threshold_flags(parser, confidence_threshold=0.5, reason="the file returns no others")
    add("--no_nms", action="store_true", help="write the three raw heads: no decoding, no thresholds, no suppression")
    add(
        "--check",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="images in which the file must find what PyTorch finds, each in three sizes (default: a drawn one)",
    )
    return parser.parse_args()

"""Flags of the scripts that detect, and the detector that they describe."""

import argparse
import sys
from pathlib import Path

from models.detector import Detector, Scaling
from models.registry import NETWORKS, find_network
from utils.devices import keep_freed_memory
from utils.distributed import device_of_rank
from utils.errors import UserError
from utils.flags import boolean, fraction, natural_int, positive_int

DEFAULT_WEIGHTS_OF = "resnet50"  # the network of the default weights


def add_weights_flags(parser: argparse.ArgumentParser) -> None:
    """Add --trained_model and --network."""
    add = parser.add_argument
    add(
        "-m",
        "--trained_model",
        metavar="FILE",
        help="weights of a trained detector (default: weights/{name}_Final.pth of --network, without it"
        " weights/Resnet50_Final.pth)",
    )
    add(
        "--network",
        choices=list(NETWORKS),
        help="network that the weights must have (default: recognized from the weights)",
    )


def add_threshold_flags(parser: argparse.ArgumentParser, confidence_threshold: float, reason: str) -> None:
    """Add --confidence_threshold, with a default and a reason for it, and --nms_threshold."""
    add = parser.add_argument
    add(
        "--confidence_threshold",
        type=fraction,
        default=confidence_threshold,
        metavar="S",
        help=f"keep faces with a higher score; {reason} (default: %(default)s)",
    )
    add(
        "--nms_threshold",
        type=fraction,
        default=0.4,
        metavar="IOU",
        help="IoU threshold of NMS (default: %(default)s)",
    )


def add_detector_flags(parser: argparse.ArgumentParser, confidence_threshold: float, reason: str) -> None:
    """Add all flags that `load_detector` reads."""
    add = parser.add_argument
    add_weights_flags(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    where.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: a GPU if there is one)")
    add(
        "--amp",
        choices=("float32", "bf16", "fp16"),
        default="float32",
        help="precision of the network; half precision is faster on GPUs (bf16 also on CPUs with instructions for it)"
        " and changes boxes and scores slightly (default: %(default)s)",
    )
    add(
        "--batch_size",
        type=positive_int,
        metavar="N",
        help="images of one size in a batch (default: 1 on the CPU, 8 on a GPU)",
    )
    add(
        "--origin_size",
        type=boolean,
        default=True,
        metavar="BOOL",
        help="true: detect at the size of the image; false: scale it to --target_size (default: true)",
    )
    add(
        "--target_size",
        type=positive_int,
        metavar="PX",
        help=f"short side with --origin_size false (default: {Scaling.target_size})",
    )
    add(
        "--max_size",
        type=positive_int,
        metavar="PX",
        help=f"largest long side with --origin_size false (default: {Scaling.max_size})",
    )
    add(
        "--scales",
        type=positive_int,
        nargs="+",
        metavar="PX",
        help="detect with each of these short sides and merge the faces (test-time augmentation): finds more faces for"
        " the time of all scales; scores are lower",
    )
    add(
        "--flip",
        action="store_true",
        help="also detect in the flipped image and merge the faces: twice the time",
    )
    add(
        "--slices",
        type=positive_int,
        metavar="PX",
        help="detect in overlapping square slices with this side instead of the whole image, for large images with tiny"
        " faces: the same faces up to 320 pixels for less memory; 1024 is usual",
    )
    add_threshold_flags(parser, confidence_threshold, reason)
    add(
        "--top_k",
        type=natural_int,
        default=0,
        metavar="N",
        help="candidates of an image that reach NMS, best first; 0: all (default: %(default)s)",
    )
    add(
        "--keep_top_k",
        type=natural_int,
        default=0,
        metavar="N",
        help="faces of an image that are kept, best first; 0: all (default: %(default)s)",
    )


def weights_file(flags: argparse.Namespace) -> Path:
    """Return the file of the weights."""
    name = find_network(flags.network or DEFAULT_WEIGHTS_OF).cfg["name"]
    return Path(flags.trained_model or f"weights/{name}_Final.pth")


def load_detector(flags: argparse.Namespace) -> Detector:
    """Build the detector that the flags of `add_detector_flags` describe.

    Sets --trained_model, --network and --batch_size if they are not given. On the CPU the process keeps freed memory,
    see utils.devices.keep_freed_memory.

    Raises:
        UserError: unreadable weights, weights of another or an unknown network, or an unknown device.
    """
    device = device_of_rank("cpu" if flags.cpu else flags.device)
    if device.type == "cpu":
        keep_freed_memory()
    flags.batch_size = flags.batch_size or (1 if device.type == "cpu" else 8)
    flags.trained_model = weights_file(flags)
    detector = Detector.load(
        flags.trained_model,
        flags.network,
        device,
        scaling=_scaling(flags),
        flip=flags.flip,
        slices=flags.slices,
        confidence_threshold=flags.confidence_threshold,
        nms_threshold=flags.nms_threshold,
        top_k=flags.top_k,
        keep_top_k=flags.keep_top_k,
        amp=flags.amp,
    )
    flags.network = find_network(detector.cfg["name"]).flag
    return detector


def _scaling(flags: argparse.Namespace) -> Scaling | list[Scaling] | None:
    if flags.scales:
        if flags.target_size or not flags.origin_size:
            raise UserError("--scales: replaces --origin_size and --target_size; omit them")
        return [Scaling(scale, flags.max_size) for scale in flags.scales]
    if not flags.origin_size:
        return Scaling(flags.target_size or Scaling.target_size, flags.max_size or Scaling.max_size)
    if flags.target_size or flags.max_size:
        print("warning: --target_size and --max_size do nothing without --origin_size false", file=sys.stderr)
    return None

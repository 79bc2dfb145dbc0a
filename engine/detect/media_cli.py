"""The command line of detect.py."""

import argparse
import sys
from pathlib import Path

from engine.detect.detector_flags import add_detector_flags, load_detector
from engine.detect.media import detect_images, detect_video
from engine.detect.media_output import MediaOutput
from engine.detect.pipeline import DetectionSummary
from engine.detect.sources import find_sources, unread_files
from utils.errors import UNREADABLE, UserError
from utils.files import make_folder
from utils.flags import natural_int, positive_int
from utils.signals import stop_request


def main(description: str) -> None:
    """Read the flags of sys.argv and detect faces in the sources that they name.

    Raises:
        UserError: a mistake of the user.
        SystemExit: with status UNREADABLE, some sources could not be read; all others are done.
    """
    flags = _parse_flags(description)
    folder, crops = Path(flags.save_folder), Path(flags.crops) if flags.crops else None
    _check_flags(flags, folder, crops)
    sources = find_sources(flags.sources, [folder] if crops is None else [folder, crops])
    images, videos = [s for s in sources if s.is_image], [s for s in sources if not s.is_image]
    inputs = frozenset(source.path.resolve() for source in sources if source.path is not None)
    output = MediaOutput(folder, not flags.no_pictures, flags.blur_faces, flags.min_size, crops, inputs)
    output.check_paths(images, videos)
    for sentence in filter(None, map(unread_files, flags.sources)):
        print(f"warning: {sentence}", file=sys.stderr)
    detector = load_detector(flags)
    make_folder(folder)
    summary = DetectionSummary()
    with stop_request(quiet=False, follows="what is begun is written to its end") as stop:
        if images:
            found, animated = detect_images(detector, images, output, flags.batch_size, stop)
            summary.add(found)
            videos = [*animated, *videos]
        for video in videos:
            if not stop:
                summary.add(detect_video(detector, video, output, flags.batch_size, flags.every, stop))
    if flags.every > 1 and not videos:
        print("warning: --every does nothing without a video or a camera", file=sys.stderr)
    _report(summary, folder, len(sources))


def _check_flags(flags: argparse.Namespace, folder: Path, crops: Path | None) -> None:
    """Refuse flags that contradict each other, and warn of those that show what --blur_faces hides."""
    if crops is not None and crops.resolve() == folder.resolve():
        raise UserError(f"--crops {crops}: is the --save_folder; crops need a folder of their own")
    if not flags.blur_faces:
        return
    if flags.min_size:
        raise UserError("--min_size: would leave small faces recognizable; omit it with --blur_faces")
    if crops is not None:
        print(f"warning: {crops}: gets the faces as they are; --blur_faces does not change crops", file=sys.stderr)
    for option in ("top_k", "keep_top_k"):
        if number := getattr(flags, option):
            print(f"warning: --{option} {number}: leaves further faces of an image recognizable", file=sys.stderr)


def _report(summary: DetectionSummary, folder: Path, sources: int) -> None:
    """Print the outcome.

    Raises:
        UserError: the only source could not be read.
        SystemExit: with status UNREADABLE, some of several sources could not be read, or not to their end.
    """
    for note in summary.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"faces: {summary.faces}; images and frames: {summary.images}; written to {folder}")
    for line in summary.image_notes.lines():
        print(f"warning: {line}", file=sys.stderr)
    if sources == len(summary.errors) == 1 and not summary.images:
        raise UserError(summary.errors[0])
    for error in summary.errors:
        print(f"error: {error}", file=sys.stderr)
    if summary.errors:
        raise SystemExit(UNREADABLE)


def _parse_flags(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="image, video, folder (with sub-folders), pattern in quotes, or number of a camera",
    )
    add("--save_folder", default="detections", metavar="DIR", help="output folder (default: %(default)s)")
    add_detector_flags(parser, confidence_threshold=0.5, reason="0.3 finds more faces, and more false positives")
    add(
        "--min_size",
        type=natural_int,
        default=0,
        metavar="PX",
        help="drop faces whose shorter side has fewer pixels (default: %(default)s)",
    )
    add(
        "--every",
        type=positive_int,
        default=1,
        metavar="N",
        help="detect and write every Nth frame of a video only (default: %(default)s)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--blur_faces",
        action="store_true",
        help="pixelate faces instead of drawing boxes; no detector finds every face: choose a low"
        " --confidence_threshold and check the result",
    )
    shown.add_argument("--no_pictures", action="store_true", help="write JSON lines only, no images and no videos")
    add("--crops", metavar="DIR", help="also write a crop of each face to this folder")
    return parser.parse_args()

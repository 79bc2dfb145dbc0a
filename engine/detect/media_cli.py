"""The command line of detect.py."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import takewhile
from pathlib import Path

from engine.detect.flags import add_detector_flags, load_detector
from engine.detect.output import FacesOutput, describe_faces, growing_file, write_line
from engine.detect.pipeline import ImageJob, read_each, write_each
from engine.detect.sources import Source, find_sources
from engine.detect.video import Camera, Frame, Video, VideoWriter
from models.detector import Detector
from utils.console import progress_bar
from utils.errors import UNREADABLE, UserError
from utils.files import join_inside, make_folder, write_image
from utils.flags import natural_int, positive_int
from utils.signals import Stop, StopRequest, stop_request
from utils.threads import prefetch

LINES = "detections.jsonl"
SLOWEST = Fraction(1, 1000)  # frames a second that a player is told


def main(description: str) -> None:
    """Read the flags of sys.argv and detect faces in whatever they name.

    Raises:
        UserError: whatever the user can mend.
        SystemExit: with status UNREADABLE, all is done but for what cannot be read.
    """
    flags = _parse_flags(description)
    folder, crops = Path(flags.save_folder), Path(flags.crops) if flags.crops else None
    if crops is not None and crops.resolve() == folder.resolve():
        raise UserError(f"--crops {crops}: is the --save_folder; crops need a folder of their own")
    if flags.blur_faces and flags.min_size:
        raise UserError("--min_size: would leave small faces recognisable; leave it out with --blur_faces")
    sources = find_sources(flags.sources, [folder] if crops is None else [folder, crops])
    inputs = frozenset(source.path.resolve() for source in sources if source.path is not None)
    output = FacesOutput(folder, flags.min_size, flags.blur_faces, crops, inputs)
    images, videos = [s for s in sources if s.is_image], [s for s in sources if not s.is_image]
    _check_outputs(images, videos, output, not flags.no_pictures)
    if flags.every > 1 and not videos:
        print("warning: --every does nothing without a video or a camera", file=sys.stderr)
    detector = load_detector(flags)
    make_folder(folder)
    run = _Run(detector, output, flags.batch_size, not flags.no_pictures)
    with stop_request(quiet=False, follows="what is begun is written to its end") as stop:
        if images:
            run.detect_images(images, stop)
        for video in videos:
            if not stop:
                run.detect_video(video, flags.every, stop)
    print(f"faces: {run.faces}; images and frames: {run.seen}; written to {folder}")
    if len(sources) == len(run.errors) == 1 and not run.seen:
        raise UserError(run.errors[0])
    for error in run.errors:
        print(f"error: {error}", file=sys.stderr)
    if run.errors:
        raise SystemExit(UNREADABLE)


class _Run:
    """Detects, and counts what it has seen.

    Attributes:
        seen: images and frames.
        faces: those found in them.
        errors: a line for each image or video with something that could not be read.
    """

    def __init__(self, detector: Detector, output: FacesOutput, batch_size: int, shows: bool):
        self.detector = detector
        self.output = output
        self.batch_size = batch_size
        self.shows = shows
        self.seen = self.faces = 0
        self.errors: list[str] = []

    def detect_images(self, sources: Sequence[Source], stop: StopRequest) -> None:
        """Detect image files, into an image and a line for each."""
        output = self.output
        with ExitStack() as stack:
            part = stack.enter_context(growing_file(output.checked(output.folder / LINES)))
            lines = stack.enter_context(open(part, "w", encoding="utf-8"))

            def write(image: ImageJob[Source]) -> None:
                name = image.source.name
                found = output.choose(image.found)
                if self.shows:
                    write_image(output.image(name), output.show(image.image, found))
                output.cut_out(name, image.image, found)
                height, width = image.image.shape[:2]
                record = {"picture": str(image.source.path), "height": height, "width": width}
                write_line(lines, record | {"faces": describe_faces(found)})
                self.faces += len(found.scores)

            files = takewhile(lambda _: not stop, sources)
            images = read_each(files, self.detector, upright=True)
            self._detect(images, write, "images", "image", len(sources))
            if stop:
                raise Stop(stop.signal)

    def detect_video(self, source: Source, every: int, stop: StopRequest) -> None:
        """Detect the frames of a video or a camera, into a video and a line for each."""
        try:
            is_camera = source.path is None
            video = Camera(source.camera, every) if is_camera else Video(source.path, every)
            self.detector.images_at_once(video.height, video.width)
        except UserError as error:
            self.errors.append(str(error) if str(source.path) in str(error) else f"{source.name}: {error}")
            return
        output, before = self.output, self.seen
        shown, listed = _outputs_of_video(source, output)
        with ExitStack() as stack:
            lines = stack.enter_context(open(stack.enter_context(growing_file(listed)), "w", encoding="utf-8"))
            writer = None
            if self.shows:
                rate = max(video.rate / every, SLOWEST).limit_denominator(100_000)
                writer = VideoWriter(stack.enter_context(growing_file(shown)), rate)
                stack.enter_context(closing(writer))

            def write(picture: ImageJob[Frame]) -> None:
                frame, found = picture.source, output.choose(picture.found)
                if writer is not None:
                    writer.write(output.show(picture.image, found), frame.time)
                output.cut_out(f"{source.name}_{frame.index:06}", picture.image, found)
                record = {"frame": frame.index, "time": round(frame.time, 4), "faces": describe_faces(found)}
                write_line(lines, record)
                self.faces += len(found.scores)

            frames = takewhile(lambda _: not stop, video.frames())
            images = prefetch((ImageJob(frame, image) for frame, image in frames), 2 * self.batch_size)
            self._detect(images, write, source.name, "frame", -(-video.count // every) or None)
            if stop and not is_camera:
                raise Stop(stop.signal)
        if video.problem is not None:
            self.errors.append(video.problem)
        elif self.seen == before:
            self.errors.append(f"{source}: has no frame that can be decoded")

    def _detect(
        self, images: Iterable[ImageJob], write: Callable[[ImageJob], None], title: str, unit: str, total: int | None
    ) -> None:
        with progress_bar(total=total, desc=title, unit=unit, disable=None) as progress:
            seen, errors = write_each(self.detector, images, write, self.batch_size, progress)
        self.seen += seen
        self.errors += errors


def _outputs_of_video(source: Source, output: FacesOutput) -> tuple[Path, Path]:
    """Return the files of the video that is shown and of its lines."""
    path = join_inside(output.folder, source.name)
    return output.checked(path.with_suffix(".mp4")), output.checked(path.with_suffix(".jsonl"))


def _check_outputs(images: Sequence[Source], videos: Sequence[Source], output: FacesOutput, shows: bool) -> None:
    """Make sure, before anything is written, that no output is an input or another output.

    Raises:
        UserError: one is.
    """
    owners = {output.checked(output.folder / LINES): "the lines of all images"} if images else {}
    paths = [(output.image(source.name), source) for source in images if shows]
    paths += [(path, source) for source in videos for path in _outputs_of_video(source, output)]
    for path, source in paths:
        if path in owners:
            raise UserError(f"{path}: {owners[path]} and {source} would be written there; detect them one by one")
        owners[path] = source


def _parse_flags(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="image, video, folder of them with its sub-folders, pattern in quotes, or number of a camera",
    )
    add("--save_folder", default="detections", metavar="DIR", help="where the output goes (default: %(default)s)")
    add_detector_flags(parser, 0.5, "0.3 finds more faces, and more that are none")
    add(
        "--min_size",
        type=natural_int,
        default=0,
        metavar="PX",
        help="leave out faces whose shorter side has fewer pixels (default: %(default)s)",
    )
    add(
        "--every",
        type=positive_int,
        default=1,
        metavar="N",
        help="look at every Nth frame alone; the video that is written shows these frames only (default: %(default)s)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--blur_faces",
        action="store_true",
        help="make faces unrecognisable instead of drawing boxes; no detector finds every face: choose a low"
        " --confidence_threshold and look at the result",
    )
    shown.add_argument("--no_pictures", action="store_true", help="write no images and no videos, only the lines")
    add("--crops", metavar="DIR", help="also write each face, cut out along its box, to this folder")
    return parser.parse_args()

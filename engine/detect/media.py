"""Detection in images and in videos, one function for each."""

from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import takewhile

from engine.detect.animation import Animation
from engine.detect.media_output import MediaOutput, faces_to_json, json_lines, partial_file
from engine.detect.pipeline import DetectionSummary, ImageJob, detect_and_write, read_images
from engine.detect.sources import MediaSource
from engine.detect.square_pixels import StoredFrame, square_size
from engine.detect.video import Camera, Video
from engine.detect.video_writer import VideoWriter
from models.detector import Detector
from utils.console import progress_bar
from utils.errors import UserError
from utils.files import read_image_with_notes
from utils.image_decoding import DecodedImage, tiff_pages
from utils.signals import Stop, StopRequest
from utils.threads import prefetch

MIN_FRAME_RATE = Fraction(1, 1000)  # of a written video


def detect_images(
    detector: Detector, sources: list[MediaSource], output: MediaOutput, batch_size: int, stop: StopRequest
) -> tuple[DetectionSummary, list[MediaSource]]:
    """Detect images, each page of a TIFF being one; write a drawn image and a JSON line for each.

    Returns:
        the summary, and the animated images, which are not detected.

    Raises:
        Stop: a signal asked for the end; the outputs are written up to there.
    """
    pages, animated = [], []

    def write(job: ImageJob) -> int:
        record = output.write_image(job.source, job.image, job.detections)
        write_record(record)
        return len(record["faces"])

    def detect(sources: list[MediaSource]) -> DetectionSummary:
        jobs = read_images(takewhile(lambda _: not stop, sources), detector, read)
        with progress_bar(total=len(sources), desc="images", unit="image", disable=None) as progress:
            return detect_and_write(detector, filter(has_one_frame, jobs), write, batch_size, progress)

    def has_one_frame(job: ImageJob) -> bool:
        """Put an image with several frames or pages aside, which are detected later."""
        if all(note.kind != "frames" for note in job.notes):
            return True
        if numbers := tiff_pages(job.source.path):
            pages.extend(job.source.pages(numbers))
        else:
            animated.append(job.source)
        return False

    with json_lines(output.image_lines) as write_record:
        summary = detect(sources)
        if pages:
            summary.add(detect(pages))
        if stop:
            raise Stop(stop.signal)
    return summary, animated


def read(source: MediaSource) -> DecodedImage:
    """Read an image, or a page of one, upright as people see it."""
    return read_image_with_notes(source.path, upright=True, page=source.page)


def detect_video(
    detector: Detector, source: MediaSource, output: MediaOutput, batch_size: int, every: int, stop: StopRequest
) -> DetectionSummary:
    """Detect every Nth frame of a video, animated image or camera; write a drawn video and a JSON line for each frame.

    Raises:
        Stop: a signal asked for the end of a video file; the outputs are written up to there.
    """
    try:
        video = open_video(source, every)
        detector.images_at_once(*square_size(video.height, video.width, video.pixel_aspect))
    except UserError as error:
        return DetectionSummary(errors=[str(error) if str(source.path) in str(error) else f"{source.name}: {error}"])

    def write(job: ImageJob) -> int:
        frame, image = job.source.info, job.source.image
        faces = output.filter(job.source.to_stored(job.detections))
        if drawn is not None:
            drawn.write(output.draw(image, faces), frame.time, frame.pixel_aspect)
        output.write_crops(f"{source.name}_{frame.index:06}", image, faces)
        write_record({"frame": frame.index, "time": round(frame.time, 4), "faces": faces_to_json(faces)})
        return len(faces.scores)

    with ExitStack() as stack:
        write_record = stack.enter_context(json_lines(output.video_lines(source)))
        drawn = None
        if output.draws:
            rate = max(video.rate / every, MIN_FRAME_RATE).limit_denominator(100_000)
            part = stack.enter_context(partial_file(output.drawn_video(source)))
            drawn = stack.enter_context(closing(VideoWriter(part, rate)))
        frames = (StoredFrame(info, image) for info, image in takewhile(lambda _: not stop, video.frames()))
        jobs = prefetch((ImageJob(frame, frame.square()) for frame in frames), 2 * batch_size)
        total = -(-video.count // every) or None
        with progress_bar(total=total, desc=source.name, unit="frame", disable=None) as progress:
            summary = detect_and_write(detector, jobs, write, batch_size, progress)
        if stop and source.path is not None:
            raise Stop(stop.signal)
    summary.notes += video.notes
    if video.problem is not None:
        summary.errors.append(video.problem)
    elif not summary.images:
        summary.errors.append(f"{source}: gave no frame")
    return summary


def open_video(source: MediaSource, every: int) -> Video | Animation | Camera:
    """Open a video file, an animated image or a camera.

    Raises:
        UserError: it cannot be read.
    """
    if source.path is None:
        return Camera(source.camera, every)
    return Animation(source.path, every) if source.is_image else Video(source.path, every)

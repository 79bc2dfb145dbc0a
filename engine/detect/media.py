"""Detection in images and in videos, one function for each."""

from contextlib import ExitStack, closing
from fractions import Fraction
from itertools import takewhile

from engine.detect.media_output import MediaOutput, faces_to_json, json_lines, partial_file
from engine.detect.pipeline import DetectionSummary, ImageJob, detect_and_write, read_images
from engine.detect.sources import MediaSource
from engine.detect.square_pixels import StoredFrame, square_size
from engine.detect.video import Camera, Video
from engine.detect.video_writer import VideoWriter
from models.detector import Detector
from utils.console import progress_bar
from utils.errors import UserError
from utils.files import write_image
from utils.signals import Stop, StopRequest
from utils.threads import prefetch

MIN_FRAME_RATE = Fraction(1, 1000)  # of a written video


def detect_images(
    detector: Detector, sources: list[MediaSource], output: MediaOutput, batch_size: int, stop: StopRequest
) -> DetectionSummary:
    """Detect images; write a drawn image and a JSON line for each.

    Raises:
        Stop: a signal asked for the end; the outputs are written up to there.
    """

    def write(job: ImageJob) -> int:
        faces = output.filter(job.detections)
        if output.draws:
            write_image(output.drawn_image(job.source), output.draw(job.image, faces))
        output.write_crops(job.source.name, job.image, faces)
        height, width = job.image.shape[:2]
        record = {"picture": str(job.source.path), "height": height, "width": width}
        write_record(record | {"faces": faces_to_json(faces)})
        return len(faces.scores)

    with json_lines(output.image_lines) as write_record:
        jobs = read_images(takewhile(lambda _: not stop, sources), detector, upright=True)
        with progress_bar(total=len(sources), desc="images", unit="image", disable=None) as progress:
            summary = detect_and_write(detector, jobs, write, batch_size, progress)
        if stop:
            raise Stop(stop.signal)
    return summary


def detect_video(
    detector: Detector, source: MediaSource, output: MediaOutput, batch_size: int, every: int, stop: StopRequest
) -> DetectionSummary:
    """Detect every Nth frame of a video or camera; write a drawn video and a JSON line for each frame.

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
        summary.errors.append(f"{source}: has no frame that can be decoded")
    return summary


def open_video(source: MediaSource, every: int) -> Video | Camera:
    """Open a video file or a camera.

    Raises:
        UserError: it cannot be read.
    """
    return Camera(source.camera, every) if source.path is None else Video(source.path, every)

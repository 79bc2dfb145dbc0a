"""Which stream of a file is its video, and which files are videos."""

from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from utils.errors import UserError
from utils.files import check_file, read_bytes
from utils.image_kinds import VIDEO, advice

VIDEO_SUFFIXES = {
    *(".264", ".265", ".3g2", ".3gp", ".asf", ".avc", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gxf", ".h264"),
    *(".h265", ".hevc", ".ivf", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov"),
    *(".mp4", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm"),
    *(".rmvb", ".tod", ".trp", ".ts", ".tts", ".vob", ".vro", ".webm", ".wmv", ".wtv", ".y4m"),
}
# Suffixes of recordings that more often are of other files: in a folder, their content decides.
SHARED_SUFFIXES = {".dat", ".mod", ".rec", ".str", ".vid"}
ANIMATIONS = {"apng", "gif"}  # formats that FFmpeg reads like a video
# Formats of FFmpeg that hold images or text.
NOT_VIDEO = ANIMATIONS | {"ico", "image2", "jpegxl_anim", "tty"}
IMAGE_BRANDS = {"avif", "avis", "heic", "heix", "hevc", "mif1", "msf1"}  # of the container that MP4 is, too
PLAYLISTS = {"concat", "dash", "hls", "imf", "rtp", "rtsp", "sdp"}
FASTEST = 480  # frames per second; a higher rate in a header is the resolution of a clock
PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image


def open_container(path: Path, start: int = 0) -> InputContainer:
    """Open a video file, or its part from the byte `start` on.

    Raises:
        UserError: it does not exist or is not a video that FFmpeg can read.
    """
    check_file(path, largest=None)  # FFmpeg would wait for a pipe forever
    name = f"file:{path}"  # without "file:" a name with a colon is read as a protocol
    try:
        container = av.open(f"subfile,,start,{start},end,0,,:{name}" if start else name)
    except (av.error.FFmpegError, ValueError) as error:
        if (kind := advice(read_bytes(path, 1024))) and kind != VIDEO:
            raise UserError(f"{path}: is {kind}") from error
        reason = getattr(error, "strerror", error)
        raise UserError(f"{path}: is not a video that can be read, or its end is missing ({reason})") from error
    if _formats(container) & PLAYLISTS:
        container.close()
        raise UserError(f"{path}: is a playlist that names other files; name these files")
    return container


def is_video_content(path: Path) -> bool:
    """Whether a file is a video by its content."""
    try:
        container = open_container(path)
    except UserError:
        return False
    with container:
        is_video = any(_moves(stream) and _is_known(stream) for stream in container.streams.video)
        return is_video and not _is_image(container)


def choose_stream(container: InputContainer, path: Path) -> tuple[VideoStream, str | None]:
    """Return the video stream that players show, and a note on the others, if there are any.

    The order: streams that can be decoded, that are no cover art, that are marked as default, the largest, the first.

    Raises:
        UserError: no stream has images that can be decoded.
    """
    if _is_image(container) and not _formats(container) & ANIMATIONS:
        raise UserError(f"{path}: is an image, not a video; rename it to the suffix of its format")
    streams = list(container.streams.video)
    if not streams:
        raise UserError(f"{path}: has no images, only sound" if container.streams.audio else f"{path}: has no images")
    moving = [stream for stream in streams if _moves(stream)]
    if not moving:
        raise UserError(f"{path}: has no video, only {'sound and ' * bool(container.streams.audio)}a cover image")
    best = max(moving, key=_rank)
    if best.codec_context is None:
        raise UserError(f"{path}: its video is encrypted, or its codec is not known to FFmpeg")
    if not best.height * best.width:
        raise UserError(f"{path}: has no frame that can be decoded")
    others = [_describe(stream) for stream in moving if stream is not best]
    if not others:
        return best, None
    return best, f"has {len(moving)} video streams; used: {_describe(best)}; not used: {', '.join(others)}"


def open_following(path: Path, start: int, passed: Collection[int]) -> tuple[InputContainer, VideoStream] | None:
    """Open the recording that begins at a byte of a transport stream, or return None if there is none.

    Another channel's streams have other numbers, and PyAV has no streams that begin in the middle of a file.

    Args:
        passed: numbers of the streams that are no continuation.
    """
    try:
        container = open_container(path, start)
    except UserError:
        return None
    streams = [stream for stream in container.streams.video if _moves(stream) and _is_known(stream)]
    best = max((stream for stream in streams if stream.id not in passed), key=_rank, default=None)
    if best is None:
        container.close()
        return None
    return container, best


def frame_rate(stream: VideoStream) -> Fraction:
    """Return the frames per second that a header declares, or 25 where it declares none that can be."""
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((rate for rate in rates if rate and 0 < rate <= FASTEST), Fraction(25))


def sound_start(container: InputContainer) -> float | None:
    """Return the timestamp at which the sound begins, in seconds, or None."""
    starts = (float(s.start_time * s.time_base) for s in container.streams.audio if s.start_time is not None)
    return min(starts, default=None)


def clock_restarts(container: InputContainer) -> bool:
    """Whether the timestamps of the format may jump: transport and program streams, for example."""
    return bool(container.format.flags & av.format.Flags.ts_discont.value)


def _is_image(container: InputContainer) -> bool:
    is_image = _formats(container) & NOT_VIDEO or container.format.name.endswith("_pipe")
    return bool(is_image) or container.metadata.get("major_brand") in IMAGE_BRANDS


def _moves(stream: VideoStream) -> bool:
    return not stream.disposition & PICTURES


def _is_known(stream: VideoStream) -> bool:
    return stream.codec_context is not None and stream.height * stream.width > 0


def _rank(stream: VideoStream) -> tuple:
    if not _is_known(stream):
        return (False,)
    # Cover art that is not marked as such has a single frame, and so no rate.
    default = bool(stream.disposition & Disposition.default)
    return True, bool(stream.average_rate), default, stream.height * stream.width, -stream.index


def _formats(container: InputContainer) -> set[str]:
    return set(container.format.name.split(","))


def _describe(stream: VideoStream) -> str:
    size = f"{stream.width} x {stream.height}" if stream.codec_context is not None else "unknown codec"
    return f"stream {stream.index} ({size})"

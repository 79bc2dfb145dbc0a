"""Videos: read frame by frame, with what is broken in them left out, and written."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from utils.errors import UserError
from utils.files import silence_opencv

VIDEO_SUFFIXES = {
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv"),
    *(".ts", ".webm", ".wmv"),
}
# Of H.264: hardly a visible loss, quickly encoded. Without frames that refer to later ones, times begin with the first;
# every 50th refers to none, with which a part of the file begins.
QUALITY = {"preset": "veryfast", "crf": "20", "bf": "0", "g": "50"}
SAFE = {"movflags": "hybrid_fragmented", "flush_packets": "1"}  # in parts, which become one when the file is closed
BORDER = cv2.BORDER_REPLICATE
BT709 = 1  # in ITU-T H.273, tables 2 to 4


@dataclass(frozen=True)
class Frame:
    """A frame's place in its video.

    Attributes:
        video: its name.
        index: from 0, among all frames that can be decoded.
        time: in seconds from the start of the video.
    """

    video: str
    index: int
    time: float

    def __str__(self) -> str:
        return f"{self.video}: frame {self.index}"


class Video:
    """A video file.

    Args:
        every: one of so many frames is given.

    Attributes:
        height, width: of a frame in pixels, as it is stored.
        rate: frames a second.
        count: how many frames the file says it has, 0 where it does not say.
        problem: what was wrong with it, once its frames were read; None if nothing.

    Raises:
        UserError: no file, none that FFmpeg can read, or one without images.
    """

    def __init__(self, path: Path, every: int = 1):
        self.path = path
        self.every = every
        self.problem: str | None = None
        try:
            self.container = av.open(f"file:{path}")  # a colon in its name would be a protocol
        except (av.error.FFmpegError, ValueError) as error:
            raise UserError(
                f"{path}: is no video that can be read, or its end is missing ({getattr(error, 'strerror', error)})"
            ) from error
        if not self.container.streams.video:
            raise UserError(f"{path}: has no images, only sound")
        self.stream = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.height, self.width = self.stream.height, self.stream.width
        if not self.height * self.width:
            raise UserError(f"{path}: has no frame that can be decoded")
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.count = self.stream.frames

    @property
    def seconds(self) -> float | None:
        """The duration that the file's header tells, None where it does not."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        try:  # of Matroska and WebM: hours:minutes:seconds
            hours, minutes, seconds = self.stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except (KeyError, ValueError):
            return None

    def frames(self) -> Iterator[tuple[Frame, np.ndarray]]:
        """Give the frames and their images, (H, W, 3) uint8 BGR, upright as players show them.

        What cannot be decoded is left out, and `problem` names it in the end.
        """
        index, end, broken = 0, 0.0, False
        with self.container:
            packets = self.container.demux(self.stream)
            while True:
                try:
                    packet = next(packets, None)
                    if packet is None:
                        break
                    broken |= packet.is_corrupt
                    if packet.pts is not None:
                        end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                    frames = packet.decode()
                except av.error.FFmpegError:  # of one packet; behind the last one there is None
                    broken = True
                    continue
                for frame in frames:
                    broken |= frame.is_corrupt
                    if index % self.every == 0:
                        time = index / self.rate if frame.time is None else frame.time
                        yield Frame(str(self.path), index, float(time)), _upright(frame)
                    index += 1
            seconds, declared = end - float((self.stream.start_time or 0) * self.stream.time_base), self.seconds
            if declared and seconds < declared - max(0.25, 3 / self.rate):
                self.problem = f"{self.path}: ends early, after {seconds:.2f} of {declared:.2f} s"
            elif broken:
                self.problem = f"{self.path}: some of its frames are broken, and left out or damaged"


def _upright(frame: av.VideoFrame) -> np.ndarray:
    image = frame.to_ndarray(format="bgr24")
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


class Camera:
    """A camera of this computer.

    Args:
        every: one of so many frames is given.

    Raises:
        UserError: there is none of this number.
    """

    def __init__(self, number: int, every: int = 1):
        self.path = Path(f"camera_{number}")
        self.every = every
        self.count = 0
        self.problem: str | None = None
        silence_opencv()
        self.capture = cv2.VideoCapture(number)
        if not self.capture.isOpened():
            raise UserError(f"camera {number}: cannot be opened; is it connected, and may you use it?")
        self.height = int(self.capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.width = int(self.capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.rate = Fraction(self.capture.get(cv2.CAP_PROP_FPS) or 25).limit_denominator(1001)

    def frames(self) -> Iterator[tuple[Frame, np.ndarray]]:
        """Give frames, (H, W, 3) uint8 BGR, as they come; they end where the camera is unplugged."""
        begun, index = perf_counter(), 0
        try:
            while (read := self.capture.read())[0]:
                if index % self.every == 0:
                    yield Frame(str(self.path), index, perf_counter() - begun), read[1]
                index += 1
        finally:
            self.capture.release()


class VideoWriter:
    """An .mp4 file (H.264, no sound) that is playable but for its last seconds even if the program is killed.

    Args:
        rate: frames a second that players are told.
    """

    TICKS = 90_000  # a second, in which times are written: all usual rates divide it

    def __init__(self, path: Path, rate: Fraction):
        self.path = path
        self.last = -1
        self.container = av.open(f"file:{path}", "w", format="mp4", options=SAFE)
        self.stream = self.container.add_stream("libx264", rate=rate, options=QUALITY)
        self.stream.pix_fmt = "yuv420p"
        codec = self.stream.codec_context
        codec.time_base = Fraction(1, self.TICKS)
        # The colours of high definition, and said so, else players guess.
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        codec.color_range = ColorRange.MPEG

    def write(self, image: np.ndarray, time: float) -> None:
        """Append an image, (H, W, 3) uint8 BGR; one of another size than the first is scaled to that.

        Args:
            time: in seconds, later than that of the image before.

        Raises:
            UserError: it cannot be written, on a full disk for one.
        """
        if self.last < 0:
            self.size = image.shape[1::-1]
        elif image.shape[1::-1] != self.size:  # as in a broadcast, where programmes follow each other
            image = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA)
        width, height = self.size
        if self.last < 0:
            self.stream.height, self.stream.width = height + height % 2, width + width % 2
        # Half the resolution of its colours makes the image even: a last row or column is repeated.
        image = cv2.copyMakeBorder(image, 0, self.stream.height - height, 0, self.stream.width - width, BORDER)
        frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        self.last = max(self.last + 1, round(time * self.TICKS))
        frame.pts, frame.time_base = self.last, Fraction(1, self.TICKS)
        self._mux(frame)

    def close(self) -> None:
        """Write what the encoder still holds, and the end of the file."""
        if self.last >= 0:
            self._mux(None)
        self.container.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self.container.mux(self.stream.encode(frame))
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror})") from error

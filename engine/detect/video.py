"""Video files and cameras, read frame by frame, and a writer of video files."""

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
# H.264 with little visible loss, encoded fast; no B-frames, so that times start at the first frame; a key frame, which
# starts a fragment of the file, every 50 frames.
ENCODER_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0", "g": "50"}
# The file is written in fragments, readable after a crash, which closing joins.
CONTAINER_OPTIONS = {"movflags": "hybrid_fragmented", "flush_packets": "1"}
BT709 = 1  # ITU-T H.273, tables 2 to 4


@dataclass(frozen=True)
class FrameInfo:
    """Position of a frame in its video.

    Attributes:
        video: name of the video.
        index: number of the frame, from 0, among the frames that can be decoded.
        time: seconds since the start of the video.
    """

    video: str
    index: int
    time: float

    def __str__(self) -> str:
        return f"{self.video}: frame {self.index}"


class Video:
    """A video file.

    Args:
        every: yield every Nth frame only.

    Attributes:
        height, width: stored size of a frame in pixels.
        rate: frames per second.
        count: number of frames according to the header, 0 if it is not given.
        problem: after the last frame, one line on what is damaged, or None.

    Raises:
        UserError: the file does not exist, is not a video that FFmpeg can read, or has no images.
    """

    def __init__(self, path: Path, every: int = 1):
        self.path = path
        self.every = every
        self.problem: str | None = None
        try:
            self.container = av.open(f"file:{path}")  # without "file:" a name with a colon is read as a protocol
        except (av.error.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", error)
            raise UserError(f"{path}: is not a video that can be read, or its end is missing ({reason})") from error
        if not self.container.streams.video:
            raise UserError(f"{path}: has no images, only sound")
        self.stream = self.container.streams.video[0]
        self.stream.thread_type = "AUTO"
        self.height, self.width = self.stream.height, self.stream.width
        if not self.height * self.width:
            raise UserError(f"{path}: has no frame that can be decoded")
        self.rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.count = self.stream.frames

    def frames(self) -> Iterator[tuple[FrameInfo, np.ndarray]]:
        """Yield every Nth frame with its image, (H, W, 3) uint8 BGR, upright as players show it.

        Frames that cannot be decoded are skipped; `problem` reports them at the end.
        """
        with self.container:
            for index, frame in enumerate(self._decode()):
                if index % self.every == 0:
                    time = index / self.rate if frame.time is None else frame.time
                    yield FrameInfo(str(self.path), index, float(time)), _upright(frame)

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield all frames that can be decoded, then set `problem`."""
        end, broken = 0.0, False
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
            except av.error.FFmpegError:  # concerns this packet only
                broken = True
                continue
            for frame in frames:
                broken |= frame.is_corrupt
                yield frame
        duration = end - float((self.stream.start_time or 0) * self.stream.time_base)
        declared = self._declared_seconds()
        if declared and duration < declared - max(0.25, 3 / self.rate):
            self.problem = f"{self.path}: ends early, after {duration:.2f} of {declared:.2f} s"
        elif broken:
            self.problem = f"{self.path}: some frames are broken; they are missing or damaged in the output"

    def _declared_seconds(self) -> float | None:
        """Return the duration according to the header, or None."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        try:  # Matroska and WebM: hours:minutes:seconds
            hours, minutes, seconds = self.stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except (KeyError, ValueError):
            return None


def _upright(frame: av.VideoFrame) -> np.ndarray:
    image = frame.to_ndarray(format="bgr24")
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


class Camera:
    """A camera of this computer, with the methods and attributes of a Video.

    Args:
        every: yield every Nth frame only.

    Raises:
        UserError: the camera cannot be opened.
    """

    def __init__(self, number: int, every: int = 1):
        self.name = f"camera_{number}"
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

    def frames(self) -> Iterator[tuple[FrameInfo, np.ndarray]]:
        """Yield frames with their images, (H, W, 3) uint8 BGR, until the camera is unplugged."""
        begun, index = perf_counter(), 0
        try:
            while (read := self.capture.read())[0]:
                if index % self.every == 0:
                    yield FrameInfo(self.name, index, perf_counter() - begun), read[1]
                index += 1
        finally:
            self.capture.release()


class VideoWriter:
    """Writes an .mp4 file (H.264, no sound). If the program is killed, only the last seconds are lost.

    Args:
        rate: frames per second that the header declares.
    """

    TICKS = 90_000  # per second; a multiple of all usual frame rates

    def __init__(self, path: Path, rate: Fraction):
        self.path = path
        self.last = -1
        self.container = av.open(f"file:{path}", "w", format="mp4", options=CONTAINER_OPTIONS)
        self.stream = self.container.add_stream("libx264", rate=rate, options=ENCODER_OPTIONS)
        self.stream.pix_fmt = "yuv420p"
        codec = self.stream.codec_context
        codec.time_base = Fraction(1, self.TICKS)
        # The colors of high definition, declared because players guess otherwise.
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        codec.color_range = ColorRange.MPEG

    def write(self, image: np.ndarray, time: float) -> None:
        """Append an image, (H, W, 3) uint8 BGR; an image of another size is scaled to the size of the first.

        Args:
            time: seconds since the start of the video, increasing.

        Raises:
            UserError: the file cannot be written, for example on a full disk.
        """
        if self.last < 0:
            self.size = image.shape[1::-1]
        elif image.shape[1::-1] != self.size:  # a broadcast in which the format changes
            image = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA)
        width, height = self.size
        if self.last < 0:
            self.stream.height, self.stream.width = height + height % 2, width + width % 2
        # yuv420p needs even sides: the last row or column is repeated.
        bottom, right = self.stream.height - height, self.stream.width - width
        image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        self.last = max(self.last + 1, round(time * self.TICKS))
        frame.pts, frame.time_base = self.last, Fraction(1, self.TICKS)
        self._mux(frame)

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        if self.last >= 0:
            self._mux(None)
        self.container.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self.container.mux(self.stream.encode(frame))
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror})") from error

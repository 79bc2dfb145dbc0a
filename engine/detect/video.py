"""Video files and cameras, read frame by frame."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from time import perf_counter

import av
import cv2
import numpy as np
from av.video.stream import VideoStream

from engine.detect.deinterlacing import Deinterlacer
from engine.detect.display_matrix import PixelShape, pixel_aspect, upright
from engine.detect.video_clock import VideoClock
from engine.detect.video_damage import Damage
from engine.detect.video_ends import describe_missing, notes_on_end
from engine.detect.video_notes import FrameShape, notes_on_fields, notes_on_shapes, notes_on_times
from engine.detect.video_streams import (
    choose_stream,
    clock_restarts,
    frame_rate,
    open_container,
    open_following,
    sound_start,
)
from utils.errors import UserError
from utils.image_decoding import silence_opencv

SQUARE = Fraction(1)
TS_PACKET = 188  # bytes of a packet of a transport stream


@dataclass(frozen=True)
class FrameInfo:
    """Position of a frame in its video.

    Attributes:
        video: name of the video.
        index: number of the frame, from 0, among the frames that can be decoded.
        time: seconds since the first frame, increasing.
        pixel_aspect: width of a pixel of the upright image divided by its height, as players show it.
    """

    video: str
    index: int
    time: float
    pixel_aspect: Fraction = SQUARE

    def __str__(self) -> str:
        return f"{self.video}: frame {self.index}"


class Video:
    """A video file.

    Args:
        every: yield every Nth frame only.

    Attributes:
        height, width: stored size of a frame in pixels.
        pixel_aspect: width of a stored pixel divided by its height.
        rate: frames per second.
        count: number of frames according to the header, 0 if it is not given.
        notes: after the last frame, sentences on what was interpreted: other streams, interlaced frames, jumps in time.
        problem: after the last frame, one line on what is damaged, or None.

    Raises:
        UserError: the file does not exist, is not a video that FFmpeg can read, or has no images.
    """

    def __init__(self, path: Path, every: int = 1):
        self.path = path
        self.every = every
        self.problem: str | None = None
        self.container = open_container(path)
        self.stream, other_streams = choose_stream(self.container, path)
        self.notes = [f"{path}: {other_streams}"] if other_streams else []
        self.stream.thread_type = "AUTO"
        self.height, self.width = self.stream.height, self.stream.width
        self.pixel_aspect = pixel_aspect(self.stream)
        self.rate = frame_rate(self.stream)
        self.count = self.stream.frames
        self.sound_start = sound_start(self.container)

    def frames(self) -> Iterator[tuple[FrameInfo, np.ndarray]]:
        """Yield every Nth frame with its image, (H, W, 3) uint8 BGR, upright as players show it.

        Interlaced frames are deinterlaced, each to one frame. Frames that cannot be decoded are skipped; `problem`
        reports them at the end. The n-th frame has the same index and time whatever `every` is.
        """
        clock = VideoClock(float(1 / self.rate), clock_restarts(self.container))
        damage, deinterlacer, shape = Damage(clock.restarts), Deinterlacer(), PixelShape()
        index, shapes = -1, []
        try:
            frames = self._deinterlaced(deinterlacer, self._decode(damage, shape))
            for index, (frame, following) in enumerate(pairwise(chain(frames, [None]))):
                time = clock.next(self._timestamp(frame), self._timestamp(following))
                aspect = shape.next()
                frame_shape = FrameShape(frame.width, frame.height, aspect)
                if not shapes or shapes[-1][1] != frame_shape:
                    shapes.append((time, frame_shape))
                if index % self.every == 0:
                    image, turned = upright(frame)
                    yield FrameInfo(str(self.path), index, time, 1 / aspect if turned else aspect), image
        finally:
            self.container.close()
        notes = [
            *notes_on_fields(deinterlacer.interlaced, index + 1),
            *notes_on_times(clock, damage, self.sound_start),
            *notes_on_shapes(shapes, shape.ignored),
            *notes_on_end(self.path, self.container.format.name),
        ]
        self.notes += [f"{self.path}: {note}" for note in notes]
        self.problem = self._problem(clock, damage) if index >= 0 else self._undecodable()

    def _timestamp(self, frame: av.VideoFrame | None) -> float | None:
        """Return the timestamp of a frame in seconds, or None."""
        # AVI has none. FFmpeg counts its packets, which are in another order than the frames if there are B-frames.
        reordered = self.container.format.name == "avi" and self.stream.codec_context.has_b_frames
        return None if frame is None or reordered else frame.time

    def _deinterlaced(self, deinterlacer: Deinterlacer, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        for frame in frames:
            yield from deinterlacer.push(frame)
        yield from deinterlacer.flush()

    def _decode(self, damage: Damage, shape: PixelShape) -> Iterator[av.VideoFrame]:
        """Yield all frames that can be decoded."""
        packets = self._packets(damage)
        while True:
            try:
                packet, joint = next(packets, (None, False))
                if packet is None and not joint:
                    return
                for frame in self._pending() if joint and (packet is None or packet.is_keyframe) else []:
                    shape.see_frame(self.stream)
                    yield frame
                frames = [] if packet is None else packet.decode()
            except av.error.FFmpegError:  # concerns this packet only
                damage.see_damage()
                continue
            for frame in frames:
                damage.see_frame(frame)
                shape.see_frame(self.stream)
                yield frame

    def _packets(self, damage: Damage) -> Iterator[tuple[av.Packet | None, bool]]:
        """Yield the packets of the stream and of recordings joined to it, and whether another recording begins.

        Instead of a packet, None stands between recordings of different channels.
        """
        start = 0
        while True:
            end, following = start, None
            begins: dict[int, int] = {}  # byte at which another stream begins, by the stream's number
            try:
                for packet in self.container.demux(self.container.streams.video):
                    position = None if packet.pos is None else start + packet.pos
                    if packet.stream is not self.stream:
                        begins.setdefault(packet.stream.id, position or 0)
                        continue
                    joint = damage.see_packet(packet)
                    if joint and end > start and (following := self._following(end, begins)):
                        yield None, True
                        break
                    yield packet, joint
                    end = end if position is None else max(end, position)
            except IndexError:  # of PyAV at the end, if FFmpeg has found a stream in the middle of the file
                pass
            if end > start:
                following = following or self._following(end, begins)
            if following is None:
                return
            self.container.close()
            self.container, self.stream = following
            self.stream.thread_type = "AUTO"
            self.notes.clear()  # its streams were not known to be a recording of their own
            start = end + TS_PACKET

    def _following(self, end: int, begins: Mapping[int, int]) -> tuple[av.container.InputContainer, VideoStream] | None:
        """Return the recording of another channel that begins after the packet at a byte of a transport stream."""
        if self.container.format.name != "mpegts":
            return None
        parallel = {number for number, position in begins.items() if position <= end}
        return open_following(self.path, end + TS_PACKET, {self.stream.id, *parallel})

    def _pending(self) -> list[av.VideoFrame]:
        """Return the frames that the decoder holds back, which a new recording may make it drop."""
        codec = self.stream.codec_context
        frames = codec.decode(None)
        codec.flush_buffers()
        for frame in frames:
            frame.time_base = self.stream.time_base
        return frames

    def _problem(self, clock: VideoClock, damage: Damage) -> str | None:
        end = None if clock.restarts or clock.jumps else self._declared_end()
        if end and damage.end < end - max(0.25, 3 / self.rate):
            start = float((self.stream.start_time or 0) * self.stream.time_base)
            return f"{self.path}: ends early, after {damage.end - start:.2f} of {end - start:.2f} s"
        if missing := describe_missing(self.path, self.container.format.name):
            return f"{self.path}: {missing}"
        if damage.broken:
            return f"{self.path}: some frames are broken; they are missing or damaged in the output"
        return None

    def _undecodable(self) -> str:
        codec = self.stream.codec_context.name
        return f"{self.path}: has no frame that can be decoded ({codec}); it may be encrypted or damaged"

    def _declared_end(self) -> float | None:
        """Return the timestamp of the end according to the header, or None."""
        if self.stream.duration and self.stream.time_base:
            return float(((self.stream.start_time or 0) + self.stream.duration) * self.stream.time_base)
        try:  # Matroska and WebM: hours:minutes:seconds
            hours, minutes, seconds = self.stream.metadata["DURATION"].split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except (KeyError, ValueError):
            return None


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
        self.notes: list[str] = []
        self.pixel_aspect = SQUARE
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

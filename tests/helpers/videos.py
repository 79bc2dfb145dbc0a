"""Small videos, and what a player sees of them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace

INTERLACED = {"flags": "+ilme+ildct"}


def moving_images(count: int, size: tuple[int, int] = (96, 128), step: int = 4) -> list[np.ndarray]:
    """Return images of a camera that pans over a blurred random scene, `step` pixels a frame."""
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 255, (12, 40, 3), dtype=np.uint8), (size[1] + 100, size[0]))
    lefts = (step * i % 100 for i in range(count))
    return [np.ascontiguousarray(scene[:, left : left + size[1]]) for left in lefts]


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    codec: str = "libx264",
    times: Sequence[float] | None = None,
    start: float = 0,
    rate: Fraction = Fraction(25),
    aspect: Fraction | None = None,
    pixels: str = "yuv420p",
    matrix: Colorspace | None = None,
    fields: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    container_format: str | None = None,
) -> Path:
    """Encode images; the packets' timestamps begin at `start` seconds.

    Args:
        times: seconds of the images; without it, `rate` images a second.
        aspect: width of a pixel divided by its height.
        pixels: pixel format of FFmpeg.
        matrix: matrix of the colors, which the file does not declare.
        fields: "tff" or "bff" encodes interlaced frames, whose top or bottom field is the first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    times = [i / rate for i in range(len(images))] if times is None else times
    with av.open(str(path), "w", container_format, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=(options or {}) | (INTERLACED if fields else {}))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        if codec == "libx264":
            stream.codec_context.time_base = Fraction(1, 90_000)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        packets = []
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=pixels, dst_colorspace=matrix)
            frame.colorspace = 2  # unspecified
            frame = set_fields(frame, fields) if fields else frame
            frame.time_base = stream.codec_context.time_base or 1 / rate
            frame.pts = round(time / frame.time_base)
            packets += stream.encode(frame)
        for packet in packets + stream.encode(None):
            offset = round(start / packet.time_base)
            packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
            container.mux(packet)
    return path


def set_fields(frame: av.VideoFrame, fields: str) -> av.VideoFrame:
    """Flag a frame as interlaced."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("setfield", fields), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def join(path: Path, *parts: Path) -> Path:
    """Write the parts into one file, one after another."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path

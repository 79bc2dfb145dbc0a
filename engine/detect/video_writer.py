"""A writer of video files."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from utils.errors import UserError

# H.264 with little visible loss, encoded fast; no B-frames, so that times start at the first frame; a key frame, which
# starts a fragment of the file, every 50 frames.
ENCODER_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0", "g": "50"}
# The file is written in fragments, readable after a crash, which closing joins.
CONTAINER_OPTIONS = {"movflags": "hybrid_fragmented", "flush_packets": "1"}
LONGEST_FRAME = 6 * 3600  # seconds; 32 bits hold 6.6 hours of ticks. In a longer pause, the image is repeated.
SQUARE = Fraction(1)
BT709 = 1  # ITU-T H.273, tables 2 to 4


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

    def write(self, image: np.ndarray, time: float, pixel_aspect: Fraction = SQUARE) -> None:
        """Append an image, (H, W, 3) uint8 BGR.

        Size and shape of the pixels are those of the first image. An image of another size or with pixels of another
        shape is scaled to fit, with black bars, so that players show what it shows undistorted.

        Args:
            time: seconds since the start of the video, increasing.
            pixel_aspect: width of a pixel divided by its height.

        Raises:
            UserError: the file cannot be written, for example on a full disk.
        """
        if self.last < 0:
            self.size, self.pixel_aspect = image.shape[1::-1], pixel_aspect
            width, height = self.size
            self.stream.height, self.stream.width = height + height % 2, width + width % 2
            self.stream.codec_context.sample_aspect_ratio = pixel_aspect
        elif (image.shape[1::-1], pixel_aspect) != (self.size, self.pixel_aspect):  # a broadcast changes its format
            image = fit(image, self.size, pixel_aspect / self.pixel_aspect)
        width, height = self.size
        # yuv420p needs even sides: the last row or column is repeated.
        bottom, right = self.stream.height - height, self.stream.width - width
        image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_ndarray(image, "bgr24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        ticks = max(self.last + 1, round(time * self.TICKS))
        while self.last >= 0 and ticks - self.last > LONGEST_FRAME * self.TICKS:
            self._append(self.frame, self.last + LONGEST_FRAME * self.TICKS)
        self._append(frame, ticks)

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        if self.last >= 0:
            self._mux(None)
        self.container.close()

    def _append(self, frame: av.VideoFrame, ticks: int) -> None:
        self.frame, self.last = frame, ticks
        frame.pts, frame.time_base = ticks, Fraction(1, self.TICKS)
        self._mux(frame)

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self.container.mux(self.stream.encode(frame))
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror})") from error


def fit(image: np.ndarray, size: tuple[int, int], stretch: Fraction) -> np.ndarray:
    """Scale an image, (H, W, 3) uint8, into a (width, height) with black bars at two sides.

    Args:
        stretch: factor of the width that gives the image the right shape.
    """
    height, width = image.shape[:2]
    scale = min(size[0] / (width * stretch), size[1] / height)
    inner_width, inner_height = max(1, round(width * stretch * scale)), max(1, round(height * scale))
    image = cv2.resize(image, (inner_width, inner_height), interpolation=cv2.INTER_AREA)
    left, top = (size[0] - inner_width) // 2, (size[1] - inner_height) // 2
    right, bottom = size[0] - inner_width - left, size[1] - inner_height - top
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT)

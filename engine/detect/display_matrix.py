"""How players show a video's frames: turned, mirrored, in which colors and with pixels of which shape."""

from collections import deque
from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.stream import VideoStream

BT709, UNSPECIFIED = 1, 2  # matrix coefficients of ITU-T H.273, table 4
MOST_UNUSUAL = 10  # width of a pixel divided by its height, or the inverse


def upright(frame: av.VideoFrame) -> tuple[np.ndarray, bool]:
    """Return the image of a frame as players show it, and whether its sides are exchanged.

    A display matrix (ISO 14496-12, 8.3.2) maps a pixel (x, y) to (a x + c y, b x + d y). The eight turns and mirror
    images by quarters are done; of others, the nearest.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    if frame.colorspace == UNSPECIFIED and not frame.format.is_rgb and (frame.width >= 1280 or frame.height > 576):
        frame.colorspace = BT709  # as players guess; FFmpeg takes the colors of standard definition
    image = frame.to_ndarray(format="bgr24")
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return image, False
    a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
    exchanged = abs(b) + abs(c) > abs(a) + abs(d)
    if exchanged:
        image, a, d = image.transpose(1, 0, 2), c, b
    image = image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(image), exchanged


class PixelShape:
    """The width of a video's pixels divided by their height, which a broadcast changes between programs.

    Attributes:
        ignored: the last ratio that no video has, which is taken for 1; or None.
    """

    def __init__(self):
        self.ignored: Fraction | None = None
        self._aspect, self._declared = Fraction(1), None
        self._stream: VideoStream | None = None
        self._ahead: deque[Fraction] = deque()

    def see_frame(self, stream: VideoStream) -> None:
        """Note the shape of the frame that was decoded last."""
        declared = stream.codec_context.sample_aspect_ratio
        if stream is not self._stream:
            self._stream, self._aspect = stream, self._use(stream.sample_aspect_ratio)
        elif declared != self._declared:
            self._aspect = self._use(declared)
        self._declared = declared
        self._ahead.append(self._aspect)

    def next(self) -> Fraction:
        """Return the aspect ratio of the first frame of which it was not asked before."""
        return self._ahead.popleft()

    def _use(self, ratio: Fraction | None) -> Fraction:
        used = _valid(ratio)
        if ratio and used != ratio:
            self.ignored = ratio
        return used


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Return the width of a pixel divided by its height; 1 where it is not given or cannot be."""
    return _valid(stream.sample_aspect_ratio)


def _valid(ratio: Fraction | None) -> Fraction:
    return ratio if ratio and Fraction(1, MOST_UNUSUAL) <= ratio <= MOST_UNUSUAL else Fraction(1)

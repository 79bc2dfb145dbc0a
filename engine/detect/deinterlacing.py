"""Deinterlacing of video frames."""

from collections.abc import Iterator

import av

SMALLEST = 4  # pixels of a side that the filter takes
# A frame for each frame. Frames that are not flagged as interlaced pass unchanged.
FILTER, OPTIONS = "bwdif", "mode=send_frame:deint=interlaced"


class Deinterlacer:
    """Deinterlaces the frames that are flagged as interlaced.

    Interlaced frames hold two moments in alternating rows, so that a moving face is a comb. The second moment is
    interpolated away. Frames come out in order, each with its timestamp, up to one frame late.

    Attributes:
        interlaced: number of interlaced frames so far.
    """

    def __init__(self):
        self.interlaced = 0
        self._graph: av.filter.Graph | None = None
        self._kind: tuple | None = None  # of the frames that the graph is made for

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Take a frame, and yield the frames that are ready."""
        self.interlaced += frame.interlaced_frame
        kind = (frame.format.name, frame.width, frame.height, frame.time_base)
        if self._graph is not None and kind != self._kind:
            yield from self.flush()
        if self._graph is None and (not frame.interlaced_frame or min(frame.width, frame.height) < SMALLEST):
            yield frame
            return
        if self._graph is None:
            self._graph, self._kind = _graph(frame), kind
        self._graph.vpush(frame)
        yield from self._ready()

    def flush(self) -> Iterator[av.VideoFrame]:
        """Yield the last frames."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()
            self._graph = None

    def _ready(self) -> Iterator[av.VideoFrame]:
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _graph(frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(source, graph.add(FILTER, OPTIONS), graph.add("buffersink")).configure()
    return graph

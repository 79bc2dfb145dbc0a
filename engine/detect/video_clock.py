"""Times of a video's frames: increasing seconds, from timestamps that may jump, repeat or be missing."""

BACKWARDS = 0.1  # seconds; less is jitter
FORWARDS = 10.0  # seconds; less is a loss of reception. Both are the limits of the ffmpeg command.
PAUSE = 1.0  # seconds; a broadcast that has no frame for longer has lost some


class VideoClock:
    """Turns the timestamps of a video's frames into increasing times.

    A timestamp that goes back by more than `BACKWARDS` begins another recording, and so does one that goes forward by
    more than `FORWARDS` if `restarts`. The times go on after it, one frame later. Any other distance is kept: frame
    rates vary, and slides and screen recordings do pause. A frame without a timestamp follows one frame after the last,
    and so does one whose timestamp alone is out of line.

    Args:
        step: seconds between frames; later the last distance between two frames.
        restarts: whether the format has a clock that may jump, as transport streams do.

    Attributes:
        first: timestamp of the first frame, or None.
        jumps: times of the frames at which the clock jumps.
        pauses: (time, seconds) of the long distances between frames that were kept although `restarts`.
    """

    def __init__(self, step: float, restarts: bool):
        self.step = step
        self.restarts = restarts
        self.first: float | None = None
        self.jumps: list[float] = []
        self.pauses: list[tuple[float, float]] = []
        self._time: float | None = None  # of the previous frame
        self._timestamp: float | None = None  # of the previous frame, estimated where it has none
        self._start: float | None = None  # timestamp of time 0, until the next jump

    def next(self, timestamp: float | None, following: float | None = None) -> float:
        """Return the time of the next frame.

        Args:
            timestamp: seconds, with any start; None if the frame has none.
            following: the timestamp of the frame after it.
        """
        if timestamp is not None and following is not None and self._out_of_line(timestamp, following):
            timestamp = None
        if self._time is None:
            self._time, self.first = 0.0, timestamp
        elif timestamp is None or self._timestamp is None:
            self._time += self.step
        else:
            self._time = self._following(timestamp)
        if timestamp is None:
            timestamp = None if self._timestamp is None else self._timestamp + self.step
        elif self._start is None:
            self._start = timestamp - self._time
        self._timestamp = timestamp
        return self._time

    def _out_of_line(self, timestamp: float, following: float) -> bool:
        if self._timestamp is None:
            return False
        in_line = 0 < following - self._timestamp <= 4 * self.step
        return in_line and not self._timestamp <= timestamp <= following

    def _following(self, timestamp: float) -> float:
        after_one_step = self._time + self.step
        if is_jump(self._timestamp, timestamp, self.restarts):
            self.jumps.append(after_one_step)
            self._start = timestamp - after_one_step
            return after_one_step
        if timestamp == self._timestamp:
            return after_one_step
        time = timestamp - self._start
        if time <= self._time:
            return self._time + self.step / 2  # half, so that the times fall back into step with the timestamps
        distance = time - self._time
        if self.restarts and distance > max(PAUSE, 3 * self.step):
            self.pauses.append((self._time, distance))
        elif distance <= PAUSE:
            self.step = distance
        return time


def is_jump(before: float, after: float, restarts: bool) -> bool:
    """Whether the clock jumps between two successive timestamps, in seconds; see `VideoClock`."""
    return after < before - BACKWARDS or (restarts and after > before + FORWARDS)

"""Sentences on what was interpreted in a video."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.detect.video_clock import VideoClock
from engine.detect.video_damage import Damage

SOUND_LEAD = 0.1  # seconds; less is not mentioned
OTHER_CLOCK = 60.0  # seconds; in a broadcast, sound that begins so much earlier is of another program


@dataclass(frozen=True)
class FrameShape:
    """Stored size of a frame, and the width of its pixels divided by their height."""

    width: int
    height: int
    pixel_aspect: Fraction

    def __str__(self) -> str:
        aspect = self.pixel_aspect
        pixels = "" if aspect == 1 else f" of pixels {aspect.numerator}:{aspect.denominator}"
        return f"{self.width} x {self.height}{pixels}"


def notes_on_shapes(shapes: Sequence[tuple[float, FrameShape]], ignored: Fraction | None) -> Iterator[str]:
    """Yield sentences on changes of the frames' shape, and on a shape of pixels that was ignored.

    Args:
        shapes: the first shape, and each that differs from the one before, with their times.
    """
    if ignored is not None:
        yield f"declares pixels of {ignored.numerator}:{ignored.denominator}, which no video has; used: square ones"
    if len(shapes) > 1:
        places = _places([time for time, _ in shapes[1:]])
        kinds = ", ".join(dict.fromkeys(str(shape) for _, shape in shapes))
        yield f"its frames change their size or shape at {places} ({kinds}); boxes refer to each frame's own size"


def notes_on_times(clock: VideoClock, damage: Damage, sound_start: float | None) -> Iterator[str]:
    """Yield sentences on the start, on jumps and on pauses."""
    if damage.undecoded:
        yield f"begins between key frames; {damage.undecoded} frames before the first one cannot be decoded"
    if None not in (clock.first, sound_start):
        lead = clock.first - sound_start
        if lead >= SOUND_LEAD and not (clock.restarts and lead > OTHER_CLOCK):
            yield f"its sound begins {lead:.2f} s before its first frame, which is time 0"
    if clock.jumps:
        damaged = ", and frames there may be missing or damaged" if damage.at_joints else ""
        jumps = f"its clock jumps at {_places(clock.jumps)}, as in joined recordings"
        yield f"{jumps}; times go on without the jump{damaged}"
    if clock.pauses:
        longest = max(seconds for _, seconds in clock.pauses)
        places = _places([time for time, _ in clock.pauses])
        yield f"has no frames for up to {longest:.2f} s after {places}; the times keep the gap"


def notes_on_fields(interlaced: int, frames: int) -> Iterator[str]:
    if interlaced:
        yield f"{interlaced} of {frames} frames are interlaced; they were deinterlaced before the detection"


def _places(times: list[float]) -> str:
    """Return the first three times as text."""
    shown = ", ".join(f"{time:.2f}" for time in times[:3])
    return f"{shown} s" + (f" and {len(times) - 3} more times" if len(times) > 3 else "")

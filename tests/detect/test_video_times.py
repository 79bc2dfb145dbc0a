"""Times of a video's frames: clocks that start anywhere, jump, wrap around, pause or are missing."""

import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from engine.detect.video import Video
from engine.detect.video_clock import VideoClock
from engine.detect.video_writer import VideoWriter
from tests.helpers.detections import lines
from tests.helpers.videos import join, moving_images, write_video

SMALL = moving_images(10, (48, 64))
WRAP = 2**33 / 90_000  # seconds, after which the clock of a transport stream begins again
EVEN = [i / 25 for i in range(10)]


def times_of(video: Video) -> list[float]:
    return [frame.time for frame, _ in video.frames()]


@pytest.mark.parametrize(
    ("timestamps", "restarts", "times", "jumps"),
    [
        ([5, 5.04, 5.08], True, [0, 0.04, 0.08], []),
        ([5, 5.04, 0.2, 0.24], True, [0, 0.04, 0.08, 0.12], [0.08]),
        ([5, 5.04, 900, 900.04], True, [0, 0.04, 0.08, 0.12], [0.08]),
        ([5, 5.04, 900, 900.04], False, [0, 0.04, 895, 895.04], []),
        ([5, 5.04, 0.2, 0.24], False, [0, 0.04, 0.08, 0.12], [0.08]),
        ([5, 5.04, 10, 10.04], True, [0, 0.04, 5, 5.04], []),
        ([0, 0.04, 0.04, 0.12, 0.16], True, [0, 0.04, 0.08, 0.12, 0.16], []),
        ([0, 0.04, 0.04, 0.08, 0.16], True, [0, 0.04, 0.08, 0.1, 0.16], []),
        ([0, 0.04, 99, 0.12, 0.16], True, [0, 0.04, 0.08, 0.12, 0.16], []),
        ([None, None, None], True, [0, 0.04, 0.08], []),
        ([None, 7, 7.04, None, 7.12], True, [0, 0.04, 0.08, 0.12, 0.16], []),
        ([3, 3, 3], False, [0, 0.04, 0.08], []),
        ([0, 0.02, 0.05, 0.15, 2.15, 2.17], False, [0, 0.02, 0.05, 0.15, 2.15, 2.17], []),
    ],
)
def test_timestamps_become_increasing_times(timestamps, restarts, times, jumps):
    clock = VideoClock(1 / 25, restarts)
    found = [clock.next(*pair) for pair in pairwise([*timestamps, None])]
    assert found == pytest.approx(times)
    assert clock.jumps == pytest.approx(jumps)


@pytest.mark.parametrize(
    ("name", "start", "codec"),
    [
        ("film.ts", 36_000, "mpeg2video"),
        ("film.ts", WRAP - 0.2, "libx264"),
        ("film.ts", 2, "mpeg2video"),
        ("film.mkv", 36_000, "libx264"),
        ("film.mp4", 36_000, "libx264"),
        ("film.avi", 0, "libx264"),
        ("film.h264", 0, "libx264"),
        ("film.flv", 100, "libx264"),
    ],
)
def test_times_count_from_the_first_frame(tmp_path, name, start, codec):
    video = Video(write_video(tmp_path / name, SMALL, codec, start=start, options={"bf": "2"}))
    assert times_of(video) == pytest.approx(EVEN, abs=2e-3)
    assert video.notes == [] and video.problem is None
    assert times_of(Video(tmp_path / name, every=3)) == pytest.approx(EVEN[::3], abs=2e-3)


@pytest.mark.parametrize("codec", ["mpeg2video", "libx264"])
@pytest.mark.parametrize("starts", [(2, 2), (2, 5000), (5000, 2), (2, 60, 1)])
def test_times_go_on_behind_the_joint_of_recordings(tmp_path, codec, starts):
    video = Video(joined_recordings(tmp_path, codec, *starts))
    assert times_of(video) == pytest.approx([i / 25 for i in range(10 * len(starts))], abs=2e-3)
    joints = ", ".join(f"{0.4 * i:.2f}" for i in range(1, len(starts)))
    assert video.notes == [
        f"{video.path}: its clock jumps at {joints} s, as in joined recordings; times go on without the jump"
    ]
    assert video.problem is None


def joined_recordings(folder: Path, codec: str, *starts: float) -> Path:
    files = [folder / f"{i}.ts" for i in range(len(starts))]
    for file, start in zip(files, starts, strict=True):
        write_video(file, SMALL, codec, start=start, options={"bf": "2"})
    return join(folder / "joined.ts", *files)


def test_the_written_video_shows_all_frames_of_joined_recordings(detect, tmp_path):
    outcome = detect(joined_recordings(tmp_path, "mpeg2video", 2, 2))
    assert outcome.status == 0
    assert outcome.err.startswith("note: ") and "its clock jumps at 0.40 s" in outcome.err
    times = [line["time"] for line in lines(tmp_path / "out" / "joined.jsonl")]
    with av.open(str(tmp_path / "out" / "joined.mp4")) as written:
        stream = written.streams.video[0]
        assert [frame.time for frame in written.decode(stream)] == pytest.approx(times, abs=2e-3)
        assert stream.duration * stream.time_base == pytest.approx(0.8, abs=2e-3)
        assert stream.average_rate == 25


def test_recordings_of_two_channels_may_be_joined(tmp_path):
    """Their streams have other numbers, sizes and shapes of pixels."""
    large = [np.random.default_rng(i).integers(0, 255, (96, 128, 3), dtype=np.uint8) for i in range(10)]
    first = write_video(tmp_path / "0.ts", large, "mpeg2video", start=2)
    pids = {"mpegts_start_pid": "400", "mpegts_pmt_start_pid": "4200", "mpegts_service_id": "7"}
    aspect = Fraction(4, 3)
    second = write_video(tmp_path / "1.ts", SMALL, start=50, aspect=aspect, container_options=pids)
    video = Video(join(tmp_path / "joined.ts", first, second, first))
    frames = list(video.frames())
    assert [frame.time for frame, _ in frames] == pytest.approx([i / 25 for i in range(30)], abs=2e-3)
    assert [image.shape[0] for _, image in frames] == [96] * 10 + [48] * 10 + [96] * 10
    assert [frame.pixel_aspect for frame, _ in frames] == [1] * 10 + [aspect] * 10 + [1] * 10
    jumps, shapes = video.notes
    assert "its clock jumps at 0.40, 0.80 s" in jumps and video.problem is None
    assert "its frames change their size or shape at 0.40, 0.80 s (128 x 96, 64 x 48 of pixels 4:3)" in shapes


def test_recordings_that_begin_between_key_frames(tmp_path):
    whole = write_video(tmp_path / "whole.ts", moving_images(40, (48, 64)), "mpeg2video", options={"g": "10"})
    packets = len(content := whole.read_bytes()) // 188
    (tmp_path / "cut.ts").write_bytes(content[188 * (packets // 3) :])
    video = Video(tmp_path / "cut.ts")
    count = len(times := times_of(video))
    assert times == pytest.approx([i / 25 for i in range(count)], abs=2e-3) and count in range(10, 40)
    assert len(video.notes) == 1 and "begins between key frames; " in video.notes[0] and video.problem is None
    joined = Video(join(tmp_path / "joined.ts", whole, tmp_path / "cut.ts"))
    times = times_of(joined)
    assert len(times) >= 38 + count
    assert all(0 < after - before < 0.05 for before, after in pairwise(times))
    assert len(joined.notes) == 1 and joined.problem is None
    assert joined.notes[0].endswith("times go on without the jump, and frames there may be missing or damaged")


def test_damage_far_from_a_joint_is_still_reported(tmp_path):
    part = write_video(tmp_path / "a.ts", moving_images(120, (48, 64)), "mpeg2video", options={"g": "10"})
    content = part.read_bytes()
    middle = len(content) // 188 // 2 * 188
    (tmp_path / "hole.ts").write_bytes(content[: middle - 188 * 6] + content[middle:] + content)
    video = Video(tmp_path / "hole.ts")
    times_of(video)
    assert "some frames are broken" in video.problem


def test_variable_rates_and_long_pauses_are_kept(detect, tmp_path):
    times = [0, 0.033, 0.1, 0.12, 4, 4.02, 90, 5000, 5000.04, 5000.1]
    mp4, mkv = (
        write_video(tmp_path / name, SMALL, times=times, options={"bf": "0"}) for name in ("film.mp4", "film.mkv")
    )
    assert times_of(Video(mp4)) == pytest.approx(times, abs=2e-3)
    outcome = detect(mkv)
    assert (outcome.status, outcome.err) == (0, "")
    assert [line["time"] for line in lines(tmp_path / "out" / "film.jsonl")] == pytest.approx(times, abs=2e-3)
    assert times_of(Video(tmp_path / "out" / "film.mp4")) == pytest.approx(times, abs=2e-3)


def test_a_gap_in_a_broadcast_is_kept_and_named(tmp_path):
    times = [0, 0.04, 0.08, 5, 5.04, 5.08, 5.12, 5.16, 5.2, 5.24]
    video = Video(write_video(tmp_path / "film.ts", SMALL, times=times, options={"bf": "0"}))
    assert times_of(video) == pytest.approx(times, abs=2e-3)
    assert video.notes == [
        f"{tmp_path / 'film.ts'}: has no frames for up to 4.92 s after 0.08 s; the times keep the gap"
    ]


@pytest.mark.parametrize("rate", [1000, 90_000])
def test_the_resolution_of_a_clock_is_not_a_frame_rate(tmp_path, rate):
    video = Video(write_video(tmp_path / "film.mkv", SMALL, times=EVEN, rate=Fraction(rate), options={"bf": "0"}))
    assert times_of(video) == pytest.approx(EVEN, abs=2e-3) and video.rate == 25


def write_with_sound(path: Path, delay: int) -> Video:
    """Write a video whose sound begins `delay` frames before it."""
    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=16_000)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.rate, silence.pts = 16_000, 0
        container.mux(sound.encode(silence) + sound.encode(None))
        frames = [av.VideoFrame.from_ndarray(image, "bgr24") for image in SMALL]
        for i, frame in enumerate(frames):
            frame.pts, frame.time_base = delay + i, Fraction(1, 25)
        for frame in [*frames, None]:
            container.mux(video.encode(frame))
    return Video(path)


def test_sound_that_begins_earlier_is_named(tmp_path):
    late = write_with_sound(tmp_path / "late.mkv", 10)
    assert times_of(late) == pytest.approx(EVEN, abs=2e-3) and late.problem is None
    assert len(late.notes) == 1
    assert re.search(r"late\.mkv: its sound begins 0\.4\d s before its first frame, which is time 0$", late.notes[0])


def test_sound_of_another_program_with_another_clock_is_not_mentioned(tmp_path):
    film = write_with_sound(tmp_path / "film.ts", 25 * 3600)
    assert times_of(film) == pytest.approx(EVEN, abs=2e-3) and not film.notes


def test_a_pause_of_a_day_is_written_with_the_image_repeated(tmp_path):
    day = 24 * 3600.0
    writer = VideoWriter(tmp_path / "day.mp4", Fraction(25))
    for image, time in zip(SMALL, (0, 0.04, day, day + 0.04), strict=False):
        writer.write(image, time)
    writer.close()
    times = times_of(Video(Path(tmp_path / "day.mp4")))
    assert times[:2] + times[-2:] == pytest.approx([0, 0.04, day, day + 0.04], abs=2e-3) and len(times) <= 8

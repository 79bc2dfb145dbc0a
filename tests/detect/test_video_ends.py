"""Ends of video files that FFmpeg takes for whole, changes of the frames' shape, and what is no video."""

from fractions import Fraction

import pytest

from engine.detect.video import Video
from tests.helpers.image_files import frames
from tests.helpers.images import draw_image
from tests.helpers.videos import join, moving_images, write_video
from utils.errors import UserError

SMALL = moving_images(6, (48, 64))
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def read(path) -> Video:
    video = Video(path)
    assert list(video.frames())
    return video


def test_a_transport_stream_that_ends_within_a_packet_is_noted(tmp_path):
    film = write_video(tmp_path / "film.ts", moving_images(20), options={"g": "5"})
    assert not read(film).notes
    film.write_bytes(film.read_bytes()[: 188 * 20 + 77])
    video = read(film)
    assert video.notes == [f"{film}: ends in the middle of a packet; frames at its end may be missing"]
    assert video.problem is None


@pytest.mark.parametrize(("before", "behind"), [(bytes(100), b""), (b"", b"\xff" * 100), (b"", b"\xff" * 1000)])
def test_a_transport_stream_with_junk_or_padding_is_whole(tmp_path, before, behind):
    film = write_video(tmp_path / "film.ts", moving_images(20))
    film.write_bytes(before + film.read_bytes() + behind)
    assert not read(film).notes


def test_a_transport_stream_of_longer_packets_is_noted_where_it_ends_within_one(tmp_path):
    film = write_video(tmp_path / "film.ts", moving_images(20))
    content = film.read_bytes()
    timed = b"".join(bytes(4) + content[at : at + 188] for at in range(0, len(content), 188))
    (tmp_path / "film.m2ts").write_bytes(timed)
    assert not read(tmp_path / "film.m2ts").notes
    (tmp_path / "film.m2ts").write_bytes(timed[: 192 * 20 + 77])
    assert "ends in the middle of a packet" in read(tmp_path / "film.m2ts").notes[0]


@pytest.mark.parametrize(
    ("name", "options"),
    [("film.mp4", FRAGMENTS), ("film.mp4", {"movflags": "faststart"}), ("film.mkv", {}), ("film.webm", {})],
)
def test_a_file_whose_last_part_is_incomplete_is_an_error(tmp_path, name, options):
    codec = "libvpx" if name == "film.webm" else "libx264"
    film = write_video(tmp_path / name, moving_images(20), codec, options={"g": "5"}, container_options=options)
    content = film.read_bytes().replace(b"DURATION", b"UNKNOWN.")  # Matroska's, which not every program writes
    film.write_bytes(content)
    assert read(film).problem is None
    film.write_bytes(content[:-30])
    part = "box (atom)" if name == "film.mp4" else "segment"
    assert read(film).problem.startswith(f"{film}: its last {part} is incomplete; frames at its end may be missing")


def test_mp4_files_joined_by_cat_are_an_error(detect, tmp_path):
    part = write_video(tmp_path / "part.mp4", SMALL)
    film = join(tmp_path / "film.mp4", part, part)
    outcome = detect(film)
    assert outcome.status == 3
    assert f"error: {film}: has 2 recordings, one after the other, and only the first is read" in outcome.err
    fragments = write_video(tmp_path / "fragments.mp4", SMALL, container_options=FRAGMENTS)
    assert read(fragments).problem is None


@pytest.mark.parametrize(
    "trailer",
    [bytes(100), b"TAG" + b"Evening news".ljust(125, b"\0"), b"SEFH\x6b\0\0\0" * 4 + b"SEFT", b"recorded2024-05-01"],
    ids=["zeros", "ID3v1", "camera", "text"],
)
def test_an_mp4_file_with_a_trailer_is_whole(tmp_path, trailer):
    film = write_video(tmp_path / "film.mp4", SMALL)
    film.write_bytes(film.read_bytes() + trailer)
    assert read(film).problem is None


def test_changes_of_size_and_pixel_shape_are_noted(tmp_path):
    parts = [
        write_video(tmp_path / f"{number}.ts", images, "mpeg2video", aspect=aspect)
        for number, (images, aspect) in enumerate(
            [(SMALL, Fraction(1)), (SMALL, Fraction(4, 3)), (moving_images(6), Fraction(4, 3))]
        )
    ]
    film = join(tmp_path / "film.ts", *parts)
    kinds = "64 x 48, 64 x 48 of pixels 4:3, 128 x 96 of pixels 4:3"
    assert f"its frames change their size or shape at 0.24, 0.48 s ({kinds}); boxes" in "\n".join(read(film).notes)


def test_a_shape_of_pixels_that_no_video_has_is_noted(tmp_path):
    film = write_video(tmp_path / "film.mkv", SMALL, aspect=Fraction(20))
    video = read(film)
    assert video.notes == [f"{film}: declares pixels of 20:1, which no video has; used: square ones"]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_an_image_with_the_suffix_of_a_video_is_refused(detect, tmp_path, suffix):
    draw_image(tmp_path / f"a{suffix}", [(10, 10, 30, 40)])
    (tmp_path / f"a{suffix}").rename(tmp_path / "film.mp4")
    detect(tmp_path / "film.mp4").refuses("film.mp4: is an image, not a video; rename it")


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_an_animation_with_the_suffix_of_a_video_is_read_frame_by_frame(tmp_path, kind):
    (tmp_path / "film.mp4").write_bytes(frames(kind, 3, duration=[200, 400, 200]))
    assert len(list(Video(tmp_path / "film.mp4").frames())) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is an empty file of 0 bytes; fetch it again"),
        (b"<!DOCTYPE html><html>", "is a web page; download the file again"),
        (b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS; run git lfs pull"),
        (b"no video", "is not a video that can be read, or its end is missing"),
    ],
)
def test_what_has_the_suffix_of_a_video_is_named(tmp_path, content, said):
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(UserError, match=rf"film\.mp4: {said}"):
        Video(tmp_path / "film.mp4")

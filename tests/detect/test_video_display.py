"""Videos as players show them: fields, mirrors, pixel shapes, the stream of several, and recordings of any suffix."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Colorspace

from engine.detect.sources import find_sources
from engine.detect.square_pixels import StoredFrame
from engine.detect.video import FrameInfo, Video
from engine.detect.video_writer import VideoWriter, fit
from models.detector import Detections
from tests.helpers.detections import assert_faces, lines
from tests.helpers.videos import join, moving_images, write_video

SMALL = moving_images(6, (48, 64))
# ISO 14496-12, 8.3.2: x' = a x + c y, y' = b x + d y; and what a player shows of an image.
MATRICES = {
    (1, 0, 0, 1): lambda image: image,
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),
    (-1, 0, 0, -1): lambda image: np.rot90(image, 2),
    (0, -1, 1, 0): lambda image: np.rot90(image),
    (-1, 0, 0, 1): lambda image: image[:, ::-1],
    (1, 0, 0, -1): lambda image: image[::-1],
    (0, 1, 1, 0): lambda image: image.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda image: image.transpose(1, 0, 2)[::-1, ::-1],
}


def images_of(path: Path) -> list[np.ndarray]:
    return [image for _, image in Video(path).frames()]


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Change the display matrix of an MP4 file, whose fields are 16.16 fixed point."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    one = 1 << 16
    content[place : place + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def interlace(moments: list[np.ndarray], first_row: int) -> list[np.ndarray]:
    """Return frames that hold one moment in every other row from the first row on, and the next in the others."""
    frames = [later.copy() for later in moments[1::2]]
    for frame, moment in zip(frames, moments[::2], strict=True):
        frame[first_row::2] = moment[first_row::2]
    return frames


@pytest.mark.parametrize("matrix", MATRICES)
def test_all_turns_and_mirror_images_are_shown_as_players_do(tmp_path, matrix):
    film = write_video(tmp_path / "film.mp4", SMALL[:2])
    stored = images_of(film)
    for shown, image in zip(images_of(set_matrix(film, *matrix)), stored, strict=True):
        np.testing.assert_array_equal(shown, MATRICES[matrix](image))


@pytest.mark.parametrize(("codec", "fields"), [("libx264", "tff"), ("libx264", "bff"), ("mpeg2video", "tff")])
def test_interlaced_frames_are_deinterlaced(tmp_path, codec, fields):
    gray = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in moving_images(24, (96, 128), step=6)]
    moments = [cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) for image in gray]
    frames = interlace(moments, first_row=int(fields == "bff"))
    film = Video(write_video(tmp_path / "film.mkv", frames, codec, fields=fields))
    shown = list(film.frames())
    assert [frame.time for frame, _ in shown] == pytest.approx([i / 25 for i in range(12)], abs=2e-3)
    assert film.notes == [f"{film.path}: 12 of 12 frames are interlaced; they were deinterlaced before the detection"]
    assert difference([image for _, image in shown], moments[::2]) < difference(frames, moments[::2]) / 3


def difference(images: list[np.ndarray], others: list[np.ndarray]) -> float:
    return float(np.mean([cv2.absdiff(image, other).mean() for image, other in zip(images, others, strict=True)]))


def test_progressive_parts_of_a_broadcast_are_not_touched(tmp_path):
    parts = [
        write_video(tmp_path / "progressive.ts", SMALL, "mpeg2video"),
        write_video(tmp_path / "interlaced.ts", SMALL, "mpeg2video", fields="bff"),
        write_video(tmp_path / "small.ts", moving_images(6, (32, 48)), "mpeg2video", fields="bff"),
    ]
    film = Video(join(tmp_path / "film.ts", parts[0], parts[1], parts[0], parts[2]))
    shown = [image for _, image in film.frames()]
    assert len(shown) == 24 and shown[-1].shape == (32, 48, 3)
    assert "12 of 24 frames are interlaced" in film.notes[0]
    for before, image in zip(images_of(parts[0]), shown[:6], strict=True):
        np.testing.assert_array_equal(image, before)


def test_an_interlaced_video_may_be_turned_and_have_any_pixel_format(tmp_path):
    film = set_matrix(write_video(tmp_path / "film.mp4", SMALL, fields="tff", pixels="yuv422p"), 0, 1, -1, 0)
    assert [image.shape for image in images_of(film)] == [(64, 48, 3)] * 6


@pytest.mark.parametrize("turned", [False, True])
def test_a_written_video_keeps_the_shape_of_the_pixels(detect, detector, tmp_path, turned):
    film = write_video(tmp_path / "film.mp4", moving_images(3), aspect=Fraction(64, 45))
    if turned:
        set_matrix(film, 0, 1, -1, 0)
    assert detect(film).status == 0
    with av.open(str(tmp_path / "out" / "film.mp4")) as written:
        stream = written.streams.video[0]
        assert (stream.height, stream.width) == ((128, 96) if turned else (96, 128))
        assert stream.sample_aspect_ratio == (Fraction(45, 64) if turned else Fraction(64, 45))
    # The network sees square pixels; the boxes are in stored ones.
    record, image = lines(tmp_path / "out" / "film.jsonl")[0], images_of(film)[0]
    square = cv2.resize(image, (96, 182) if turned else (182, 96))
    scale = np.array([1, 182 / 128] if turned else [182 / 128, 1])
    for face in record["faces"]:
        face["box"] = (np.array(face["box"]).reshape(2, 2) * scale).reshape(4)
    assert_faces(record["faces"], square, detector)


def test_detections_are_mapped_to_stored_pixels():
    frame = StoredFrame(FrameInfo("film", 0, 0.0, Fraction(1, 2)), np.zeros((40, 60, 3), np.uint8))
    assert frame.square().shape == (80, 60, 3)
    found = frame.to_stored(Detections(np.array([[10, 20, 30, 60]]), np.ones(1), np.full((1, 5, 2), 8)))
    np.testing.assert_allclose(found.boxes, [[10, 10, 30, 30]])
    np.testing.assert_allclose(found.landmarks[0, 0], [8, 4])


def test_a_change_of_the_pixel_shape_keeps_what_is_shown(tmp_path):
    wide, narrow = (
        write_video(tmp_path / f"{aspect.denominator}.ts", SMALL, "mpeg2video", aspect=aspect)
        for aspect in (Fraction(4, 3), Fraction(1))
    )
    frames = list(Video(join(tmp_path / "film.ts", wide, narrow)).frames())
    assert [frame.pixel_aspect for frame, _ in frames] == [Fraction(4, 3)] * 6 + [1] * 6
    writer = VideoWriter(tmp_path / "out.mp4", Fraction(25))
    for frame, image in frames:
        writer.write(image, frame.time, frame.pixel_aspect)
    writer.close()
    shown = images_of(tmp_path / "out.mp4")
    assert shown[0][:, :7].mean() > 30 and shown[-1][:, :7].mean() < 5  # black bars left and right
    assert shown[-1][:, -7:].mean() < 5 < shown[-1][:, 9:55].mean()
    fitted = fit(np.full((48, 64, 3), 200, np.uint8), (64, 48), Fraction(3, 4))
    assert fitted.shape == (48, 64, 3) and (fitted[:, 8:56] == 200).all() and not fitted[:, :8].any()


@pytest.mark.parametrize("fields", [None, "tff"])
def test_colors_of_high_definition_are_those_that_players_show(tmp_path, fields):
    image = np.full((720, 1280, 3), (200, 30, 60), np.uint8)
    film = write_video(tmp_path / "film.mkv", [image, image], fields=fields, matrix=Colorspace.ITU709)
    for shown in images_of(film):
        assert cv2.absdiff(shown, image).max() <= 6


def write_streams(path: Path, sizes: list[tuple[int, int]], frames: list[int], default: int | None = None) -> Path:
    with av.open(str(path), "w") as container:
        streams = []
        for size in sizes:
            streams.append(container.add_stream("mpeg2video", rate=25))
            streams[-1].height, streams[-1].width = size
            streams[-1].pix_fmt = "yuv420p"
        if default is not None:
            for i, stream in enumerate(streams):
                stream.disposition = int(i == default)
        for stream, count in zip(streams, frames, strict=True):
            images = moving_images(count, (stream.height, stream.width))
            for image in images:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "frames", "default", "used"),
    [("film.ts", [6, 6], None, 1), ("film.mkv", [6, 6], 0, 0), ("film.mkv", [6, 6], 1, 1)],
)
def test_the_stream_that_players_show_is_used_and_the_others_are_named(tmp_path, name, frames, default, used):
    sizes = [(48, 64), (96, 128)]
    video = Video(write_streams(tmp_path / name, sizes, frames, default))
    assert {image.shape[:2] for _, image in video.frames()} == {sizes[used]}
    shown = ["stream 0 (64 x 48)", "stream 1 (128 x 96)"]
    assert video.notes == [f"{video.path}: has 2 video streams; used: {shown[used]}; not used: {shown[1 - used]}"]


def test_a_video_that_cannot_be_decoded_is_refused(detect, tmp_path):
    film = write_video(tmp_path / "film.mp4", SMALL)
    content = film.read_bytes()
    film.write_bytes(content.replace(b"avc1", b"encv"))
    detect(film).refuses("film.mp4: its video is encrypted, or its codec is not known to FFmpeg")
    start = content.index(b"avcC") + 4
    film.write_bytes(content[:start] + bytes(30) + content[start + 30 :])
    detect(film).refuses("film.mp4: has no frame that can be decoded (h264); it may be encrypted or damaged")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nfilm.ts\n#EXT-X-ENDLIST\n")
    write_video(tmp_path / "film.ts", SMALL)
    with pytest.raises(Exception, match=r"list\.m3u8: is a playlist that names other files; name these files"):
        Video(tmp_path / "list.m3u8")


def test_recordings_are_known_by_their_suffix_or_their_content(detect, tmp_path):
    folder = tmp_path / "in"
    for name, codec, container_format in (
        ("a.m2t", "mpeg2video", "mpegts"),
        ("b.VOB", "mpeg2video", "vob"),
        ("c.mod", "mpeg2video", "vob"),
        ("d.ts", "libx264", "mpegts"),
        ("e.unknown", "libx264", "mpegts"),
        ("without", "libx264", "matroska"),
        ("f.h264", "libx264", "h264"),
    ):
        write_video(folder / name, SMALL, codec, container_format=container_format)
    (folder / "code.ts").write_text("export const one: number = 1;\n" * 2000)
    (folder / "table.dat").write_text("1 2 3\n" * 2000)
    (folder / "broken.ts").write_bytes(bytes(1000))
    cv2.imwrite(str(folder / "image.jpg"), SMALL[0])
    (folder / "image.jpg").rename(folder / "photo")
    found = {source.name: source.is_image for source in find_sources([str(folder)], [])}
    assert found == dict.fromkeys(["a.m2t", "b.VOB", "broken.ts", "c.mod", "d.ts", "f.h264"], False)
    named = find_sources([str(folder / name) for name in ("e.unknown", "without", "photo")], [])
    assert [source.is_image for source in named] == [False, False, True]
    assert detect(folder / "without").status == 0
    assert len(lines(tmp_path / "out" / "without.jsonl")) == 6

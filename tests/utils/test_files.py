"""Files: truncated images, names that lead outside a folder, and writes that fail."""

import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import UserError
from utils.files import atomic_path, join_inside, make_folder, new_folder, read_image, write_image, write_text


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_image_is_refused(tmp_path, image, suffix, share):
    path = tmp_path / f"a{suffix}"
    write_image(path, image)
    content = path.read_bytes()
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=f"a{suffix}: the image ends early"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"GIF89a", b"\x00" * 1000])
def test_a_file_that_is_no_image_is_refused(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.jpg: is not an image"):
        read_image(tmp_path / "a.jpg")


def test_a_missing_image_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"a\.jpg: cannot be read \(No such file"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("after", [b"\0" * 100, b"movie \xff\xda behind the image"])
def test_bytes_after_the_end_of_an_image_are_ignored(tmp_path, image, suffix, after):
    path = tmp_path / f"a{suffix}"
    write_image(path, image)
    path.write_bytes(path.read_bytes() + after)
    assert read_image(path).shape == (60, 80, 3)


def test_the_end_of_a_preview_is_not_the_end_of_the_image(tmp_path, image):
    path = tmp_path / "a.jpg"
    write_image(path, image)
    content = path.read_bytes()
    segment = b"preview" + content
    with_preview = content[:2] + b"\xff\xe2" + (len(segment) + 2).to_bytes(2, "big") + segment + content[2:]
    path.write_bytes(with_preview)
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(with_preview[:-100])
    with pytest.raises(UserError, match="ends early"):
        read_image(path)


def test_opencv_prints_nothing_about_a_bad_image(tmp_path, image, capfd):
    path = tmp_path / "a.bmp"
    write_image(path, image)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_the_exif_orientation_is_not_applied(tmp_path, image):
    path = tmp_path / "a.jpg"
    write_image(path, image)
    content = path.read_bytes()
    rotated = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # orientation 6: a quarter turn
    segment = b"Exif\0\0" + rotated
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + content[2:])
    assert cv2.imread(str(path)).shape == (80, 60, 3)
    assert read_image(path).shape == (60, 80, 3)


@pytest.mark.parametrize("name", ["../x.jpg", "a/../../x.jpg", "/etc/passwd", "..\\x.jpg", "C:\\x.jpg", "", "a\0b"])
def test_names_that_lead_outside_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="stays inside"):
        join_inside(tmp_path, name)


@given(st.text(max_size=30))
def test_a_joined_name_is_always_inside(name):
    try:
        path = join_inside("/root", name)
    except UserError:
        return
    assert os.path.commonpath([os.path.normpath(path), "/root"]) == "/root"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(UserError, match=r"a\.txt: cannot be written \(No space left"), atomic_path(path):
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"


# Two runs in containers that share a disk may have the same process id, like the two blocks of these tests.
def test_two_runs_can_write_the_same_file(tmp_path):
    with atomic_path(tmp_path / "a.txt") as first:
        first.write_text("one")
        write_text(tmp_path / "a.txt", "two")
        assert (tmp_path / "a.txt").read_text() == "two"
    assert (tmp_path / "a.txt").read_text() == "one" and os.listdir(tmp_path) == ["a.txt"]


def test_the_slower_run_that_makes_the_same_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="out: cannot be written"), new_folder(tmp_path / "out") as first:
        (first / "a").write_text("one")
        with new_folder(tmp_path / "out") as second:
            (second / "a").write_text("two")
        assert (first / "a").read_text() == "one"
    assert (tmp_path / "out" / "a").read_text() == "two" and os.listdir(tmp_path) == ["out"]


def test_a_new_folder_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").mkdir()
    with new_folder(tmp_path / "new"):
        pass
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/sub: the output folder cannot be written"):
        make_folder(tmp_path / "file" / "sub")

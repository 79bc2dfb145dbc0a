"""Finding images below a folder, and their sizes."""

import cv2
import numpy as np
import pytest
from PIL import Image

from data.image_files import ImageFolder, files_below, find_images, image_key, passed_over
from data.image_header import image_size
from utils.errors import UserError
from utils.files import read_image


def test_images_are_found_by_their_path_without_suffix(tmp_path):
    names = ["b.JPG", "a.b.png", "sub/deep/c.tiff", "sub/.hidden.jpg", ".cache/d.jpg", "e.txt", "f"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_images(tmp_path) == {
        "a.b": tmp_path / "a.b.png",
        "b": tmp_path / "b.JPG",
        "sub/deep/c": tmp_path / "sub" / "deep" / "c.tiff",
    }
    assert files_below(tmp_path, {".txt", ".tiff"}) == ["e.txt", "sub/deep/c.tiff"]


def test_a_linked_folder_is_not_entered(tmp_path):
    (tmp_path / "images" / "sub").mkdir(parents=True)
    (tmp_path / "images" / "sub" / "a.jpg").touch()
    (tmp_path / "images" / "sub" / "round").symlink_to(tmp_path / "images")
    assert list(find_images(tmp_path / "images")) == ["sub/a"]


def test_two_images_of_one_name_and_a_missing_folder_are_refused(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.png").touch()
    with pytest.raises(UserError, match=r"a\.png: is named like another image, a\.jpg"):
        find_images(tmp_path)
    with pytest.raises(UserError, match=r"nowhere: no such folder of images"):
        find_images(tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff", ".gif"])
def test_the_size_is_that_of_the_pixels(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (30, 20)).save(path)
    assert image_size(path) == (20, 30)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_rotation_in_the_header_is_not_applied(tmp_path, suffix):
    path, exif = tmp_path / f"a{suffix}", Image.Exif()
    exif[0x112] = 6
    Image.new("RGB", (30, 20)).save(path, exif=exif)
    assert image_size(path) == read_image(path).shape[:2] == (20, 30)


def test_the_size_needs_the_header_only(tmp_path):
    path = tmp_path / "a.png"
    Image.new("1", (20_000, 10_000)).save(path)
    path.write_bytes(path.read_bytes()[:60])
    assert image_size(path) == (10_000, 20_000)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0\xff\xff\xff\xff", b"GIF89a"]
)
@pytest.mark.filterwarnings("error")
def test_an_invalid_image_is_named(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.jpg: (is not an image|the image ends early)"):
        image_size(path)


def test_what_is_no_image_is_named_by_the_size_too(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    with pytest.raises(UserError, match=r"a\.jpg: is not an image .*; it is a HEIF image \(HEIC\); convert it"):
        image_size(tmp_path / "a.jpg")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.jpg: cannot be read \(No such file or directory\)"):
        image_size(tmp_path / "a.jpg")


@pytest.mark.parametrize("name", ["a.jfif", "a.JPE", "a.avif", "a.pgm", "a.tga"])
def test_a_name_is_matched_without_any_suffix_of_images(tmp_path, name):
    (tmp_path / name).touch()
    assert image_key(f"sub/{name}") == "sub/a"
    assert find_images(tmp_path) == {"a": tmp_path / name}
    assert ImageFolder(tmp_path).find("a") == name


def test_the_size_of_a_format_that_only_opencv_knows_is_read(tmp_path):
    (tmp_path / "a.pfm").write_bytes(cv2.imencode(".pfm", np.zeros((20, 30), np.float32))[1])
    assert image_size(tmp_path / "a.pfm") == (20, 30)


def test_images_that_are_not_read_are_counted_and_other_files_are_not(tmp_path):
    names = ["a.heic", "sub/b.CR2", "c.jpg~", "d", ".hidden.heic"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0")
    for name in ("e.txt", "f.doc", "g.jpg"):
        (tmp_path / name).write_bytes(b"text")
    said = passed_over(tmp_path)
    assert said.startswith(f"{tmp_path}: 4 image files are passed over for the suffix (")
    assert all(f"1 {suffix}" in said for suffix in (".heic", ".cr2", ".jpg~", "without suffix"))
    assert passed_over(tmp_path, {".heic", ".cr2", ".jpg~", ""}) is None

"""Images of every kind: damaged, deep, animated, of rare formats, and files that are no images."""

import io
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, features

from tests.helpers.image_files import damaged_jpeg, frames, saved, scene
from utils.decoder_messages import catch_damage
from utils.errors import UserError
from utils.files import read_image, read_image_with_notes
from utils.image_notes import ImageNotes
from utils.value_range import scale_to_bytes


@pytest.fixture
def written(tmp_path):
    """Write a file and return its path: written("a.png", content)."""

    def write(name: str, content) -> os.PathLike:
        (tmp_path / name).write_bytes(bytes(content))
        return tmp_path / name

    return write


def kinds(path) -> dict[str, str]:
    return dict(read_image_with_notes(path).notes)


def test_a_damaged_jpeg_is_named_and_nothing_is_printed(written, capfd):
    found = read_image_with_notes(written("a.jpg", damaged_jpeg(scene())))
    assert found.pixels.shape == (96, 128, 3)
    ((kind, message),) = found.notes
    assert kind == "damaged" and message.startswith("Corrupt JPEG data")
    assert kinds(written("b.jpg", saved(scene(), "JPEG"))) == {}
    assert capfd.readouterr().err == ""


def test_damage_is_found_in_the_image_that_has_it_while_threads_decode(written, capfd):
    good, bad = saved(scene(), "JPEG"), damaged_jpeg(scene())
    paths = [written(f"{i}.jpg", bad if i % 7 == 3 else good) for i in range(60)]
    stop = threading.Event()

    def write_meanwhile():
        while not stop.wait(0.001):
            os.write(2, b"progress;")

    writer = threading.Thread(target=write_meanwhile)
    writer.start()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(kinds, paths))
    stop.set()
    writer.join()
    assert [i for i, notes in enumerate(found) if notes] == [3, 10, 17, 24, 31, 38, 45, 52, 59]
    err = capfd.readouterr().err
    assert set(err.split(";")) == {"progress", ""}


def test_messages_of_others_are_passed_on(capfd):
    def decode():
        os.write(2, b"a warning of a driver\nlibpng warning: iCCP: known incorrect sRGB profile\n")
        return 5

    result, message = catch_damage(decode)
    assert (result, message) == (5, None)
    assert set(capfd.readouterr().err.splitlines()) == {"a warning of a driver"}


def test_a_forked_process_catches_messages_of_its_own(written):
    path = written("a.jpg", damaged_jpeg(scene()))
    read_image(path)
    child = os.fork()
    if not child:
        os._exit(0 if kinds(path) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sys.stderr is not None and kinds(path)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_a_tiff_with_damaged_data_is_named(written, compression):
    content = bytearray(saved(scene(), "TIFF", compression=compression))
    middle = len(content) // 2
    content[middle : middle + 64] = np.random.default_rng(0).integers(0, 256, 64, dtype=np.uint8).tobytes()
    assert kinds(written("a.tif", content)).keys() == {"damaged"}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm", ".jp2"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_the_bits_of_a_camera_are_scaled_to_eight(written, suffix, bits):
    image = scene()
    deep = image.astype(np.uint16) << (bits - 8) | 1
    options = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000] if suffix == ".jp2" else []
    found = read_image_with_notes(written(f"a{suffix}", cv2.imencode(suffix, deep, options)[1]))
    assert dict(found.notes) == {"stretched": f"uses {bits} of 16 bits"}
    assert np.abs(found.pixels.astype(int) - image).max() <= 2 * (suffix == ".jp2")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_sixteen_bits_are_read_as_ever(written, suffix):
    deep = np.random.default_rng(0).integers(0, 1 << 16, (40, 50, 3), dtype=np.uint16)
    content = cv2.imencode(suffix, deep)[1]
    found = read_image_with_notes(written(f"a{suffix}", content))
    np.testing.assert_array_equal(found.pixels, cv2.imdecode(content, cv2.IMREAD_COLOR))
    assert found.notes == () and np.abs(found.pixels.astype(int) - (deep >> 8)).max() <= 1


@pytest.mark.parametrize("factor", [256, 257])
def test_a_dark_image_of_eight_bits_saved_with_sixteen_stays_dark(written, factor):
    dark = scene() // 5
    found = read_image_with_notes(written("a.png", cv2.imencode(".png", dark.astype(np.uint16) * factor)[1]))
    np.testing.assert_array_equal(found.pixels, dark)
    assert found.notes == ()


def test_images_without_bright_values_are_named(written):
    assert kinds(written("a.png", cv2.imencode(".png", np.zeros((9, 9), np.uint16))[1])) == {"dark": "at most 0"}
    notes = kinds(written("b.png", cv2.imencode(".png", np.full((9, 9), 12, np.uint16))[1]))
    assert notes == {"stretched": "uses 8 of 16 bits", "dark": "at most 12"}
    assert kinds(written("c.jpg", cv2.imencode(".jpg", scene() // 20)[1])).keys() == {"dark"}
    broken = scene().astype(np.uint16) << 4  # 12 of 16 bits, and a pixel of the sensor that is always white
    broken[40, 40] = 65535
    assert kinds(written("d.png", cv2.imencode(".png", broken)[1])) == {"dark": "at most 15"}
    face = np.zeros((1080, 1920, 3), np.uint8)
    face[500:540, 900:930] = 90
    assert kinds(written("e.png", cv2.imencode(".png", face)[1])) == {}


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("major_brand", [b"avif", b"mif1"])
def test_an_avif_image_is_turned_as_viewers_do(written, major_brand):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = saved(scene(), "AVIF", exif=exif, quality=95)
    path = written("a.avif", content.replace(b"ftypavif", b"ftyp" + major_brand))
    assert read_image(path).shape == (96, 128, 3)
    upright = read_image(path, upright=True)
    assert np.abs(upright.astype(int) - np.rot90(scene(), -1)).mean() < 6
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UserError, match=r"a\.avif: .*damaged AVIF image; fetch it again"):
        read_image(path)


def test_a_webp_image_that_ends_early_is_refused(written):
    content = saved(scene(), "WEBP")
    assert kinds(written("a.webp", content)) == {}
    with pytest.raises(UserError, match=r"b\.webp: the image ends early after"):
        read_image(written("b.webp", content[:-100]))


@pytest.mark.parametrize("white", [1, 255, 4095, 65535])
def test_floating_point_images_are_scaled(written, white):
    image = scene()[..., 0]
    file = io.BytesIO()
    Image.fromarray((image / np.float32(image.max()) * white).astype(np.float32)).save(file, "TIFF")
    found = read_image_with_notes(written("a.tif", file.getvalue()))
    assert np.abs(found.pixels - (image / image.max() * 255)[..., None]).max() <= 1
    assert f"{white:g} is white" in dict(found.notes)["stretched"]


def test_odd_values_are_scaled():
    values = np.array([np.nan, np.inf, -5, 0.5, 1], np.float32)
    assert scale_to_bytes(values)[0].tolist() == [0, 0, 0, 128, 255]
    assert scale_to_bytes(np.array([-9, 0, 4095], np.int16))[0].tolist() == [0, 0, 255]
    assert scale_to_bytes(np.array([0, 1 << 31], np.uint32))[0].tolist() == [0, 128]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_further_frames_are_named(written, kind):
    path = written("a.gif", frames(kind))
    found = read_image_with_notes(path)
    assert dict(found.notes) == {"frames": "1 of 3"}
    assert np.abs(found.pixels.astype(int) - scene(0)).mean() < 20
    assert kinds(written("b.gif", saved(scene(), kind))) == {}


def test_a_page_of_a_tiff_is_read_and_its_thumbnail_is_no_page(written):
    path = written("a.tif", frames("TIFF", compression="tiff_lzw"))
    for page in range(3):
        found = read_image_with_notes(path, page=page)
        np.testing.assert_array_equal(found.pixels, scene(page))
        assert found.notes == ()
    with TiffImagePlugin.AppendingTiffWriter(str(path), new=True) as file:
        Image.fromarray(scene()).save(file, "TIFF")
        file.newFrame()
        Image.fromarray(scene()).save(file, "TIFF", tiffinfo={254: 1})  # a reduced image
    assert kinds(path) == {}


@pytest.mark.parametrize("kind", ["GIF", "ICO", "TGA", "PCX", "SGI", "DDS"])
def test_formats_that_opencv_does_not_know_are_read_with_pillow(written, kind):
    options = {"sizes": [(128, 96)]} if kind == "ICO" else {}
    image = read_image(written(f"a.{kind.lower()}", saved(scene(), kind, **options)))
    assert image.shape == (96, 128, 3) and np.abs(image.astype(int) - scene()).mean() < 20


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file of 0 bytes"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.*; convert it"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2", "a video"),
        (b"G" + b"\0" * 187 + b"G", "a video"),
        (b"<!DOCTYPE html><html><body>404", "a web page"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
        (b"PK\x03\x04", "an archive"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    ],
)
def test_the_message_says_what_a_file_is(written, content, said):
    with pytest.raises(UserError, match=rf"a\.jpg: is not an image.*{said}"):
        read_image(written("a.jpg", content))


def test_raw_data_of_a_camera_is_refused_although_its_thumbnail_could_be_read(written):
    with pytest.raises(UserError, match=r"a\.NEF: is raw data of a camera; develop it"):
        read_image(written("a.NEF", saved(scene(), "TIFF")))


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(written):
    content = bytearray(saved(scene(), "JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = b"\x7f\xff\x7f\xff"
    with pytest.raises(UserError, match="32767 x 32767 pixels; expected at most"):
        read_image(written("a.jpg", content))


def test_notes_of_many_images_are_counted():
    notes, more = ImageNotes(), ImageNotes()
    for i in range(30):
        notes.add(f"{i}.jpg", [("damaged", "cut")])
    more.add("x.gif", [("frames", "1 of 2"), ("damaged", "cut")])
    notes.update(more)
    damaged, several = notes.lines()
    assert damaged.startswith("31 images are damaged and decoded as far as possible: 0.jpg (cut), 1.jpg (cut)")
    assert damaged.endswith("19.jpg (cut), and 11 more")
    assert several == "1 image is read in the first frame or page only: x.gif (1 of 2)"

"""Files: images that end early, names that lead outside, writes that fail half-way, checkpoints of strangers."""

import os
import pickle

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data import cfg_mnet
from models.retinaface import RetinaFace
from utils.checkpoint import load_into, read_state_dict, save_state_dict
from utils.errors import UserError
from utils.files import atomic_path, join_inside, make_folder, new_folder, read_image, write_image, write_text


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_image_that_ends_early_is_refused(tmp_path, image, suffix, share):
    path = tmp_path / f"a{suffix}"
    write_image(path, image)
    content = path.read_bytes()
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=f"a{suffix}: the image ends early"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"GIF89a", b"\x00" * 1000])
def test_what_is_no_image_is_refused(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.jpg: is not an image"):
        read_image(tmp_path / "a.jpg")


def test_a_missing_image_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"a\.jpg: cannot be read \(No such file"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("after", [b"\0" * 100, b"movie \xff\xda behind the image"])
def test_bytes_after_a_images_end_do_no_harm(tmp_path, image, suffix, after):
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


def test_opencv_itself_says_nothing_of_a_bad_image(tmp_path, image, capfd):
    path = tmp_path / "a.bmp"
    write_image(path, image)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_the_stored_pixels_are_read_whatever_exif_says(tmp_path, image):
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


# In containers that share a disk, two runs may have the same number of their process, as two blocks here have.
def test_two_runs_that_write_the_same_file_do_not_meet(tmp_path):
    with atomic_path(tmp_path / "a.txt") as first:
        first.write_text("one")
        write_text(tmp_path / "a.txt", "two")
        assert (tmp_path / "a.txt").read_text() == "two"
    assert (tmp_path / "a.txt").read_text() == "one" and os.listdir(tmp_path) == ["a.txt"]


def test_two_runs_that_make_the_same_folder_do_not_meet(tmp_path):
    with pytest.raises(UserError, match="out: cannot be written"), new_folder(tmp_path / "out") as first:
        (first / "a").write_text("one")
        with new_folder(tmp_path / "out") as second:
            (second / "a").write_text("two")
        assert (first / "a").read_text() == "one"
    assert (tmp_path / "out" / "a").read_text() == "two" and os.listdir(tmp_path) == ["out"]


def test_a_folder_is_as_open_as_any_other(tmp_path):
    (tmp_path / "usual").mkdir()
    with new_folder(tmp_path / "new"):
        pass
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/sub: the output folder cannot be written"):
        make_folder(tmp_path / "file" / "sub")


@pytest.fixture(scope="module")
def model() -> RetinaFace:
    torch.manual_seed(0)
    return RetinaFace(cfg_mnet)


@pytest.mark.parametrize("form", ["plain", "under state_dict", "prefixed", "without counters"])
def test_checkpoints_of_other_tools_load(tmp_path, model, form):
    state = model.state_dict()
    content = {
        "plain": state,
        "under state_dict": {"epoch": 3, "state_dict": state},
        "prefixed": {f"module.{key}": value for key, value in state.items()},
        "without counters": {key: value for key, value in state.items() if "num_batches" not in key},
    }[form]
    torch.save(content, tmp_path / "a.pth")
    other = RetinaFace(cfg_mnet)
    load_into(other, read_state_dict(tmp_path / "a.pth"), "a.pth")
    for key, value in other.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_what_is_saved_is_a_plain_state_dict_even_of_a_parallel_model(tmp_path, model):
    save_state_dict(torch.nn.DataParallel(model), tmp_path / "a.pth")
    content = torch.load(tmp_path / "a.pth", weights_only=True)
    assert list(content) == list(model.state_dict())


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize("container", ["pickle", "torch"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, monkeypatch, container):
    monkeypatch.chdir(tmp_path)
    if container == "torch":
        torch.save({"state_dict": Bomb()}, "a.pth")
    else:
        (tmp_path / "a.pth").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(UserError, match=r"a\.pth: refused"):
        read_state_dict("a.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path, model, share):
    save_state_dict(model, tmp_path / "a.pth")
    content = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"a\.pth: .*truncated"):
        read_state_dict(tmp_path / "a.pth")


def test_a_truncated_checkpoint_of_the_old_format_is_refused_wherever_it_ends(tmp_path, model):
    path = tmp_path / "a.pth"
    state = dict(list(model.state_dict().items())[:8])
    torch.save(state, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert read_state_dict(path).keys() == state.keys()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(UserError, match=r"a\.pth: "):
            read_state_dict(path)


def test_a_checkpoint_that_a_full_disk_refuses_is_named(model):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with pytest.raises(UserError, match=r"a\.pth: cannot be written"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("pathlib.Path.with_name", lambda self, name: type(self)("/dev/full"))
        patch.setattr("pathlib.Path.unlink", lambda self: None)
        save_state_dict(model, "a.pth")


@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, torch.zeros(3), {0: torch.zeros(3)}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(UserError, match="holds no state dict"):
        read_state_dict(tmp_path / "a.pth")


def test_every_kind_of_misfit_is_named_in_one_error(model):
    state = dict(model.state_dict())
    del state["fpn.merge1.0.weight"]
    state["extra"] = torch.zeros(1)
    state["ClassHead.0.conv1x1.bias"] = torch.zeros(3)
    with pytest.raises(UserError) as error:
        load_into(RetinaFace(cfg_mnet), state, "x.pth")
    for part in (
        "x.pth: ",
        "1 missing (fpn.merge1.0.weight)",
        "1 unexpected (extra)",
        "1 of another shape (ClassHead.0.conv1x1.bias)",
    ):
        assert part in str(error.value)

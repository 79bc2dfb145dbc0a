"""State dict files: layouts of other tools, files that would run code, truncated files, and files that do not fit."""

import os
import pickle

import pytest
import torch

from data import cfg_mnet
from models.retinaface import RetinaFace
from utils.checkpoint import load_into, read_state_dict, save_state_dict
from utils.errors import UserError


@pytest.fixture(scope="module")
def model() -> RetinaFace:
    torch.manual_seed(0)
    return RetinaFace(cfg_mnet)


@pytest.mark.parametrize("form", ["plain", "under state_dict", "prefixed", "without counters"])
def test_state_dicts_of_other_tools_are_loaded(tmp_path, model, form):
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


def test_a_parallel_model_is_saved_as_a_plain_state_dict(tmp_path, model):
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
def test_a_truncated_file_is_refused(tmp_path, model, share):
    save_state_dict(model, tmp_path / "a.pth")
    content = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"a\.pth: .*truncated"):
        read_state_dict(tmp_path / "a.pth")


def test_a_truncated_file_of_the_old_format_is_refused_wherever_it_ends(tmp_path, model):
    path = tmp_path / "a.pth"
    state = dict(list(model.state_dict().items())[:8])
    torch.save(state, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert read_state_dict(path).keys() == state.keys()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        with pytest.raises(UserError, match=r"a\.pth: "):
            read_state_dict(path)


def test_a_full_disk_is_named(model):
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


def test_missing_unexpected_and_misshapen_keys_are_named_in_one_error(model):
    state = dict(model.state_dict())
    del state["fpn.merge1.0.weight"]
    state["extra"] = torch.zeros(1)
    state["ClassHead.0.conv1x1.bias"] = torch.zeros(3)
    with pytest.raises(UserError) as error:
        load_into(RetinaFace(cfg_mnet), state, "x.pth")
    for part in (
        "x.pth: ",
        "1 missing keys (fpn.merge1.0.weight)",
        "1 unexpected (extra)",
        "1 of another shape (ClassHead.0.conv1x1.bias)",
    ):
        assert part in str(error.value)

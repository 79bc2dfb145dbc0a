"""State dict files: layouts of other tools, files that would run code, truncated files, and files that do not fit."""

import io
import os
import pickle
import zipfile

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


def with_prefix(prefix: str, state: dict) -> dict:
    return {prefix + key: value for key, value in state.items()}


FORMS = {
    "plain": lambda state: state,
    "under state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "under ema": lambda state: {"epoch": 3, "ema": state},
    "two levels deep": lambda state: {"checkpoint": {"model_state_dict": state, "optimizer": {"state": {}}}},
    "beside other tensors": lambda state: {"metrics": {"ap": torch.tensor(0.5)}, "weights": state},
    "DataParallel": lambda state: with_prefix("module.", state),
    "torch.compile": lambda state: with_prefix("_orig_mod.", state),
    "torch.compile inside": lambda state: {key.replace("body.", "body._orig_mod."): state[key] for key in state},
    "DataParallel of torch.compile": lambda state: with_prefix("module._orig_mod.", state),
    "Lightning": lambda state: {"state_dict": with_prefix("model.", state), "hyper_parameters": {"lr": 0.1}},
    "AveragedModel": lambda state: {"n_averaged": torch.tensor(3)} | with_prefix("module.", state),
    "without counters": lambda state: {key: value for key, value in state.items() if "num_batches" not in key},
}


@pytest.mark.parametrize("form", FORMS)
def test_state_dicts_of_other_tools_are_loaded(tmp_path, model, form, capsys):
    state = model.state_dict()
    content = FORMS[form](state)
    torch.save(content, tmp_path / "a.pth")
    other = RetinaFace(cfg_mnet)
    load_into(other, read_state_dict(tmp_path / "a.pth"), "a.pth")
    for key, value in other.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert not capsys.readouterr().err


@pytest.mark.parametrize("counter", [{}, {"n_averaged": torch.tensor(3)}, {"teacher": torch.zeros(3)}])
def test_of_several_state_dicts_the_one_that_is_used_is_named(tmp_path, model, capsys, counter):
    state = model.state_dict()
    averaged = counter | {key: value / 2 for key, value in state.items()}
    torch.save({"state_dict_ema": averaged, "state_dict": state}, tmp_path / "a.pth")
    assert torch.equal(
        read_state_dict(tmp_path / "a.pth")["ClassHead.0.conv1x1.bias"], state["ClassHead.0.conv1x1.bias"]
    )
    said = capsys.readouterr().err
    assert said.endswith("a.pth: has several state dicts; used: state_dict; not used: state_dict_ema\n")


def test_the_state_of_an_optimizer_is_no_network(tmp_path, model):
    weights = list(model.parameters())
    optimizer = torch.optim.SGD(weights, lr=0.1, momentum=0.9)
    sum(weight.sum() for weight in weights).backward()
    optimizer.step()
    torch.save({"net": {**model.state_dict(), "version": 2}, "optimizer": optimizer.state_dict()}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"a\.pth: holds no state dict"):
        read_state_dict(tmp_path / "a.pth")


def test_the_history_of_thousands_of_epochs_is_read(tmp_path, model):
    history = [{"epoch": i, "loss": i / 7, "lr": 1e-3, "ap": i / 9} for i in range(9000)]
    torch.save({"state_dict": model.state_dict(), "history": history}, tmp_path / "a.pth")
    assert "ClassHead.0.conv1x1.bias" in read_state_dict(tmp_path / "a.pth")


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"0" * 100)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.safetensors",
            (200).to_bytes(8, "little") + b'{"a":{"dtype":"F32"}}',
            "is a safetensors file; convert it: ",
        ),
        (
            "a.pth",
            b"\x08\x08\x12\x07pytorch" + bytes(99),
            "is an ONNX network; name the PyTorch weights (.pth)",
        ),
        ("a.onnx", b"\x0a\x0a" + bytes(99), "is an ONNX network"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file, of Keras for example"),
        ("a.pb", b"\n\x10\n\x05input" + bytes(99), "is a TensorFlow network"),
        ("a.pth", b"\x1c\0\0\0TFL3" + bytes(99), "is a TensorFlow Lite network"),
        ("a.pth", zipped("a/data.pkl", "a/code/__torch__.py"), "is a TorchScript program"),
        ("a.pt2", zipped("a/models/model.json", "a/data/weights/0"), "is a network of torch.export"),
        ("a.npz", zipped("a.npy"), "is an archive of NumPy arrays"),
        ("a.pth", zipped("a.txt", "b.pth"), "is an archive (a.txt, b.pth); unpack it"),
        ("a.pth", b"<!DOCTYPE html><html>", "is a web page; download the weights again"),
        ("a.pth", b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS; run git lfs pull"),
        ("a.tar", bytes(257) + b"ustar\0" + bytes(999), "is an archive; unpack it"),
    ],
)
def test_files_of_other_tools_are_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        read_state_dict(tmp_path / name)
    assert f"{name}: {said}" in str(error.value)


def test_folders_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(UserError, match=r"pipe\.pth: is a pipe or a device; expected a file"):
        read_state_dict(tmp_path / "pipe.pth")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        read_state_dict(tmp_path)


def test_a_whole_network_is_refused_by_its_class(tmp_path, model):
    torch.save(model, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"refused: holds objects of models\.retinaface\.RetinaFace, which could"):
        read_state_dict(tmp_path / "a.pth")


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

"""`python -m tools.convert` as its users run it."""

import json
import os
import shlex
import shutil

import numpy as np
import pytest

from data.annotations import WRITABLE, read_annotations
from data.dataset import FaceDataset
from tests.helpers.images import draw_image

NAMES = [f"番組{programme}/f_{frame:04d}.jpg" for programme in range(5) for frame in range(4)]


@pytest.fixture
def frames(tmp_path):
    """Twenty images of five programmes, three in four with a face, and their annotation in Laboro's form."""
    text = ""
    for index, name in enumerate(NAMES):
        boxes = [(10 + index, 20, 30, 36)] if index % 4 else []
        draw_image(tmp_path / "frames" / name, boxes, seed=index)
        rows = "".join(f"{x}, {y}, {w}, {h}, 0, 1, 0, 0\n" for x, y, w, h in boxes)
        text += f"{name.removesuffix('.jpg')}\n{len(boxes)}\n{rows}"
    (tmp_path / "laboro.txt").write_text(text)
    return tmp_path


SPLIT = ("--split", "train=0.6", "val=0.2", "test=0.2")


def state(folder):
    """Return what every file below a folder holds, and when it was written."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_laboro_tv_is_converted_to_tv_face_in_one_command(convert, frames, script, random_weights):
    out, before = frames / "tvface", state(frames)
    result = convert(frames / "laboro.txt", out, "--images", frames / "frames", *SPLIT, "--by_prefix")
    assert result.status == 0, result.err
    assert "train: 12 images (3 background), 9 faces" in result.out
    assert "prefixes of the names: 5, for example '番組0/f_' (4 images)" in result.out
    assert "dropped: the attributes blur, shakiness, occlusion, pose" in result.out
    assert {path: before[path] for path in before} == {path: state(frames)[path] for path in before}

    assert sorted(path.relative_to(out).as_posix() for path in out.glob("*/*")) == [
        "test/images", "test/tvtest_label.txt", "test/tvtest_list.txt", "train/images", "train/label.txt",
        "val/images", "val/tvval_label.txt", "val/tvval_list.txt",
    ]  # fmt: skip
    parts = {
        split: {each.name: each.boxes.tolist() for each in read_annotations(out / split / label)}
        for split, label in (("train", "label.txt"), ("val", "tvval_label.txt"), ("test", "tvtest_label.txt"))
    }
    assert sorted(name for part in parts.values() for name in part) == NAMES
    for part in parts.values():  # frames of one programme are in one split
        assert len(part) == 4 * len({name.split("/")[0] for name in part})
    assert parts["val"] | parts["train"] | parts["test"] == {
        name: [[10.0 + i, 20, 40 + i, 56]] if i % 4 else [] for i, name in enumerate(NAMES)
    }
    dataset = FaceDataset(out / "train" / "label.txt", 64)
    assert (len(dataset), dataset.count_background()) == (12, 3)
    assert dataset[0, 1][1].shape == (1, 15)

    flags = ("-m", random_weights["mobile0.25"], "--network", "mobile0.25", "--cpu", "--keep_top_k", 3)
    for split, command, folder in (("val", "val_tvface.py", "val"), ("test", "test_tvface.py", "test")):
        found = frames / f"{split}_txt"
        detected = script(command, *flags, "--dataset_folder", out / split / "images", "--save_folder", found)
        assert detected.status == 0, detected.err
        scored = script(
            f"{folder}_dataset_evaluate/eval.py", "-p", found, "-g", out / split, "--result", frames / f"{split}_result"
        )
        assert scored.status == 0, scored.err
        assert json.loads((frames / f"{split}_result" / "ap.json").read_text())


def test_a_converted_dataset_can_be_trained_on(convert, frames, script):
    out = frames / "tvface"
    assert convert(frames / "laboro.txt", out, "--images", frames / "frames", *SPLIT).status == 0
    trained = script(
        "train.py", "--no_pretrain", "--device", "cpu", "--network", "mobile0.25", "--image_size", 64,
        "--batch_size", 6, "--epochs", 1, "--num_workers", 0, "--training_dataset", out / "train" / "label.txt",
        "--val_dataset", out / "val" / "tvval_label.txt", "--val_every", 1, "--save_folder", frames / "weights",
    )  # fmt: skip
    assert trained.status == 0, trained.err
    assert (frames / "weights" / "mobilenet0.25_best.pth").is_file()


@pytest.mark.parametrize("kind", WRITABLE)
def test_datasets_are_written_in_any_format(convert, frames, kind):
    result = convert(
        frames / "laboro.txt", frames / "out", "--images", frames / "frames", *SPLIT, "--by_prefix", "--to", kind
    )
    assert result.status == 0, result.err
    place = frames / "out" / "val"
    names = [line for line in (place / "tvval_list.txt").read_text().splitlines() if line]
    assert len(names) == 4
    if kind == "list":
        assert len((frames / "out" / "train" / "tvtrain_list.txt").read_text().splitlines()) == 12
        return
    found = read_annotations(place / "ground_truth" if kind == "wider_mat" else place)
    assert len(found) == 4
    assert sum(len(each.boxes) for each in found) == 3


@pytest.mark.parametrize(
    ("shows", "frames"),
    [
        (("news_", "quiz_", "film_"), [f"{i // 60:02}-{i % 60:02}" for i in range(0, 600, 50)]),
        (("cam-11-", "cam-12-", "cam-13-"), [*range(5, 11), *range(97, 103)]),
    ],
    ids=["times", "numbers that are not padded"],
)
def test_frames_of_a_programme_stay_together(convert, tmp_path, shows, frames):
    names = [f"{show}{frame}.jpg" for show in shows for frame in frames]
    (tmp_path / "images").mkdir()
    for name in names:
        (tmp_path / "images" / name).write_bytes(b"")
    (tmp_path / "label.txt").write_text("".join(f"# {name}\n1 2 3 4\n" for name in names))
    result = convert(
        tmp_path / "label.txt", tmp_path / "out", "--by_prefix", "--split", "train=0.34", "val=0.33", "test=0.33"
    )
    assert f"prefixes of the names: 3, for example '{shows[0]}' (12 images)" in result.out
    for split in ("train", "val", "test"):
        assert len({path.name[: len(shows[0])] for path in (tmp_path / "out" / split / "images").iterdir()}) == 1


def test_faces_only_drops_background_images(convert, frames):
    result = convert(
        frames / "laboro.txt", frames / "out", "--images", frames / "frames", *SPLIT, "--faces_only", "--by_prefix"
    )
    assert "train: 9 images (0 background), 9 faces" in result.out
    assert len(list((frames / "out").rglob("*.jpg"))) == 15


def test_the_split_depends_on_the_seed_and_not_on_the_order(convert, frames):
    lines = (frames / "laboro.txt").read_text().split("番組")
    (frames / "turned.txt").write_text("番組" + "番組".join(lines[:0:-1]))
    lists = []
    for number, flags in enumerate([(), (), ("--seed", 0), ("--seed", 1)]):
        source = frames / ("turned.txt" if number == 1 else "laboro.txt")
        out = frames / f"out{number}"
        assert convert(source, out, "--images", frames / "frames", *SPLIT, *flags).status == 0
        lists.append(sorted((out / "val" / "tvval_list.txt").read_text().splitlines()))
    assert lists[0] == lists[1] == lists[2] != lists[3]


def test_lists_assign_images_to_splits(convert, frames):
    (frames / "val.txt").write_bytes(f"\ufeff{NAMES[3]}\r\n{NAMES[8].removesuffix('.jpg')}".encode())
    (frames / "test.txt").write_text(f"{NAMES[1]}\n")
    flags = ("--images", frames / "frames", "--split_list", f"val={frames / 'val.txt'}", f"test={frames / 'test.txt'}")
    result = convert(frames / "laboro.txt", frames / "out", *flags)
    assert "train: 17 images" in result.out
    assert (frames / "out" / "val" / "tvval_list.txt").read_text().splitlines() == [NAMES[3], NAMES[8]]
    (frames / "test.txt").write_text(f"{NAMES[3]}\n")
    convert(frames / "laboro.txt", frames / "out2", *flags).refuses("test.txt:1", "already listed at ", "val.txt:1;")
    (frames / "test.txt").write_text("# other.jpg\n1 2 3 4\n")
    convert(frames / "laboro.txt", frames / "out2", *flags).refuses("test.txt:1", "other.jpg", "image of the source")
    assert not (frames / "out2").exists()


def test_images_are_hard_links_or_copies(convert, frames, monkeypatch):
    def first(out):
        return next((frames / out).glob(f"*/images/{NAMES[1]}"))

    flags = ("--images", frames / "frames", *SPLIT)
    original = frames / "frames" / NAMES[1]
    assert convert(frames / "laboro.txt", frames / "linked", *flags).status == 0
    assert first("linked").samefile(original)
    assert convert(frames / "laboro.txt", frames / "copied", *flags, "--copy").status == 0
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(18, "Invalid cross-device link")))
    assert convert(frames / "laboro.txt", frames / "other_disk", *flags).status == 0
    for out in ("copied", "other_disk"):
        assert not first(out).samefile(original)
        assert first(out).read_bytes() == original.read_bytes()


def test_a_failed_conversion_leaves_nothing(convert, frames, monkeypatch):
    real, calls = shutil.copyfile, []

    def full(source, target):
        calls.append(source)
        if len(calls) > 7:
            raise OSError(28, "No space left on device")
        return real(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    before = sorted(frames.iterdir())
    flags = ("--images", frames / "frames", *SPLIT, "--copy")
    convert(frames / "laboro.txt", frames / "out", *flags).refuses(frames / "out", "No space left on device")
    assert len(calls) == 8
    assert sorted(frames.iterdir()) == before


def test_a_missing_image_is_reported_with_its_line(convert, frames):
    (frames / "frames" / NAMES[1]).unlink()
    (frames / "frames" / NAMES[2]).unlink()
    result = convert(frames / "laboro.txt", frames / "out", "--images", frames / "frames", *SPLIT)
    result.refuses("laboro.txt:3: ", NAMES[1].removesuffix(".jpg"), "2 of the 20 are missing")
    convert(frames / "laboro.txt", frames / "out", *SPLIT).refuses(frames / "images", "no such folder of images")


@pytest.mark.parametrize("kind", [kind for kind in WRITABLE if kind not in ("wider_mat", "voc", "yolo")])
def test_a_file_is_written_in_any_format(convert, frames, kind):
    result = convert(frames / "laboro.txt", frames / "out.data", "--to", kind)
    assert result.status == 0, result.err
    names = [each.name for each in read_annotations(frames / "out.data")]
    assert names == [name.removesuffix(".jpg") for name in NAMES]
    convert(frames / "laboro.txt", frames / "named", "--to", kind, "--images", frames / "frames")
    assert [each.name for each in read_annotations(frames / "named")] == NAMES


def test_labels_beside_images_convert_to_yolo_without_flags(convert, dataset):
    assert convert(dataset, dataset.parent / "labels", "--to", "yolo").status == 0
    assert convert(dataset.parent / "labels", dataset.parent / "split", "--split", "train=0.5", "val=0.5").status == 0
    assert convert(dataset.parent, dataset.parent / "again", "--from", "yolo", "--split", "val=1").status == 0
    found = read_annotations(dataset.parent / "again" / "val")
    for expected, each in zip(read_annotations(dataset), found, strict=True):
        np.testing.assert_allclose(each.boxes, expected.boxes, atol=1e-9)


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--split", "train=0.5", "val=0.4"], ["add up to 1"]),
        (["--split", "train=half", "val=0.5"], ["train=half", "expected numbers"]),
        (["--split", "dev=1"], ["--split dev=1", "one of train, val, test"]),
        (["--split", "train"], ["--split train: expected SPLIT=VALUE"]),
        (["--split", "val=0.5", "val=0.5"], ["--split val=0.5", "once for each split"]),
        (["--split_list", "train=x"], ["--split_list train=x", "one of val, test"]),
        (["--split_list", "val=nowhere.txt"], ["nowhere.txt: cannot be read"]),
        (["--split_list", "val=nowhere.txt", "--seed", "1"], ["--seed: needs --split; the lists"]),
        (["--by_prefix"], ["--by_prefix: needs a dataset"]),
        (["--seed", "0"], ["--seed: needs a dataset"]),
        (["--copy"], ["--copy: needs a dataset"]),
        (["--landmarks", "x"], ["--landmarks: needs WIDER FACE"]),
        (["--from", "coco"], ["expected COCO JSON, the format coco"]),
        (["--to", "yolo"], ["YOLO labels need its size"]),
    ],
)
def test_flags_that_do_not_fit_are_refused(convert, frames, flags, parts):
    images = [] if flags[0] not in ("--split", "--split_list") else ["--images", frames / "frames"]
    convert(frames / "laboro.txt", frames / "out", *flags, *images).refuses(*parts)
    assert not (frames / "out").exists()


@pytest.mark.parametrize(
    ("images", "flags", "problem"),
    [
        ([], ["--split", "train=.5", "val=.5"], "e.json: has no images"),
        ([], [], "e.json: has no images"),
        (["a.jpg"], ["--split", "train=.5", "val=.5", "--faces_only"], "no images with faces"),
        (["a.jpg"], ["--split", "train=.5", "val=.5"], "gets none of the 1 image; give it a larger share"),
    ],
)
def test_too_few_images_are_reported_without_by_prefix(convert, tmp_path, images, flags, problem):
    draw_image(tmp_path / "images" / "a.jpg", [])
    images = [{"id": 1, "file_name": name} for name in images]
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "face"}]}
    (tmp_path / "e.json").write_text(json.dumps(content))
    result = convert(tmp_path / "e.json", tmp_path / "out", *flags)
    result.refuses(problem)
    assert "by_prefix" not in result.err


def test_existing_outputs_are_refused(convert, frames):
    (frames / "out").mkdir()
    convert(frames / "laboro.txt", frames / "out").refuses("out: exists already; move it away or name another place")
    convert(frames / "nothing.txt", frames / "new").refuses("nothing.txt: no such annotation file or folder")


def test_spellings_of_one_path_are_one_image(convert, dataset):
    first, *rest = dataset.read_text().split("# ")[1:]
    for spelling in ("./0.jpg", ".//0.jpg"):
        text = "".join(f"# {each}" for each in (first.replace("0.jpg", spelling), *rest))
        (dataset.parent / "label.txt").write_text(text)
        out = dataset.parent / f"out{len(spelling)}"
        assert convert(dataset, out, "--split", "train=0.5", "val=0.5").status == 0
        assert len(list(out.glob("*/images/*.jpg"))) == 6
        (dataset.parent / "label.txt").write_text(f"{text}# 0.jpg\n1 2 3 4\n")
        convert(dataset, dataset.parent / "twice", "--split", "train=0.5", "val=0.5").refuses(
            "'0.jpg'", "is listed twice"
        )
        assert not (dataset.parent / "twice").exists()


def test_names_outside_the_folder_are_refused(convert, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "label.txt").write_text("# ../secret.jpg\n1 2 3 4\n")
    draw_image(tmp_path / "secret.jpg", [])
    convert(tmp_path / "label.txt", tmp_path / "out", "--split", "train=1").refuses("../secret.jpg", "stays inside")


def test_a_numeric_id_is_reported_with_its_line(convert, tmp_path):
    (tmp_path / "frames").mkdir()
    for name in ("1.jpg", "3.jpg"):
        draw_image(tmp_path / "frames" / name, [])
    row = "1, 2, 3, 4, 0, 0, 0, 0\n"
    (tmp_path / "in.txt").write_text(f"1\n2\n{row}{row}2\n1\n{row}3\n0\n")
    outcome = convert(tmp_path / "in.txt", tmp_path / "out", "--images", tmp_path / "frames", "--split", "train=1")
    outcome.refuses(f"{tmp_path / 'in.txt'}:5: found no image '2'", "1 of the 3 are missing")


def test_symbolic_links_are_copied(convert, tmp_path):
    draw_image(tmp_path / "theirs.jpg", [(10, 10, 20, 20)])
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").symlink_to(tmp_path / "theirs.jpg")
    (tmp_path / "label.txt").write_text("# a.jpg\n10 10 20 20\n")
    assert convert(tmp_path / "label.txt", tmp_path / "out", "--split", "train=1").status == 0
    copy = tmp_path / "out" / "train" / "images" / "a.jpg"
    assert copy.read_bytes() == (tmp_path / "theirs.jpg").read_bytes() and not copy.is_symlink()
    assert not copy.samefile(tmp_path / "theirs.jpg")


def test_outputs_among_the_images_are_refused(convert, dataset):
    out = dataset.parent / "images" / "new"
    convert(dataset, out, "--split", "train=1").refuses(out, "among the images")


def test_images_may_differ_only_in_their_suffix(convert, tmp_path):
    for name in ("a.jpg", "a.png", "b.jpg"):
        draw_image(tmp_path / "images" / name, [])
    (tmp_path / "label.txt").write_text("# a.jpg\n1 2 3 4\n# a.png\n5 6 7 8\n# b.jpg\n")
    (tmp_path / "val.txt").write_text("a.jpg\n")
    flags = ("--split_list", f"val={tmp_path / 'val.txt'}")
    assert convert(tmp_path / "label.txt", tmp_path / "out", *flags).status == 0
    assert [one.name for one in read_annotations(tmp_path / "out" / "val")] == ["a.jpg"]
    (tmp_path / "val.txt").write_text("b\na\n")
    convert(tmp_path / "label.txt", tmp_path / "two", *flags).refuses("val.txt:2", "a.jpg and a.png")


def test_names_without_suffix_are_reported(convert, tmp_path):
    (tmp_path / "in.txt").write_text("1\n1\n1, 2, 3, 4, 0, 0, 0, 0\n")
    outcome = convert(tmp_path / "in.txt", tmp_path / "out.txt")
    assert outcome.status == 0 and "names without suffix" in outcome.out and "--images FOLDER" in outcome.out


def test_the_next_commands_are_printed_and_run(convert, script, frames):
    out = frames / "my $set"
    flags = ("--images", frames / "frames", "--split", "train=0.5", "val=0.5")
    said = convert(frames / "laboro.txt", out, *flags).out.splitlines()
    printed = [shlex.split(line) for line in said if line.startswith("python ")]
    assert [words[1:] for words in printed] == [
        ["-m", "tools.check", str(out)],
        ["train.py", "--training_dataset", str(out / "train" / "label.txt")],
    ]
    assert script("tools/check/__main__.py", out).status == 0
    assert len(FaceDataset(out / "train" / "label.txt", 64)) == 10

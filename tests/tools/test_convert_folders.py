"""Folders of labels, a file for each image, as the converter writes and reads them."""

import shutil

import pytest

from tests.helpers.images import draw_image


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_cleaned_copies_beside_labels_are_passed_over(script, tmp_path, kind):
    for name in ("a", "b", "c"):
        draw_image(tmp_path / "images" / "train" / f"{name}.jpg", [(10, 10, 20, 20)])
    text = "".join(f"# train/{name}.jpg\n10 10 20 20\n" for name in "abc")
    (tmp_path / "in.txt").write_text(text)
    assert script("tools/convert/__main__.py", tmp_path / "in.txt", tmp_path / "labels", "--to", kind).status == 0
    shutil.copytree(tmp_path / "labels" / "train", tmp_path / "labels" / "train_fixed")
    for source in ("labels", "labels/train_fixed"):
        flags = ["--images", tmp_path / "images" / "train"] if source != "labels" else []
        outcome = script("tools/convert/__main__.py", tmp_path / source, tmp_path / "out.txt", *flags)
        assert outcome.status == 0, outcome.err
        assert len((tmp_path / "out.txt").read_text().split("#")) == 4
        (tmp_path / "out.txt").unlink()
    (tmp_path / "labels" / "train").rename(tmp_path / "elsewhere")
    script("tools/convert/__main__.py", tmp_path / "labels", tmp_path / "out.txt").refuses("labels", "has no label")


@pytest.mark.parametrize(
    ("names", "has_classes"),
    [(["a.jpg"], True), (["train/a.jpg"], True), (["a.jpg", "b.jpg"], False), (["train/a.jpg", "val/b.jpg"], False)],
)
def test_yolo_in_which_no_image_has_a_face_is_read_again(script, tmp_path, names, has_classes):
    for seed, name in enumerate(names):
        draw_image(tmp_path / "images" / name, [], seed=seed)
    text = "".join(f"# {name}\n" for name in names)
    (tmp_path / "in.txt").write_text(text)
    assert script("tools/convert/__main__.py", tmp_path / "in.txt", tmp_path / "labels", "--to", "yolo").status == 0
    if not has_classes:
        (tmp_path / "labels" / "classes.txt").unlink()
    outcome = script("tools/convert/__main__.py", tmp_path / "labels", tmp_path / "out.txt")
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "out.txt").read_text() == text
    outcome = script("tools/check/__main__.py", tmp_path / "labels")
    assert outcome.status == 0, outcome.err


def test_a_single_empty_file_is_empty(script, tmp_path):
    (tmp_path / "label.txt").write_text("")
    script("tools/convert/__main__.py", tmp_path, tmp_path / "out").refuses(tmp_path / "label.txt", "the file is empty")

"""`python -m tools.convert` on folders of labels and on unusual and malformed files."""

import json
import os
import shutil

import pytest

from tests.helpers.images import draw_image


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_fixed_copies_beside_labels_are_skipped(convert, tmp_path, kind):
    for name in ("a", "b", "c"):
        draw_image(tmp_path / "images" / "train" / f"{name}.jpg", [(10, 10, 20, 20)])
    text = "".join(f"# train/{name}.jpg\n10 10 20 20\n" for name in "abc")
    (tmp_path / "in.txt").write_text(text)
    assert convert(tmp_path / "in.txt", tmp_path / "labels", "--to", kind).status == 0
    shutil.copytree(tmp_path / "labels" / "train", tmp_path / "labels" / "train_fixed")
    for source in ("labels", "labels/train_fixed"):
        flags = ["--images", tmp_path / "images" / "train"] if source != "labels" else []
        outcome = convert(tmp_path / source, tmp_path / "out.txt", *flags)
        assert outcome.status == 0, outcome.err
        assert len((tmp_path / "out.txt").read_text().split("#")) == 4
        (tmp_path / "out.txt").unlink()
    (tmp_path / "labels" / "train").rename(tmp_path / "elsewhere")
    convert(tmp_path / "labels", tmp_path / "out.txt").refuses("labels", "has no label")


@pytest.mark.parametrize(
    ("names", "has_classes"),
    [(["a.jpg"], True), (["train/a.jpg"], True), (["a.jpg", "b.jpg"], False), (["train/a.jpg", "val/b.jpg"], False)],
)
def test_yolo_without_faces_is_read_again(convert, script, tmp_path, names, has_classes):
    for seed, name in enumerate(names):
        draw_image(tmp_path / "images" / name, [], seed=seed)
    text = "".join(f"# {name}\n" for name in names)
    (tmp_path / "in.txt").write_text(text)
    assert convert(tmp_path / "in.txt", tmp_path / "labels", "--to", "yolo").status == 0
    if not has_classes:
        (tmp_path / "labels" / "classes.txt").unlink()
    outcome = convert(tmp_path / "labels", tmp_path / "out.txt")
    assert outcome.status == 0, outcome.err
    assert (tmp_path / "out.txt").read_text() == text
    outcome = script("tools/check/__main__.py", tmp_path / "labels")
    assert outcome.status == 0, outcome.err


def test_a_single_empty_file_is_refused(convert, tmp_path):
    (tmp_path / "label.txt").write_text("")
    convert(tmp_path, tmp_path / "out").refuses(tmp_path / "label.txt", "the file is empty")


UNUSUAL = {
    "cr and mark": ("\ufeff# a.jpg\r\n1 2 3 4\r\n", "# a.jpg\n1 2 3 4\n"),
    "blanks and commas": ("# a.jpg\n1, 2 ,3\t4.5\n", "# a.jpg\n1 2 3 4.5\n"),
    "an unfinished last line": ("# a.jpg\n1 2 3 4", "# a.jpg\n1 2 3 4\n"),
    "zero rows": ("a.jpg\n0\n0 0 0 0 0 0 0 0 0 0\nb.jpg\n1\n1 2 3 4 0 0 0 0 0 0", "# a.jpg\n# b.jpg\n1 2 3 4\n"),
    "floats": ("# 顔.jpg\n1.25 2.5 1e1 4\n", "# 顔.jpg\n1.25 2.5 10 4\n"),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_label_files_are_understood(convert, tmp_path, case):
    text, expected = UNUSUAL[case]
    (tmp_path / "in.txt").write_bytes(text.encode())
    result = convert(tmp_path / "in.txt", tmp_path / "out.txt")
    assert result.status == 0, result.err
    assert (tmp_path / "out.txt").read_bytes() == expected.encode()
    assert (tmp_path / "in.txt").read_bytes() == text.encode()


@pytest.mark.parametrize(
    ("name", "text", "parts"),
    [
        ("in.txt", "# a.jpg\n1 2 -3 4\n", ["in.txt:2", "'1 2 -3 4'", "cannot be negative"]),
        ("in.txt", "# a.jpg\n1 2 3\n", ["in.txt:2", "'1 2 3'", "expected 'x y w h'"]),
        ("in.txt", "a.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n", ["in.txt:4", "expected a face of a.jpg"]),
        ("in.txt", "a.jpg\n1\n1 2 3 4 0 0 0 0 0", ["in.txt:3", "expected a face of a.jpg"]),
        ("in.json", '{"images": [1]}', ["in.json", "expected COCO's images"]),
        ("in.xml", "<annotation><object><name>face</name><bndbox><xmin>9</xmin><ymin>1</ymin><xmax>5</xmax>"
         "<ymax>7</ymax></bndbox></object></annotation>", ["in.xml: object 1 (face)", "xmax 5", "below its minimum"]),
        ("in.txt", "", ["in.txt", "empty"]),
    ],
)  # fmt: skip
def test_malformed_files_are_reported_with_their_line(convert, tmp_path, name, text, parts):
    (tmp_path / name).write_text(text)
    convert(tmp_path / name, tmp_path / "out").refuses(*parts)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_pipes_are_refused(convert, tmp_path, kind):
    draw_image(tmp_path / "images" / "a.jpg", [])
    folder = tmp_path / ("labels" if kind == "yolo" else "xml")
    folder.mkdir()
    os.mkfifo(folder / ("a.txt" if kind == "yolo" else "a.xml"))
    convert(folder, tmp_path / "out", "--from", kind).refuses(folder, "is a pipe or a device")


def test_a_list_converts_only_to_a_list(convert, tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg\nb.jpg\n")
    convert(tmp_path / "list.txt", tmp_path / "label.txt").refuses("list.txt", "without faces")
    assert convert(tmp_path / "list.txt", tmp_path / "copy.txt", "--to", "list").status == 0
    assert (tmp_path / "copy.txt").read_text() == "a.jpg\nb.jpg\n"


def test_a_readme_is_not_an_annotation(convert, tmp_path):
    (tmp_path / "README.txt").write_text("A few words.\n")
    convert(tmp_path, tmp_path / "out.txt").refuses(tmp_path, "has no label file")


def test_unreadable_rows_can_be_left_out(convert, tmp_path):
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("# a.jpg\n1 2 3 4\n1 2 3\n# b.jpg\n1 2 -3 4\n# c.jpg\n")
    convert(source, out).refuses("in.txt:3: found '1 2 3'", "2 such places, which --skip_unreadable leaves out")
    outcome = convert(source, out, "--skip_unreadable")
    assert outcome.status == 3
    first, second = outcome.err.splitlines()
    assert first.startswith(f"skipped: {source}:3: found '1 2 3'") and second.startswith(f"skipped: {source}:5: found")
    assert "skipped: 2 places that cannot be read\ndropped: 1 image without a remaining face\n" in outcome.out
    assert out.read_text() == "# a.jpg\n1 2 3 4\n# c.jpg\n"
    assert convert(out, tmp_path / "again.txt", "--skip_unreadable").status == 0
    source.write_text("# a.jpg\n1 2 3\n# b.jpg\n")
    outcome = convert(source, tmp_path / "none.txt", "--skip_unreadable")
    assert outcome.status == 2 and "no face is left without the 1 place that cannot be read" in outcome.err


def test_unreadable_records_can_be_left_out_of_a_dataset(convert, tmp_path):
    for name in "abc":
        draw_image(tmp_path / "images" / f"{name}.jpg", [])
    images = [{"id": i, "file_name": f"{name}.jpg"} for i, name in enumerate("abc")] + [{"id": 3}]
    boxes = [[1, 2, 30, 40], [1, 2, None, 4], [1, 2, 3, 4], [5, 6, 7, 8]]
    faces = [{"id": i, "image_id": i, "category_id": 1, "bbox": box} for i, box in enumerate(boxes)]
    content = {"images": images, "annotations": faces, "categories": [{"id": 1, "name": "face"}]}
    (tmp_path / "in.json").write_text(json.dumps(content))
    outcome = convert(tmp_path / "in.json", tmp_path / "out", "--split", "train=0.5", "val=0.5", "--skip_unreadable")
    assert outcome.status == 3
    assert [line.partition(": found")[0] for line in outcome.err.splitlines() if line.startswith("skipped: ")] == [
        f"skipped: {tmp_path}/in.json: {record}" for record in ("image id 3", "annotation id 1", "annotation id 3")
    ]
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.jpg")) == ["a.jpg", "c.jpg"]

"""Which format a file or folder is in, and the registry of the formats."""

import json

import pytest

from data.annotations import FORMATS, WIDER_VALUES, read_annotations, write_annotations
from data.annotations.format import Capabilities, Format
from data.annotations.formats.laboro_text import LABORO_ATTRIBUTES
from data.annotations.formats.name_list import read_list, write_list
from tests.helpers.annotations import write_files
from utils.errors import UserError

LABEL = "# a.jpg\n1 2 3 4\n"
WIDER = "a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n"
LABORO = "12345\n0\n67\n1\n1, 2, 3, 4, 0, 1, 2, 1\n"
COCO = json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": []})
VOC = "<annotation><filename>a.jpg</filename></annotation>"
SAMPLES = {"label": LABEL, "wider": WIDER, "laboro": LABORO, "coco": COCO, "voc": VOC, "list": "a.jpg\nb.jpg\n"}


@pytest.mark.parametrize("named", SAMPLES)
@pytest.mark.parametrize("content", SAMPLES)
def test_a_file_in_another_format_than_the_named_one_is_refused(tmp_path, content, named):
    path = tmp_path / "truth.txt"
    path.write_text(SAMPLES[content])
    if content == named:
        found = [annotation.name for annotation in read_annotations(path, named)]
        assert found == [annotation.name for annotation in read_annotations(path)]
    else:
        with pytest.raises(UserError, match=rf"truth\.txt: is .*; expected .*, the format {named} that was asked for"):
            read_annotations(path, named)


def test_a_list_of_numeric_names_is_read_if_the_user_names_the_format(tmp_path):
    (tmp_path / "list.txt").write_text("1\n2\n3\n")
    assert [a.name for a in read_annotations(tmp_path / "list.txt", "list")] == ["1", "2", "3"]
    with pytest.raises(UserError, match="no known annotation format"):
        read_annotations(tmp_path / "list.txt", "wider")


def test_an_unknown_format_name_lists_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=f"expected one of {', '.join(FORMATS)}"):
        read_annotations(tmp_path, "mat")


YOLO_ROW = "0 0.5 0.5 0.25 0.5\n"


@pytest.mark.parametrize(
    ("files", "faces"),
    [
        ({"label.txt": LABEL, "a_list.txt": "a.jpg\n", "readme.txt": "Labels of a\n", "README.md": "#"}, 1),
        ({"label.txt": LABEL, "classes.txt": "face\n", "deeper/1.xml": VOC}, 1),
        ({"names.txt": "a.jpg\nb.jpg\n"}, 0),
        ({"instances.json": COCO, "readme.txt": "A data set\n"}, 0),
        ({"1.xml": VOC, "deeper/2.xml": VOC}, 0),
        ({"deeper/2.xml": VOC, "deeper/label.txt": LABEL}, 0),
    ],
)
def test_a_folder_stands_for_the_annotation_in_it(tmp_path, files, faces):
    annotations = read_annotations(write_files(tmp_path, files))
    assert sum(len(a.boxes) for a in annotations) == faces


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"label.txt": LABEL, "truth.json": COCO}, "label.txt, truth.json"),
        ({"label.txt": LABEL, "a.xml": VOC, "b.xml": VOC}, "a.xml, label.txt"),
        ({"label.txt": LABEL, "a.txt": YOLO_ROW, "b.txt": YOLO_ROW}, "a.txt, label.txt"),
        ({"train.json": COCO, "val.json": COCO}, "train.json, val.json"),
        ({f"{i}.json": COCO for i in range(7)}, "0.json, 1.json, 2.json, 3.json, 4.json and 2 more"),
        ({"labels/a.txt": YOLO_ROW, "voc/a.xml": VOC}, "labels/a.txt, voc/a.xml"),
    ],
)
def test_a_folder_with_several_annotations_is_refused_and_they_are_listed(tmp_path, files, found):
    with pytest.raises(UserError) as error:
        read_annotations(write_files(tmp_path, files))
    assert str(error.value) == (
        f"{tmp_path}: found {found}; name one of them, or its format (eval.py --gt_format, tools.convert --from)"
    )


def test_the_named_format_chooses_among_several_annotations(tmp_path):
    write_files(tmp_path, {"label.txt": LABEL, "truth.json": COCO, "a.xml": VOC, "counted.txt": WIDER * 2})
    assert len(read_annotations(tmp_path, "label")[0].boxes) == 1
    assert len(read_annotations(tmp_path, "wider")) == 2
    assert read_annotations(tmp_path, "coco")[0].identity == 1
    assert [a.name for a in read_annotations(tmp_path, "voc")] == ["a.jpg"]
    with pytest.raises(UserError, match=r"found a\.xml, .*expected Laboro TV text, the format laboro that"):
        read_annotations(tmp_path, "laboro")


def test_a_file_is_recognized_by_content_with_any_suffix(tmp_path):
    write_files(tmp_path, {"coco.txt": " " + COCO, "voc.txt": "\ufeff" + VOC})
    assert read_annotations(tmp_path / "coco.txt")[0].name == "a.jpg"
    assert read_annotations(tmp_path / "voc.txt")[0].name == "voc.jpg"


def laboro(*faces: int) -> str:
    """Return Laboro TV's text of images with the given numbers of faces."""
    row = "1, 2, 3, 4, 0, 1, 2, 1\n"
    return "".join(f"{number:08}\n{count}\n{row * count}" for number, count in enumerate(faces))


def test_laboro_text_is_recognized_by_its_first_row_even_after_many_empty_images(tmp_path):
    text = laboro(*[0] * 7000, 1)
    assert len(text) > 1 << 16

    def read(content: str):
        return read_annotations(write_files(tmp_path, {"label.txt": content}) / "label.txt")

    annotations = read(text)
    assert list(annotations[-1].attributes) == ["blur", "shakiness", "occlusion", "pose"]
    assert len(read(text.replace(",", ""))[-1].boxes) == 1
    zero = "a.jpg\n0\n" * 9000 + "b.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n"
    assert "expression" in read(zero)[-1].attributes


@pytest.mark.parametrize(("kind", "attributes"), [("wider", [*WIDER_VALUES]), ("laboro", [*LABORO_ATTRIBUTES])])
def test_a_text_without_rows_is_in_the_format_that_the_user_names(tmp_path, kind, attributes):
    (tmp_path / "label.txt").write_text(laboro(0, 0))
    for source in (tmp_path, tmp_path / "label.txt"):
        assert list(read_annotations(source, kind)[0].attributes) == attributes
    with pytest.raises(UserError, match="is WIDER FACE text; expected COCO JSON"):
        read_annotations(tmp_path / "label.txt", "coco")


def test_a_format_in_the_registry_is_read_written_and_recognized(tmp_path, monkeypatch):
    """A format is one module and one line in registry.py; this one holds names in a file with its own suffix."""
    names = Format(
        name="names",
        description="names",
        read=lambda path, options: read_list(path),
        write=write_list,
        capabilities=Capabilities(boxes=False),
        recognizes=lambda head: head.lines[:1] == ["1.jpg"],
        files="*.names",
    )
    for module in ("finding", "reading", "registry"):
        monkeypatch.setattr(f"data.annotations.{module}.FORMATS", {"names": names} | FORMATS)
    originals = read_annotations(write_files(tmp_path, {"list.txt": "1.jpg\n2.jpg\n"}) / "list.txt", "names")
    write_annotations(originals, tmp_path / "out" / "a.names", "names")
    for path in (tmp_path / "out", tmp_path / "out" / "a.names", tmp_path):
        assert [annotation.name for annotation in read_annotations(path)] == ["1.jpg", "2.jpg"]
    with pytest.raises(UserError, match="is names; expected COCO JSON"):
        read_annotations(tmp_path / "list.txt", "coco")

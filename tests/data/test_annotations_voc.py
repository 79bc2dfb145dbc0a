"""Reading Pascal VOC XML, and the errors of a malformed file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.annotations import image_key, read_annotations
from tests.helpers.annotations import write_files
from utils.errors import UserError


def thing(box: tuple, name: str = "face", more: str = "") -> str:
    corners = "".join(
        f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>\n"


def voc(*objects: str, filename: str = "", size: tuple = ()) -> str:
    parts = [f"<filename>{filename}</filename>" if filename else ""]
    if size:
        parts.append(f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size>")
    return "<annotation>" + "".join([*parts, *objects]) + "</annotation>\n"


def test_corners_attributes_and_size_are_read(tmp_path):
    first = thing((10, 20, 40, 60), more="<pose>Left</pose><truncated>1</truncated><difficult>0</difficult>")
    second = thing(("1.5", " 2 ", "3.5", "2"), more="<difficult>1</difficult><part><name>face</name></part>")
    text = voc(first, thing((0, 0, 0, 0), "person"), second, filename="a.jpg", size=(480, 640))
    (annotation,) = read_annotations(write_files(tmp_path, {"a.xml": text}))
    assert annotation.name == "a.jpg" and annotation.size == (480, 640) and annotation.identity is None
    assert annotation.boxes.tolist() == [[10, 20, 40, 60], [1.5, 2, 3.5, 2]]
    assert annotation.attributes["pose"].tolist() == ["Left", "Unspecified"]
    assert annotation.attributes["truncated"].tolist() == [1, 0]
    assert annotation.attributes["difficult"].tolist() == [0, 1]
    assert "occluded" not in annotation.attributes
    assert annotation.ignored.tolist() == [False, True]
    assert not annotation.landmark_mask.any()


def test_images_are_named_by_the_path_of_their_file(tmp_path):
    names = {
        "val/1.xml": "1.png",
        "val/2.xml": "before it was renamed.JPG",
        "val/3.xml": "C:\\images\\..\\3.bmp",
        "val/4.xml": "4",
        "val/5.xml": "",
        "val/6.jpg.xml": "6.jpg",
        "7.b.xml": "../../7.jpeg",
        "._8.xml": "8.jpg",
    }
    annotations = read_annotations(write_files(tmp_path, {file: voc(filename=name) for file, name in names.items()}))
    expected = ["7.b.jpeg", "val/1.png", "val/2.JPG", "val/3.bmp", "val/4", "val/5", "val/6.jpg"]
    assert [a.name for a in annotations] == expected
    assert [image_key(a.name) for a in annotations][:2] == ["7.b", "val/1"]


def test_images_without_faces_have_the_attributes_of_the_set(tmp_path):
    files = {"a.xml": voc(), "b.xml": voc(thing((1, 2, 3, 4), more="<difficult>1</difficult>"))}
    first, second = read_annotations(write_files(tmp_path, files))
    assert first.boxes.shape == (0, 4) and first.attributes["difficult"].shape == first.ignored.shape == (0,)
    assert second.ignored.tolist() == [True]


def test_a_single_file_in_another_encoding_is_read(tmp_path):
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>' + voc(thing((1, 2, 3, 4), "Gesicht f\xfcr mich"))
    write_files(tmp_path, {"a.xml": text.encode("latin-1"), "b.xml": voc()})
    (annotation,) = read_annotations(tmp_path / "a.xml")
    assert annotation.name == "a" and annotation.boxes.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("size", [(0, 0), ("x", 3), ("", ""), (-1, 5), ("9" * 5000, 1)])
def test_an_invalid_size_is_unknown(tmp_path, size):
    assert read_annotations(write_files(tmp_path, {"a.xml": voc(size=size)}))[0].size is None


def test_the_face_is_the_only_class_or_the_named_one(tmp_path):
    files = {"a.xml": voc(thing((1, 2, 3, 4), "head")), "b.xml": voc(thing((5, 6, 7, 8), "hand"))}
    write_files(tmp_path, files)
    with pytest.raises(UserError, match=r"has the classes head \(1\), hand \(1\); name that of the faces .*--category"):
        read_annotations(tmp_path)
    assert [len(a.boxes) for a in read_annotations(tmp_path, category="Hand")] == [0, 1]
    assert [len(a.boxes) for a in read_annotations(tmp_path / "a.xml")] == [1]


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (voc(thing((1, 2, 3, 4)), thing((1, 2, "x", 4))), "object 2 (face): found 'x' for <xmax>; expected a number"),
        (voc(thing((1, 2, "nan", 4))), "object 1 (face): found 'nan' for <xmax>"),
        (voc("<object><name>face</name></object>"), "object 1 (face): found '' for <xmin>; expected a number"),
        (voc(thing((5, 2, 3, 4))), "object 1 (face): found xmin 5, ymin 2, xmax 3, ymax 4; a maximum cannot be below"),
        (voc(thing((1, 2, 3, 4), more="<difficult>low</difficult>")), "object 1 (face): found 'low' for <difficult>"),
        (voc("<object></object>"), "object 1: has no <name>"),
        ("<html></html>", "found <html>; expected <annotation>"),
        ("<annotation>", "is not XML (no element found: line 1"),
        ("", "is not XML"),
        ('<?xml version="1.0" encoding="none such"?>' + voc(), "is not XML"),
        (BOMB + voc(filename="&c;"), "found a document type"),
        (
            ('<?xml version="1.0" encoding="UTF-16"?>' + BOMB + voc()).encode("utf-16"),
            "found a document type or UTF-16",
        ),
    ],
)
def test_a_malformed_file_is_named_with_the_object(tmp_path, content, expected):
    write_files(tmp_path, {"good.xml": voc(thing((1, 2, 3, 4))), "sub/bad.xml": content})
    with pytest.raises(UserError) as error:
        read_annotations(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'sub' / 'bad.xml'}: {expected}")
    assert "\n" not in str(error.value)


def test_a_folder_without_xml_is_named(tmp_path):
    with pytest.raises(UserError, match=r"has no Pascal VOC files \(\*\.xml\)"):
        read_annotations(tmp_path, "voc")


corner = st.integers(-100, 5000) | st.floats(-100, 5000)


@given(st.lists(st.lists(st.tuples(corner, corner, corner, corner), max_size=4), min_size=1, max_size=4))
def test_boxes_are_read_as_written(tmp_path_factory, images):
    boxes = [[(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in faces] for faces in images]
    boxes[0].append((0, 0, 50, 50))  # these are pixels
    files = {f"{i}.xml": voc(*map(thing, faces), filename="x.jpg") for i, faces in enumerate(boxes)}
    for annotation, faces in zip(
        read_annotations(write_files(tmp_path_factory.mktemp("voc"), files)), boxes, strict=True
    ):
        assert annotation.boxes.tolist() == [pytest.approx(face) for face in faces]

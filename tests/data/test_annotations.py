"""Text annotations that have all images in one file, and the records that readers return."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.annotations import WIDER_VALUES, Annotation, read_annotations, value_name
from tests.helpers.scripts import ROOT
from utils.errors import UserError


def read(tmp_path, text: str | bytes, name: str = "label.txt") -> list[Annotation]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_annotations(path)


def test_labels_with_boxes_only_are_read(tmp_path):
    first, second = read(tmp_path, "# a.jpg\n1 2 3 4\n5 6 7 8\n# sub/b.jpg\n9 9 1 1\n")
    assert (first.name, second.name) == ("a.jpg", "sub/b.jpg")
    assert first.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert not first.landmark_mask.any()


def test_labels_with_landmarks_are_read(tmp_path):
    points = "10 11 0.0 20 21 0.0 15 16 0.0 12 26 0.0 22 27 0.0 0.82"
    none = " ".join(["-1 -1 -1.0"] * 5) + " 0.3"
    (annotation,) = read(tmp_path, f"# a.jpg\n1 2 30 40 {points}\n5 6 7 8 {none}\n1 1 9 9\n")
    assert annotation.landmark_mask.tolist() == [True, False, False]
    assert annotation.landmarks[0].tolist() == [[10, 11], [20, 21], [15, 16], [12, 26], [22, 27]]
    assert annotation.boxes.shape == (3, 4)


def test_labels_of_an_image_without_faces_are_read(tmp_path):
    first, second = read(tmp_path, "# a.jpg\n# b.jpg\n1 2 3 4\n")
    assert first.boxes.shape == (0, 4)
    assert first.landmarks.shape == (0, 5, 2)
    assert len(second.boxes) == 1


def test_wider_face_text_is_read(tmp_path):
    rows = "0--Parade/a.jpg\n2\n1 2 3 4 2 1 0 0 1 0 \n5 6 7 8 0 0 0 1 0 1 \n"
    empty = "0--Parade/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
    first, middle, last = read(tmp_path, rows + empty + "c.jpg\n1\n9 9 1 1 0 0 0 0 0 0\n")
    assert first.name == "0--Parade/a.jpg"
    assert first.attributes["invalid"].tolist() == [0, 1]
    assert first.attributes["blur"].tolist() == [2, 0]
    assert len(middle.boxes) == 0
    assert last.boxes.tolist() == [[9, 9, 10, 10]]


@pytest.mark.parametrize("zeros", ["", "0 0 0 0\n"])
def test_wider_face_text_may_have_no_attributes(tmp_path, zeros):
    first, second, third = read(tmp_path, f"a.jpg\n0\n{zeros}news/b\n2\n1 2 3 4\n5 6 7.5 8\nc.jpg\n1\n9 9 1 1\n")
    assert not len(first.boxes) and not second.attributes
    assert second.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12.5, 14]] and len(third.boxes) == 1


def test_images_without_faces_have_the_attributes_of_the_file(tmp_path):
    first, second = read(tmp_path, "a.jpg\n0\n0 0 0 0 0 0 0 0 0 0\nb.jpg\n1\n1 2 3 4 2 1 0 1 1 0\n")
    assert list(first.attributes) == list(second.attributes) == list(WIDER_VALUES)
    assert [len(values) for values in first.attributes.values()] == [0] * 6


def test_laboro_tv_text_is_read(tmp_path):
    first, second = read(tmp_path, "12345\n1\n1, 2, 3, 4, 0, 1, 2, 1\n67\n0\n")
    assert first.name == "12345"
    assert first.boxes.tolist() == [[1, 2, 4, 6]]
    assert {key: values.tolist() for key, values in first.attributes.items()} == {
        "blur": [0], "shakiness": [1], "occlusion": [2], "pose": [1],
    }  # fmt: skip
    assert second.name == "67" and len(second.boxes) == 0


def test_a_list_of_names_is_read(tmp_path):
    names = [a.name for a in read(tmp_path, "a b.jpg\nsub/日本.png\n/0--Parade/c.jpg\n\n", "list.txt")]
    assert names == ["a b.jpg", "sub/日本.png", "0--Parade/c.jpg"]


@pytest.mark.parametrize("numbers", ["1\n2\n3\n", "7\n", "20\n30\n"])
def test_a_list_of_numeric_names_is_not_read_as_faces(tmp_path, numbers):
    with pytest.raises(UserError, match="no known annotation format"):
        read(tmp_path, numbers)


def test_windows_line_ends_byte_order_marks_and_blanks_are_read(tmp_path):
    (annotation,) = read(tmp_path, b"\xef\xbb\xbf# a.jpg\r\n 1  2\t3 4 \r\n\r\n")
    assert annotation.name == "a.jpg"
    assert annotation.boxes.tolist() == [[1, 2, 4, 6]]


def test_a_folder_stands_for_its_only_label_file(tmp_path):
    (tmp_path / "tvval_list.txt").write_text("a.jpg\n")
    with pytest.raises(UserError, match="no label file"):
        read_annotations(tmp_path)
    (tmp_path / "tvval_label.txt").write_text("# a.jpg\n1 2 3 4\n")
    assert len(read_annotations(tmp_path)[0].boxes) == 1
    (tmp_path / "other.txt").write_text("# a.jpg\n1 2 3 4\n")
    with pytest.raises(UserError, match=r"other.txt, tvval_label.txt; name one of them"):
        read_annotations(tmp_path)


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("# a.jpg\n1 2 3\n", ":2: ", "found '1 2 3'; expected 'x y w h'"),
        ("# a.jpg\n1 2 3 4\n1 2 x 4\n", ":3: ", "found '1 2 x 4'"),
        ("# a.jpg\n1 2 nan 4\n", ":2: ", "found '1 2 nan 4'"),
        ("# a.jpg\n1 2 -3 4\n", ":2: ", "cannot be negative"),
        ("# a.jpg\n1 2 3 4 5 6\n", ":2: ", "20 columns"),
        ("#\n1 2 3 4\n", ":1: ", "expected '# relative/path.jpg'"),
        ("a.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n", ":4: ", "found ''; expected a face of a.jpg"),
        (
            "a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n5 6 7 8 0 0 0 0 0 0\nb.jpg\n0\n",
            ":4: ",
            "are there more faces than counted?",
        ),
        ("a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\nb.jpg\n", ":5: ", "number of faces in b.jpg"),
        ("a.jpg\n1\n1 2 3\n", ":3: ", "found '1 2 3'; expected a face of a.jpg"),
        ("a.jpg\n1\n1 2 three 4 0 0 0 0 0 0\n", ":3: ", "found '1 2 three 4"),
        ("a.jpg\n2\n1, 2, 3, 4, 0, 0, 0, 0\n1 2 3 4 0 0 0 0 0 0\n", ":4: ", "blur shakiness occlusion pose"),
        ("7\n1\n1, 2, 3, 4, 0, 0, 0\n", ":3: ", "x y w h blur shakiness occlusion pose"),
        ("", "", "the file is empty"),
        ("\n  \n", "", "the file is empty"),
        ("1 2 3 4\n5 6 7 8\n", "", "no known annotation format"),
        (b"\x89PNG\x00\x01\xff", "", "is not UTF-8 text"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path, text, where, expected):
    with pytest.raises(UserError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'label.txt'}:{where[1:]}" if where else f"{tmp_path}")
    assert expected in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent.txt: no such annotation file"):
        read_annotations(tmp_path / "absent.txt")


def test_a_count_that_python_cannot_parse_is_a_malformed_row(tmp_path):
    with pytest.raises(UserError, match=r"label\.txt:5: .*expected the number of faces in b\.jpg"):
        read(tmp_path, "a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n" + f"b.jpg\n{'9' * 5000}\n")


def test_faces_are_ignored_by_the_marks_of_every_format():
    nothing = np.full((3, 5, 2), -1.0)
    for name in ("invalid", "difficult", "crowd", "ignore"):
        attributes = {name: np.array([0.0, 1.0, 0.0]), "blur": np.ones(3), "pose": np.array(["1", "Left", "1"])}
        assert Annotation("a", np.zeros((3, 4)), nothing, attributes).ignored.tolist() == [False, True, False]
    both = {"crowd": np.array([0.0, 1.0, 0.0]), "ignore": np.array([0.0, 0.0, 1.0])}
    assert Annotation("a", np.zeros((3, 4)), nothing, both).ignored.tolist() == [False, True, True]
    assert Annotation("a", np.zeros((3, 4)), nothing).ignored.tolist() == [False] * 3
    assert Annotation("a", np.zeros((3, 4)), nothing, {"ignore": np.array(["1"] * 3)}).ignored.tolist() == [False] * 3


def test_values_have_the_names_of_wider_face():
    wider = set(WIDER_VALUES)
    assert [value_name(wider, "blur", value) for value in np.arange(3.0)] == ["clear", "normal", "heavy"]
    assert value_name(wider, "occlusion", 1) == "partial"
    assert value_name(wider, "pose", 1.0) == "atypical"
    assert value_name(wider, "blur", 7.0) == "7"
    assert value_name(wider, "blur", 0.5) == "0.5"
    assert value_name({"blur", "shakiness", "occlusion", "pose"}, "blur", 1.0) == "1"
    assert value_name({"pose"}, "pose", np.str_("Left")) == "Left"


def test_reading_text_imports_neither_pytorch_nor_scipy_nor_pillow():
    code = "import sys, data.annotations; sys.exit(bool({'torch', 'scipy', 'PIL'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


face = st.tuples(*[st.integers(-50, 2000)] * 2, *[st.integers(0, 500)] * 2)
images = st.lists(st.lists(face, max_size=4), min_size=1, max_size=5)


@given(images)
def test_labels_are_read_as_written(tmp_path_factory, images):
    path = tmp_path_factory.mktemp("labels") / "label.txt"
    lines = []
    for i, faces in enumerate(images):
        lines += [f"# {i}.jpg", *(" ".join(map(str, face)) for face in faces)]
    path.write_text("\n".join(lines))
    annotations = read_annotations(path)
    assert [a.name for a in annotations] == [f"{i}.jpg" for i in range(len(images))]
    for annotation, faces in zip(annotations, images, strict=True):
        expected = np.array([(x, y, x + w, y + h) for x, y, w, h in faces]).reshape(-1, 4)
        assert annotation.boxes.tolist() == expected.tolist()

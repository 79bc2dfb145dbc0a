"""Annotation formats: what the readers of one file for all images make of it, and how a format is recognised."""

import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from data.annotations import FORMATS, WIDER_VALUES, Annotation, read_annotations, value_name
from data.annotations.laboro_text import LABORO_ATTRIBUTES
from tests.helpers.annotations import cells
from tests.helpers.scripts import ROOT
from utils.errors import UserError


def read(tmp_path, text: str | bytes, name: str = "label.txt") -> list[Annotation]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_annotations(path)


def test_label_with_boxes_only(tmp_path):
    first, second = read(tmp_path, "# a.jpg\n1 2 3 4\n5 6 7 8\n# sub/b.jpg\n9 9 1 1\n")
    assert (first.name, second.name) == ("a.jpg", "sub/b.jpg")
    assert first.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert not first.landmark_mask.any()


def test_label_with_landmarks(tmp_path):
    points = "10 11 0.0 20 21 0.0 15 16 0.0 12 26 0.0 22 27 0.0 0.82"
    none = " ".join(["-1 -1 -1.0"] * 5) + " 0.3"
    (annotation,) = read(tmp_path, f"# a.jpg\n1 2 30 40 {points}\n5 6 7 8 {none}\n1 1 9 9\n")
    assert annotation.landmark_mask.tolist() == [True, False, False]
    assert annotation.landmarks[0].tolist() == [[10, 11], [20, 21], [15, 16], [12, 26], [22, 27]]
    assert annotation.boxes.shape == (3, 4)


def test_label_of_a_image_without_faces(tmp_path):
    first, second = read(tmp_path, "# a.jpg\n# b.jpg\n1 2 3 4\n")
    assert first.boxes.shape == (0, 4)
    assert first.landmarks.shape == (0, 5, 2)
    assert len(second.boxes) == 1


def test_wider_face_text(tmp_path):
    rows = "0--Parade/a.jpg\n2\n1 2 3 4 2 1 0 0 1 0 \n5 6 7 8 0 0 0 1 0 1 \n"
    empty = "0--Parade/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
    first, middle, last = read(tmp_path, rows + empty + "c.jpg\n1\n9 9 1 1 0 0 0 0 0 0\n")
    assert first.name == "0--Parade/a.jpg"
    assert first.attributes["invalid"].tolist() == [0, 1]
    assert first.attributes["blur"].tolist() == [2, 0]
    assert len(middle.boxes) == 0
    assert last.boxes.tolist() == [[9, 9, 10, 10]]


def test_images_without_faces_have_the_attributes_of_the_others(tmp_path):
    first, second = read(tmp_path, "a.jpg\n0\n0 0 0 0 0 0 0 0 0 0\nb.jpg\n1\n1 2 3 4 2 1 0 1 1 0\n")
    assert list(first.attributes) == list(second.attributes) == list(WIDER_VALUES)
    assert [len(values) for values in first.attributes.values()] == [0] * 6


def test_laboro_tv_text(tmp_path):
    first, second = read(tmp_path, "12345\n1\n1, 2, 3, 4, 0, 1, 2, 1\n67\n0\n")
    assert first.name == "12345"
    assert first.boxes.tolist() == [[1, 2, 4, 6]]
    assert {key: values.tolist() for key, values in first.attributes.items()} == {
        "blur": [0], "shakiness": [1], "occlusion": [2], "pose": [1],
    }  # fmt: skip
    assert second.name == "67" and len(second.boxes) == 0


def test_wider_face_mat(shared):
    annotations = read_annotations(shared / "wider_val" / "ground_truth")
    assert len(annotations) == 3226
    counted = {key: sum(a.subsets[key].sum() for a in annotations) for key in ("easy", "medium", "hard")}
    assert counted == {"easy": 7211, "medium": 13319, "hard": 31958}
    assert sum(len(a.boxes) for a in annotations) == 39708
    first = annotations[0]
    assert first.name == "0--Parade/0_Parade_marchingband_1_465"
    assert first.boxes[1].tolist() == [331, 126, 334, 129]
    assert list(first.attributes) == list(WIDER_VALUES)
    assert {name: values[9] for name, values in first.attributes.items()} == {
        "blur": 2, "expression": 0, "illumination": 0, "invalid": 1, "occlusion": 1, "pose": 1,
    }  # fmt: skip
    assert first.ignored[:4].tolist() == [False, True, False, True]


def write_mat_set(folder, **lists) -> None:
    """Two events, three images of two, no and one faces, with some of the lists replaced."""
    events = np.empty((2, 1), object)
    events[:, 0] = ["0--A", "1--B"]
    faces = {
        "event_list": events,
        "file_list": cells(["a", "b"], ["c"]),
        "face_bbx_list": cells([[[1, 2, 3, 4], [5, 6, 7, 8]], np.empty((0, 0))], [[[9, 9, 1, -1]]]),
        "blur_label_list": cells([[[0], [2]], np.empty((0, 0))], [[[1]]]),
    }
    scipy.io.savemat(folder / "wider_face_val.mat", {key: lists.get(key, value) for key, value in faces.items()})
    counts = {"easy": [[[2]], []], "medium": [[[1], [2]], []], "hard": [[[1], [2]], []]}
    for subset, first in counts.items():
        gt_list = lists.get(subset, cells(first, [[[1]]]))
        scipy.io.savemat(folder / f"wider_{subset}_val.mat", {"gt_list": gt_list})


def test_mat_set_with_an_empty_image(tmp_path):
    write_mat_set(tmp_path)
    first, empty, last = read_annotations(tmp_path)
    assert [first.name, empty.name, last.name] == ["0--A/a", "0--A/b", "1--B/c"]
    assert first.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert first.subsets["easy"].tolist() == [False, True]
    assert first.subsets["hard"].tolist() == [True, True]
    assert first.attributes["blur"].tolist() == [0, 2]
    assert list(first.attributes) == ["blur"]  # the lists that are not there are no attributes
    assert empty.boxes.shape == (0, 4) and empty.subsets["easy"].shape == empty.attributes["blur"].shape == (0,)
    assert last.boxes.tolist() == [[9, 9, 10, 8]]  # the official set has a box like this
    assert last.subsets["easy"].tolist() == [True]


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"blur_label_list": cells([[[0]], []], [[[1]]])}, "blur_label_list has not one value for each face"),
        ({"easy": cells([[[3]], []], [[[1]]])}, "subset easy names a face that the image has not"),
        ({"hard": cells([[[0]], []], [[[1]]])}, "subset hard names a face that the image has not"),
        ({"hard": cells([[[1]]], [[[1]]])}, "1 entries for the 2 images"),
        ({"file_list": cells(["a", "b"])}, "not laid out as the WIDER FACE ground truth"),
        ({"face_bbx_list": cells([[[1, 2, 3]], []], [[[1, 2, 3, 4]]])}, "not laid out as the WIDER FACE ground truth"),
    ],
)
def test_lists_of_a_mat_set_that_do_not_fit_each_other_are_refused(tmp_path, lists, expected):
    write_mat_set(tmp_path, **lists)
    with pytest.raises(UserError, match=expected) as error:
        read_annotations(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'wider_face_val.mat'}: ")


def test_list_of_names(tmp_path):
    names = [a.name for a in read(tmp_path, "a b.jpg\nsub/日本.png\n/0--Parade/c.jpg\n\n", "list.txt")]
    assert names == ["a b.jpg", "sub/日本.png", "0--Parade/c.jpg"]


@pytest.mark.parametrize("numbers", ["1\n2\n3\n", "7\n", "20\n30\n"])
def test_list_of_numeric_names_is_refused_or_a_list_never_wrong_faces(tmp_path, numbers):
    with pytest.raises(UserError, match="no known annotation format"):
        read(tmp_path, numbers)


def test_windows_line_ends_byte_order_mark_and_blanks(tmp_path):
    (annotation,) = read(tmp_path, b"\xef\xbb\xbf# a.jpg\r\n 1  2\t3 4 \r\n\r\n")
    assert annotation.name == "a.jpg"
    assert annotation.boxes.tolist() == [[1, 2, 4, 6]]


def test_a_folder_gives_its_only_label_file(tmp_path):
    (tmp_path / "tvval_list.txt").write_text("a.jpg\n")
    with pytest.raises(UserError, match="no label file"):
        read_annotations(tmp_path)
    (tmp_path / "tvval_label.txt").write_text("# a.jpg\n1 2 3 4\n")
    assert len(read_annotations(tmp_path)[0].boxes) == 1
    (tmp_path / "other.txt").write_text("# a.jpg\n1 2 3 4\n")
    with pytest.raises(UserError, match=r"other.txt, tvval_label.txt; name the one"):
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


@pytest.mark.parametrize("content", ["not MATLAB", "other variables", "other layout"])
def test_a_strange_mat_file_is_refused(tmp_path, content):
    path = tmp_path / "wider_face_val.mat"
    if content == "not MATLAB":
        path.write_bytes(b"MATLAB?" * 100)
    elif content == "other variables":
        scipy.io.savemat(path, {"x": 1})
    else:
        scipy.io.savemat(path, {"event_list": [1], "file_list": [1], "face_bbx_list": [1]})
        for subset in ("easy", "medium", "hard"):
            scipy.io.savemat(tmp_path / f"wider_{subset}_val.mat", {"gt_list": [1]})
    with pytest.raises(UserError, match=r"wider_face_val\.mat"):
        read_annotations(tmp_path)


LABEL = "# a.jpg\n1 2 3 4\n"
WIDER = "a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n"
LABORO = "12345\n0\n67\n1\n1, 2, 3, 4, 0, 1, 2, 1\n"
COCO = json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": []})
VOC = "<annotation><filename>a.jpg</filename></annotation>"
SAMPLES = {"label": LABEL, "wider": WIDER, "laboro": LABORO, "coco": COCO, "voc": VOC, "list": "a.jpg\nb.jpg\n"}


@pytest.mark.parametrize("named", SAMPLES)
@pytest.mark.parametrize("content", SAMPLES)
def test_a_named_format_is_the_file_s_or_an_error(tmp_path, content, named):
    path = tmp_path / "truth.txt"
    path.write_text(SAMPLES[content])
    if content == named:
        found = [annotation.name for annotation in read_annotations(path, named)]
        assert found == [annotation.name for annotation in read_annotations(path)]
    else:
        with pytest.raises(UserError, match=rf"truth\.txt: is .*; expected .*, the format {named} that was asked for"):
            read_annotations(path, named)


def test_a_list_of_numeric_names_is_read_where_the_user_says_that_it_is_one(tmp_path):
    (tmp_path / "list.txt").write_text("1\n2\n3\n")
    assert [a.name for a in read_annotations(tmp_path / "list.txt", "list")] == ["1", "2", "3"]
    with pytest.raises(UserError, match="no known annotation format"):
        read_annotations(tmp_path / "list.txt", "wider")


def test_an_unknown_format_name_lists_the_known_ones(tmp_path):
    with pytest.raises(UserError, match=f"expected one of {', '.join(FORMATS)}"):
        read_annotations(tmp_path, "mat")


def test_a_count_too_long_for_python_is_a_malformed_row(tmp_path):
    with pytest.raises(UserError, match=r"label\.txt:5: .*expected the number of faces in b\.jpg"):
        read(tmp_path, WIDER + f"b.jpg\n{'9' * 5000}\n")


def write(folder, files: dict[str, str]):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


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
    annotations = read_annotations(write(tmp_path, files))
    assert sum(len(a.boxes) for a in annotations) == faces


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"label.txt": LABEL, "truth.json": COCO}, "label.txt, truth.json"),
        ({"label.txt": LABEL, "a.xml": VOC, "b.xml": VOC}, "a.xml, label.txt"),
        ({"label.txt": LABEL, "a.txt": YOLO_ROW, "b.txt": YOLO_ROW}, "a.txt, label.txt"),
        ({"train.json": COCO, "val.json": COCO}, "train.json, val.json"),
        ({f"{i}.json": COCO for i in range(7)}, "0.json, 1.json, 2.json, 3.json, 4.json and 2 more"),
        ({"label.txt": LABEL, "wider_face_val.mat": ""}, "label.txt, wider_face_val.mat"),
        ({"labels/a.txt": YOLO_ROW, "voc/a.xml": VOC}, "labels/a.txt, voc/a.xml"),
    ],
)
def test_a_folder_of_several_annotations_says_what_it_has(tmp_path, files, found):
    with pytest.raises(UserError) as error:
        read_annotations(write(tmp_path, files))
    assert str(error.value) == (
        f"{tmp_path}: found {found}; name the one annotation file, or its format (eval.py --gt_format, tools.convert"
        " --from); detections belong to --pred"
    )


def test_the_format_chooses_among_several_annotations(tmp_path):
    write(tmp_path, {"label.txt": LABEL, "truth.json": COCO, "a.xml": VOC, "counted.txt": WIDER * 2})
    assert len(read_annotations(tmp_path, "label")[0].boxes) == 1
    assert len(read_annotations(tmp_path, "wider")) == 2
    assert read_annotations(tmp_path, "coco")[0].identity == 1
    assert [a.name for a in read_annotations(tmp_path, "voc")] == ["a.jpg"]
    with pytest.raises(UserError, match=r"found a\.xml, .*expected Laboro TV text, the format laboro that"):
        read_annotations(tmp_path, "laboro")


def test_a_file_is_recognised_whatever_its_suffix(tmp_path):
    write(tmp_path, {"coco.txt": " " + COCO, "voc.txt": "\ufeff" + VOC})
    assert read_annotations(tmp_path / "coco.txt")[0].name == "a.jpg"
    assert read_annotations(tmp_path / "voc.txt")[0].name == "voc.jpg"


def test_ignored_faces_of_every_format():
    nothing = np.full((3, 5, 2), -1.0)
    for name in ("invalid", "difficult", "crowd", "ignore"):
        attributes = {name: np.array([0.0, 1.0, 0.0]), "blur": np.ones(3), "pose": np.array(["1", "Left", "1"])}
        assert Annotation("a", np.zeros((3, 4)), nothing, attributes).ignored.tolist() == [False, True, False]
    both = {"crowd": np.array([0.0, 1.0, 0.0]), "ignore": np.array([0.0, 0.0, 1.0])}
    assert Annotation("a", np.zeros((3, 4)), nothing, both).ignored.tolist() == [False, True, True]
    assert Annotation("a", np.zeros((3, 4)), nothing).ignored.tolist() == [False] * 3
    assert Annotation("a", np.zeros((3, 4)), nothing, {"ignore": np.array(["1"] * 3)}).ignored.tolist() == [False] * 3


def test_values_have_the_names_that_wider_face_gives_them():
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
def test_label_round_trip(tmp_path_factory, images):
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


def laboro(*faces: int) -> str:
    """Laboro TV's text of images with so many faces."""
    row = "1, 2, 3, 4, 0, 1, 2, 1\n"
    return "".join(f"{number:08}\n{count}\n{row * count}" for number, count in enumerate(faces))


def test_laboro_text_is_known_by_its_first_row_however_late_it_comes(tmp_path):
    text = laboro(*[0] * 7000, 1)
    assert len(text) > 1 << 16
    annotations = read(tmp_path, text)
    assert list(annotations[-1].attributes) == ["blur", "shakiness", "occlusion", "pose"]
    assert len(read(tmp_path, text.replace(",", ""))[-1].boxes) == 1
    zero = "a.jpg\n0\n" * 9000 + "b.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n"
    assert "expression" in read(tmp_path, zero)[-1].attributes


@pytest.mark.parametrize(("kind", "attributes"), [("wider", [*WIDER_VALUES]), ("laboro", [*LABORO_ATTRIBUTES])])
def test_a_text_without_any_row_is_what_the_user_says(tmp_path, kind, attributes):
    (tmp_path / "label.txt").write_text(laboro(0, 0))
    for source in (tmp_path, tmp_path / "label.txt"):
        assert list(read_annotations(source, kind)[0].attributes) == attributes
    with pytest.raises(UserError, match="is WIDER FACE text; expected COCO JSON"):
        read_annotations(tmp_path / "label.txt", "coco")

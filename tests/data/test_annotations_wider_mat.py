"""WIDER FACE's .mat files under any name and in any layout; lists that contradict each other are refused."""

import numpy as np
import pytest
import scipy.io

from data.annotations import WIDER_VALUES, read_annotations
from tests.helpers.annotations import cells
from utils.errors import UserError


def test_the_official_set_has_its_published_counts(shared):
    annotations = read_annotations(shared / "wider_val" / "ground_truth")
    assert len(annotations) == 3226
    counts = {key: sum(a.subsets[key].sum() for a in annotations) for key in ("easy", "medium", "hard")}
    assert counts == {"easy": 7211, "medium": 13319, "hard": 31958}
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


def test_an_image_without_faces_is_read(tmp_path):
    write_mat_set(tmp_path)
    first, empty, last = read_annotations(tmp_path)
    assert [first.name, empty.name, last.name] == ["0--A/a", "0--A/b", "1--B/c"]
    assert first.boxes.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]]
    assert first.subsets["easy"].tolist() == [False, True]
    assert first.subsets["hard"].tolist() == [True, True]
    assert first.attributes["blur"].tolist() == [0, 2]
    assert list(first.attributes) == ["blur"]  # lists that are absent are not attributes
    assert empty.boxes.shape == (0, 4) and empty.subsets["easy"].shape == empty.attributes["blur"].shape == (0,)
    assert last.boxes.tolist() == [[9, 9, 10, 8]]  # the official set has a box like this
    assert last.subsets["easy"].tolist() == [True]


@pytest.mark.parametrize(
    ("lists", "file", "expected"),
    [
        ({"blur_label_list": cells([[[0]], []], [[[1]]])}, "face", "blur_label_list has not one value for each face"),
        ({"easy": cells([[[3]], []], [[[1]]])}, "easy", "it names a face that the image has not"),
        (
            {"hard": cells([[[0]], []], [[[1]]])},
            "hard",
            "it names a face that the image has not; expected indices from 1",
        ),
        ({"hard": cells([[[1]]], [[[1]]])}, "hard", "1 entries for the 2 images"),
        ({"medium": cells([[[1]], []])}, "medium", r"does not fit .*\(1 entries for 2 events"),
        ({"file_list": cells(["a", "b"])}, "face", "face_bbx_list has 2 events; file_list 1"),
        ({"event_list": cells(["a"])}, "face", "not laid out as the WIDER FACE ground truth"),
        ({"file_list": cells(["a", "b"], [""])}, "face", "an image without a name"),
        ({"face_bbx_list": cells([[[1, 2, 3]], []], [[[1, 2, 3, 4]]])}, "face", "0--A/a: found boxes of .*1 x 3"),
        ({"face_bbx_list": cells([[[1, 2]] * 4, []], [[[1, 2, 3, 4]]])}, "face", "0--A/a: found boxes of .*4 x 2"),
    ],
)
def test_lists_that_contradict_each_other_are_refused(tmp_path, lists, file, expected):
    write_mat_set(tmp_path, **lists)
    with pytest.raises(UserError, match=expected) as error:
        read_annotations(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / f'wider_{file}_val.mat'}: ")


@pytest.mark.parametrize("content", ["not MATLAB", "other variables", "other layout"])
def test_another_mat_file_is_refused(tmp_path, content):
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


def row(*values: object) -> np.ndarray:
    """Return MATLAB's cell array of shape (1, N)."""
    array = np.empty((1, len(values)), object)
    array[0, :] = [np.array(value) for value in values]
    return array


ROWS = [[1, 2, 3, 4], [5, 6, 7, 8]]
NONE = np.empty((0, 0))
EVENTS = {
    "event_list": row("0--A", "1--B"),
    "file_list": cells(["a", "b"], ["c"]),
    "face_bbx_list": cells([ROWS, NONE], [[[9, 9, 1, 1]]]),
}
FLAT = {"file_list": row("a", "b", "c"), "face_bbx_list": row(ROWS, NONE, [[9, 9, 1, 1]])}


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        (EVENTS, ["0--A/a", "0--A/b", "1--B/c"]),
        ({**EVENTS, "event_list": np.array(["0--A ", "1--B "])}, ["0--A/a", "0--A/b", "1--B/c"]),  # a character matrix
        (
            {**EVENTS, "file_list": cells(["0--A/a.jpg", "0--A/b.jpg"], ["1--B/c.jpg"])},
            ["0--A/a.jpg", "0--A/b.jpg", "1--B/c.jpg"],
        ),
        ({**EVENTS, "event_list": row("", ".")}, ["a", "b", "c"]),
        ({key: EVENTS[key] for key in ("file_list", "face_bbx_list")}, ["a", "b", "c"]),
        (FLAT, ["a", "b", "c"]),
        ({**FLAT, "file_list": row("a.jpg  ", "tv\\b.jpg", "/c.jpg")}, ["a.jpg", "tv/b.jpg", "c.jpg"]),
        ({**FLAT, "file_list": np.array(["a ", "bb", "ccc"])}, ["a", "bb", "ccc"]),
        ({**FLAT, "event_list": row("tv")}, ["tv/a", "tv/b", "tv/c"]),
        ({**FLAT, "event_list": row("x", "y", "z")}, ["x/a", "y/b", "z/c"]),
        (
            {**FLAT, "face_bbx_list": row(np.array(ROWS, np.uint8), NONE, np.array([[9, 9, 1, 1]], np.uint16))},
            ["a", "b", "c"],
        ),
        ({**FLAT, "face_bbx_list": row(np.array(ROWS, np.single), [[0, 0, 0, 0]], [[9, 9, 1, 1]])}, ["a", "b", "c"]),
        ({"data": FLAT}, ["a", "b", "c"]),  # a struct
    ],
)
def test_layouts_of_other_sets(tmp_path, variables, names):
    scipy.io.savemat(tmp_path / "tvface_dev.mat", variables, do_compression=True)
    annotations = read_annotations(tmp_path)
    assert [each.name for each in annotations] == names
    assert [each.boxes.tolist() for each in annotations] == [[[1, 2, 4, 6], [5, 6, 12, 14]], [], [[9, 9, 10, 10]]]
    assert annotations[0].subsets == {} and not annotations.ignored.any()
    zeros = variables.get("face_bbx_list", NONE).size == 3 and variables["face_bbx_list"][0, 1].size
    assert annotations.remarks == ["1 box of zeros read as images without faces"] * bool(zeros)


def test_sums_of_unsigned_coordinates_do_not_overflow(tmp_path):
    boxes = row(np.array([[200, 250, 100, 90]], np.uint8))
    scipy.io.savemat(tmp_path / "x.mat", {"file_list": row("a"), "face_bbx_list": boxes})
    assert read_annotations(tmp_path)[0].boxes.tolist() == [[200, 250, 300, 340]]


def test_each_file_with_a_gt_list_is_a_subset_named_after_it(tmp_path):
    scipy.io.savemat(tmp_path / "faces.mat", FLAT)
    for name, first in (("tv_small.mat", [[2]]), ("wider_hard_val.mat", [[1], [2]]), ("gt_easy.mat", [[1]])):
        scipy.io.savemat(tmp_path / name, {"gt_list": row(first, NONE, [[1]])})
    scipy.io.savemat(tmp_path / "copy_easy.mat", {**FLAT, "gt_list": row([[1]], NONE, [[1]])})
    annotations = read_annotations(tmp_path)
    assert list(annotations[0].subsets) == ["easy", "hard", "copy_easy", "small"]
    assert annotations[0].subsets["small"].tolist() == [False, True]
    assert annotations.remarks == ["no file has the subset medium"]


def test_a_file_may_hold_faces_and_the_list_of_those_that_count(tmp_path):
    scipy.io.savemat(tmp_path / "tvface_val.mat", {**EVENTS, "gt_list": cells([[[2]], NONE], [[[1]]])})
    for path in (tmp_path, tmp_path / "tvface_val.mat"):
        assert read_annotations(path)[0].subsets["all"].tolist() == [False, True]


def test_face_lists_that_disagree_are_named(tmp_path):
    other = {**FLAT, "face_bbx_list": row(ROWS, NONE, [[9, 9, 1, 2]])}
    scipy.io.savemat(tmp_path / "a.mat", FLAT)
    scipy.io.savemat(tmp_path / "b.mat", FLAT)
    assert len(read_annotations(tmp_path)) == 3
    scipy.io.savemat(tmp_path / "c_small.mat", {**other, "gt_list": row([[1]], NONE, [[1]])})
    with pytest.raises(UserError, match=r"a\.mat: has other faces than .*c_small\.mat beside it \(c\); name one"):
        read_annotations(tmp_path)
    named = read_annotations(tmp_path / "a.mat")
    assert (named[0].subsets, named.remarks) == ({}, ["c_small.mat is not read: it has other faces than a.mat"])
    assert read_annotations(tmp_path / "c_small.mat")[0].subsets["c_small"].tolist() == [True, False]


def test_files_that_disagree_on_a_subset_are_named(tmp_path):
    scipy.io.savemat(tmp_path / "faces.mat", FLAT)
    scipy.io.savemat(tmp_path / "small.mat", {"gt_list": row([[1]], NONE, [[1]])})
    scipy.io.savemat(tmp_path / "tv_small.mat", {"gt_list": row([[2]], NONE, [[1]])})
    with pytest.raises(UserError, match=r"small\.mat and .*tv_small\.mat: have different faces of the subset 'small'"):
        read_annotations(tmp_path)


def test_other_mat_files_beside_a_label_file_are_no_annotation(tmp_path):
    (tmp_path / "label.txt").write_text("# a.jpg\n1 2 3 4\n")
    scipy.io.savemat(tmp_path / "a.mat", {"pt3d_68": [1, 2]})
    assert read_annotations(tmp_path)[0].name == "a.jpg"
    scipy.io.savemat(tmp_path / "set.mat", FLAT)
    with pytest.raises(UserError, match=r"found set\.mat, label\.txt; name one of them"):
        read_annotations(tmp_path)
    (tmp_path / "set.mat").write_bytes(b"")
    with pytest.raises(UserError, match=r"set\.mat: is not a MATLAB file"):
        read_annotations(tmp_path)


def test_a_file_of_version_7_3_says_how_to_save_it(tmp_path):
    (tmp_path / "set.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" ") + b"\x89HDF\r\n")
    with pytest.raises(UserError, match=r"set\.mat: is a MATLAB 7\.3 file \(HDF5\).* -v7$"):
        read_annotations(tmp_path)


def test_unknown_variables_are_listed(tmp_path):
    scipy.io.savemat(tmp_path / "set.mat", {"face_box": 1, "names": 2})
    with pytest.raises(UserError, match=r"set\.mat: found face_box, names; expected face_bbx_list and file_list"):
        read_annotations(tmp_path)
    scipy.io.savemat(tmp_path / "set.mat", {"gt_list": row([[1]])})
    with pytest.raises(UserError, match=r"set\.mat: found gt_list; expected face_bbx_list and file_list"):
        read_annotations(tmp_path / "set.mat")

"""The WIDER FACE .mat set: reading it, and refusing lists that contradict each other."""

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
def test_lists_that_contradict_each_other_are_refused(tmp_path, lists, expected):
    write_mat_set(tmp_path, **lists)
    with pytest.raises(UserError, match=expected) as error:
        read_annotations(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'wider_face_val.mat'}: ")


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

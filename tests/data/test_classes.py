"""Which object classes are faces, and what commands say of those that are not."""

from pathlib import Path

import pytest

from data.annotations.classes import choose_classes
from utils.errors import UserError

PATH = Path("labels.json")


@pytest.mark.parametrize(
    ("counts", "wanted", "faces"),
    [
        ({"face": 3, "person": 2}, None, ["face"]),
        ({"Face": 2, "face": 1, "FACE": 4, "person": 2}, None, ["Face", "face", "FACE"]),
        ({" face ": 2, "face": 1}, None, [" face ", "face"]),
        ({"\uff46\uff41\uff43\uff45": 2, "person": 1}, None, ["\uff46\uff41\uff43\uff45"]),
        ({"visage": 2}, None, ["visage"]),
        ({"visage": 0}, None, ["visage"]),
        ({"group": 0, "visage": 5, "other": 0}, None, ["visage"]),
        ({"faces": 0, "face": 5}, None, ["face"]),
        ({"person": 0, "car": 0}, None, []),
        ({}, None, []),
        ({"front": 2, "side": 1, "person": 3}, "front,side", ["front", "side"]),
        ({"front, old": 2, "side": 1}, "front, old", ["front, old"]),
        ({"front": 2, "side": 1, "person": 3}, "human face", ["front", "side"]),
        ({"front": 2, "person": 3}, "FRONT", ["front"]),
    ],
)
def test_the_class_of_the_faces_is_found(counts, wanted, faces):
    groups = {"front": "Human face", "side": "human face", "person": "human"}
    classes = choose_classes(PATH, counts, wanted, groups)
    assert list(classes.faces) == faces
    assert {**classes.faces, **classes.others} == counts


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [({"left": 2, "right": 1}, None), ({"face": 2}, "head"), ({"a": 0, "b": 0}, "c")],
)
def test_an_unclear_class_of_the_faces_is_refused_with_all_counts(counts, wanted):
    with pytest.raises(UserError, match=r"labels\.json: has .*; name that of the faces with --category") as error:
        choose_classes(PATH, counts, wanted)
    for name, count in counts.items():
        assert f"{name} ({count})" in str(error.value)


def test_other_classes_are_said_with_their_counts():
    assert choose_classes(PATH, {"face": 2, "person": 0}, None).remarks == []
    classes = choose_classes(PATH, {"Face": 2, "face": 1, "head": 3, "person": 1}, None)
    assert classes.remarks == [
        "the faces are the objects of classes 'Face' (2) and 'face' (1)",
        "not read: 4 objects of other classes: 3 'head', 1 'person'",
    ]
    assert classes.face_like == {"head": 3}
    many = choose_classes(PATH, {"face": 1} | {f"c{i}": 1 for i in range(20)}, None)
    assert many.remarks[0].endswith("1 'c5', 14 more classes")

"""Predictions read from COCO results."""

import json

import pytest

from evaluation.predictions import load_predictions
from tests.helpers.evaluation import images, record, refusal


def test_results_by_identity_and_by_name(results, capsys):
    records = [record(7, 0.1), record("x/b.jpg", 0.2), record("seven", 0.3, category=1), record(7, 0.4, [5, 6, 0, 1.5])]
    ground_truth = images("a.jpg", "x/b.jpg", "c.jpg", "x/d.jpg", ids=(7, 8, "seven", None))
    found = load_predictions(results([*records, record("d", 0.5)]), ground_truth)
    assert {key: array.tolist() for key, array in found.detections.items()} == {
        "a": [[1, 2, 4, 6, 0.1], [5, 6, 5, 7.5, 0.4]],
        "x/b": [[1, 2, 4, 6, 0.2]],
        "c": [[1, 2, 4, 6, 0.3]],
        "x/d": [[1, 2, 4, 6, 0.5]],
    }
    assert (found.missing, found.unknown) == ([], [])
    assert "1 of 4 images" in capsys.readouterr().err


def test_results_without_a_record_for_an_image_found_nothing_there(results, capsys):
    found = load_predictions(results([record(1)]), images("a.jpg", "b.jpg", ids=(1, 2)))
    assert [array.shape for array in found.detections.values()] == [(1, 5), (0, 5)]
    assert found.missing == []
    assert load_predictions(results([]), images("a.jpg")).detections["a"].shape == (0, 5)
    assert capsys.readouterr().err == ""


def test_results_for_unknown_images(results, capsys):
    records = [record(image_id) for image_id in (1, 9, 9, "a/c", "b", 10)]
    found = load_predictions(results(records), images("a.jpg", "x/b.jpg", "y/b.jpg", ids=(1, 2, 3)))
    assert found.unknown == ["10", "9", "a/c", "b"]
    assert found.detections.keys() == {"a", "x/b", "y/b"}
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "5 detections" in warning and "4 image ids: 10, 9, 'a/c', ..." in warning


def test_results_that_match_nothing(results):
    message = refusal(results([record(4), record(5)]), images("a.jpg", "b.jpg", ids=(1, None)))
    assert "(4, 5)" in message and "(1, 'a', 'b')" in message


def test_results_for_one_image_under_two_names(results):
    message = refusal(results([record("x/a"), record("x/a.jpg")]), images("x/a.jpg"))
    assert "'x/a' and 'x/a.jpg' for the same image" in message
    assert "1 and 'x/a' for the same image" in refusal(results([record(1), record("x/a")]), images("x/a", ids=(1,)))


@pytest.mark.parametrize(
    "malformed",
    [
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
        {"image_id": 1, "score": 0.5},
        {"bbox": [1, 2, 3, 4], "score": 0.5},
        *[record(image_id) for image_id in (None, True, 1.5, [1], {})],
        *[record(1, score) for score in (None, "0.5", [0.5], float("nan"), float("inf"), 10**400)],
        *[
            record(1, 0.5, box)
            for box in (None, 5, "1234", [1, 2, 3], [1, 2, 3, 4, 5], [1, 2, "3", 4], [[1], [2], [3], [4]])
        ],
        *[
            record(1, 0.5, box)
            for box in ([1, 2, -3, 4], [1, 2, 3, -0.1], [1, 2, float("nan"), 4], [1e308, 2, 1e308, 4])
        ],
        *[
            record(1, 0.5, box)
            for box in ([-(10**400), 2, 10**400, 4], [None, 2, 3, 4], {"x": 1, "y": 2, "w": 3, "h": 4})
        ],
        [],
        None,
        "text",
        5,
    ],
    ids=lambda value: str(value)[:70],
)
def test_malformed_record(results, malformed):
    path = results([record(1), malformed])
    message = refusal(path, images("a.jpg", ids=(1,)))
    found = repr(json.loads(json.dumps(malformed)))
    assert message.startswith(f"{path}: record 2: found {found[:120]}; expected image_id")


def test_results_of_several_categories(results):
    path = results([record(1), record(1), record(1, category=2)])
    message = refusal(path, images("a.jpg", ids=(1,)))
    assert message.startswith(f"{path}: record 3: found category_id 2 after 1; ")
    without = [{key: value for key, value in record(1).items() if key != "category_id"}]
    assert len(load_predictions(results(without), images("a.jpg", ids=(1,))).detections["a"]) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "is not JSON"),
        ("title\n1\n1 2 3 4 0.5\n", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[" + "1" * 5000 + "]", "is not JSON"),
        ({"images": [], "annotations": []}, "found {'images': []"),
        (5, "found 5"),
    ],
    ids=["empty", "text", "deep", "long", "dataset", "number"],
)
def test_no_results(results, content, found):
    path = results(content)
    message = refusal(path, images("a.jpg"))
    assert message.startswith(f"{path}: ") and found in message and "expected a list of detections" in message


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ({"images": [], "annotations": []}, "as in its annotations"),
        ('{"picture": "a.jpg", "faces": []}\n{"picture": "b.jpg", "faces": []}\n', "run val_tvface.py"),
    ],
)
def test_other_json_says_what_to_name_instead(results, content, advice):
    assert refusal(results(content), images("a.jpg")).endswith(advice)

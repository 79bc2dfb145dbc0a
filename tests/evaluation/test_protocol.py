"""The WIDER FACE protocol in cases computed by hand."""

import numpy as np
import pytest

from data.annotations import image_key
from evaluation.metrics import average_precision
from evaluation.protocol import THRESHOLDS, SubsetResult, evaluate, normalize_scores
from tests.helpers.evaluation import FACE, labelled_image
from utils.errors import UserError


def score(detections: list, boxes: list, counts: list[bool] | None = None, iou: float = 0.5) -> SubsetResult:
    """Return the result of a set of one image."""
    predictions = {"a": np.array(detections, float).reshape(-1, 5)}
    return evaluate(predictions, [labelled_image("a.jpg", boxes, counts)], iou).subsets["all"]


def test_second_detection_of_a_face_is_a_proposal_too():
    result = score([[*FACE, 0.9], [*FACE, 0.5]], [FACE])
    assert (result.precision[:-1] == 1).all()
    assert result.precision[-1] == 0.5
    assert (result.recall == 1).all()
    assert (result.ap, result.faces, result.found) == (1, 1, 1)


def test_false_positive_above_the_face_halves_the_ap():
    result = score([[50, 50, 60, 60, 0.9], [*FACE, 0.5]], [FACE])
    assert (result.precision[:-1] == 0).all()
    assert result.ap == 0.5


def test_a_detection_of_an_ignored_face_is_ignored():
    result = score([[*FACE, 0.9], [30, 30, 39, 39, 0.5]], [FACE, [30, 30, 39, 39]], [False, True])
    assert (result.precision[:-1] == 0).all()  # nothing is proposed there
    assert result.precision[-1] == 1
    assert (result.ap, result.faces, result.found) == (1, 1, 1)


def test_an_unmatched_detection_near_an_ignored_face_is_a_proposal():
    assert score([[*FACE, 0.9], [0, 0, 9, 3, 0.9]], [FACE], [False]).precision[-1] == 0
    assert score([[*FACE, 0.9], [0, 6, 9, 9, 0.1]], [FACE, FACE], [True, False]).precision[-1] == 0.5


def test_overlap_counts_pixels_inclusively_and_half_is_enough():
    assert score([[0, 0, 4, 9, 1]], [FACE]).found == 1  # 50 / 100; without the added pixel 36 / 81
    assert score([[0, 0, 3.99, 9, 1]], [FACE]).found == 0


def test_the_first_face_wins_an_iou_tie():
    both = [0, 0, 19, 9, 1]
    faces = [FACE, [10, 0, 19, 9]]
    assert score([both], faces, [True, False]).found == 1
    assert score([both], faces, [False, True]).found == 0


def test_score_on_a_threshold_counts_there():
    result = score([[*FACE, 1], [20, 0, 29, 9, 0.5], [40, 0, 49, 9, 0]], [FACE, [20, 0, 29, 9], [40, 0, 49, 9]])
    assert THRESHOLDS[499] == 0.5
    assert result.recall[498] == 1 / 3
    assert result.recall[499] == 2 / 3
    assert result.recall[-1] == 1


def test_scores_are_normalized_over_the_whole_set():
    images = [labelled_image("a", [FACE]), labelled_image("b", [FACE])]
    predictions = {"a": np.array([[*FACE, 40.0]]), "b": np.array([[*FACE, 30.0], [*FACE, 20.0]])}
    recall = evaluate(predictions, images).subsets["all"].recall
    assert recall[0] == 0.5
    assert (recall[498], recall[499]) == (0.5, 1)


def test_equal_scores_are_one_point_and_not_a_division_by_zero():
    assert normalize_scores(np.array([0.3, 0.3])).tolist() == [1, 1]
    result = score([[*FACE, 0.3], [50, 50, 60, 60, 0.3]], [FACE])
    assert (result.precision == 0.5).all()
    assert (result.recall == 1).all()
    assert result.ap == 0.5


def test_detections_in_an_image_without_faces_are_false():
    predictions = {"a": np.array([[*FACE, 0.5]]), "b": np.array([[*FACE, 0.9]])}
    result = evaluate(predictions, [labelled_image("a", [FACE]), labelled_image("b", [])]).subsets["all"]
    assert (result.ap, result.precision[0], result.precision[-1]) == (0.5, 0, 0.5)


def test_faces_of_an_image_without_detections_are_missed():
    result = evaluate(
        {"a": np.array([[*FACE, 0.5]])}, [labelled_image("a", [FACE]), labelled_image("b", [FACE])]
    ).subsets["all"]
    assert (result.ap, result.recall[-1], result.faces, result.found) == (0.5, 0.5, 2, 1)


def test_nothing_detected_and_nothing_to_detect():
    assert evaluate({}, [labelled_image("a", [FACE])]).subsets["all"].ap == 0
    assert np.isnan(score([[*FACE, 0.9]], [FACE], [False]).ap)
    assert np.isnan(evaluate({}, []).subsets["all"].ap)


def test_each_subset_counts_its_own_faces():
    annotation = labelled_image("a", [FACE, [30, 30, 39, 39]])
    annotation.subsets = {"easy": np.array([True, False]), "hard": np.array([True, True])}
    results = evaluate({"a": np.array([[*FACE, 0.5]])}, [annotation]).subsets
    assert {name: (result.faces, result.ap) for name, result in results.items()} == {
        "easy": (1, 1),
        "hard": (2, 0.5),
    }


def test_average_precision_takes_the_envelope():
    assert average_precision(np.array([1, 0.5, 0.6]), np.array([0.2, 0.4, 0.6])) == pytest.approx(0.2 + 0.4 * 0.6)


@pytest.mark.parametrize("iou", [0, -1, 1.1, float("nan")])
def test_iou_outside_its_range(iou):
    with pytest.raises(UserError, match="IoU"):
        evaluate({}, [], iou)


def test_names_match_without_an_image_suffix():
    assert image_key("a/b.jpg") == image_key("a/b.PNG") == image_key("a/b") == "a/b"
    assert image_key("a/0.5_scale") == "a/0.5_scale"

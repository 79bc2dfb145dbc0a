"""The protocol: hand-computed cases, both kernels against an oracle in the words of the design, any input rows."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.annotations import Annotation, picture_key
from evaluation import matching, matching_numpy
from evaluation.predictions import read_prediction
from evaluation.protocol import SubsetResult, average_precision, evaluate, normalise
from utils.errors import UserError


def picture(name: str, boxes: list, counts: list[bool] | None = None) -> Annotation:
    """Return an annotation with x1 y1 x2 y2 boxes, of which those that do not count are marked as invalid."""
    attributes = {} if counts is None else {"invalid": 1.0 - np.array(counts, float)}
    landmarks = np.full((len(boxes), 5, 2), -1.0)
    return Annotation(name, np.array(boxes, float).reshape(-1, 4), landmarks, attributes)


def score(detections: list, boxes: list, counts: list[bool] | None = None, iou: float = 0.5) -> SubsetResult:
    """Return the result of a set of one picture."""
    predictions = {"a": np.array(detections, float).reshape(-1, 5)}
    return evaluate(predictions, [picture("a.jpg", boxes, counts)], iou)["all"]


@contextmanager
def hidden_extension() -> Iterator[None]:
    """Make the compiled kernel impossible to import within the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "evaluation._matching", None)
        patch.setattr(matching, "_kernel", cache(matching._kernel.__wrapped__))
        yield


FACE = [0, 0, 9, 9]


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


def test_face_that_does_not_count_voids_its_detections():
    result = score([[*FACE, 0.9], [30, 30, 39, 39, 0.5]], [FACE, [30, 30, 39, 39]], [False, True])
    assert (result.precision[:-1] == 0).all()  # nothing is proposed there
    assert result.precision[-1] == 1
    assert (result.ap, result.faces, result.found) == (1, 1, 1)


def test_detection_off_a_face_that_does_not_count_stays_a_proposal():
    assert score([[*FACE, 0.9], [0, 0, 9, 3, 0.9]], [FACE], [False]).precision[-1] == 0
    assert score([[*FACE, 0.9], [0, 6, 9, 9, 0.1]], [FACE, FACE], [True, False]).precision[-1] == 0.5


def test_overlap_counts_pixels_inclusively_and_half_is_enough():
    assert score([[0, 0, 4, 9, 1]], [FACE]).found == 1  # 50 / 100; without the added pixel 36 / 81
    assert score([[0, 0, 3.99, 9, 1]], [FACE]).found == 0


def test_of_equal_overlaps_the_first_face_keeps_the_detection():
    both = [0, 0, 19, 9, 1]
    faces = [FACE, [10, 0, 19, 9]]
    assert score([both], faces, [True, False]).found == 1
    assert score([both], faces, [False, True]).found == 0


def test_score_on_a_threshold_counts_there():
    result = score([[*FACE, 1], [20, 0, 29, 9, 0.5], [40, 0, 49, 9, 0]], [FACE, [20, 0, 29, 9], [40, 0, 49, 9]])
    assert result.thresholds[499] == 0.5
    assert result.recall[498] == 1 / 3
    assert result.recall[499] == 2 / 3
    assert result.recall[-1] == 1


def test_scores_are_normalised_over_the_whole_set():
    pictures = [picture("a", [FACE]), picture("b", [FACE])]
    predictions = {"a": np.array([[*FACE, 40.0]]), "b": np.array([[*FACE, 30.0], [*FACE, 20.0]])}
    recall = evaluate(predictions, pictures)["all"].recall
    assert recall[0] == 0.5
    assert (recall[498], recall[499]) == (0.5, 1)


def test_equal_scores_are_one_point_and_not_a_division_by_zero():
    assert normalise(np.array([0.3, 0.3])).tolist() == [1, 1]
    result = score([[*FACE, 0.3], [50, 50, 60, 60, 0.3]], [FACE])
    assert (result.precision == 0.5).all()
    assert (result.recall == 1).all()
    assert result.ap == 0.5


def test_detections_in_a_picture_without_faces_are_false():
    predictions = {"a": np.array([[*FACE, 0.5]]), "b": np.array([[*FACE, 0.9]])}
    result = evaluate(predictions, [picture("a", [FACE]), picture("b", [])])["all"]
    assert (result.ap, result.precision[0], result.precision[-1]) == (0.5, 0, 0.5)


def test_faces_of_a_picture_without_detections_are_missed():
    result = evaluate({"a": np.array([[*FACE, 0.5]])}, [picture("a", [FACE]), picture("b", [FACE])])["all"]
    assert (result.ap, result.recall[-1], result.faces, result.found) == (0.5, 0.5, 2, 1)


def test_nothing_detected_and_nothing_to_detect():
    assert evaluate({}, [picture("a", [FACE])])["all"].ap == 0
    assert np.isnan(score([[*FACE, 0.9]], [FACE], [False]).ap)
    assert np.isnan(evaluate({}, [])["all"].ap)


def test_each_subset_counts_its_own_faces():
    annotation = picture("a", [FACE, [30, 30, 39, 39]])
    annotation.subsets = {"easy": np.array([True, False]), "hard": np.array([True, True])}
    results = evaluate({"a": np.array([[*FACE, 0.5]])}, [annotation])
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


def test_names_match_without_a_picture_suffix():
    assert picture_key("a/b.jpg") == picture_key("a/b.PNG") == picture_key("a/b") == "a/b"
    assert picture_key("a/0.5_scale") == "a/0.5_scale"


def oracle(predictions: dict, ground_truth: list, counts: dict, iou: float) -> tuple[list, list, float]:
    """Return precision, recall and AP, in the words of the design's section on scoring."""
    everything = [row[4] for rows in predictions.values() for row in rows]
    low, high = min(everything, default=0), max(everything, default=0)
    visits = []  # per picture: (score, proposals so far, found so far)
    for annotation in ground_truth:
        rows = sorted(predictions.get(annotation.name, []), key=lambda row: -row[4])
        found, proposals, visit = set(), 0, []
        for x1, y1, x2, y2, value in rows:
            ious = []
            for fx1, fy1, fx2, fy2 in annotation.boxes.tolist():
                wide, tall = min(x2, fx2) - max(x1, fx1) + 1, min(y2, fy2) - max(y1, fy1) + 1
                shared = wide * tall if wide > 0 and tall > 0 else 0
                areas = (x2 - x1 + 1) * (y2 - y1 + 1) + (fx2 - fx1 + 1) * (fy2 - fy1 + 1)
                ious.append(shared / (areas - shared))
            best = ious.index(max(ious)) if ious else None
            if best is None or ious[best] < iou:
                proposals += 1
            elif counts[annotation.name][best]:
                proposals += 1
                found.add(best)
            normalised = (value - low) / (high - low) if high > low else 1
            visit.append((normalised, proposals, len(found)))
        visits.append(visit)

    faces = sum(map(sum, counts.values()))
    precision, recall = [], []
    for t in range(1, 1001):
        reached = [[v for v in visit if v[0] >= 1 - t / 1000] for visit in visits]
        proposals = sum(r[-1][1] for r in reached if r)
        found = sum(r[-1][2] for r in reached if r)
        precision.append(found / proposals if proposals else 0)
        recall.append(found / faces if faces else 0)
    ap, previous = 0, 0
    for i, r in enumerate(recall):
        if r > previous:  # a slower but plainer envelope: the best precision from here on
            ap += (r - previous) * max(precision[i:])
            previous = r
    return precision, recall, ap if faces else float("nan")


# Few values, so that overlaps and scores tie often; thirds, so that not all is exact.
sides = st.sampled_from([0.0, 3.0, 9.0, 19.0, 10 / 3])
corners = st.sampled_from([0.0, 5.0, 10.0, 10.5, 20 / 3])
boxes = st.builds(lambda x, y, w, h: [x, y, x + w, y + h], corners, corners, sides, sides)
scores = st.sampled_from([0.02, 0.1, 0.5, 0.999, 1.0]) | st.floats(0, 1, allow_subnormal=False)
rows = st.lists(st.builds(lambda box, value: [*box, value], boxes, scores), max_size=8)
faces = st.lists(st.tuples(boxes, st.booleans()), max_size=6)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(rows, faces), min_size=1, max_size=4), st.sampled_from([0.25, 0.5, 1.0]))
def test_both_kernels_equal_the_oracle(pictures, iou):
    predictions = {str(i): np.array(rows).reshape(-1, 5) for i, (rows, _) in enumerate(pictures) if rows}
    counts = {str(i): [count for _, count in faces] for i, (_, faces) in enumerate(pictures)}
    ground_truth = [picture(str(i), [box for box, _ in faces], counts[str(i)]) for i, (_, faces) in enumerate(pictures)]
    compiled = evaluate(predictions, ground_truth, iou)["all"]
    with hidden_extension():
        plain = evaluate(predictions, ground_truth, iou)["all"]
    precision, recall, ap = oracle(predictions, ground_truth, counts, iou)
    for result in (compiled, plain):
        assert result.precision.tolist() == precision
        assert result.recall.tolist() == recall
        assert result.ap == pytest.approx(ap, abs=1e-12, nan_ok=True)
        assert result.faces == sum(map(sum, counts.values()))


@pytest.mark.parametrize("grid", [1.0, 1 / 3], ids=["whole pixels", "thirds"])
def test_kernels_agree_to_the_bit_in_a_crowd(grid):
    rng = np.random.default_rng(0)

    def random_boxes(count: int) -> np.ndarray:
        corner = rng.integers(0, 300, (count, 2)) * grid
        return np.hstack([corner, corner + rng.integers(0, 60, (count, 2)) * grid])

    detections = np.hstack([random_boxes(3000), rng.random((3000, 1))])
    faces = random_boxes(700)
    starts = np.array([0, 0, 1000, 1000, 3000]), np.array([0, 100, 100, 400, 700])
    outputs = []
    for match in (import_module("evaluation._matching").match, matching_numpy.match):
        face, overlap = np.full(3000, -7), np.full(3000, np.nan)
        match(detections, starts[0], faces, starts[1], face, overlap)
        outputs.append((face.tobytes(), overlap.tobytes()))
    assert outputs[0] == outputs[1]
    assert (face[:1000] == -1).all()
    assert (face[1000:] >= 400).any()


def test_numpy_path_warns_once(capsys):
    predictions = {"a": np.array([[*FACE, 0.5]])}
    with hidden_extension():
        assert capsys.readouterr().err == ""
        for _ in range(2):
            assert evaluate(predictions, [picture("a", [FACE])])["all"].ap == 1
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "python setup.py build_ext --inplace" in warning
    evaluate(predictions, [picture("a", [FACE])])
    assert capsys.readouterr().err == ""


values = st.one_of(
    st.integers(-5, 300).map(str),
    st.floats(width=32).map(repr),
    st.sampled_from(["", "x", "1_0", "1e3", ",", "+1."]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(values, min_size=3, max_size=7), max_size=4), st.booleans())
def test_any_rows_are_read_as_python_reads_them_or_refused(tmp_path_factory, rows, right_count):
    lines = [" ".join(row) for row in rows]
    rows = [line.split() for line in lines if line.strip()]
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_text("\n".join(["name", str(len(rows) + (not right_count)), *lines]))
    try:
        expected = np.array([[float(value) for value in row[:5]] for row in rows]).reshape(-1, 5)
        fine = right_count and np.isfinite(expected).all() and (expected[:, 2:4] >= 0).all()
    except ValueError:
        fine = False
    if not fine:
        with pytest.raises(UserError, match=r"any\.txt"):
            read_prediction(path)
        return
    expected[:, 2:4] += expected[:, :2]
    assert np.array_equal(read_prediction(path), expected)

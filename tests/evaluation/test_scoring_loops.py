"""The loops in compiled code and in NumPy: equal to the protocol written as plain Python, and to each other."""

import json
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.annotations import Annotation, read_annotations
from evaluation import scoring_loops, scoring_loops_numpy
from evaluation.inclusive_iou import inclusive_ious
from evaluation.predictions import load_predictions
from evaluation.protocol import evaluate
from tests.helpers.compiled import without_compiled
from tests.helpers.evaluation import FACE, WIDER, labelled_image


def oracle(predictions: dict, ground_truth: list[Annotation], iou: float) -> tuple[list, list, float]:
    """Return precision, recall and AP, in the words of the design's section on scoring."""
    everything = [row[4] for rows in predictions.values() for row in rows]
    low, high = min(everything, default=0), max(everything, default=0)
    proposals, found, faces = np.zeros(1000, int), np.zeros(1000, int), 0
    for annotation in ground_truth:
        crowd = annotation.attributes.get("crowd", np.zeros(len(annotation.boxes)))
        boxes = [box.tolist() for box, is_region in zip(annotation.boxes, crowd, strict=True) if not is_region]
        regions = [box.tolist() for box, is_region in zip(annotation.boxes, crowd, strict=True) if is_region]
        invalid = annotation.attributes.get("invalid", np.zeros(len(annotation.boxes)))
        counts = [not value for value, is_region in zip(invalid, crowd, strict=True) if not is_region]
        faces += sum(counts)
        seen, proposed, visits = set(), 0, []
        for *box, value in sorted(predictions.get(annotation.name, np.empty((0, 5))).tolist(), key=lambda row: -row[4]):
            ious = []
            for face in boxes:
                shared = intersection(box, face)
                ious.append(shared / (area(box) + area(face) - shared))
            best = ious.index(max(ious)) if ious else None
            if best is None or ious[best] < iou:
                proposed += not any(intersection(box, region) >= area(box) / 2 for region in regions)
            elif counts[best]:
                proposed += 1
                seen.add(best)
            visits.append(((value - low) / (high - low) if high > low else 1, proposed, len(seen)))
        values, *counted = np.array([(np.inf, 0, 0), *visits]).T  # before the first visit nothing is counted
        last = (values >= 1 - np.arange(1, 1001)[:, None] / 1000).sum(axis=1) - 1
        proposals += counted[0][last].astype(int)
        found += counted[1][last].astype(int)
    precision = [f / p if p else 0 for f, p in zip(found.tolist(), proposals.tolist(), strict=True)]
    recall = [f / faces if faces else 0 for f in found.tolist()]
    ap, previous = 0, 0
    for i, r in enumerate(recall):
        if r > previous:  # a slower but plainer envelope: the best precision from here on
            ap += (r - previous) * max(precision[i:])
            previous = r
    return precision, recall, ap if faces else float("nan")


def intersection(a: list, b: list) -> float:
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    return wide * tall if wide > 0 and tall > 0 else 0


def area(box: list) -> float:
    return (box[2] - box[0] + 1) * (box[3] - box[1] + 1)


def check_with_oracle(predictions: dict, ground_truth: list[Annotation], iou: float) -> None:
    result = evaluate(predictions, ground_truth, iou).subsets["all"]
    precision, recall, ap = oracle(predictions, ground_truth, iou)
    assert result.precision.tolist() == precision
    assert result.recall.tolist() == recall
    assert result.ap == pytest.approx(ap, abs=1e-12, nan_ok=True)


# Few values, so that overlaps and scores tie often; thirds, so that not all is exact.
SIDES = [0.0, 3.0, 9.0, 19.0, 10 / 3]
CORNERS = [0.0, 5.0, 10.0, 10.5, 20 / 3]
SCORES = [0.02, 0.1, 0.5, 0.999, 1.0]
boxes = st.builds(
    lambda x, y, w, h: [x, y, x + w, y + h], *[st.sampled_from(CORNERS)] * 2, *[st.sampled_from(SIDES)] * 2
)
scores = st.sampled_from(SCORES) | st.floats(0, 1, allow_subnormal=False)
rows = st.lists(st.builds(lambda box, value: [*box, value], boxes, scores), max_size=8)
faces = st.lists(st.tuples(boxes, st.booleans(), st.sampled_from([0, 0, 0, 1])), max_size=6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(rows, faces), min_size=1, max_size=4), st.sampled_from([0.25, 0.5, 1.0]))
def test_both_loops_equal_the_oracle(images, iou):
    predictions = {str(i): np.array(rows).reshape(-1, 5) for i, (rows, _) in enumerate(images) if rows}
    ground_truth = []
    for i, (_, faces) in enumerate(images):
        annotation = labelled_image(str(i), [box for box, _, _ in faces], [count for _, count, _ in faces])
        annotation.attributes["crowd"] = np.array([crowd for _, _, crowd in faces])
        ground_truth.append(annotation)
    check_with_oracle(predictions, ground_truth, iou)
    with without_compiled("evaluation._scoring_loops"):
        check_with_oracle(predictions, ground_truth, iou)


@pytest.mark.parametrize("seed", range(4))
def test_compiled_loops_equal_the_oracle_in_thousands_of_cases(seed):
    rng = np.random.default_rng(seed)

    def random_boxes(most: int) -> np.ndarray:
        count = rng.integers(0, most + 1)
        corner, side = rng.choice(CORNERS, (count, 2)), rng.choice(SIDES, (count, 2))
        return np.hstack([corner, corner + side])

    for _ in range(750):
        predictions, ground_truth = {}, []
        for name in map(str, range(rng.integers(1, 4))):
            found = random_boxes(6)
            values = np.where(rng.random(len(found)) < 0.7, rng.choice(SCORES, len(found)), rng.random(len(found)))
            predictions[name] = np.column_stack([found, values])
            annotation = labelled_image(name, random_boxes(4))
            annotation.attributes["invalid"] = (rng.random(len(annotation.boxes)) < 0.3).astype(float)
            annotation.attributes["crowd"] = (rng.random(len(annotation.boxes)) < 0.15).astype(float)
            ground_truth.append(annotation)
        check_with_oracle(predictions, ground_truth, rng.choice([0.25, 0.5, 1.0]))


@pytest.fixture(scope="module")
def wider(wider_predictions) -> tuple[dict[str, np.ndarray], list[Annotation]]:
    """The predictions and the ground truth of the WIDER FACE validation set."""
    ground_truth = read_annotations(WIDER / "ground_truth")
    return load_predictions(wider_predictions, ground_truth).detections, ground_truth


def test_official_tools_take_the_first_face_that_is_overlapped_by_half(wider, monkeypatch):
    """The figures of WIDER FACE's MATLAB tools come from overlaps rounded to 0 and 1, in 32-bit integers."""

    def match_rounded(detections, detection_starts, faces, face_starts, best_face, best_iou):
        for image in range(len(detection_starts) - 1):
            found = slice(detection_starts[image], detection_starts[image + 1])
            first, end = face_starts[image], face_starts[image + 1]
            if found.start < found.stop:
                rounded = np.floor(inclusive_ious(detections[found], faces[first:end]) + 0.5)
                best_face[found] = first + rounded.argmax(axis=1)
                best_iou[found] = rounded.max(axis=1)

    expected = json.loads((WIDER / "expected.json").read_text())
    exact = {name: result.ap for name, result in evaluate(*wider).subsets.items()}
    loops = SimpleNamespace(find_best_faces=match_rounded, count_matches=scoring_loops_numpy.count_matches)
    monkeypatch.setattr(scoring_loops, "_loops", lambda: loops)
    rounded = {name: result.ap for name, result in evaluate(*wider).subsets.items()}
    for name, ap in rounded.items():
        assert ap == pytest.approx(expected["matlab_tools"][name], abs=1e-9, rel=0)
        assert exact[name] == pytest.approx(expected[name], abs=1e-9, rel=0)
        assert 1e-5 < abs(ap - exact[name]) < 1e-4


@pytest.mark.parametrize("grid", [1.0, 1 / 3], ids=["whole pixels", "thirds"])
def test_loops_agree_to_the_bit_in_a_crowd(grid):
    rng = np.random.default_rng(0)

    def random_boxes(count: int) -> np.ndarray:
        corner = rng.integers(0, 300, (count, 2)) * grid
        return np.hstack([corner, corner + rng.integers(0, 60, (count, 2)) * grid])

    detections = np.hstack([random_boxes(3000), rng.random((3000, 1))])
    faces = random_boxes(700)
    starts = np.array([0, 0, 1000, 1000, 3000]), np.array([0, 100, 100, 400, 700])
    outputs = []
    for match in (import_module("evaluation._scoring_loops").find_best_faces, scoring_loops_numpy.find_best_faces):
        face, overlap = np.full(3000, -7), np.full(3000, np.nan)
        match(detections, starts[0], faces, starts[1], face, overlap)
        outputs.append((face.tobytes(), overlap.tobytes()))
    assert outputs[0] == outputs[1]
    assert (face[:1000] == -1).all()
    assert (face[1000:] >= 400).any()


def test_numpy_path_warns_once(capsys):
    predictions = {"a": np.array([[*FACE, 0.5]])}
    with without_compiled("evaluation._scoring_loops"):
        assert capsys.readouterr().err == ""
        for _ in range(2):
            assert evaluate(predictions, [labelled_image("a", [FACE])]).subsets["all"].ap == 1
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "python setup.py build_ext --inplace" in warning
    evaluate(predictions, [labelled_image("a", [FACE])])
    assert capsys.readouterr().err == ""

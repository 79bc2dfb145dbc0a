"""What a detector gets wrong: which faces are missed and why, which detections are wrong and how."""

import numpy as np
import pytest

from data.annotations import Annotation
from evaluation.error_analysis import (
    analyze_errors,
    false_positives_by_kind,
    largest_missed_faces,
    median_box_offset,
    missed_by_reason,
    missed_by_size,
    shortest_score,
    top_false_positives,
    true_and_false_scores,
    worst_images,
)
from evaluation.protocol import EvaluationResult, evaluate

FOUND, LOW, MISPLACED, UNSEEN, IGNORED = (
    [0, 0, 39, 39],
    [100, 0, 129, 29],
    [200, 0, 219, 19],
    [300, 0, 309, 9],
    [400, 0, 419, 19],
)


def annotation(name: str, boxes: list, **attributes: list) -> Annotation:
    boxes = np.array(boxes, float).reshape(-1, 4)
    columns = {key: np.array(values, float) for key, values in attributes.items()}
    return Annotation(name, boxes, np.full((len(boxes), 5, 2), -1.0), columns)


def score(*images: tuple[list, list], **options) -> EvaluationResult:
    """Return the result of images 0.jpg, 1.jpg .. given as (detections, faces)."""
    predictions = {str(i): np.array(found, float).reshape(-1, 5) for i, (found, _) in enumerate(images)}
    return evaluate(predictions, [annotation(f"{i}.jpg", faces) for i, (_, faces) in enumerate(images)], **options)


@pytest.fixture
def every_kind() -> EvaluationResult:
    """An image with each kind of failure over score 0.5."""
    detections = [
        [*FOUND, 0.9],
        [0, 0, 39, 35, 0.8],  # a second box on the same face
        [*LOW, 0.3],
        [210, 0, 229, 19, 0.7],  # half beside its face: IoU 1/3
        [500, 0, 519, 19, 0.95],  # no face here
        [*IGNORED, 0.99],
    ]
    boxes = [FOUND, LOW, MISPLACED, UNSEEN, IGNORED]
    return evaluate({"a": np.array(detections)}, [annotation("a.jpg", boxes, invalid=[0, 0, 0, 0, 1])])


def test_each_missed_face_has_its_reason_and_the_box_that_comes_closest(every_kind):
    analysis = analyze_errors(every_kind, threshold=0.5)
    low, misplaced, unseen = largest_missed_faces(analysis, limit=9)  # the largest first
    assert (low.kind, low.box, low.score, low.other, low.iou) == ("scored too low", tuple(LOW), 0.3, tuple(LOW), 1)
    assert (misplaced.kind, misplaced.score, misplaced.other) == ("badly placed", 0.7, (210, 0, 229, 19))
    assert misplaced.iou == pytest.approx(1 / 3)
    assert (unseen.kind, unseen.score, unseen.other, unseen.iou) == ("not detected", None, None, 0)
    assert [round(face.side) for face in (low, misplaced, unseen)] == [29, 19, 9]
    assert {face.name for face in (low, misplaced, unseen)} == {"a.jpg"}
    assert missed_by_reason(analysis) == {"scored too low": 1, "badly placed": 1, "not detected": 1}
    assert list(missed_by_size(analysis).values()) == [1, 2, 0, 0]


def test_each_false_positive_has_its_kind_and_the_best_comes_first(every_kind):
    analysis = analyze_errors(every_kind, threshold=0.5)
    nothing, second, misplaced = top_false_positives(analysis, limit=9)
    assert (nothing.kind, nothing.score, nothing.other) == ("no face here", 0.95, None)
    assert (second.kind, second.score, second.other) == ("second box on a face", 0.8, tuple(FOUND))
    assert (misplaced.kind, misplaced.box, misplaced.other) == ("badly placed", (210, 0, 229, 19), tuple(MISPLACED))
    assert misplaced.iou == pytest.approx(1 / 3)
    assert list(false_positives_by_kind(analysis).values()) == [1, 1, 1]
    assert top_false_positives(analysis, limit=1) == [nothing]


def test_the_threshold_is_the_best_f1_unless_given(every_kind):
    assert analyze_errors(every_kind).threshold == every_kind.subsets["all"].best.score
    assert analyze_errors(every_kind, threshold=0.96).found.sum() == 0
    assert len(top_false_positives(analyze_errors(every_kind, threshold=0.96), 9)) == 0  # 0.99 is on an ignored face
    everything = analyze_errors(every_kind, threshold=-np.inf)
    assert missed_by_reason(everything) == {"scored too low": 0, "badly placed": 1, "not detected": 1}


def test_a_box_on_a_neighbor_does_not_explain_a_missed_face():
    # The second face overlaps the box by 0.43, which is on the first.
    analysis = analyze_errors(score(([[0, 0, 39, 39, 0.9]], [[0, 0, 39, 39], [16, 0, 55, 39]])))
    (face,) = largest_missed_faces(analysis, 9)
    assert face.kind == "not detected"
    assert top_false_positives(analysis, 9) == []


def test_detections_in_a_crowd_are_no_errors():
    truth = [annotation("a.jpg", [FOUND, [100, 0, 300, 200]], crowd=[0, 1])]
    detections = {"a": np.array([[*FOUND, 0.9], [150, 50, 180, 80, 0.95]])}
    analysis = analyze_errors(evaluate(detections, truth), threshold=0.5)
    assert top_false_positives(analysis, 9) == largest_missed_faces(analysis, 9) == []


def test_nothing_detected_misses_every_face():
    analysis = analyze_errors(score(([], [FOUND, UNSEEN]), ([], [])))
    assert [face.kind for face in largest_missed_faces(analysis, 9)] == ["not detected", "not detected"]
    assert top_false_positives(analysis, 9) == []
    assert [image.missed for image in worst_images(analysis, 9)] == [2]


def test_where_no_face_is_found_all_detections_are_looked_at():
    analysis = analyze_errors(score(([[300, 300, 320, 320, 0.01], [310, 300, 330, 320, 0.02]], [FOUND])))
    assert [failure.score for failure in top_false_positives(analysis, 9)] == [0.02, 0.01]
    assert not analysis.found.any()


def test_images_are_ranked_by_all_their_errors():
    wrong = [[300, 300, 320, 320, 0.9], [340, 300, 360, 320, 0.8]]
    analysis = analyze_errors(score(([[*FOUND, 0.9]], [FOUND]), (wrong, [FOUND]), (wrong[:1], [])), threshold=0.1)
    worst = worst_images(analysis, 9)
    assert [(each.name, each.faces, each.missed, each.false_positives) for each in worst] == [
        ("1.jpg", 1, 1, 2),
        ("2.jpg", 0, 0, 1),
    ]
    assert worst_images(analysis, 1) == worst[:1]


def test_faces_that_only_one_of_two_detectors_finds():
    first = analyze_errors(score(([[*FOUND, 0.9], [*LOW, 0.8]], [FOUND, LOW])))
    second = analyze_errors(
        score(([[*FOUND, 0.9], [*LOW, 0.1], [500, 0, 519, 19, 0.2], [530, 0, 549, 19, 0.3]], [FOUND, LOW]))
    )
    (lost,) = largest_missed_faces(second, 9, among=first.found)
    assert (lost.box, lost.kind, lost.score) == (tuple(LOW), "scored too low", 0.1)
    assert largest_missed_faces(first, 9, among=second.found) == []


def test_score_samples_hold_each_detection_once_and_no_void_one(every_kind):
    right, wrong = true_and_false_scores(every_kind)
    assert sorted(right) == [0.3, 0.9]
    assert sorted(wrong) == [0.7, 0.8, 0.95]


@pytest.mark.parametrize("seed", range(20))
def test_the_counts_are_those_of_the_score(seed):
    draw = np.random.default_rng(seed)
    images = []
    for faces in draw.integers(0, 6, size=8):
        corners, others = draw.integers(0, 60, size=(faces, 2)), draw.integers(0, 80, size=(3, 2))
        boxes = np.hstack([corners, corners + 14])
        near = boxes + draw.integers(-6, 7, size=boxes.shape)
        far = np.hstack([others, others + 12])
        found = np.concatenate([near, far])
        images.append((np.column_stack([found, draw.integers(1, 30, len(found)) / 30]).tolist(), boxes.tolist()))
    result = score(*images)
    analysis, best = analyze_errors(result), result.subsets["all"].best
    found, wrong = analysis.found.sum(), len(top_false_positives(analysis, 999))
    assert found == result.subsets["all"].found_at_best
    assert found / (found + wrong) == pytest.approx(best.precision)
    assert found + len(largest_missed_faces(analysis, 999)) == result.subsets["all"].faces
    for size, number in missed_by_size(analysis).items():
        group = result.groups["size"][size]
        assert number == group.faces - group.found_at_best
    scores = result.matches.detections[:, 4]
    text = shortest_score(result, best.score)
    assert ((scores > float(text)) == (scores > best.score)).all()
    assert len(text) <= 5


def test_displacement_is_that_of_most_boxes_in_parts_of_their_faces():
    sizes = np.arange(20, 45)
    faces = np.array([[100 * i, 0, 100 * i + size, 2 * size] for i, size in enumerate(sizes)], float)
    # A tenth to the right and a quarter up, which is too far for IoU 0.7: only the last ten find their faces.
    boxes = faces + np.outer(sizes, [0.1, -0.5, 0.1, -0.5])
    detections = np.column_stack([boxes, np.linspace(0.1, 0.9, len(boxes))])
    detections[-10:, :4] = faces[-10:]
    analysis = analyze_errors(score((detections, faces), iou=0.7), threshold=0.5)
    assert analysis.found.any() and not analysis.found.all()
    assert median_box_offset(analysis) == (pytest.approx(0.1), pytest.approx(-0.25))
    few = analyze_errors(score((detections[:9], faces)))
    assert np.isnan(median_box_offset(few)).all()


def test_the_shortest_score_keeps_what_a_long_one_keeps():
    close = score(([[*FOUND, 0.74990001], [*LOW, 0.7499]], [FOUND, LOW]))
    assert shortest_score(close, 0.749900004) == "0.7499"
    equal = score(([[*FOUND, 1], [*LOW, 1]], [FOUND, LOW]))
    assert shortest_score(equal, equal.subsets["all"].best.score) == "0.99"

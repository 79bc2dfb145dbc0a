"""What is told beside AP: mean AP, recall at a rate of false positives, best F1, divisions, confidence intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.annotations import Annotation
from evaluation.error_analysis import analyze_errors, top_false_positives
from evaluation.metrics import average_precision, bootstrap_ap, confidence_interval, exact_counts
from evaluation.protocol import EvaluationResult, evaluate
from evaluation.scored_model import ScoredModel, ap_differences
from utils.errors import UserError

FACE = [0, 0, 9, 9]
ELSEWHERE = [500, 500, 509, 509]


def image(name: str, boxes: list, size=None, **attributes) -> Annotation:
    landmarks = np.full((len(boxes), 5, 2), -1.0)
    columns = {key: np.array(values) for key, values in attributes.items()}
    return Annotation(name, np.array(boxes, float).reshape(-1, 4), landmarks, columns, size=size)


def score(detections: list, boxes: list, size=None, **attributes) -> EvaluationResult:
    """Return the result of a set of one image."""
    return evaluate({"a": np.array(detections, float).reshape(-1, 5)}, [image("a", boxes, size, **attributes)])


def test_mean_ap_counts_a_loose_box_at_the_overlaps_that_it_reaches():
    # 10 x 10 on 10 x 7 pixels: IoU 0.7 is enough at 0.50, 0.55, 0.60, 0.65 and 0.70.
    result = score([[0, 0, 9, 6, 0.9]], [FACE]).subsets["all"]
    assert (result.ap, result.mean_ap) == (1, pytest.approx(0.5))
    tight = score([[*FACE, 0.9]], [FACE]).subsets["all"]
    assert tight.mean_ap == 1


def test_best_f1_gives_the_score_between_what_to_keep_and_what_to_drop():
    faces = [FACE, [100, 0, 109, 9], [200, 0, 209, 9]]
    detections = [[*faces[0], 0.9], [*faces[1], 0.8], [*ELSEWHERE, 0.6], [*ELSEWHERE, 0.5], [*faces[2], 0.1]]
    best = score(detections, faces).subsets["all"].best
    assert best.score == pytest.approx(0.7)
    assert (best.precision, best.recall, best.f1) == (1, pytest.approx(2 / 3), pytest.approx(0.8))


def test_best_score_of_the_lowest_detection_still_keeps_it():
    best = score([[*FACE, 0.25]], [FACE]).subsets["all"].best
    assert best.score < 0.25
    assert best.score == pytest.approx(0.25)


def test_no_best_score_where_nothing_is_found():
    assert score([[*ELSEWHERE, 0.5]], [FACE]).subsets["all"].best is None
    assert score([], [FACE]).subsets["all"].best is None


def test_recall_at_false_positives_an_image():
    images = [image(str(i), [FACE, [100, 0, 109, 9]]) for i in range(10)]
    predictions = {str(i): np.array([[*FACE, 0.9]]) for i in range(10)}
    predictions["0"] = np.array([[*FACE, 0.9], [*ELSEWHERE, 0.8], [100, 0, 109, 9, 0.7], [*FACE, 0.6]])
    predictions["1"] = np.array([[*FACE, 0.9], [100, 0, 109, 9, 0.5]])
    recall_at = evaluate(predictions, images).subsets["all"].recall_at
    # One false positive in ten images is allowed at 0.1; the second one is the second box on a face, at 0.6.
    assert recall_at == {1.0: 12 / 20, 0.1: 11 / 20}


@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.booleans(), st.booleans()), max_size=12),
    st.integers(0, 3),
    st.integers(0, 6),
)
def test_exact_counts_are_those_of_trying_every_score(detections, missed, allowed):
    detections = sorted(detections, reverse=True)
    scores, proposed, finds = np.array(detections).reshape(-1, 3).T
    proposed, finds = proposed == 1, (finds == 1) & (proposed == 1)
    faces = int(finds.sum()) + missed
    counts = exact_counts(scores, proposed, finds, faces)
    tried = []
    for value in {row[0] for row in detections}:
        kept = scores >= value
        found, false = finds[kept].sum(), (proposed & ~finds)[kept].sum()
        tried.append((2 * found / max(2 * found + false + faces - found, 1), found, false))
    best = counts.best_f1()
    assert (best.f1 if best else 0) == pytest.approx(max((f1 for f1, _, _ in tried), default=0))
    if faces:
        assert counts.recall_at(allowed) == max((f for _, f, false in tried if false <= allowed), default=0) / faces
    if best:
        kept = scores > best.score
        assert best.recall == finds[kept].sum() / faces
        assert best.precision == finds[kept].sum() / proposed[kept].sum()


def test_sizes_take_the_false_positives_of_their_own_size():
    small, large = [0, 0, 10, 10], [100, 100, 300, 300]
    result = score([[500, 500, 510, 510, 0.95], [*large, 0.9], [*small, 0.7]], [small, large])
    sizes = result.groups["size"]
    assert {name: group.faces for name, group in sizes.items()} == {
        "under 16 px": 1,
        "16 to 32 px": 0,
        "32 to 96 px": 0,
        "96 px and over": 1,
    }
    assert (sizes["under 16 px"].ap, sizes["96 px and over"].ap) == (0.5, 1)
    assert np.isnan(sizes["16 to 32 px"].ap)


@pytest.mark.parametrize(
    ("side", "name"), [(15.99, "under 16 px"), (16, "16 to 32 px"), (32, "32 to 96 px"), (96, "96 px and over")]
)
def test_size_is_the_side_of_a_square_of_the_same_area(side, name):
    sizes = score([], [[0, 0, side * 2, side / 2]]).groups["size"]
    assert [key for key, group in sizes.items() if group.faces] == [name]


def test_heights_need_the_size_of_every_image():
    faces = [[0, 0, 9, 4], [0, 0, 9, 50]]
    heights = score([[*faces[1], 0.9]], faces, size=(100, 200)).groups["height"]
    counts = {name: (group.faces, group.found) for name, group in heights.items() if group.faces}
    assert counts == {"under 5 %": (1, 0), "40 % and over": (1, 1)}
    assert "height" not in score([], faces).groups


def test_attributes_divide_by_their_values_and_wider_face_names_them():
    faces = [FACE, [100, 0, 109, 9], [200, 0, 209, 9]]
    wider = {"blur": [0.0, 2.0, 2.0], "expression": [0.0, 0.0, 1.0], "invalid": [0.0, 0.0, 1.0]}
    groups = score([[*FACE, 0.9]], faces, **wider).groups
    assert {name: (g.faces, g.found_at_best) for name, g in groups["blur"].items()} == {
        "clear": (1, 1),
        "heavy": (1, 0),
    }
    assert list(groups["expression"]) == ["typical"]  # the other one is ignored
    assert "invalid" not in groups
    laboro = score([[*FACE, 0.9]], faces, blur=[0.0, 2.0, 2.0], shakiness=[1.0, 1.0, 1.0]).groups
    assert list(laboro["blur"]) == ["0", "2"]


def test_text_attributes_divide_too_and_measurements_do_not():
    faces = [[i * 20, 0, i * 20 + 9, 9] for i in range(20)]
    groups = score([], faces, pose=["Left", "Frontal"] * 10, distance=np.arange(20.0)).groups
    assert {name: group.faces for name, group in groups["pose"].items()} == {"Frontal": 10, "Left": 10}
    assert "distance" not in groups


def test_attribute_that_only_some_images_have_divides_nothing():
    images = [image("a", [FACE], blur=[1.0]), image("b", [FACE]), image("c", [])]
    assert "blur" not in evaluate({}, images).groups
    assert "blur" in evaluate({}, [images[0], images[2]]).groups


def test_sizes_and_attributes_divide_the_subset_with_the_most_faces():
    annotation = image("a", [FACE, [100, 0, 109, 9]], blur=[0.0, 0.0])
    annotation.subsets = {"easy": np.array([True, False]), "hard": np.array([True, True])}
    result = evaluate({}, [annotation])
    assert result.main == "hard"
    assert result.groups["blur"]["0"].faces == 2


def test_detections_with_half_of_their_area_in_a_crowd_region_are_ignored():
    region = [100, 100, 199, 199]
    inside, half, outside = [110, 110, 119, 119], [90, 110, 109, 119], [80, 110, 105, 119]
    for box, false_positive in ((inside, 0), (half, 0), (outside, 1)):
        result = score([[*box, 0.9], [*FACE, 0.5]], [FACE, region], crowd=[0, 1]).subsets["all"]
        assert result.faces == 1
        assert result.precision[-1] == 1 / (1 + false_positive)


def test_face_in_a_crowd_region_is_still_found():
    result = score([[*FACE, 0.9]], [[0, 0, 11, 11], FACE], crowd=[1, 0]).subsets["all"]
    assert (result.faces, result.found, result.ap) == (1, 1, 1)


def test_crowd_region_does_not_turn_a_loose_box_into_a_false_positive():
    # The first box is on its face up to IoU 0.6 and in the region, where it is void at the higher overlaps.
    faces, region = [[0, 0, 99, 99], [500, 500, 599, 599]], [0, 0, 400, 400]
    detections = [[0, 0, 99, 59, 0.9], [*faces[1], 0.8]]
    mean_aps = []
    for iou in (0.5, 0.9):
        images = [image("a", [*faces, region], crowd=[0, 0, 1])]
        mean_aps.append(evaluate({"a": np.array(detections)}, images, iou).subsets["all"].mean_ap)
    assert mean_aps == [pytest.approx((3 * 1 + 7 * 0.5) / 10)] * 2


def test_names_in_memory_may_have_their_suffix_and_must_be_some_of_the_ground_truths():
    truth = [image("a/b.jpg", [FACE])]
    for name in ("a/b", "a/b.jpg", "a/b.png"):
        assert evaluate({name: [[*FACE, 0.9]]}, truth).subsets["all"].ap == 1
    with pytest.raises(UserError, match="'b': the ground truth has none"):
        evaluate({"b": [[*FACE, 0.9]]}, truth)
    with pytest.raises(UserError, match="more than once"):
        evaluate({"a/b": [], "a/b.jpg": []}, truth)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_nan_and_huge_numbers_in_memory_are_errors(value):
    with pytest.raises(UserError, match="beyond 1e9"):
        score([[*FACE, 0.9], [0, 0, 5, value, 0.5]], [FACE])


def test_attributes_named_like_a_division_and_values_that_look_alike():
    faces = [FACE, [100, 0, 109, 9]]
    groups = score([], faces, size=None).groups
    assert list(groups) == ["size"]
    landmarks = np.full((2, 5, 2), -1.0)
    attributes = {"size": np.array(["S", "L"]), "year": np.array([2021001.0, 2021002.0]), "x": np.array([0.1, 0.25])}
    groups = evaluate({}, [Annotation("a", np.array(faces, float), landmarks, attributes)]).groups
    assert list(groups) == ["size", "size (attribute)", "year", "x"]
    assert list(groups["size (attribute)"]) == ["L", "S"]
    assert list(groups["year"]) == ["2021001", "2021002"]
    assert list(groups["x"]) == ["0.1", "0.25"]


def test_order_of_equal_scores_decides_nothing():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 90, (60, 2))
    rows = np.hstack([corners, corners + 9, rng.choice([0.3, 0.7], (60, 1))])
    faces = [FACE, [50, 50, 59, 59], [20, 70, 29, 79]]
    shown = []
    for _ in range(5):
        result = score(rng.permutation(rows), faces)
        analysis = analyze_errors(result)
        shown.append([failure.box for failure in top_false_positives(analysis, 10)])
        assert result.subsets["all"].ap == score(rows, faces).subsets["all"].ap
    assert shown == [shown[0]] * 5


def test_no_images_have_no_samples():
    assert np.isnan(evaluate({}, [], resamples=5).subsets["all"].samples).all()


def half_found(name: str, wrong: int, repeats: int = 400) -> tuple[ScoredModel, np.ndarray]:
    """Return a model that misses the faces of every second image, and of `wrong` more, with its samples."""
    images = [image(str(i), [FACE]) for i in range(40)]
    predictions = {str(i): np.array([[*FACE, 0.9]]) for i in range(40) if i % 2 and i >= wrong}
    result = evaluate(predictions, images, resamples=repeats)
    return ScoredModel(name, None, [], [], result), result.subsets["all"].samples


def test_bootstrap_is_repeatable_and_spreads_as_the_binomial():
    model, samples = half_found("a", 0)
    assert len(samples) == 400
    assert np.array_equal(samples, half_found("a", 0)[1])
    # The AP of a sample is its share of found faces: of 40 draws with probability 0.5.
    assert samples.mean() == pytest.approx(0.5, abs=0.02)
    assert samples.std() == pytest.approx(np.sqrt(0.25 / 40), rel=0.15)
    low, high = confidence_interval(samples)
    assert low < model.result.subsets["all"].ap < high


def test_bootstrap_of_one_draw_is_the_ap_of_the_drawn_images():
    rng = np.random.default_rng(0)
    images = [image(str(i), [FACE] if i % 3 else [FACE, [100, 0, 109, 9]]) for i in range(12)]
    detections = [[*FACE, 1.0], [*ELSEWHERE, 0.4], [100, 0, 109, 9, 0.2], [*ELSEWHERE, 0.0]]
    predictions = {str(i): np.array(detections)[rng.random(4) < 0.7].reshape(-1, 5) for i in range(12)}
    predictions["0"] = np.array(detections)  # all scores, so that every draw with it is normalized likewise
    samples = evaluate(predictions, images, resamples=30, seed=5).subsets["all"].samples
    draws = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), size=30)
    compared = 0
    for draw, sample in zip(draws, samples, strict=True):
        if draw[0]:
            names = [f"{i} {copy}" for i in range(12) for copy in range(draw[i])]
            drawn = [image(name, images[int(name.split()[0])].boxes.tolist()) for name in names]
            again = evaluate({name: predictions[name.split()[0]] for name in names}, drawn)
            assert sample == pytest.approx(again.subsets["all"].ap, abs=1e-12)
            compared += 1
    assert compared > 5


def test_difference_of_two_models_is_paired():
    first, second = half_found("first", 0)[0], half_found("second", 3)[0]
    difference, (low, high) = ap_differences(first, second)["all"]
    assert difference == pytest.approx(-1 / 40)
    assert low < difference < high <= 0  # the second finds nothing that the first misses, in any sample
    assert ap_differences(half_found("a", 0, 0)[0], half_found("b", 0, 0)[0]) == {"all": (0, None)}


def test_a_draw_without_faces_is_excluded():
    of_the_first = np.array([0]), np.array([3])
    samples = bootstrap_ap(20, 0, 2, 10, of_the_first, of_the_first)
    assert np.isnan(samples).any()
    assert confidence_interval(samples) == (1, 1)


def test_average_precision_works_along_the_last_axis():
    precision, recall = np.random.default_rng(0).random((2, 3, 50))
    recall.sort(axis=-1)
    together = average_precision(precision, recall)
    assert together.tolist() == [average_precision(p, r) for p, r in zip(precision, recall, strict=True)]

"""Predictions in another convention are scored with a warning that names it; right ones without any."""

from dataclasses import replace

import numpy as np
import pytest

from data.annotations import read_annotations
from evaluation.prediction_conventions import convention_warnings
from evaluation.predictions import load_predictions
from evaluation.protocol import evaluate
from tests.helpers.evaluation import labelled_image
from tests.helpers.images import draw_image

SIZES = [(360, 640), (480, 640), (600, 400)]


@pytest.fixture(scope="module")
def ground_truth():
    """Eighteen images of three sizes with two upright faces each."""
    rng = np.random.default_rng(0)
    images = []
    for i in range(18):
        height, width = SIZES[i % 3]
        corners = rng.uniform([0, 0], [width - 90, height - 110], (2, 2))
        side = rng.uniform(20, 70, (2, 1))
        boxes = np.concatenate([corners, corners + side * [1, 1.4]], axis=1).round()
        images.append(replace(labelled_image(f"{i}.jpg", boxes), size=(height, width), identity=i + 1))
    return images


def detections(image) -> np.ndarray:
    """Return (4, 5) rows x y w h score: the faces, a pixel off, and two boxes of lower scores elsewhere."""
    rng = np.random.default_rng(image.identity)
    found = np.column_stack([image.boxes[:, :2] + 1, image.boxes[:, 2:] - image.boxes[:, :2], rng.uniform(0.6, 1, 2)])
    others = rng.uniform([0, 0, 20, 30, 0.05], [300, 300, 60, 80, 0.5], (2, 5))
    return np.concatenate([found, others]).round(3)


def unit(image) -> np.ndarray:
    height, width = image.size
    return np.array([width, height, width, height, 1.0])


def corners(rows: np.ndarray) -> np.ndarray:
    return np.column_stack([rows[:, :2], rows[:, :2] + rows[:, 2:4], rows[:, 4]])


def centers(rows: np.ndarray) -> np.ndarray:
    return np.column_stack([rows[:, :2] + rows[:, 2:4] / 2, rows[:, 2:]])


def in_square(rows: np.ndarray, image) -> np.ndarray:
    height, width = image.size
    side = max(image.size)
    shift = np.array([(side - width) / 2, (side - height) / 2, 0, 0, 0])
    return (rows + shift) * [*[416 / side] * 4, 1]


def from_bottom(rows: np.ndarray, image) -> np.ndarray:
    return np.column_stack([rows[:, 0], image.size[0] - rows[:, 1] - rows[:, 3], rows[:, 2:]])


def turned(rows: np.ndarray, image) -> np.ndarray:
    """Turn corners as an image that is turned clockwise by 90 degrees."""
    height = image.size[0]
    return np.column_stack([height - rows[:, 3], rows[:, 0], height - rows[:, 1], rows[:, [2, 4]]])


def warnings(ground_truth, convert) -> list[str]:
    rows = {f"{i}": convert(detections(image), image) for i, image in enumerate(ground_truth)}
    return warnings_of_rows(ground_truth, rows)


def warnings_of_rows(ground_truth, rows: dict[str, np.ndarray]) -> list[str]:
    read = {name: corners(columns[:, :5]) for name, columns in rows.items()}
    return convention_warnings(evaluate(read, ground_truth), rows.get)


@pytest.mark.parametrize(
    ("words", "convert"),
    [
        ("'x1 y1 x2 y2 score';", lambda rows, image: corners(rows)),
        ("'cx cy w h score';", lambda rows, image: centers(rows)),
        ("'y1 x1 y2 x2 score';", lambda rows, image: corners(rows)[:, [1, 0, 3, 2, 4]]),
        ("'y x h w score';", lambda rows, image: rows[:, [1, 0, 3, 2, 4]]),
        ("'y1 x2 y2 x1 score';", lambda rows, image: corners(rows)[:, [1, 2, 3, 0, 4]]),
        ("'x1 x2 y1 y2 score';", lambda rows, image: corners(rows)[:, [0, 2, 1, 3, 4]]),
        ("'x y h w score';", lambda rows, image: rows[:, [0, 1, 3, 2, 4]]),
        ("'score x y w h';", lambda rows, image: rows[:, [4, 0, 1, 2, 3]]),
        ("'class x y w h score';", lambda rows, image: np.column_stack([0 * rows[:, 0], rows])),
        ("'class score x1 y1 x2 y2';", lambda rows, image: np.insert(corners(rows)[:, [4, 0, 1, 2, 3]], 0, 1, axis=1)),
        ("'x y w h score' in parts of the image (0 to 1);", lambda rows, image: rows / unit(image)),
        (
            "'class cx cy w h score' in parts of the image (0 to 1);",
            lambda rows, image: np.insert(centers(rows) / unit(image), 0, 0, axis=1),
        ),
        (
            "'y1 x1 y2 x2 score' in parts of the image (0 to 1000);",
            lambda rows, image: (corners(rows) / unit(image) * [*[1000] * 4, 1])[:, [1, 0, 3, 2, 4]],
        ),
        (
            "'x y w h score' in parts of the image (0 to 1), y from the bottom;",
            lambda rows, image: from_bottom(rows, image) / unit(image),
        ),
        ("'x y w h score' in an image of 0.5 times the size;", lambda rows, image: rows * [0.5, 0.5, 0.5, 0.5, 1]),
        (
            "'x y w h score' in an image whose long side is 320 pixels;",
            lambda rows, image: rows * [*[320 / max(image.size)] * 4, 1],
        ),
        (
            "'x1 y1 x2 y2 score' in an image resized to 300 x 300;",
            lambda rows, image: corners(rows) / unit(image) * [*[300] * 4, 1],
        ),
        ("'x y w h score' in an image padded to a square of 416 pixels;", in_square),
        (
            "'x y w h score' in an image resized to 640 x 352;",
            lambda rows, image: rows / unit(image) * [640, 352, 640, 352, 1],
        ),
        (
            "'x1 y1 x2 y2 score', the image turned clockwise by 90 degrees;",
            lambda rows, image: turned(corners(rows), image),
        ),
        (
            "'x y w h score', the image turned counterclockwise by 90 degrees;",
            lambda rows, image: np.column_stack(
                [rows[:, 1], image.size[1] - rows[:, 0] - rows[:, 2], rows[:, [3, 2, 4]]]
            ),
        ),
        (
            "'x y w h score' in parts of the image (0 to 1), the image turned by 180 degrees;",
            lambda rows, image: (
                np.column_stack([unit(image)[:2] - rows[:, :2] - rows[:, 2:4], rows[:, 2:]]) / unit(image)
            ),
        ),
    ],
)
def test_boxes_in_another_convention_are_named(ground_truth, words, convert):
    (warning,) = [each for each in warnings(ground_truth, convert) if "rows are read" in each]
    assert f"if the rows are read as {words}" in warning
    assert "expected 'x y w h score' in pixels" in warning
    assert "of 36 faces" in warning and "but 36 if" in warning


@pytest.mark.parametrize(
    "convert",
    [
        lambda rows, image: rows,
        lambda rows, image: rows + np.array([1, 1, 0, 0, 0]),  # counted from 1
        lambda rows, image: rows * [1, 1, 1, 1, 100],
        lambda rows, image: np.column_stack([rows[:, :4], np.log(rows[:, 4] / (1.001 - rows[:, 4]))]),
        lambda rows, image: rows[:1],
        lambda rows, image: rows[:0],
        lambda rows, image: rows[int(image.identity % 10 > 0) * 2 :],  # finds a tenth of the faces
        lambda rows, image: np.column_stack([rows, np.full((len(rows), 10), 55)]),  # landmarks behind the score
        lambda rows, image: rows + np.array([0.1, 0.1, -0.2, -0.2, 0]) * rows[:, [2, 3, 2, 3, 4]],
    ],
)
@pytest.mark.parametrize("with_sizes", [True, False])
def test_predictions_as_expected_give_no_warning(ground_truth, convert, with_sizes):
    images = ground_truth if with_sizes else [replace(image, size=None) for image in ground_truth]
    assert warnings(images, convert) == []


def test_parts_and_scores_are_recognized_without_sizes_and_matches(ground_truth):
    images = [replace(image, size=None) for image in ground_truth[:2]]
    rows = {"0": np.array([[0.1, 0.2, 0.3, 0.3, 0.9]]), "1": np.array([[0.5, 0.5, 0.1, 0.2, 0.8]])}
    (warning,) = warnings_of_rows(images, rows)
    assert "within 0.5 pixels: they look like parts of the image (0 to 1)" in warning
    rows = {"0": np.array([[0.9, 1, 2, 30, 30]]), "1": np.array([[0.8, 5, 5, 10, 20]])}
    (warning,) = warnings_of_rows(images, rows)
    assert "look like 'score x y w h'" in warning


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (lambda rows: np.column_stack([rows[:, :4], 0 * rows[:, 4], rows[:, 4]]), "is 0, and column 6 looks"),
        (lambda rows: np.column_stack([rows[:, :4], *[rows[:, 0]] * 15, rows[:, 4]]), "and column 20 looks"),
    ],
)
def test_another_column_is_the_score(ground_truth, columns, words):
    (warning,) = [each for each in warnings(ground_truth, lambda rows, image: columns(rows)) if "fifth column" in each]
    assert words in warning


def test_scores_in_the_wrong_direction(ground_truth):
    (warning,) = warnings(ground_truth, lambda rows, image: np.column_stack([rows[:, :4], 1 - rows[:, 4]]))
    assert "36 matched detections have lower scores than the 36 others" in warning


def test_a_single_score_that_hides_the_others(ground_truth):
    def convert(rows, image):
        return rows * [1, 1, 1, 1, 1e6 if image is ground_truth[0] else 1]

    (warning,) = warnings(ground_truth, convert)
    assert "1000 thresholds do not separate them" in warning and "with all scores as thresholds" in warning


def test_ids_counted_from_another_number(ground_truth):
    rows = {f"{i}": detections(ground_truth[i - 1]) for i in range(len(ground_truth))}
    (warning,) = warnings_of_rows(ground_truth, rows)
    assert "of 36 faces, but 36 of 36 if each prediction belongs to the image before its own" in warning
    shuffled = {f"{i}": detections(ground_truth[17 - i]) for i in range(1, 18)}
    (warning,) = warnings_of_rows(ground_truth[1:], shuffled)
    assert "are they of these images" in warning


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("if each prediction belongs to the image before its own", lambda names: names[-1:] + names[:-1]),
        ("are sorted by name", sorted),
    ],
)
@pytest.mark.parametrize("is_inverse", [False, True])
def test_images_in_another_order(ground_truth, words, order, is_inverse):
    names = [f"{i}" for i in range(len(ground_truth))]
    pairs = zip(*((order(names), names) if is_inverse else (names, order(names))), strict=True)
    rows = {name: detections(ground_truth[int(other)]) for name, other in pairs}
    (warning,) = warnings_of_rows(ground_truth, rows)
    words = words.replace("before", "after") if is_inverse else words
    assert "of 36 faces, but 36 of 36 if" in warning and words in warning


def test_predictions_that_find_no_more_than_those_of_other_images_do(ground_truth):
    same = [replace(image, boxes=ground_truth[i % 6].boxes) for i, image in enumerate(ground_truth * 3)]
    same = [replace(image, name=f"{i}.jpg") for i, image in enumerate(same)]
    others = np.random.default_rng(3).permutation(len(same))
    (warning,) = warnings_of_rows(same, {f"{i}": detections(same[other]) for i, other in enumerate(others)})
    assert "of 108 faces at IoU 0.5, not more than those of other images; are they of these images" in warning


@pytest.mark.parametrize("shot", [200, 10])
@pytest.mark.parametrize("false_alarms", [0, 5])
def test_few_right_detections_in_nearly_equal_images_give_no_warning(shot, false_alarms):
    """A fixed camera, and shots of ten images; the detector finds the face in every fifth image."""
    rng = np.random.default_rng(0)
    shots = rng.uniform([50, 50, 40, 50], [500, 250, 80, 100], (20, 4))
    faces = [shots[i // shot] + rng.uniform(-1, 1, 4) for i in range(200)]
    images = [labelled_image(f"{i}.jpg", [[x, y, x + w, y + h]]) for i, (x, y, w, h) in enumerate(faces)]
    wrong = rng.uniform([0, 400, 20, 20, 0.05], [500, 600, 60, 80, 0.4], (200, false_alarms, 5))
    right = [np.array([[*face, 0.9]])[i % 5 :] for i, face in enumerate(faces)]
    rows = {f"{i}": np.concatenate([right[i], wrong[i]]) for i in range(200)}
    assert warnings_of_rows(images, rows) == []


@pytest.mark.parametrize("cameras", [1, 2])
def test_a_wrong_detection_that_a_fixed_camera_repeats_gives_no_convention(cameras):
    """The detector takes a poster for a face; from the right instead of the left, it would be where the face is."""
    boxes = [[100 + 200 * camera, 100, 160 + 200 * camera, 180] for camera in range(cameras)]
    images = [replace(labelled_image(f"{i}.jpg", [boxes[i % cameras]]), size=(360, 640)) for i in range(12)]
    poster = np.array([[480, 100, 60, 80, 0.6]])
    (warning,) = warnings_of_rows(images, {f"{i}": poster for i in range(12)})
    assert "12 detections find none of 12 faces at IoU 0.5; are they" in warning


def test_few_faces_of_a_single_image_or_of_many_give_no_warning(ground_truth):
    boxes = np.concatenate([image.boxes + i for i, image in enumerate(ground_truth)])
    rows = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2], np.linspace(0.9, 0.4, len(boxes))])
    rows[6:, :2] += 1000
    assert not warnings_of_rows([labelled_image("0.jpg", boxes)], {"0": rows})
    assert not warnings(ground_truth, lambda rows, image: rows[int(image.identity % 6 > 0) * 2 :])


def test_some_images_in_another_convention(ground_truth):
    (warning,) = warnings(ground_truth, lambda rows, image: rows / unit(image) if image.identity % 2 else rows)
    assert "all boxes of 9 of 18 images lie within" in warning and "they look like parts of the image" in warning


def test_eval_warns_of_text_files(tmp_path, run_script):
    for name, faces in (("a", [(178, 143, 35, 59), (280, 103, 32, 42)]), ("b", [(50, 50, 30, 40)])):
        draw_image(tmp_path / "images" / f"{name}.jpg", faces, size=(267, 400))
        for kind, row in (("norm", "{0} {1} {2} {3} 0.9"), ("score", "0.9 {4} {5} {6} {7} face")):
            (tmp_path / kind).mkdir(exist_ok=True)
            rows = [row.format(x / 400, y / 267, w / 400, h / 267, x, y, w, h) for x, y, w, h in faces]
            (tmp_path / kind / f"{name}.txt").write_text("\n".join([name, str(len(rows)), *rows, ""]))
    (tmp_path / "gt.txt").write_text("# a.jpg\n178 143 35 59\n280 103 32 42\n# b.jpg\n50 50 30 40\n")
    for kind, words in (("norm", "'x y w h score' in parts of the image"), ("score", "'score x y w h'")):
        status, _, err = run_script("-p", tmp_path / kind, "-g", tmp_path / "gt.txt", "--result", tmp_path / "result")
        assert status == 0
        assert (
            f"warning: {tmp_path / kind}: finds 0 of 3 faces at IoU 0.5, but 3 if the rows are read as {words}" in err
        )


def test_eval_warns_of_coco_results(tmp_path, run_small, results, small):
    records = [
        {"image_id": name, "category_id": 1, "bbox": [x, y, x + w, y + h], "score": 0.5 + w / 100}
        for name, x, y, w, h in (("news/one", 10, 10, 40, 40), ("news/one", 100, 10, 40, 40), ("three", 30, 30, 20, 20))
    ]
    status, _, err = run_small("-p", results(records), "--name", "txt", "--name", "coco")
    assert status == 0
    assert "results.json: finds 1 of 3 faces at IoU 0.5, but 3 if the rows are read as 'x1 y1 x2 y2 score'" in err


def test_the_rows_of_a_file_are_read_with_all_their_numbers(tmp_path):
    (tmp_path / "label.txt").write_text("# a.jpg\n1 2 3 4\n# b.jpg\n")
    (tmp_path / "pred").mkdir()
    (tmp_path / "pred" / "a.txt").write_text("a\n2\n1 2 3 4 0.5 6 7 x\n\n1 2 3 4 0.5 6\n")
    (tmp_path / "pred" / "b.txt").write_text("b\n0\n")
    predictions = load_predictions(tmp_path / "pred", read_annotations(tmp_path / "label.txt"))
    assert predictions.rows("a").tolist() == [[1, 2, 3, 4, 0.5, 6]] * 2
    assert predictions.rows("b").shape == (0, 5)


def test_no_warning_for_the_detections_of_wider_face(shared, wider_predictions):
    ground_truth = read_annotations(shared / "wider_val" / "ground_truth")[::64]
    predictions = load_predictions(wider_predictions, ground_truth)
    assert convention_warnings(evaluate(predictions.detections, ground_truth), predictions.rows) == []

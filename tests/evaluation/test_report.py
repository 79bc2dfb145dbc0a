"""report.html and the plots: what a reader sees of a score, for any names, images and figures."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.annotations import Annotation
from evaluation.protocol import evaluate
from evaluation.report import crops
from evaluation.report.page import write_page
from evaluation.report.pr_plots import curve_panels, curve_points, draw_pr_curves
from evaluation.report.svg_charts import score_histogram
from evaluation.scored_model import ScoredModel
from utils.errors import UserError

FACE, SMALL, FAR = [20, 20, 59, 59], [100, 20, 109, 29], [150, 20, 169, 39]
VOID_ELEMENTS = {"meta", "img", "br", "link", "input", "hr"}
NASTY = "<img src=x onerror=alert(1)>\"'&.jpg"


class Reader(HTMLParser):
    """What a browser makes of a page: its text, its elements, and whether each is closed where it should be."""

    def __init__(self, page: str):
        super().__init__()
        self.words, self.open, self.elements, self.mistakes = [], [], [], []
        self.feed(page)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def annotation(name: str, boxes: list, **attributes: list) -> Annotation:
    boxes = np.array(boxes, float).reshape(-1, 4)
    columns = {key: np.array(values, float) for key, values in attributes.items()}
    return Annotation(name, boxes, np.full((len(boxes), 5, 2), -1.0), columns)


def model(truth: list[Annotation], detections: dict[str, list], name="detector", missing=(), unknown=(), resamples=0):
    predictions = {key: np.array(rows, float).reshape(-1, 5) for key, rows in detections.items()}
    result = evaluate(predictions, truth, resamples=resamples)
    return ScoredModel(name, Path(f"{name}_txt"), list(missing), list(unknown), result)


TRUTH = [annotation("a.jpg", [FACE, SMALL]), annotation("b/c.jpg", [FAR])]
DETECTIONS = {
    "a": [[*FACE, 0.9], [100, 20, 125, 29, 0.8], [5, 70, 24, 89, 0.85]],
    "b/c": [[*FAR, 0.2], [60, 60, 79, 79, 0.95], [10, 10, 19, 19, 0.1]],
}


@pytest.fixture
def read(tmp_path):
    """Write the page of some models and read it as a browser does."""

    def write_and_read(*models: ScoredModel, images: dict[str, Path] | None = None) -> Reader:
        write_page(tmp_path / "report.html", models, Path("truth.txt"), images or {})
        page = Reader((tmp_path / "report.html").read_text(encoding="utf-8"))
        assert page.mistakes == []
        assert page.open == []
        links = page.attributes("href") + page.attributes("src")
        assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in links)
        assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        return page

    return write_and_read


@pytest.fixture
def images(tmp_path) -> dict[str, Path]:
    """Gray images with a red face and a blue false positive."""
    files = {}
    for key, box, color in (("a", FACE, (0, 0, 255)), ("b/c", [60, 60, 79, 79], (255, 0, 0))):
        image = np.full((120, 200, 3), 128, np.uint8)
        cv2.rectangle(image, box[:2], box[2:], color, cv2.FILLED)
        files[key] = tmp_path / f"{key.replace('/', '_')}.png"
        cv2.imwrite(str(files[key]), image)
    return files


def crops_of(page: Reader) -> list[np.ndarray]:
    sources = [source.partition(",")[2] for source in page.attributes("src")]
    return [cv2.imdecode(np.frombuffer(base64.b64decode(source), np.uint8), cv2.IMREAD_COLOR) for source in sources]


def test_the_figures_are_those_of_the_result(read):
    scored = model(TRUTH, DETECTIONS)
    main = scored.result.subsets["all"]
    text = read(scored).text
    assert f"AP {100 * main.ap:.2f} %" in text
    assert f"{100 * main.mean_ap:.2f} %" in text
    assert f"Best F1 {100 * main.best.f1:.2f} %" in text
    assert f"Recall at 1 false positive per image {100 * main.recall_at[1.0]:.2f} %" in text
    assert "--confidence_threshold 0.15" in text
    assert "At score 0.15, 2 of 3 faces are found (66.7 %)." in text
    assert "2 images 3 faces 6 detections IoU 0.5" in text
    assert "16 to 32 px 1 100.0 % 0" in text
    assert "96 px and over no faces" in text
    assert "nan" not in text


def test_the_sentences_describe_the_errors(read):
    truth = [annotation("a.jpg", [FACE, SMALL, FAR, [150, 60, 157, 67]])]
    right, low, misplaced = [[*FACE, 0.9], [*FAR, 0.01], [100, 20, 125, 29, 0.02]]
    nothing = [[5, 70, 9, 74, 0.1]] * 9
    text = read(model(truth, {"a": [right, right, low, misplaced, *nothing]})).text
    assert "At score 0.50, 1 of 4 faces are found (25.0 %). Of the 3 missed faces, 2 are under 16 px;" in text
    assert "1 is detected with a lower score, 1 is badly placed and 1 is not detected." in text
    assert "Of 1 false positive, 1 is a second box on a face." in text


def test_failures_are_listed_with_the_worst_first(read):
    text = read(model(TRUTH, DETECTIONS)).text
    scores = re.findall(r"(\d\.\d{4}) (?:no face here|badly placed|second box)", text)
    assert scores == ["0.9500", "0.8500", "0.8000"]
    assert "0.9500 no face here b/c.jpg 60 60 19 19" in text
    assert "0.8000 badly placed IoU 0.38 with the face a.jpg 100 20 25 9" in text
    assert "9 px badly placed score 0.8000, IoU 0.38 a.jpg 100 20 9 9" in text
    assert "3 errors 1 of 2 faces missed, 2 false positives a.jpg" in text


def test_crops_show_the_failures_and_each_image_is_opened_once(read, images, monkeypatch):
    opened = []
    original = crops.read_image
    monkeypatch.setattr(crops, "read_image", lambda path: opened.append(path) or original(path))
    page = read(model(TRUTH, DETECTIONS), images=images)
    assert sorted(opened) == sorted(images.values())
    cuts = crops_of(page)
    assert len(cuts) == 3 + 1 + 2  # false positives, missed faces, images with errors
    assert cuts[0].shape == (200, 200, 3)
    # The false positive of the highest score, in the middle of a crop of twice its side.
    blue = cuts[0][:, :, 0] > cuts[0][:, :, 2].astype(int) + 100
    assert blue[100, 100]
    assert blue.mean() == pytest.approx(1 / 4, abs=0.03)
    assert "--images" not in page.text


def test_without_images_the_page_says_how_to_give_them(read):
    page = read(model(TRUTH, DETECTIONS))
    assert page.attributes("src") == []
    assert "--images FOLDER" in page.text


def test_a_missing_or_broken_image_leaves_its_entry(read, images):
    images["a"].write_bytes(images["a"].read_bytes()[:60])
    page = read(model(TRUTH, DETECTIONS), images=images)
    assert f"{images['a']}: the image ends early" in page.text
    assert "0.8500 no face here a.jpg" in page.text
    assert len(page.attributes("src")) == 2
    del images["b/c"]
    page = read(model(TRUTH, DETECTIONS), images=images)
    assert "no such image in the folder" in page.text
    assert "0.9500 no face here b/c.jpg" in page.text
    assert page.attributes("src") == []


@pytest.mark.parametrize("box", [[5000, 5000, 5040, 5040], [-90, -90, -50, -50], [-1e9, -1e9, 1e9, 1e9], [9, 9, 9, 9]])
def test_a_box_anywhere_has_a_crop(read, images, box):
    page = read(model(TRUTH, DETECTIONS | {"a": [[*FACE, 0.9], [*box, 0.99]]}), images=images)
    assert crops_of(page)[0].shape == (200, 200, 3)
    assert ("the box lies outside the image" in page.text) == (abs(box[0]) in (5000, 90))


def test_names_are_shown_and_never_run(read, tmp_path):
    truth = [annotation(NASTY, [FACE, SMALL])]
    detections = {NASTY.removesuffix(".jpg"): [[*FACE, 0.9], [100, 60, 119, 79, 0.95]]}
    models = [
        model(truth, detections, name="</title><script>alert(1)</script>\"'&", missing=[NASTY], unknown=[NASTY] * 9),
        model(truth, {}, name="<svg onload=alert(1)>{{ 7 * 7 }}"),
    ]
    for shown, files in ((models[:1], {}), (models, {NASTY.removesuffix(".jpg"): tmp_path / NASTY})):
        page = read(*shown, images=files)
        assert page.text.count(NASTY) >= 4
        for each in shown:
            assert each.name in page.text
            assert str(each.predictions) in page.text
    # In attributes, too: that of the mark of the best F1 in the plot.
    assert any(models[0].name in title for title in page.attributes("title"))


def test_a_name_with_invalid_bytes_is_shown(read):
    assert "caf?.txt" in read(model(TRUTH, DETECTIONS, unknown=["caf\udce9.txt"])).text


def test_missing_and_unknown_predictions_are_shown_before_the_figures(read):
    page = read(model(TRUTH, DETECTIONS, missing=["b/c"], unknown=[f"x{i}" for i in range(300)]))
    header, _, _ = page.text.partition("Best F1")
    assert "1 image has no predictions; all faces there count as missed. b/c" in header
    assert "300 predictions are for images that are not in the ground truth" in header
    assert "x199 and 100 more" in header
    assert "details" in [tag for tag, _ in page.elements]


def test_nothing_detected(read, images):
    text = read(model(TRUTH, {}), images=images).text
    assert "There are no detections: all 3 faces are missed." in text
    assert "39 px not detected a.jpg" in text
    assert "Score threshold of best F1 - " in text


def test_no_detection_on_a_face(read):
    text = read(model(TRUTH, {"a": [[5, 70, 24, 89, 0.9]]})).text
    assert "None of the 1 detections finds a face: all 3 faces are missed." in text
    assert "Of 1 false positive, 1 is on no labelled face." in text


def test_a_systematic_offset_is_reported(read):
    faces = [[60 * i, 10, 60 * i + 40, 50] for i in range(24)]
    truth = [annotation("a.jpg", faces)]
    for shift, words in ((8, "shifted up by 20 % of the face's height or more."), (2, None)):
        found = [[x1, y1 - shift, x2, y2 - shift, 0.9] for x1, y1, x2, y2 in faces]
        text = read(model(truth, {"a": found})).text
        assert ("Half of the boxes are " in text) == (words is not None)
        assert words is None or words in text


def test_no_face_counts(read):
    truth = [annotation("a.jpg", [FACE], invalid=[1])]
    text = read(model(truth, {"a": [[*FACE, 0.9], [100, 60, 119, 79, 0.95]]})).text
    assert "All faces are ignored, so no face can be missed. Of 1 false positive, 1 is on no labelled face." in text
    assert "nan" not in text
    assert "All faces are ignored" in read(model(truth, {}), model(truth, {}, name="other")).text


def test_all_scores_equal(read):
    text = read(model(TRUTH, {"a": [[*FACE, 1], [100, 60, 119, 79, 1]]})).text
    assert "All scores are 1: the curve is a single point." in text
    assert "At score 0.99, 1 of 3 faces are found" in text


def test_nothing_wrong(read, images):
    text = read(model(TRUTH, {"a": [[*FACE, 0.9], [*SMALL, 0.8]], "b/c": [[*FAR, 0.7]]}), images=images).text
    assert "3 of 3 faces are found (100.0 %). There are no false positives." in text
    assert text.count("None.") == 2
    assert "No image has an error." in text


def test_thousands_of_missed_faces_show_the_largest(read):
    boxes = [[10, 10, 18 + i / 100, 18 + i / 100] for i in range(3000)]
    page = read(model([annotation("a.jpg", boxes)], {"a": [[*boxes[-1], 0.5]]}))
    assert "The 24 largest of 2,999." in page.text
    assert page.text.count("not detected a.jpg") == 24


def test_intervals_are_shown_where_samples_were_drawn(read):
    resampled = model(TRUTH, DETECTIONS, resamples=200)
    low, high = np.nanquantile(resampled.result.subsets["all"].samples, (0.025, 0.975))
    assert f"95 %: {100 * low:.1f} to {100 * high:.1f}" in read(resampled).text
    assert "95 %: " not in read(model(TRUTH, DETECTIONS)).text


def test_several_models_are_compared_with_the_first(read, images):
    better = {"a": [[*FACE, 0.9], [*SMALL, 0.8]], "b/c": [[60, 60, 79, 79, 0.5]]}
    first, second = model(TRUTH, DETECTIONS, "old", resamples=200), model(TRUTH, better, "new", resamples=200)
    page = read(first, second, images=images)
    aps = [each.result.subsets["all"].ap for each in (first, second)]
    assert (
        f"new has the highest AP, {100 * aps[1]:.2f} %, {100 * (aps[1] - aps[0]):.2f} points (95 % interval"
        in page.text
    )
    assert "new finds 1 face that old misses, and misses 1 that old finds." in page.text
    assert f"difference to old {100 * (aps[1] - aps[0]):+.2f} points 95 %: " in page.text
    assert "1 found by old, missed by new" in page.text
    assert "19 px not detected old: 0.2000 b/c.jpg 150 20 19 19" in page.text
    assert "9 px badly placed new: 0.8000 old: 0.8000, IoU 0.38 a.jpg" in page.text
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in page.attributes("href")} <= set(ids)


def test_many_models_and_subsets(read):
    truth = [annotation("a.jpg", [FACE, SMALL])]
    truth[0].subsets = {
        "easy": np.array([True, False]),
        "hard": np.array([True, True]),
        "none": np.array([False, False]),
    }
    models = [model(truth, {"a": [[*FACE, 0.9], [5, 70, 24, 89, i / 10]]}, f"number {i}") for i in range(8)]
    page = read(*models)
    assert "AP, hard 50.00 %" in page.text
    assert "number 6, number 7" in page.text
    assert len([tag for tag, _ in page.elements if tag == "polyline"]) == 8 * 3
    single = read(models[0])
    assert "easy medium" not in single.text
    assert "AP, hard" in single.text


def test_attributes_are_a_table_each(read):
    boxes = [[20 * i, 0, 20 * i + 9, 9] for i in range(30)]
    truth = [annotation("a.jpg", boxes, blur=[i % 2 for i in range(30)])]
    page = read(model(truth, {"a": [[*box, 0.9] for box in boxes[::2]]}))
    assert "blur 0 15 100.0 % 0 100.0 % 1 15 0.0 % 15 0.0 %" in page.text
    assert [
        attributes["class"]
        for tag, attributes in page.elements
        if tag == "td" and "weak" in attributes.get("class", "")
    ]


def test_a_page_that_cannot_be_written_is_a_users_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_page(tmp_path / "file" / "report.html", [model(TRUTH, DETECTIONS)], Path("truth.txt"), {})


@pytest.mark.parametrize("names", [["one"], ["_hidden", "$x^{$"], ["顔", "a" * 300], list("abcdefgh")])
def test_curves_are_drawn_for_any_names(tmp_path, names, capfd):
    truth = [annotation("a.jpg", [FACE, SMALL])]
    truth[0].subsets = {name: np.array([True, name == "hard"]) for name in ("easy", "hard", "_x", "$y")}
    models = [model(truth, {"a": [[*FACE, 0.9]]}, name) for name in names]
    draw_pr_curves(tmp_path / "curve.png", models)
    assert cv2.imread(str(tmp_path / "curve.png")) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
    assert capfd.readouterr().err == ""


def test_one_model_has_a_line_per_subset_and_several_a_panel_per_subset():
    first, second = model(TRUTH, DETECTIONS, "first"), model(TRUTH, {}, "second")
    assert [(panel.title, list(panel.lines)) for panel in curve_panels([first])] == [("", ["all"])]
    assert [(panel.title, list(panel.lines)) for panel in curve_panels([first, second])] == [("", ["first", "second"])]
    assert len(curve_points(second.result.subsets["all"])) == 0


def test_a_histogram_counts_every_score():
    edges, (right, wrong) = score_histogram(np.array([0.0, 0.5, 1.0]), np.array([0.25]))
    assert (edges[0], edges[-1], right.sum(), wrong.sum()) == (0, 1, 3, 1)
    edges, (logits,) = score_histogram(np.array([-3.0, 8.0]))
    assert (edges[0], edges[-1], logits.sum()) == (-3, 8, 2)
    assert score_histogram(np.empty(0), np.empty(0))[1][0].sum() == 0

"""`python -m tools.convert` with the output of a detector: draft labels to correct."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from data.annotations import ImageNames, read_annotations
from tests.helpers.annotations import write_files
from tests.helpers.detections import lines
from tests.helpers.images import draw_image
from utils.files import read_image

POINTS = [[12.5, 20.25], [20, 20], [16, 25], [13, 30], [19.75, 30]]
FACES = [
    {"box": [10.5, 15, 25.25, 36], "score": 0.97, "landmarks": POINTS},
    {"box": [40, 15, 52, 30.5], "score": 0.5},
    {"box": [60, 15, 72, 30], "score": 0.31},
]


def line(**record) -> str:
    return json.dumps({"height": 96, "width": 128, **record}) + "\n"


JSON_LINES = line(picture="shots/a.jpg", faces=FACES) + line(picture="shots/more/b.jpg", faces=[])


@pytest.fixture
def draft(convert, tmp_path):
    """Convert files: draft(content or {name: content}, ...) -> Outcome and what is written."""

    def call(content, *flags, name="d.jsonl"):
        files = content if isinstance(content, dict) else {name: content}
        source = write_files(tmp_path, files) / next(iter(files))
        outcome = convert(source, tmp_path / "out", *flags)
        assert outcome.status == 0, outcome.err
        return outcome, tmp_path / "out"

    return call


def test_detections_become_coco_with_scores_and_landmarks(draft):
    outcome, out = draft(JSON_LINES, "--to", "coco")
    content = json.loads(out.read_text())
    assert [(each["file_name"], each["width"]) for each in content["images"]] == [("a.jpg", 128), ("more/b.jpg", 128)]
    first, second = content["annotations"]
    assert (first["bbox"], first["score"], first["num_keypoints"]) == ([10.5, 15, 14.75, 21], 0.97, 5)
    assert np.array(first["keypoints"]).reshape(5, 3)[:, :2].tolist() == POINTS
    assert (second["bbox"], second["score"], "keypoints" in second) == ([40, 15, 12, 15.5], 0.5, False)
    assert first["segmentation"] == second["segmentation"] == []
    assert "dropped: 1 of 3 faces with a score below 0.5 (--min_score)" in outcome.out
    assert "all 2 faces have scores, as a detector gives them, from 0.5 to 0.97" in outcome.out
    assert "nothing is detected in 1 image, which a training takes as background" in outcome.out


@pytest.mark.parametrize(("score", "left"), [(0, 3), (0.31, 3), (0.9, 1), (1, 0)])
def test_min_score_chooses_the_faces(draft, score, left):
    outcome, out = draft(JSON_LINES, "--min_score", score)
    assert sum(not row.startswith("#") for row in out.read_text().splitlines()) == left
    assert ("(--min_score)" in outcome.out) == (left < 3)


def test_a_draft_makes_the_round_to_labels_without_loss(draft, convert, tmp_path):
    draft(JSON_LINES, "--to", "coco", "--min_score", 0)
    outcome = convert(tmp_path / "out", tmp_path / "label.txt")
    assert "dropped: the attributes score" in outcome.out
    for annotation, record in zip(read_annotations(tmp_path / "label.txt"), lines(tmp_path / "d.jsonl"), strict=True):
        np.testing.assert_allclose(annotation.boxes, [face["box"] for face in record["faces"]] or np.empty((0, 4)))
        for found, face in zip(annotation.landmarks, record["faces"], strict=True):
            np.testing.assert_allclose(found, face.get("landmarks", np.full((5, 2), -1)))
    convert(tmp_path / "out", tmp_path / "best.txt", "--min_score", 0.9)
    assert sum(len(each.boxes) for each in read_annotations(tmp_path / "best.txt")) == 1


@pytest.mark.parametrize(("kind", "file", "face"), [("yolo", "a.txt", "0 "), ("voc", "a.xml", "<object>")])
def test_formats_without_scores_get_the_boxes(draft, kind, file, face):
    outcome, out = draft(JSON_LINES, "--to", kind)
    assert (out / file).read_text().count(face) >= 2
    assert "dropped: the attributes score" in outcome.out


def test_what_detect_writes_is_read(convert, detect, tmp_path):
    for number in range(2):
        draw_image(tmp_path / "shots" / f"{number}.jpg", [], seed=number)
    assert detect(tmp_path / "shots", "--no_pictures").status == 0
    source = tmp_path / "out" / "detections.jsonl"
    assert convert(source, tmp_path / "a.json", "--to", "coco", "--min_score", 0).status == 0
    faces = [face for record in lines(source) for face in record["faces"]]
    content = json.loads((tmp_path / "a.json").read_text())
    assert [face["score"] for face in content["annotations"]] == [face["score"] for face in faces] != []
    assert [image["file_name"] for image in content["images"]] == ["0.jpg", "1.jpg"]


def test_further_pages_of_a_tiff_are_counted_and_left_out(draft):
    text = line(picture="a.jpg", faces=FACES) + "".join(line(picture="b.tif", page=n, faces=FACES) for n in (1, 2, 3))
    outcome, out = draft(text, "--to", "coco", "--min_score", 0)
    content = json.loads(out.read_text())
    assert [image["file_name"] for image in content["images"]] == ["a.jpg", "b.tif"]
    assert len(content["annotations"]) == 2 * len(FACES)
    assert "2 further pages of TIFF files not read" in outcome.out + outcome.err


def test_images_that_were_moved_are_found_by_the_last_parts_of_their_paths(convert, tmp_path):
    for name in ("x/1.jpg", "y/1.jpg", "2.jpg"):
        draw_image(tmp_path / "images" / name, [(10, 15, 20, 20)])
    pictures = ["/home/me/old/x/1.jpg", "/home/me/old/y/1.jpg", "C:\\frames\\2.jpg"]
    write_files(tmp_path / "found", {"d.jsonl": "".join(line(picture=each, faces=FACES[:1]) for each in pictures)})
    flags = ("--images", tmp_path / "images", "--split", "train=1")
    assert convert(tmp_path / "found" / "d.jsonl", tmp_path / "data", *flags).status == 0
    assert [each.name for each in read_annotations(tmp_path / "data" / "train")] == ["x/1.jpg", "y/1.jpg", "2.jpg"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_faces_in_turned_images_are_given_in_stored_pixels(draft, tmp_path, orientation):
    """detect.py sees the image as people do; in the stored pixels the face and its eye are somewhere else."""
    stored = np.zeros((96, 128, 3), np.uint8)
    stored[16:48, 32:80], stored[24:32, 64:72] = 255, 0
    exif, path = Image.Exif(), tmp_path / "shots" / "a.jpg"
    exif[0x0112] = orientation
    path.parent.mkdir()
    Image.fromarray(stored).save(path, quality=100, exif=exif)
    shown = read_image(path, upright=True)[:, :, 0]
    (y1, x1), (y2, x2) = (ends(np.argwhere(shown > 128)) for ends in (lambda a: a.min(0), lambda a: a.max(0) + 1))
    y, x = np.argwhere(shown[y1:y2, x1:x2] < 128).mean(axis=0) + 0.5
    eye = [float(x1 + x), float(y1 + y)]
    other = [float(x1), float(y1)]
    face = {"box": [*map(float, (x1, y1, x2, y2))], "score": 0.9, "landmarks": [eye, other, other, eye, other]}
    record = {"picture": str(path), "height": shown.shape[0], "width": shown.shape[1], "faces": [face]}
    outcome, out = draft(json.dumps(record) + "\n", "--to", "coco")
    (annotation,) = read_annotations(out, predictions=True)
    assert (annotation.boxes.tolist(), annotation.size) == ([[32, 16, 80, 48]], (96, 128))
    eyes = (1, 4) if orientation in (2, 4, 5, 7) else (0, 3)  # the left eye of a mirrored face is the right one
    assert annotation.landmarks[0][list(eyes)].round().tolist() == [[68, 28]] * 2
    assert ("1 image with an EXIF rotation (a.jpg): " in outcome.out) == (orientation > 1)


def test_drawn_images_beside_the_lines_are_not_taken_for_the_originals(convert, show, tmp_path):
    draw_image(tmp_path / "a.jpg", [])
    write_files(tmp_path, {"d.jsonl": line(picture="a.jpg", faces=FACES)})
    convert(tmp_path / "d.jsonl", tmp_path / "data", "--split", "train=1").refuses(
        "no such folder of images", "--images"
    )
    outcome, sheet = show(tmp_path / "d.jsonl")
    assert sheet is None and "--images" in outcome.err


def test_the_complete_lines_of_a_run_that_was_killed_are_read(draft):
    outcome, out = draft(JSON_LINES + JSON_LINES[:50], name="film.part.jsonl")
    assert out.read_text().count("#") == 2
    assert "the last line is incomplete, as of a run that was stopped; read: 2 lines before it" in outcome.out


OLD = '{"picture": "a.jpg", "faces": [{"box": [1, 2, 30, 40], "score": 0.9}]}\n'


def test_lines_of_other_versions_are_read(draft):
    newer = line(picture="b.jpg", faces=[{**FACES[0], "landmarks": None, "age": 30}], camera="x")
    outcome, out = draft(OLD + newer, "--to", "coco")
    assert len(json.loads(out.read_text())["annotations"]) == 2
    assert "dropped: age of 1 face, camera of 1 line" in outcome.out


def bad_face(**values) -> str:
    return line(picture="a.jpg", faces=[{**FACES[0], **values}])


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (bad_face(box=[float("nan"), 1, 2, 3]), "face 1: found box [nan, 1, 2, 3]; expected four finite numbers"),
        (bad_face(box=[1, 2, 3]), "face 1: found box [1, 2, 3]; expected four"),
        (bad_face(box=[9, 2, 3, 4]), "with x2 >= x1"),
        (bad_face(box=[1, 2, 3, 1e10]), "expected numbers up to 1e9"),
        (bad_face(score=None), "face 1: found score None; expected a finite number"),
        (bad_face(score=True), "found score True"),
        (bad_face(landmarks=POINTS[:4]), "expected five points"),
        (bad_face(landmarks=[[1, float("inf")]] * 5), "expected finite numbers"),
        (line(picture="a.jpg", faces=[3]), "face 1: found 3; expected box and score"),
        (line(picture="a.jpg"), "with picture or frame, and faces"),
        (line(faces=[]), "with picture or frame"),
        (line(frame=-1, faces=[]), "with picture or frame"),
        ("[1]\n", "with picture or frame"),
        ("{'picture': 1}\n", "expected JSON"),
        ("[" * 5000 + "\n", "expected JSON"),
        (line(picture="\ud800.jpg", faces=[]), "half a letter"),
    ],
)
def test_a_malformed_line_is_named(convert, tmp_path, bad, expected):
    write_files(tmp_path, {"d.jsonl": OLD + bad + OLD})
    convert(tmp_path / "d.jsonl", tmp_path / "out").refuses(f"{tmp_path / 'd.jsonl'}:2: ", expected)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "\n\n", JSON_LINES[:40]])
def test_a_file_without_a_complete_line_is_refused(convert, tmp_path, content):
    write_files(tmp_path, {"d.jsonl": content})
    convert(tmp_path / "d.jsonl", tmp_path / "out").refuses("d.jsonl: has no complete line")


TREE = {
    "tree/news/a.txt": "a\n2\n10 15 15 21 0.97\n40 15 12 15 0.2\n",
    "tree/news/b.jpg.txt": "b\n0\n",
    "tree/1.txt": "1\n0\n",
}


def test_a_folder_of_text_files_becomes_labels(convert, tmp_path):
    write_files(tmp_path, TREE)
    for name in ("1.jpg", "news/a.jpg", "news/b.jpg"):
        draw_image(tmp_path / "images" / name, [])
    outcome = convert(tmp_path / "tree", tmp_path / "label.txt", "--images", tmp_path / "images")
    assert (tmp_path / "label.txt").read_text() == "# 1.jpg\n# news/a.jpg\n10 15 15 21\n# news/b.jpg\n"
    assert "dropped: 1 of 2 faces with a score below 0.5" in outcome.out
    assert "nothing is detected in 2 images" in outcome.out
    assert convert(tmp_path / "tree" / "news" / "a.txt", tmp_path / "one.txt").status == 0


def test_further_columns_of_a_text_file_are_counted(draft, tmp_path):
    outcome, _ = draft({"a.txt": "a\n1\n1 2 30 40 0.9 " + "5 " * 10 + "\n"}, "--to", "coco")
    assert "dropped: the columns after x y w h score of 1 file" in outcome.out


@pytest.mark.parametrize(
    "content",
    ["a.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n", "a\n1\n1 2 3 4 0 0 0 0 0 0\n", "7\n0\n8\n1\n1, 2, 3, 4, 0, 1, 2, 1\n"],
)
def test_ground_truth_of_a_similar_layout_is_not_taken_for_detections(convert, tmp_path, content):
    write_files(tmp_path, {"a.txt": content})
    outcome = convert(tmp_path / "a.txt", tmp_path / "out", "--to", "coco")
    assert outcome.status == 0 and "score" not in (tmp_path / "out").read_text()


def results(*ids) -> str:
    return json.dumps([{"image_id": each, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.75} for each in ids])


IDS = json.dumps(
    {"images": [{"id": 7, "file_name": "n/a.jpg", "height": 96, "width": 128}, {"id": 9, "file_name": "b.jpg"}]}
)


def test_coco_results_take_the_names_of_their_ids(draft, tmp_path):
    write_files(tmp_path, {"truth.json": IDS})
    outcome, out = draft(results(7), "--to", "coco", "--ids", tmp_path / "truth.json", name="r.json")
    content = json.loads(out.read_text())
    assert content["images"] == json.loads(IDS)["images"]
    assert [(face["image_id"], face["score"]) for face in content["annotations"]] == [(7, 0.75)]
    assert "nothing is detected in 1 image" in outcome.out


def test_names_as_ids_of_coco_results_need_no_other_file(draft):
    outcome, out = draft(results("n/a.jpg", "b.jpg"), name="r.json")
    assert out.read_text() == "# n/a.jpg\n1 2 30 40\n# b.jpg\n1 2 30 40\n"
    assert "COCO results do not name the images without detections" in outcome.out


def test_ids_of_coco_results_are_found_in_numbered_images(draft, tmp_path):
    draw_image(tmp_path / "images" / "val" / "000000000139.jpg", [])
    _, out = draft(results(139), "--images", tmp_path / "images", name="r.json")
    assert out.read_text().startswith("# val/000000000139.jpg\n")


def test_ids_of_coco_results_without_images_are_an_error_that_says_what_to_pass(convert, tmp_path):
    write_files(tmp_path, {"r.json": results(8), "truth.json": IDS, "label.txt": "# a.jpg\n1 2 3 4\n"})
    convert(tmp_path / "r.json", tmp_path / "out").refuses("r.json: found image_id 8", "--ids")
    flags = ("--ids", tmp_path / "truth.json")
    convert(tmp_path / "r.json", tmp_path / "out", *flags).refuses("image_id 8", "expected an image in", "truth.json")
    convert(tmp_path / "label.txt", tmp_path / "out", *flags).refuses("--ids", "omit --ids")
    convert(tmp_path / "r.json", tmp_path / "out", "--ids", tmp_path / "label.txt").refuses(
        "label.txt: has no COCO images"
    )


def test_min_score_is_refused_where_nothing_has_a_score(convert, dataset, tmp_path):
    convert(dataset, tmp_path / "out", "--min_score", 0.5).refuses("--min_score 0.5", "has no scores")


DRAFT = {"images": [{"id": 1, "file_name": "0.jpg"}], "categories": [{"id": 1, "name": "face"}]}


def coco_of(*scores) -> str:
    faces = [{"id": i, "image_id": 1, "category_id": 1, "bbox": [1 + 40 * i, 2, 30, 40]} for i in range(len(scores))]
    faces = [face | ({"score": score} if score is not None else {}) for face, score in zip(faces, scores, strict=True)]
    return json.dumps(DRAFT | {"annotations": faces})


PREDICTIONS = {
    "d.jsonl": JSON_LINES,
    "tree/0.txt": "0\n1\n1 2 30 40 0.9\n",
    "r.json": results(1),
    "draft.json": coco_of(0.9, 0.8),
}


@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_training_and_a_score_refuse_detections_as_ground_truth(script, dataset, name):
    source = write_files(dataset.parent, PREDICTIONS) / name
    source = source.parent if source.parent.name == "tree" else source
    trained = script("train.py", "--training_dataset", source, "--save_folder", dataset.parent / "w")
    trained.refuses(source, "a detector's output", "expected a ground truth", "tools.convert")
    scored = script(
        "val_dataset_evaluate/eval.py", "-g", source, "-p", dataset.parent, "--result", dataset.parent / "r"
    )
    scored.refuses(source, "expected a ground truth", "belong to --pred")


@pytest.mark.parametrize("scores", [(1, 1), (0.9, None)], ids=["all 1", "a face that a person added"])
def test_corrected_labels_with_scores_are_a_ground_truth(script, tmp_path, scores):
    write_files(tmp_path, {"gt/truth.json": coco_of(*scores), "found/0.txt": "0\n1\n1 2 30 40 0.9\n"})
    flags = ("-g", tmp_path / "gt", "-p", tmp_path / "found", "--result", tmp_path / "r")
    assert script("val_dataset_evaluate/eval.py", *flags).status == 0


def test_detections_beside_a_ground_truth_do_not_hide_it(convert, script, tmp_path):
    files = {
        "gt/d.jsonl": JSON_LINES,
        "gt/found_txt/a.txt": TREE["tree/news/a.txt"],
        "gt/more/label.txt": "# a.jpg\n1 2 30 40\n",
    }
    write_files(tmp_path, files)
    flags = ("-g", tmp_path / "gt", "-p", tmp_path / "gt" / "found_txt", "--result", tmp_path / "r")
    assert script("val_dataset_evaluate/eval.py", *flags).status == 0
    draw_image(tmp_path / "yolo" / "images" / "a.jpg", [])
    write_files(tmp_path, {"yolo/labels/a.txt": "0 0.5 0.5 0.25 0.5\n", "yolo/d.jsonl": JSON_LINES})
    outcome = convert(tmp_path / "yolo", tmp_path / "label.txt")
    assert "1 image (0 background), 1 face" in outcome.out and "score" not in outcome.out


def test_a_ground_truth_is_preferred_to_detections_in_its_folder(convert, dataset, tmp_path):
    write_files(dataset.parent, {"d.jsonl": JSON_LINES, "r.json": results("0.jpg")})
    assert convert(dataset.parent, tmp_path / "out.json", "--to", "coco").status == 0
    assert "score" not in (tmp_path / "out.json").read_text()


def test_detections_are_shown_and_checked(show, script, tmp_path):
    for name in ("a.jpg", "more/b.jpg"):
        draw_image(tmp_path / "images" / name, [])
    write_files(tmp_path, {"d.jsonl": JSON_LINES})
    outcome, sheet = show(tmp_path / "d.jsonl")
    assert sheet is not None and "a.jpg  (2 faces)" in outcome.out
    assert "a.jpg  (1 face)" in show(tmp_path / "d.jsonl", "--min_score", 0.9)[0].out
    assert script("tools/check/__main__.py", tmp_path / "d.jsonl").status == 0
    shutil.rmtree(tmp_path / "images" / "more")
    assert "b.jpg" in script("tools/check/__main__.py", tmp_path / "d.jsonl").out


def test_a_script_that_takes_a_list_takes_the_names_of_detections(tmp_path):
    path = write_files(tmp_path, {"d.jsonl": JSON_LINES}) / "d.jsonl"
    assert list(ImageNames(path)) == ["a.jpg", "more/b.jpg"]

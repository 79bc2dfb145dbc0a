"""What a conversion keeps, and what it reports as lost."""

import json
import tracemalloc

import pytest

from data.annotations import read_annotations
from tests.helpers.images import draw_image

FACE = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "iscrowd": 0}
POINTS = [11, 21, 2, 30, 21, 2, 20, 30, 1, 12, 40, 2, 28, 40, 0]


def coco(*faces: dict, **images) -> dict:
    """A ground truth of one image, with a face for each of the dicts."""
    annotations = [FACE | {"id": number} | own for number, own in enumerate(faces, start=1)]
    image = {"id": 1, "file_name": "a.jpg", "height": 96, "width": 128} | images
    return {"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}


@pytest.fixture
def convert(script, tmp_path):
    """Convert what is given, COCO or text: convert(source, kind) -> Outcome, text of the result."""

    def call(source: dict | str, kind: str):
        path = tmp_path / ("in.json" if isinstance(source, dict) else "in.txt")
        path.write_text(json.dumps(source) if isinstance(source, dict) else source)
        outcome = script("tools/convert/__main__.py", path, tmp_path / "out", "--to", kind)
        assert outcome.status == 0, outcome.err
        return outcome, (tmp_path / "out").read_text() if (tmp_path / "out").is_file() else ""

    return call


SOME = [{}, {"attributes": {"blur": 1, "pose": "left", "mixed": 3}}, {"attributes": {"mixed": "old", "pose": ""}}]


def test_coco_keeps_attributes_on_the_faces_that_have_them(convert):
    outcome, text = convert(coco(*SOME), "coco")
    assert [face.get("attributes", {}) for face in json.loads(text)["annotations"]] == [
        face.get("attributes", {}) for face in SOME
    ]
    assert "dropped" not in outcome.out and "not known" not in outcome.out


def test_fixed_coco_keeps_attributes_on_the_faces_that_have_them(script, tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [(1, 2, 30, 40)])
    boxes = [{"bbox": [1 + 30 * i, 2, 30, 40]} for i in range(2)] + [{"bbox": [95, 50, 40, 40], "note": "x"}]
    (tmp_path / "k.json").write_text(json.dumps(coco(*({**a, **b} for a, b in zip(SOME, boxes, strict=True)))))
    outcome = script("tools/check/__main__.py", tmp_path / "k.json", "--fix")
    assert "k_fixed.json: dropped: note of 1 face\n" in outcome.out
    fixed = json.loads((tmp_path / "k_fixed.json").read_text())
    assert [face.get("attributes", {}) for face in fixed["annotations"]] == [
        face.get("attributes", {}) for face in SOME
    ]


def words_of_the_score(script, tmp_path, *faces: dict) -> set[str]:
    """Score a detection against COCO's faces, and return the texts in the result."""
    (tmp_path / "k.json").write_text(json.dumps(coco(*faces)))
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "a.txt").write_text("a\n1\n1 2 30 40 0.9\n")
    outcome = script(
        "val_dataset_evaluate/eval.py", "-p", tmp_path / "found", "-g", tmp_path / "k.json", "--result", tmp_path / "r"
    )
    assert outcome.status == 0, outcome.err
    return set((tmp_path / "r" / "ap.json").read_text().split('"'))


def test_attributes_of_some_faces_make_no_groups_in_the_score(script, tmp_path):
    assert not {"blur", "pose", "mixed"} & words_of_the_score(script, tmp_path, *SOME)


def test_text_attributes_of_all_faces_make_groups_in_the_score(script, tmp_path):
    faces = [{"attributes": {"view": view}} for view in ("left", "front", "left")]
    assert {"view", "left", "front"} <= words_of_the_score(script, tmp_path, *faces)


def test_missing_attributes_are_filled_in_and_reported(convert):
    outcome, text = convert(coco(*SOME), "wider")
    assert [row.split()[4] for row in text.splitlines()[2:]] == ["0", "1", "0"]
    assert "not known of 2 faces and written as 0: blur" in outcome.out
    assert "dropped: the attributes pose, mixed" in outcome.out
    assert "written as 0: the attributes expression, illumination, occlusion, pose" in outcome.out


def test_invalid_on_one_face_is_a_mark(convert):
    faces = [{}, {"attributes": {"invalid": 1}}]
    outcome, text = convert(coco(*faces), "label")
    assert text == "# a.jpg\n1 2 30 40\n"
    assert "dropped: 1 face to be ignored" in outcome.out


CROWDS = [{"iscrowd": 1}, {}, {"attributes": {"crowd": "x"}}]
CROWDS_COCO = coco(*({"bbox": [1 + 30 * i, 2, 20, 40], **face} for i, face in enumerate(CROWDS)))
del CROWDS_COCO["annotations"][2]["iscrowd"]
INVALID = "a.jpg\n3\n1 10 20 20 0 0 0 1 0 0\n40 10 20 20 0 0 0 0 0 0\n70 10 20 20 0 0 0 2 0 0\n"


@pytest.mark.parametrize(
    ("source", "kind", "odd"),
    [(INVALID, "wider", "invalid"), (CROWDS_COCO, "wider", "crowd"), (CROWDS_COCO, "coco", "crowd")],
    ids=["wider", "coco to wider", "coco"],
)
def test_an_odd_value_keeps_the_marks_of_other_faces(convert, tmp_path, source, kind, odd):
    outcome, _ = convert(source, kind)
    assert f"dropped: the attributes {odd}" in outcome.out
    (annotation,) = read_annotations(tmp_path / "out")
    assert annotation.ignored.tolist() == [True, False, False]


@pytest.mark.parametrize(("name", "source"), [("k.txt", INVALID), ("k.json", json.dumps(CROWDS_COCO))])
def test_an_odd_value_keeps_the_marks_in_a_fixed_copy(script, tmp_path, name, source):
    draw_image(tmp_path / "images" / "a.jpg", [])
    (tmp_path / name).write_text(source.replace("70", "115").replace("61", "115"))
    script("tools/check/__main__.py", tmp_path / name, "--fix")
    (annotation,) = read_annotations((tmp_path / name).with_stem("k_fixed"))
    assert annotation.boxes[2, 2] == 128  # clipped
    assert annotation.ignored.tolist() == [True, False, False]


def test_voc_fills_missing_poses_with_unspecified(script, tmp_path):
    (tmp_path / "in.json").write_text(json.dumps(coco(*SOME[:2])))
    outcome = script("tools/convert/__main__.py", tmp_path / "in.json", tmp_path / "out", "--to", "voc")
    assert "not known of 1 face and written as Unspecified: pose" in outcome.out
    text = (tmp_path / "out" / "a.xml").read_text()
    assert text.count("<pose>Unspecified</pose>") == text.count("<pose>left</pose>") == 1


def test_coco_reports_what_it_drops(convert):
    faces = [
        {"id": 7, "keypoints": POINTS, "num_keypoints": 4, "score": "high", "segmentation": []},
        {"id": 8, "keypoints": [1, 2, 2] * 17, "segmentation": [[1, 2, 3, 4, 5, 6]], "area": 1195},
        {"id": 9, "category_id": 2, "attributes": {"unlooked": 1}},
        {"id": 10, "attributes": {"parts": [1], "none": None}},
    ]
    source = coco(*faces, license=3)
    source["categories"].append({"id": 2, "name": "person"})
    source["info"] = {"year": 2020}
    outcome, _ = convert(source, "coco")
    assert (
        "dropped: score of 1 face, segmentation of 1 face, keypoints other than five of 1 face, area other than the"
        " box's of 1 face, parts of 1 face, none of 1 face, id of 3 faces, visibility 1 of 1 landmark, license of"
        " 1 image, info\n"
    ) in outcome.out


def test_rare_attributes_are_counted_and_dropped(convert):
    names = [{"attributes": {f"n{number}": number}} for number in range(300)]
    outcome, text = convert(coco(*names), "coco")
    assert sum("attributes" in face for face in json.loads(text)["annotations"]) == 100
    assert "dropped: 200 attributes that few faces have" in outcome.out


def test_frequent_attributes_are_kept_first(convert):
    names = [{"attributes": {f"n{number}": number} | ({"late": 1} if number > 250 else {})} for number in range(300)]
    _, text = convert(coco(*names), "coco")
    assert sum("late" in face.get("attributes", {}) for face in json.loads(text)["annotations"]) == 49


@pytest.mark.parametrize("name", ["note", "pose"])
@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_one_long_text_needs_little_memory(convert, tmp_path, name, kind):
    texts = ["x" * 100_000, *["y"] * 1000]  # 400 MB, were they all as long as the first
    tracemalloc.start()
    outcome, text = convert(coco(*({"attributes": {name: text}} for text in texts)), kind)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6
    if kind == "coco":
        assert [face["attributes"][name] for face in json.loads(text)["annotations"]] == texts
    elif name == "note":
        assert "dropped: the attributes note" in outcome.out
    else:
        assert (tmp_path / "out" / "a.xml").read_text().count("<pose>y</pose>") == 1000


def test_other_classes_and_hidden_landmarks_are_counted(script, tmp_path):
    for name in ("images/a.jpg", "voc/a.jpg"):
        draw_image(tmp_path / name, [])
    points = "0.1 0.1 1 0.2 0.1 2 0.15 0.2 2 0.1 0.3 1 0 0 0"
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(f"1 0.5 0.5 0.25 0.5 {points}\n0 0.5 0.5 0.25 0.5\n")
    (tmp_path / "labels" / "classes.txt").write_text("person\nface\n")
    outcome = script("tools/convert/__main__.py", tmp_path / "labels", tmp_path / "voc.json", "--to", "coco")
    assert "not read: 1 object of other classes: 1 'person'\ndropped: visibility 1 of 2 landmarks\n" in outcome.out
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    objects = "".join(f"<object><name>{name}</name>{box}</object>" for name in ("face", "dog", "cat"))
    (tmp_path / "a.xml").write_text(f"<annotation><filename>a.jpg</filename>{objects}</annotation>")
    outcome = script("tools/convert/__main__.py", tmp_path / "a.xml", tmp_path / "label.txt")
    assert "not read: 2 objects of other classes: 1 'dog', 1 'cat'\n" in outcome.out


ROWS = (
    "1 2 30 40 11 21 0 30 21 0 20 30 0 12 40 0 28 40 0 1\n"
    "1 2 30 40 110 110 1 130 110 0 20 30 0 12 40 0 28 40 0 0.33\n"
    "1 2 30 40 110 110 0 130 110 0 20 30 0 12 40 0 28 40 0 0.5\n"
    + "1 2 30 40 " + "-1 -1 -1 " * 5 + "1\n"
)  # fmt: skip


@pytest.mark.parametrize("odd", ["", "# b.jpg\t\r1 2 3 4\n"], ids=["fast", "line by line"])
def test_labels_report_changed_columns(convert, odd):
    outcome, text = convert(f"# a.jpg\n{ROWS}{odd}", "label")
    assert text.splitlines()[2].endswith("110 110 0 130 110 0 20 30 0 12 40 0 28 40 0 1")
    assert "dropped: what the third column of a landmark or the 20th says of 2 faces\n" in outcome.out


def test_labels_do_not_report_unchanged_columns(convert):
    plain = "".join(line for line in ROWS.splitlines(keepends=True) if line.endswith(" 1\n"))
    outcome, text = convert(f"# a.jpg\n{plain}", "label")
    assert text == f"# a.jpg\n{plain}" and "dropped" not in outcome.out


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("image id 1: ", coco({}, file_name="\ud800a.jpg")),
        ("image id '\\udfff': ", coco(id="\udfff")),
        ("annotation id 1: ", coco({"attributes": {"a": "\udc80"}})),
        ("annotation id 1: ", coco({"attributes": {"\ud800": 1}})),
        ("category id 1: ", coco({}) | {"categories": [{"id": 1, "name": "\ud800"}]}),
    ],
)
@pytest.mark.parametrize("kind", ["label", "coco"])
def test_lone_surrogates_are_refused_with_their_place(script, tmp_path, place, source, kind):
    (tmp_path / "in.json").write_text(json.dumps(source))
    outcome = script("tools/convert/__main__.py", tmp_path / "in.json", tmp_path / "out", "--to", kind)
    outcome.refuses(f"{tmp_path / 'in.json'}: {place}", "half a letter")

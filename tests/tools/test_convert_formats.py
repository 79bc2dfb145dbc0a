"""Writing annotations: formats keep what they can hold, and report the rest."""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.annotations import (
    WIDER_VALUES,
    WRITABLE,
    Annotation,
    fit_annotations,
    image_key,
    read_annotations,
    write_annotations,
)
from data.annotations.formats.label_text import read_label_fast
from utils.errors import UserError

SIZE = (64, 96)
# What each format keeps of an image, besides its name.
KEEPS = {
    "label": {"boxes", "landmarks"},
    "wider": {"boxes", *WIDER_VALUES},
    "laboro": {"boxes", "blur", "occlusion", "pose"},
    "wider_mat": {"boxes", "subsets", *WIDER_VALUES},
    "coco": {"boxes", "landmarks", "size", "identity", "crowd", "word", *WIDER_VALUES},
    "voc": {"boxes", "size", "invalid as difficult"},
    "yolo": {"boxes", "landmarks", "size"},
    "list": set(),
}
MARKS = {"wider", "wider_mat", "coco", "voc"}
EXACT = {"voc"}  # which has x2 and y2; the others a width and a height

letters = st.sampled_from("ab7_-é 番組,#(")
part = st.text(letters, min_size=1, max_size=6).map(str.strip).filter(lambda text: text and text[0] not in "#")
name = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem + suffix]),
    st.lists(part, max_size=2),
    part.map(lambda stem: f"x{stem}"),
    st.sampled_from([".jpg", ".png", ".JPEG"]),
)
number = st.one_of(
    st.integers(0, 60).map(float), st.integers(0, 6000).map(lambda n: n / 100), st.floats(0, 60, allow_subnormal=False)
)


@st.composite
def images(draw) -> list[Annotation]:
    """One to four images with up to three faces in each, one of them at least, and with everything known of them."""
    names = draw(st.lists(name, min_size=1, max_size=4, unique_by=image_key))
    counts = [draw(st.integers(0, 3)) for _ in names]
    counts[draw(st.integers(0, len(names) - 1))] = 2
    has_points = draw(st.booleans())
    made = []
    for index, (own, count) in enumerate(zip(names, counts, strict=True)):
        corner = np.array([[draw(number) for _ in range(2)] for _ in range(count)]).reshape(-1, 2)
        far = np.minimum(corner + [[draw(number) + 1 for _ in range(2)] for _ in range(count)] if count else corner, 64)
        points = np.array([[draw(number) for _ in range(10)] for _ in range(count)]).reshape(-1, 5, 2)
        if not has_points:
            points[:] = -1
        elif count:
            points[0, draw(st.integers(0, 4))] = -1  # a point that is not known
            points[-1] = -1  # a face without any
        attributes = {key: np.array([draw(st.integers(0, 2)) for _ in range(count)], float) for key in WIDER_VALUES}
        # At least one face of each image is not ignored: formats without a mark drop images of ignored faces only.
        attributes["invalid"] = np.array([float(draw(st.booleans())) * (i > 0) for i in range(count)])
        attributes["crowd"] = np.zeros(count)
        attributes["word"] = np.array([draw(part) for _ in range(count)], "U6")
        subsets = {
            key: np.array([draw(st.booleans()) for _ in range(count)], bool) for key in ("easy", "medium", "hard")
        }
        made.append(
            Annotation(own, np.hstack([corner, far]), points, attributes, subsets, size=SIZE, identity=f"id {index}")
        )
    return made


def written(kind: str, annotations: list[Annotation], folder: Path, **options) -> list[Annotation]:
    """Write annotations, and read them again with the format recognized, and with images for YOLO."""
    images = folder / "images"
    if kind == "yolo":
        for annotation in annotations:
            (images / annotation.name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", SIZE[::-1]).save(images / annotation.name)
    write_annotations(annotations, folder / "out", kind, **options)
    return list(read_annotations(folder / "out", images=images if kind == "yolo" else None))


@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("kind", WRITABLE)
@given(images())
def test_formats_keep_what_they_can_hold(kind, originals):
    with tempfile.TemporaryDirectory() as folder:
        found = {each.name: each for each in written(kind, originals, Path(folder))}
    names = [image_key(each.name) if kind == "wider_mat" else each.name for each in originals]
    found = {image_key(key) if kind == "wider_mat" else key: each for key, each in found.items()}
    assert sorted(found) == sorted(names)
    keeps = KEEPS[kind]
    for own, original in zip(names, originals, strict=True):
        result = found[own]
        held = np.ones(len(original.boxes), bool) if kind in MARKS else ~original.ignored
        if "boxes" not in keeps:
            assert len(result.boxes) == 0
            continue
        np.testing.assert_allclose(result.boxes, original.boxes[held], rtol=0, atol=0 if kind in EXACT else 1e-12)
        if kind in MARKS:
            assert result.ignored.tolist() == original.ignored.tolist()
        for attribute in keeps & original.attributes.keys():
            assert result.attributes[attribute].tolist() == original.attributes[attribute][held].tolist()
        if "landmarks" in keeps:
            np.testing.assert_allclose(result.landmarks, original.landmarks[held], rtol=0, atol=1e-12)
            assert result.landmark_mask.tolist() == original.landmark_mask[held].tolist()
        else:
            assert not result.landmark_mask.any()
        if "subsets" in keeps:
            assert {k: v.tolist() for k, v in result.subsets.items()} == {
                k: v.tolist() for k, v in original.subsets.items()
            }
        assert result.size == (original.size if "size" in keeps else None)
        assert result.identity == (original.identity if "identity" in keeps else None)


def faces(*boxes, name="a/b.jpg", **known) -> Annotation:
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    return Annotation(name, boxes, np.full((len(boxes), 5, 2), -1.0), **known)


@pytest.mark.parametrize("target", WRITABLE)
@pytest.mark.parametrize("source", [kind for kind in WRITABLE if kind != "list"])
def test_boxes_survive_conversion_between_all_formats(tmp_path, source, target):
    originals = [
        faces([1, 2, 30, 40.5], [5, 6, 7, 8], name="プログラム/あ 1.png"),
        faces(name="b/empty.png"),
        faces([0, 0, 96, 64], name="top.png"),
    ]
    originals = [replace(each, size=SIZE) for each in originals]
    once = written(source, originals, tmp_path / "first")
    if source == "wider_mat":  # whose names have no suffix
        once = [replace(each, name=f"{image_key(each.name)}.png") for each in once]
    once = [replace(each, size=SIZE) for each in once]
    twice = {image_key(each.name): each.boxes for each in written(target, once, tmp_path / "second")}
    for each in originals:
        expected = each.boxes if target != "list" else np.zeros((0, 4))
        np.testing.assert_allclose(twice[image_key(each.name)], expected, rtol=0, atol=1e-9)


def test_written_label_files_are_read_by_the_fast_reader(tmp_path):
    points = np.arange(10.0).reshape(1, 5, 2)
    annotations = [replace(faces([1, 2, 3, 4]), landmarks=points), faces([5, 6, 7.25, 8], name="c.jpg")]
    write_annotations(annotations, tmp_path / "label.txt", "label")
    text = (tmp_path / "label.txt").read_text()
    assert text == (
        "# a/b.jpg\n1 2 2 2 0 1 0 2 3 0 4 5 0 6 7 0 8 9 0 1\n"
        f"# c.jpg\n5 6 2.25 2 {'-1 -1 -1 ' * 5}1\n"
    )  # fmt: skip
    assert read_label_fast(tmp_path, text.encode()) is not None


def test_numbers_are_written_in_their_shortest_form(tmp_path):
    (tmp_path / "in.txt").write_text("# a.jpg\n0.1 0.2 9.9 12.7\n100.3 7 0.123456 5\n")
    write_annotations(read_annotations(tmp_path / "in.txt"), tmp_path / "out.txt", "label")
    assert (tmp_path / "out.txt").read_text() == (tmp_path / "in.txt").read_text()


def test_wider_text_has_a_row_of_zeros_for_a_background_image(tmp_path):
    write_annotations([faces(name="e.jpg"), faces([1, 2, 4, 6])], tmp_path / "w.txt", "wider")
    assert (tmp_path / "w.txt").read_text() == "e.jpg\n0\n0 0 0 0 0 0 0 0 0 0\na/b.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n"


def test_laboro_text_has_commas(tmp_path):
    write_annotations([faces([1, 2, 4, 6], name="0001")], tmp_path / "l.txt", "laboro")
    assert (tmp_path / "l.txt").read_text() == "0001\n1\n1, 2, 3, 4, 0, 0, 0, 0\n"


def test_coco_has_the_fields_that_other_tools_need(tmp_path):
    points = np.arange(10.0).reshape(1, 5, 2)
    points[0, 4] = -1
    annotation = replace(faces([1, 2, 4, 6.5], attributes={"invalid": np.ones(1)}, size=(10, 20)), landmarks=points)
    write_annotations([annotation], tmp_path / "c.json", "coco")
    content = json.loads((tmp_path / "c.json").read_text())
    assert content["images"] == [{"id": 1, "file_name": "a/b.jpg", "height": 10, "width": 20}]
    assert content["categories"][0]["name"] == "face"
    assert len(content["categories"][0]["keypoints"]) == 5
    assert content["annotations"] == [
        {
            "id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4.5], "area": 13.5, "segmentation": [],
            "iscrowd": 0, "ignore": 1,
            "keypoints": [0, 1, 2, 2, 3, 2, 4, 5, 2, 6, 7, 2, 0, 0, 0], "num_keypoints": 4,
            "attributes": {"invalid": 1},
        }
    ]  # fmt: skip
    assert '"bbox": [1, 2, 3, 4.5]' in (tmp_path / "c.json").read_text()


def test_mat_files_have_the_layout_of_the_official_ones(tmp_path, shared):
    official = shared / "wider_val" / "ground_truth"
    write_annotations(read_annotations(official), tmp_path / "truth", "wider_mat")
    for path in official.glob("*.mat"):
        expected, found = scipy.io.loadmat(path), scipy.io.loadmat(tmp_path / "truth" / path.name)
        for key in found.keys() - {"__header__", "__version__", "__globals__"}:
            assert found[key].shape == expected[key].shape, key
            cells, official_cells = found[key][:, 0], expected[key][:, 0]
            for mine, theirs in zip(cells[:3], official_cells[:3], strict=True):
                flat = [each.tolist() if each.size else [] for each in np.ravel(mine) if isinstance(each, np.ndarray)]
                assert flat == [
                    each.tolist() if each.size else [] for each in np.ravel(theirs) if isinstance(each, np.ndarray)
                ], key


def test_faces_without_subsets_are_in_all_subsets_unless_ignored(tmp_path):
    annotation = faces([1, 2, 4, 6], [1, 2, 5, 6], attributes={"difficult": np.array([0.0, 1.0])})
    (found,) = written("wider_mat", [annotation], tmp_path)
    assert list(found.subsets) == ["easy", "medium", "hard"]
    assert all(value.tolist() == [True, False] for value in found.subsets.values())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("label", ["2 faces to be ignored, for which", "1 image without a remaining face", "attributes blur, word",
                   "subsets easy", "ids", "sizes"]),
        ("wider", ["landmarks of 1 face", "attributes word", "written as 0: the attributes expression, illumination,",
                   "ids", "sizes"]),
        ("laboro", ["2 faces to be ignored", "attributes word", "written as 0: the attributes shakiness"]),
        ("wider_mat", ["landmarks of 1 face", "attributes word", "ids", "sizes", "suffixes"]),
        ("coco", ["subsets easy"]),
        ("voc", ["landmarks of 1 face", "attributes blur, word", "ids", "subsets easy"]),
        ("yolo", ["2 faces to be ignored", "attributes blur, word", "ids", "clipped to the image: 1 face",
                  "1 face outside"]),
        ("list", ["boxes of 6 faces", "landmarks of 1 face", "attributes blur, word", "ids", "sizes"]),
    ],
)  # fmt: skip
def test_losses_are_reported(kind, said):
    known = {"size": SIZE, "subsets": {"easy": np.ones(1, bool)}}

    def attributes(invalid):
        count = len(invalid)
        return {"blur": np.ones(count), "word": np.full(count, "x"), "invalid": np.array(invalid, float)}

    points = np.arange(10.0).reshape(1, 5, 2)
    boxes = [[1, 1, 5, 5], [2, 2, 9, 9], [90, 5, 200, 20], [300, 1, 320, 9]]
    annotations = [
        replace(faces([1, 1, 5, 5], name="p/1.jpg", attributes=attributes([0]), identity=1, **known), landmarks=points),
        faces([3, 3, 8, 8], name="p/2.jpg", attributes=attributes([1]), identity=2, **known),
        faces(*boxes, name="p/3.jpg", attributes=attributes([0, 1, 0, 0]), identity=3, size=SIZE,
              subsets={"easy": np.ones(4, bool)}),
    ]  # fmt: skip
    fitted, sentences = fit_annotations(annotations, kind)
    for words in said:
        assert any(words in sentence for sentence in sentences), (words, sentences)
    assert len(fitted) == (3 if kind in MARKS or kind == "list" else 2)
    again, silence = fit_annotations(fitted, kind)
    assert [each.name for each in again] == [each.name for each in fitted]
    assert not [sentence for sentence in silence if "suffixes" not in sentence]


def test_no_loss_is_reported_without_one(tmp_path):
    assert write_annotations([faces([1, 2, 4, 6])], tmp_path / "label.txt", "label") == []
    crowd = faces([1, 2, 4, 6], attributes={"crowd": np.zeros(1)})
    assert write_annotations([crowd], tmp_path / "other.txt", "label") == []


def test_yolo_clips_only_boxes_that_it_cannot_hold(tmp_path):
    annotation = faces([-4, 2, 20, 30], [80, 10, 140, 90], name="a.png", size=SIZE)
    (found,) = written("yolo", [annotation], tmp_path)
    np.testing.assert_allclose(found.boxes, [[-4, 2, 20, 30], [80, 10, 96, 64]], atol=1e-9)


def test_only_wider_mat_keeps_boxes_of_negative_size(tmp_path):
    annotation = faces([10, 10, 5, 20], [1, 2, 4, 6])
    sentences = write_annotations([annotation], tmp_path / "label.txt", "label")
    assert sentences == ["dropped: 1 face of negative width or height"]
    assert (tmp_path / "label.txt").read_text() == "# a/b.jpg\n1 2 3 4\n"
    (found,) = written("wider_mat", [annotation], tmp_path / "mat")
    assert found.boxes.tolist() == annotation.boxes.tolist()


@pytest.mark.parametrize(
    ("kind", "name", "problem"),
    [
        *((kind, "a\nb.jpg", "line ends") for kind in WRITABLE),
        *((kind, "../a.jpg", "stays inside") for kind in WRITABLE),
        ("label", " a.jpg", "begin or end with a blank"),
        ("list", "/a.jpg", "stays inside"),
        ("wider", "#a.jpg", "begins a label"),
        ("coco", "a\udcff.jpg", "no UTF-8"),
        ("voc", ".a.jpg", "hidden file"),
        ("yolo", "a//b.jpg", "empty parts"),
        ("yolo", "sub/classes.jpg", "names the classes"),
        ("list", "12 0.5 0.5 0.1 0.1", "not be recognized as list"),
    ],
)
def test_names_that_a_format_cannot_hold_are_refused(tmp_path, kind, name, problem):
    with pytest.raises(UserError, match=problem):
        write_annotations([faces([1, 2, 4, 6], name=name, size=SIZE)], tmp_path / "out", kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", WRITABLE)
def test_names_that_would_share_an_entry_are_refused(tmp_path, kind):
    pair = [faces([1, 2, 4, 6], name=name, size=SIZE) for name in ("a.jpg", "a.png")]
    if kind in ("wider_mat", "voc", "yolo"):
        with pytest.raises(UserError, match=r"'a\.png': only its suffix tells it from 'a\.jpg'"):
            write_annotations(pair, tmp_path / "out", kind)
    else:
        write_annotations(pair, tmp_path / "out", kind)
    with pytest.raises(UserError, match="listed twice"):
        write_annotations([pair[0], pair[0]], tmp_path / "twice", kind)


@pytest.mark.parametrize("name", ["a.jpg.png", "a.b", "a.tar.jpg", "x.PNG", "&<>'\".jpg"])
def test_names_with_dots_and_signs_survive_in_xml(tmp_path, name):
    (found,) = written("voc", [faces([1, 2, 4, 6], name=name)], tmp_path)
    assert found.name == name


def test_yolo_without_sizes_asks_for_the_images(tmp_path):
    with pytest.raises(UserError, match=r"a/b\.jpg'?: no such image, and YOLO labels need its size; .*--images"):
        write_annotations([faces([1, 2, 4, 6])], tmp_path / "out", "yolo")
    Image.new("L", SIZE[::-1]).save(tmp_path / "b.png")
    write_annotations([faces([0, 0, 96, 64], name="b.png")], tmp_path / "out", "yolo", images=tmp_path)
    assert (tmp_path / "out" / "b.txt").read_text() == "0 0.5 0.5 1 1\n"
    assert (tmp_path / "out" / "classes.txt").read_text() == "face\n"


@pytest.mark.parametrize("kind", WRITABLE)
def test_existing_files_are_not_overwritten(tmp_path, kind):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="out: exists already"):
        write_annotations([faces([1, 2, 4, 6], size=SIZE)], tmp_path / "out", kind)
    assert (tmp_path / "out").read_text() == "mine"


def test_no_images_and_no_format_are_errors(tmp_path):
    with pytest.raises(UserError, match="no images are left"):
        write_annotations([], tmp_path / "out", "label")
    with pytest.raises(UserError, match="'none': no such annotation format"):
        write_annotations([faces([1, 2, 4, 6])], tmp_path / "out", "none")
    with pytest.raises(UserError, match="no face is left"):
        write_annotations([faces([1, 2, 4, 6], attributes={"invalid": np.ones(1)})], tmp_path / "out", "label")


def test_yolo_marks_unknown_landmarks(tmp_path):
    points = np.full((2, 5, 2), -1.0)
    points[0, 0] = 24, 16
    annotation = replace(faces([0, 0, 96, 64], [0, 0, 48, 32], name="b.png", size=SIZE), landmarks=points)
    write_annotations([annotation], tmp_path / "out", "yolo")
    unknown = " 0 0 0"
    assert (tmp_path / "out" / "b.txt").read_text().splitlines() == [
        "0 0.5 0.5 1 1 0.25 0.25 2" + 4 * unknown,
        "0 0.25 0.25 0.5 0.5" + 5 * unknown,
    ]


@pytest.mark.parametrize("kind", ["wider", "laboro"])
@pytest.mark.parametrize("empty", [1, 9000])
def test_counted_text_may_begin_with_many_background_images(tmp_path, kind, empty):
    annotations = [faces(name=f"{number}.jpg") for number in range(empty)]
    write_annotations(annotations, tmp_path / "bare.txt", kind)
    assert len(read_annotations(tmp_path / "bare.txt", kind)) == empty
    annotations.append(faces([1, 2, 4, 6]))
    write_annotations(annotations, tmp_path / "out.txt", kind)
    found = read_annotations(tmp_path / "out.txt")
    assert found[-1].boxes.tolist() == [[1, 2, 4, 6]] and len(found[-1].attributes) == (6 if kind == "wider" else 4)


def test_yolo_drops_images_with_all_faces_outside(tmp_path):
    """Without rows it would show that there is no face; one that has none keeps its empty file."""
    outside = faces([200, 2, 220, 30], [-40, -40, -1, -1], name="b.png", size=SIZE)
    annotations = [faces([4, 2, 20, 30], name="a.png", size=SIZE), outside, faces(name="c.png", size=SIZE)]
    sentences = write_annotations(annotations, tmp_path / "yolo", "yolo")
    assert sentences[:2] == ["dropped: 2 faces outside the image", "dropped: 1 image without a remaining face"]
    assert sorted(path.name for path in (tmp_path / "yolo").iterdir()) == ["a.txt", "c.txt", "classes.txt"]
    with pytest.raises(UserError, match="no face is left"):
        write_annotations([outside], tmp_path / "none", "yolo")

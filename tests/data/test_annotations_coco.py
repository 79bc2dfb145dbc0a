"""Reading COCO JSON, and the errors of a malformed record."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.annotations import Annotation, read_annotations
from utils.errors import UserError

SAMPLE = {
    "images": [
        {"id": 7, "file_name": "a/1.jpg", "height": 480, "width": 640},
        {"id": "x9", "file_name": "b\\2.jpg"},
        {"id": 3, "file_name": "3.jpg", "height": 0, "width": 0},
    ],
    "annotations": [
        {"id": 1, "image_id": "x9", "category_id": 2, "bbox": [1, 2, 3.5, 4], "iscrowd": 1},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [10, 20, 30, 40], "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": "not read, since it is no face"},
        {"id": 4, "image_id": 7, "category_id": 2, "bbox": [5, 6, 0, 8], "ignore": 1},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "Face"}],
}


def read(tmp_path, content: object, category: str | None = None) -> list[Annotation]:
    path = tmp_path / "truth.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_annotations(path, category=category)


def changed(*where, value=None) -> dict:
    """Return the sample with the value at a path of keys replaced, or removed where it is None."""
    content = copy.deepcopy(SAMPLE)
    *parents, last = where
    place = content
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


def test_names_sizes_ids_and_boxes_are_read(tmp_path):
    first, second, third = read(tmp_path, SAMPLE)
    assert [first.name, second.name, third.name] == ["a/1.jpg", "b/2.jpg", "3.jpg"]
    assert [first.identity, second.identity, third.identity] == [7, "x9", 3]
    assert [first.size, second.size, third.size] == [(480, 640), None, None]
    assert first.boxes.tolist() == [[10, 20, 40, 60], [5, 6, 5, 14]]
    assert second.boxes.tolist() == [[1, 2, 4.5, 6]]
    assert third.boxes.shape == (0, 4) and third.landmarks.shape == (0, 5, 2)


def test_crowds_and_ignored_faces_are_read(tmp_path):
    first, second, third = read(tmp_path, SAMPLE)
    assert first.attributes["crowd"].tolist() == [0, 0] and second.attributes["crowd"].tolist() == [1]
    assert first.attributes["ignore"].tolist() == [0, 1]
    assert [first.ignored.tolist(), second.ignored.tolist(), third.ignored.tolist()] == [[False, True], [True], []]


def test_attributes_of_all_and_of_some_faces_are_read(tmp_path):
    content = changed("annotations", 2)
    own = [
        {"occluded": True, "pose": "left", "age": 20, "mixed": "old", "parts": [1]},
        {"occluded": False, "pose": "front", "age": 3.5, "mixed": 7, "note": "only here"},
        {"occluded": False, "pose": "front", "age": 4, "mixed": "new"},
    ]
    for annotation, attributes in zip(content["annotations"], own, strict=True):
        annotation["attributes"] = attributes
    first, second, third = read(tmp_path, content)
    assert set(first.attributes) == {"occluded", "pose", "age", "mixed", "note", "crowd", "ignore"}
    assert first.attributes["mixed"].tolist() == [7, "new"] and second.attributes["mixed"].tolist() == ["old"]
    assert first.attributes["note"].tolist() == ["only here", None] and second.attributes["note"].tolist() == [None]
    assert first.attributes["occluded"].tolist() == [0, 0] and second.attributes["occluded"].tolist() == [1]
    assert first.attributes["pose"].tolist() == ["front", "front"] and second.attributes["pose"].tolist() == ["left"]
    assert first.attributes["age"].tolist() == [3.5, 4]
    assert third.attributes["pose"].shape == (0,)


def test_five_keypoints_are_landmarks(tmp_path):
    content = changed("annotations", 1, "keypoints", value=[11, 21, 2, 30, 21, 2, 20, 30, 1, 12, 40, 2, 28, 40, 2])
    content["annotations"][0]["keypoints"] = [1, 2, 2] * 17  # of a body
    content["annotations"][3]["keypoints"] = [11, 21, 2, 0, 0, 0, 20, 30, 1, 12, 40, 2, 28, 40, 2]
    first, second, _ = read(tmp_path, content)
    assert first.landmark_mask.tolist() == [True, False]
    assert first.landmarks[0].tolist() == [[11, 21], [30, 21], [20, 30], [12, 40], [28, 40]]
    assert first.landmarks[1, 1].tolist() == [-1, -1]
    assert not second.landmark_mask.any()


def test_the_face_is_the_class_face_or_the_named_one(tmp_path):
    assert sum(len(a.boxes) for a in read(tmp_path, SAMPLE, category="face")) == 3
    one = changed("categories", value=[{"id": 1, "name": "head"}, {"id": 2, "name": "head"}])
    one["annotations"][2]["bbox"] = [1, 1, 1, 1]
    assert sum(len(a.boxes) for a in read(tmp_path, one)) == 4
    with pytest.raises(UserError, match=r"truth\.json: has no class 'dog' but person \(1\), Face \(3\); .*--category"):
        read(tmp_path, SAMPLE, category="dog")
    with pytest.raises(UserError, match=r"truth\.json: has the classes person \(1\), head \(3\); .*--category"):
        read(tmp_path, changed("categories", 1, "name", value="head"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            changed("annotations", 1, "image_id", value=8),
            "annotation id 2: found image_id 8; expected the id of one of",
        ),
        (changed("annotations", 1, "image_id"), "annotation id 2: found no image_id; expected"),
        (changed("annotations", 1, "image_id", value=[7]), "annotation id 2: found image_id [7]; expected"),
        (changed("annotations", 1, "category_id", value=5), "annotation id 2: found category_id 5; expected the id of"),
        (changed("annotations", 1, "category_id"), "annotation id 2: found no category_id; expected"),
        (changed("annotations", 1, "bbox"), "annotation id 2: found no bbox; expected four finite numbers"),
        (changed("annotations", 1, "bbox", value=[1, 2, 3]), "annotation id 2: found bbox [1, 2, 3]; expected four"),
        (changed("annotations", 1, "bbox", value=[1, 2, 3, "4 px"]), 'found bbox [1, 2, 3, "4 px"]; expected four'),
        (changed("annotations", 1, "bbox", value=[1, 2, 3, "nan"]), 'found bbox [1, 2, 3, "nan"]; expected four'),
        (changed("annotations", 1, "bbox", value={"x": 1, "y": 2}), 'found bbox {"x": 1, "y": 2}; expected four'),
        (changed("annotations", 1, "bbox", value={"x1": 9, "y1": 2, "x2": 1, "y2": 3}), "cannot be negative"),
        (changed("annotations", 1, "bbox", value=[1, 2, 3, float("nan")]), "found bbox [1, 2, 3, NaN]; expected four"),
        (changed("annotations", 1, "bbox", value=[1, 2, 3, 10**400]), "found bbox [1, 2, 3, 1000"),
        (changed("annotations", 1, "bbox", value=[1, 2, 3, True]), "expected four finite numbers"),
        (changed("annotations", 1, "bbox", value=[1, 2, -3, 4]), "found bbox [1, 2, -3, 4]; a face's width and height"),
        (changed("annotations", 1, "iscrowd", value="no"), 'annotation id 2: found iscrowd "no"; expected 0 or 1'),
        (changed("annotations", 1, "keypoints", value=["x"] * 15), "annotation id 2: found keypoints"),
        (changed("annotations", 0, value={"image_id": 5}), "annotation number 1: found image_id 5; expected"),
        (changed("images", 1, "id", value=7), "image id 7: is listed twice"),
        (changed("images", 1, "id"), "image number 2: found no id; expected"),
        (changed("images", 1, "id", value=1.5), "image id 1.5: found id 1.5; expected a whole number or a text"),
        (changed("images", 1, "file_name"), "image id 'x9': found no file_name; expected"),
        (changed("categories", 0, "name"), "category id 1: found no name; expected"),
        (changed("images"), "has no list of objects 'images'; expected COCO's"),
        (changed("annotations"), "has no list of objects 'annotations'; expected COCO's"),
        (changed("categories"), "has the classes 2 (3), 1 (1); name that of the faces with --category"),
        (changed("categories", value={"1": "face"}), "has no list of objects 'categories'; expected COCO's"),
        (changed("categories", 1, value={"id": 1, "name": "face"}), "category id 1: is called 'person' and 'face'"),
        (changed("images", value={"7": "a.jpg"}), "has no list of objects 'images'"),
        (changed("annotations", 1, value=5), "has no list of objects 'annotations'"),
        (
            [{"image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}],
            "is COCO results, a detector's output",
        ),
        ([], "is COCO results, a detector's output"),
        ("3", "is in no known JSON format; expected COCO's"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_malformed_record_is_named(tmp_path, content, expected):
    with pytest.raises(UserError) as error:
        read(tmp_path, content)
    assert str(error.value).startswith(f"{tmp_path / 'truth.json'}: ")
    assert expected in str(error.value)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_invalid_json_is_named_with_its_line(tmp_path):
    with pytest.raises(UserError, match=r"truth\.json:2: is not JSON"):
        read(tmp_path, '{"images": [],\n"annotations": [')


number = st.floats(-1e4, 1e4) | st.integers(-10_000, 10_000)
side = st.floats(0, 1e4) | st.integers(0, 10_000)


@given(st.lists(st.lists(st.tuples(number, number, side, side), max_size=4), max_size=5), st.randoms())
def test_boxes_are_read_as_written(tmp_path_factory, faces_by_image, random):
    faces_by_image.append([(0, 0, 50, 50)])  # these are pixels
    annotations = [
        {"image_id": i, "category_id": 1, "bbox": face, "attributes": {"order": j}}
        for i, faces in enumerate(faces_by_image)
        for j, face in enumerate(faces)
    ]
    random.shuffle(annotations)
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(len(faces_by_image))]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}
    for annotation, faces in zip(read(tmp_path_factory.mktemp("coco"), content), faces_by_image, strict=True):
        order = annotation.attributes["order"].argsort() if len(faces) else []
        assert annotation.boxes[order].tolist() == [[x, y, x + w, y + h] for x, y, w, h in faces]


ONE = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 128, "height": 96}, {"id": 2, "file_name": "b.jpg"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40]}],
    "categories": [{"id": 1, "name": "face"}],
}
BOX = [1, 2, 31, 42]
POLYGONS = [[1, 2, 31, 2, 31, 20], [10, 42, 12, 2, 13, 20]]


def read_one(tmp_path, where: str, **values) -> tuple[Annotation, list[str]]:
    """Read ONE with other values in the first record of a list."""
    content = copy.deepcopy(ONE)
    record = content[where][0]
    record.update(values)
    for key in [key for key, value in record.items() if value is ...]:
        del record[key]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))
    annotations = read_annotations(path)
    return annotations[0], annotations.remarks


@pytest.mark.parametrize(
    ("where", "values", "note"),
    [
        (
            "annotations",
            {"image_id": "1"},
            "ids that are texts in one place and numbers in another: matched in 1 record",
        ),
        ("annotations", {"image_id": 1.0}, None),
        ("annotations", {"image_id": "a.jpg"}, "image_id that is the name of an image: matched in 1 record"),
        ("annotations", {"category_id": "01"}, "matched in 1 record"),
        ("annotations", {"category_id": 1.0}, None),
        ("images", {"id": "1"}, "matched in 1 record"),
        ("images", {"id": 1.0, "height": "96", "width": 128.0}, None),
        ("categories", {"id": "1"}, "matched in 1 record"),
        ("annotations", {"iscrowd": None}, "iscrowd or ignore that is null: read as 0 for 1 face"),
        ("annotations", {"iscrowd": False, "ignore": 0.0}, None),
        ("annotations", {"iscrowd": "0"}, "numbers that are written as texts: read for 1 face"),
        ("annotations", {"bbox": ["1", "2.0", "3e1", " 40 "]}, "numbers that are written as texts: read for 1 face"),
        ("annotations", {"bbox": "[1, 2, 30, 40]"}, "numbers that are written as texts: read for 1 face"),
        (
            "annotations",
            {"bbox": {"x": 1, "y": 2, "width": 30, "height": 40}},
            "{x, y, width, height}: read for 1 face",
        ),
        ("annotations", {"bbox": {"Left": 1, "Top": 2, "Width": 30, "Height": 40}}, "bbox that is an object"),
        ("annotations", {"bbox": {"xmin": 1, "ymin": 2, "xmax": 31, "ymax": 42}}, "bbox that is an object"),
        ("annotations", {"bbox": ..., "segmentation": POLYGONS}, "no bbox, or one without area: the box around the"),
        ("annotations", {"bbox": None, "segmentation": POLYGONS}, "around the segmentation is read for 1 face"),
        ("annotations", {"bbox": [0, 0, 0, 0], "segmentation": POLYGONS}, "around the segmentation is read for 1 face"),
        (
            "annotations",
            {"bbox": [], "segmentation": [*POLYGONS[0], *POLYGONS[1]]},
            "around the segmentation is read for 1 face",
        ),
    ],
)
def test_what_tools_write_in_another_way_is_read_and_counted(tmp_path, where, values, note):
    annotation, remarks = read_one(tmp_path, where, **values)
    assert annotation.boxes.tolist() == [BOX] and not annotation.ignored.any()
    assert annotation.size == (96, 128)
    assert len(remarks) == (note is not None)
    assert (note or "") in "".join(remarks)


def compressed(counts: list[int]) -> str:
    """Return run lengths in the text of COCO's tools."""
    text = ""
    for number, count in enumerate(counts):
        value = count - (counts[number - 2] if number > 2 else 0)
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | 32 * more) + 48)
    return text


@pytest.mark.parametrize(
    ("size", "counts", "box"),
    [
        ([4, 5], [9, 2, 2, 3, 4], [2, 1, 2, 3]),
        ([4, 5], [0, 20], [0, 0, 5, 4]),
        ([4, 5], [3, 2, 15], [0, 0, 2, 4]),
        ([4, 5], [19, 1], [4, 3, 1, 1]),
        ([2000, 3000], [1_000_000, 200, 1_800, 250, 4_997_750], [500, 0, 2, 250]),
    ],
)
def test_a_mask_without_a_box_gives_the_box_around_its_pixels(tmp_path, size, counts, box):
    x, y, w, h = box
    for runs in (counts, compressed(counts)):
        annotation, _ = read_one(tmp_path, "annotations", bbox=None, segmentation={"size": size, "counts": runs})
        assert annotation.boxes.tolist() == [[x, y, x + w, y + h]]


@pytest.mark.parametrize(
    "segmentation",
    [
        *(None, 7, "1 2 3 4", [], [[]], [[1, 2, 3]], [["a", 1, 2, 3]], {}),
        *({"size": [4, 5], "counts": counts} for counts in ([20], [1, 2], [-1, 21], "\u20ac", "o" * 99, None)),
        *({"size": [4], "counts": [4]}, {"size": [1 << 50, 1], "counts": [0, 1 << 50]}),
        {"size": [0, 5], "counts": [0, 0]},
    ],
)
def test_a_face_without_box_and_outline_is_named(tmp_path, segmentation):
    with pytest.raises(UserError, match="annotation id 1: found bbox null; expected four finite numbers"):
        read_one(tmp_path, "annotations", bbox=None, segmentation=segmentation)


def test_ids_of_one_number_and_different_types_are_kept_apart(tmp_path):
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": "1", "file_name": "b.jpg"}, {"id": "1", "file_name": "b.jpg"}]
    faces = [{"id": i, "image_id": image, "bbox": [i, 2, 3, 4]} for i, image in enumerate((1, "1", "1"))]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"images": images, "annotations": faces}))
    annotations = read_annotations(path)
    assert [len(each.boxes) for each in annotations] == [1, 2]
    assert annotations.remarks == [
        "listed twice with one id and one name: read once, 1 image",
        "without categories: all objects are faces, 3 objects",
    ]
    faces[0]["image_id"] = "01"  # of which of the two?
    path.write_text(json.dumps({"images": images, "annotations": faces}))
    with pytest.raises(UserError, match='annotation id 0: found image_id "01"; expected the id of one of the images'):
        read_annotations(path)


def test_categories_of_an_export_with_a_parent_and_without_objects(tmp_path):
    parent = [{"id": 0, "name": "tv-faces", "supercategory": "none"}, {"id": 1, "name": "visage"}]
    assert sum(len(each.boxes) for each in read(tmp_path, ONE | {"categories": parent})) == 1
    empty = ONE | {"annotations": [], "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "bus"}]}
    assert [len(each.boxes) for each in read(tmp_path, empty)] == [0, 0]
    kinds = [{"id": 1, "name": "front", "supercategory": "Face"}, {"id": 2, "name": "side", "supercategory": "Face"}]
    two = ONE["annotations"] + [{"image_id": 2, "category_id": 2, "bbox": [1, 2, 3, 4]}]
    assert sum(len(each.boxes) for each in read(tmp_path, ONE | {"annotations": two, "categories": kinds}, "face")) == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_of_windows_is_read(tmp_path, encoding):
    path = tmp_path / "truth.json"
    text = json.dumps(changed("images", 0, "file_name", value="z\u00fcrich.jpg"), ensure_ascii=False)
    path.write_bytes(b"\xff\xfe" * (encoding == "utf-16-le") + text.encode(encoding))
    assert read_annotations(path)[0].name == "z\u00fcrich.jpg"

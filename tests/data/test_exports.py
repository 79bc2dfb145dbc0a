"""Exports of labelling tools: the same faces in each give the same records."""

import json
import math

import pytest
from PIL import Image

from data.annotations import find_annotations, image_key, read_annotations
from tests.helpers.annotations import write_files
from tests.helpers.exports import (
    CAR,
    EXPORTS,
    FACES,
    SIZE,
    corners,
    cvat_box,
    cvat_images,
    datumaro,
    datumaro_box,
    fiftyone_samples,
    labelme,
    labelme_shape,
    outline,
    studio_annotation,
    studio_region,
    studio_task,
    supervisely,
    via_images,
    via_region,
    vott,
    vott_asset,
)
from utils.errors import UserError

# Exports that do not have the sizes of the images; "fiftyone" reads them only for its faces.
WITHOUT_SIZES = ("via", "keras", "createml", "fiftyone", "open", "vott csv")


def write_export(folder, export: str, images: str = "images"):
    """Write the files of an export and its two images."""
    write_files(folder, EXPORTS[export][1])
    (folder / images).mkdir(parents=True, exist_ok=True)
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", SIZE[::-1]).save(folder / images / name)
    return folder


@pytest.mark.parametrize("images", ["images", "."])
@pytest.mark.parametrize("export", EXPORTS)
def test_the_same_faces_in_all_exports_give_the_same_records(tmp_path, export, images):
    folder = write_export(tmp_path, export, images)
    kind, path = find_annotations(folder)
    assert kind == EXPORTS[export][0]
    annotations = read_annotations(path)
    first, second = sorted(annotations, key=lambda each: each.name)
    assert [image_key(first.name).rpartition("/")[2], image_key(second.name).rpartition("/")[2]] == ["a", "b"]
    assert first.boxes.tolist() == [pytest.approx(corners(face)) for face in FACES]
    assert second.boxes.shape == (0, 4) and not first.landmark_mask.any() and not first.ignored.any()
    if not export.startswith(WITHOUT_SIZES):
        assert first.size == SIZE
    assert {name.casefold() for name in annotations.classes.faces} == {"face"}
    assert "not read: 1 object of other classes" in "\n".join(annotations.remarks)


def read(tmp_path, files: dict[str, str], **options):
    """Read the one annotation in a folder, after writing its files."""
    return read_annotations(write_files(tmp_path, files), **options)


def boxes(annotations) -> list[list[float]]:
    return [box for each in annotations for box in each.boxes.round(2).tolist()]


def remarks(annotations) -> str:
    return "\n".join(annotations.remarks)


def test_labelme_outlines_circles_and_flags(tmp_path):
    shapes = [
        labelme_shape("face", [10, 20, 30, 40], "polygon", flags={"occluded": True, "ignore": False}),
        labelme_shape("face", [0, 0, 5, 5]) | {"shape_type": "circle", "points": [[100, 100], [100, 110]]},
        labelme_shape("face", [0, 0, 5, 5]) | {"shape_type": "point", "points": [[7, 8]]},
        labelme_shape("face", [200, 20, 30, 40], "rotation", difficult=True, attributes={"pose": "left"}),
        labelme_shape("face", [300, 20, 30, 40]) | {"shape_type": "mask", "mask": "iVBORw0KGgo"},
    ]
    annotations = read(tmp_path, {"a.json": labelme(*shapes)})
    assert boxes(annotations) == [[10, 20, 40, 60], [90, 90, 110, 110], [200, 20, 230, 60], [300, 20, 330, 60]]
    words = "read as the boxes around them: 1 polygon, 1 circle, 1 rotated rectangle, 1 mask"
    assert words in remarks(annotations)
    assert "not read, since they are no boxes or outlines: 1 point" in remarks(annotations)
    assert annotations[0].attributes["occluded"].tolist() == [1, None, None, None]
    assert annotations[0].attributes["pose"].tolist() == [None, None, "left", None]
    assert annotations.ignored.tolist() == [False, False, True, False]  # difficult


def test_an_image_whose_faces_are_all_points_is_no_background_image(tmp_path):
    point = labelme_shape("face", [0, 0, 5, 5]) | {"shape_type": "point", "points": [[7, 8]]}
    car = labelme_shape("car", CAR, "point")
    broken = labelme(labelme_shape("face", FACES[0]), labelme_shape("face", FACES[1]) | {"points": 3}, name="b.jpg")
    problems = []
    files = {"a.json": labelme(point, car), "b.json": broken, "c.json": labelme(car)}
    annotations = read(tmp_path, files, problems=problems)
    assert [(each.name, len(each.boxes)) for each in annotations] == [("b.jpg", 1), ("c.jpg", 0)]
    assert [each.record for each in problems] == [0]
    words = "not read, since they are no boxes or outlines: 1 point, and 1 image with no other faces"
    assert words in remarks(annotations)


def test_a_labelme_image_is_called_like_its_file_or_as_recorded(tmp_path):
    files = {"renamed.json": labelme(name="before.png"), "b_label.json": labelme(name="b.jpg"), "b.jpg": ""}
    assert sorted(each.name for each in read(tmp_path, files)) == ["b.jpg", "renamed.png"]


def test_a_folder_of_labelme_may_have_other_json_in_sub_folders(tmp_path):
    annotations = read(tmp_path, {"a.json": labelme(labelme_shape("face", FACES[0])), "old/settings.json": '{"a": 1}'})
    assert boxes(annotations) == [corners(FACES[0])]
    assert "not read: 1 JSON file in another format" in remarks(annotations)


def test_supervisely_datasets_tags_and_masks(tmp_path):
    content = json.loads(supervisely(("face", FACES[0]), ("face", FACES[1]), ("face", CAR)))
    content["objects"][0]["tags"] = [{"name": "occluded", "value": None}, {"name": "pose", "value": "left"}]
    content["objects"][1] |= {"geometryType": "bitmap", "bitmap": {"data": "eJw", "origin": [1, 2]}}
    content["objects"][2] |= {"geometryType": "polygon", "points": {"exterior": outline(CAR), "interior": []}}
    files = {"one/ann/a.jpg.json": json.dumps(content), "two/ann/a.jpg.json": supervisely(("face", CAR))}
    files |= {"one/img/a.jpg": "", "two/img/a.jpg": "", "meta.json": "{}"}
    annotations = read(tmp_path, files)
    assert [each.name for each in annotations] == ["one/img/a.jpg", "two/img/a.jpg"]
    assert boxes(annotations) == [corners(FACES[0]), corners(CAR), corners(CAR)]
    assert annotations[0].attributes["occluded"].tolist() == [1, None]
    assert "1 polygon" in remarks(annotations) and "no boxes or outlines: 1 bitmap" in remarks(annotations)
    assert [each.name for each in read_annotations(tmp_path / "one" / "ann")] == ["a.jpg"]


def test_vott_images_that_nobody_opened_are_no_background_images(tmp_path):
    polygon = vott_asset("b.jpg", [("face", CAR)])
    polygon["regions"][0] |= {"type": "POLYGON", "tags": ["blurred", "face"]}
    assets = [
        vott_asset("a.jpg", [("face", FACES[0])]),
        polygon,
        vott_asset("c.jpg", [], 0),
        vott_asset("d.jpg", [], 1),
    ]
    export = {"vott-json-export/faces-export.json": vott(*assets)}
    annotations = read(tmp_path, export | {"0a-asset.json": json.dumps(assets[0])})
    assert sorted(each.name for each in annotations) == ["a.jpg", "b.jpg", "d.jpg"]
    assert sorted(boxes(annotations)) == sorted([corners(FACES[0]), corners(CAR)])
    assert "not read: 1 image that nobody has opened in VoTT" in remarks(annotations)
    assert "the boxes around them: 1 polygon" in remarks(annotations)


def test_vott_1_frames(tmp_path):
    region = {"x1": 10, "y1": 20, "x2": 40, "y2": 60, "width": 640, "height": 480, "type": "Rectangle"}
    frames = {"a.jpg": [region | {"UID": "1", "id": 0, "tags": ["face"], "name": 1}], "b.jpg": []}
    content = {"frames": frames, "framerate": "1", "inputTags": "face", "suggestiontype": "track", "scd": False}
    annotations = read(tmp_path, {"faces.json": json.dumps(content | {"visitedFrames": ["a.jpg"]})})
    assert boxes(annotations) == [[10, 20, 40, 60]] and len(annotations) == 2


VIA_SHAPES = [
    {"name": "circle", "cx": 50, "cy": 60, "r": 10},
    {"name": "ellipse", "cx": 50, "cy": 60, "rx": 20, "ry": 10, "theta": math.pi / 2},
    {"name": "polygon", "all_points_x": [1, 9, 5], "all_points_y": [2, 3, 8]},
    {"name": "point", "cx": 4, "cy": 5},
]


def test_via_shapes_and_the_attribute_that_names_the_class(tmp_path):
    own = {"occluded": "1", "kind": {"face": True, "car": False}}
    regions = [{"shape_attributes": shape, "region_attributes": own} for shape in VIA_SHAPES]
    annotations = read(tmp_path, {"via.json": json.dumps(via_images(regions))})
    assert boxes(annotations) == [[40, 50, 60, 70], [40, 40, 60, 80], [1, 2, 9, 8]]
    assert annotations[0].attributes["occluded"].tolist() == [1, 1, 1]
    assert "1 circle, 1 ellipse, 1 polygon" in remarks(annotations) and "outlines: 1 point" in remarks(annotations)


@pytest.mark.parametrize(
    ("attributes", "category", "expected"),
    [
        ({}, None, "(no class)"),
        ({"name": "head"}, None, "head"),
        ({"name": "head", "sex": "m"}, None, "head"),
        ({"kind": "head", "sex": "m"}, "Head", "head"),
        ({"kind": "head", "sex": "m"}, None, UserError),
    ],
)
def test_the_class_of_via_regions(tmp_path, attributes, category, expected):
    region = via_region("-", FACES[0]) | {"region_attributes": attributes}
    files = {"via.json": json.dumps(via_images([region]))}
    if expected is UserError:
        with pytest.raises(UserError, match=r"the attributes kind \(1\), sex \(1\), and none has the value 'face'"):
            read(tmp_path, files, category=category)
    else:
        assert tuple(read(tmp_path, files, category=category).classes.faces) == (expected,)


def studio(*tasks: dict) -> dict[str, str]:
    return {"project-1.json": json.dumps(tasks)}


def test_label_studio_shapes_rotation_and_choices(tmp_path):
    ellipse = {"x": 50, "y": 50, "radiusX": 5, "radiusY": 10}
    polygon = {"points": [[10, 10], [20, 10], [15, 30]], "closed": True}
    regions = [
        studio_region("face", [64, 48, 64, 48], 1, rotation=90),  # around its upper left corner
        {**studio_region("face", CAR, 2), "value": ellipse | {"ellipselabels": ["face"]}},
        {**studio_region("face", CAR, 3), "value": polygon | {"polygonlabels": ["face"]}},
        {**studio_region("face", CAR, 4), "value": {"format": "rle", "rle": [0, 1], "brushlabels": ["face"]}},
        {**studio_region("face", CAR, 5), "value": {"x": 5, "y": 6, "width": 0.5, "keypointlabels": ["face"]}},
        {**studio_region("face", CAR, 1), "value": {"choices": ["left"]}, "type": "choices", "from_name": "pose"},
        {"from_id": "region1", "to_id": "region2", "type": "relation", "direction": "right"},
    ]
    annotations = read(tmp_path, studio(studio_task(1, "a.jpg", studio_annotation(*regions))))
    assert boxes(annotations) == [[16, 48, 64, 112], [288, 192, 352, 288], [64, 48, 128, 144]]
    assert annotations[0].attributes["pose"].tolist() == ["left", None, None]
    assert "1 rotated rectangle, 1 ellipse, 1 polygon" in remarks(annotations)
    assert "no boxes or outlines: 1 brush mask, 1 keypoint" in remarks(annotations)


def test_label_studio_images_that_were_turned_are_counted(tmp_path):
    turned = studio_region("face", FACES[0]) | {"image_rotation": 90}
    annotations = read(tmp_path, studio(studio_task(1, "a.jpg", studio_annotation(turned))))
    assert "not turned back: the boxes of 1 task" in remarks(annotations)


def test_label_studio_tasks_that_are_not_done_are_no_background_images(tmp_path):
    first, second = studio_region("face", FACES[0]), studio_region("face", FACES[1])
    tasks = [
        studio_task(1, "a.jpg", studio_annotation(first), studio_annotation(second)),
        studio_task(2, "b.jpg", studio_annotation(first, ground_truth=True), studio_annotation(second)),
        studio_task(3, "c.jpg", studio_annotation(first), studio_annotation(was_cancelled=True)),
        studio_task(4, "d.jpg", studio_annotation(was_cancelled=True)),
        studio_task(5, "e.jpg", predictions=[{"result": [first]}]),
    ]
    annotations = read(tmp_path, studio(*tasks))
    assert boxes(annotations) == [corners(FACES[1]), corners(FACES[0]), corners(FACES[0])]
    assert "not read: earlier annotations of 2 tasks with several" in remarks(annotations)
    assert "not read: 1 task without an annotation, or with a cancelled one" in remarks(annotations)
    assert "not read: the predictions or drafts of 1 task without an annotation" in remarks(annotations)


CVAT_MORE = (
    '<polygon label="face" source="manual" occluded="1" points="10.00,20.00;40.00,20.00;40.00,60.00" z_order="0">'
    '<attribute name="ignore">true</attribute><attribute name="pose">left</attribute></polygon>\n'
    '<points label="face" source="manual" occluded="0" points="5.0,6.0" z_order="0"></points>\n'
    '<ellipse label="face" occluded="0" cx="100" cy="100" rx="10" ry="20" z_order="0"></ellipse>\n'
    '<mask label="face" occluded="0" rle="1, 2" left="7" top="8" width="3" height="4" z_order="0"></mask>\n'
)


def test_cvat_rotation_shapes_and_attributes(tmp_path):
    rotated = cvat_box("face", [100, 100, 40, 20], ' rotation="90.00"')  # around its center
    annotations = read(tmp_path, {"annotations.xml": cvat_images(rotated, CVAT_MORE)})
    assert boxes(annotations) == [[110, 90, 130, 130], [10, 20, 40, 60], [90, 80, 110, 120], [7, 8, 10, 12]]
    assert annotations[0].attributes["occluded"].tolist() == [0, 1, 0, 0]
    assert annotations[0].attributes["pose"].tolist() == [None, "left", None, None]
    assert annotations.ignored.tolist() == [False, True, False, False]
    assert "no boxes or outlines: 1 point" in remarks(annotations)


def test_cvat_tracks_are_read_frame_by_frame(tmp_path):
    def shape(frame: int, outside: int, keyframe: int) -> str:
        return (
            f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="{keyframe}" xtl="{frame}" ytl="1"'
            ' xbr="30" ybr="40" z_order="0"><attribute name="name">Anna</attribute></box>'
        )

    track = (
        '<track id="0" label="face" source="manual">' + shape(3, 0, 1) + shape(4, 0, 0) + shape(5, 1, 1) + "</track>"
    )
    size = "<original_size><width>640</width><height>480</height></original_size>"
    text = f"<annotations><version>1.1</version><meta><task>{size}</task></meta>{track}</annotations>"
    annotations = read(tmp_path, {"annotations.xml": text})
    assert [(each.name, each.size) for each in annotations] == [("frame_000003", SIZE), ("frame_000004", SIZE)]
    assert boxes(annotations) == [[3, 1, 30, 40], [4, 1, 30, 40]]
    assert "interpolated by CVAT between keyframes: 1 object" in remarks(annotations)


def test_parts_of_an_image_need_its_size(tmp_path):
    with pytest.raises(UserError, match=r"parts of the image's size, which the file does not have, .*--images"):
        read(tmp_path, {"samples.json": fiftyone_samples()})
    known = json.loads(fiftyone_samples())
    for sample in known["samples"]:
        sample["metadata"] = {"_cls": "ImageMetadata", "width": SIZE[1], "height": SIZE[0]}
    assert boxes(read(tmp_path, {"samples.json": json.dumps(known)})) == [corners(face) for face in FACES]


def test_several_fields_of_fiftyone_need_one_called_ground_truth(tmp_path):
    content = fiftyone_samples(ground_truth=None, model={"_cls": "Detections"}, people={"_cls": "Detections"})
    with pytest.raises(UserError, match=r"has the fields of labels model \(2\), people \(2\); export the one to read"):
        read(tmp_path, {"samples.json": content})


@pytest.mark.parametrize(
    ("export", "old", "new", "problem"),
    [
        (
            "labelme",
            '"points": [',
            '"points": [null, ',
            r"a\.json: shape 1: found points .*expected a list of points",
        ),
        ("supervisely", '"exterior": [[64', '"exterior": [["x"', r"a\.jpg\.json: object 1: found exterior"),
        ("vott", '"left": 64', '"left": null', r"asset id of a\.jpg: region 1: found left null; expected a number"),
        (
            "via",
            '"width": 128',
            '"width": -128',
            r"image number 1: region 1: found x y w h 64 48 -128 144; .* negative",
        ),
        ("via", '"rect"', '"square"', r"region 1: found the shape 'square'; expected rect, circle"),
        ("label studio", '"original_width": 640', '"original_width": 0', "region 1: found no original_width"),
        ("label studio csv", '""x""', '""x', r"project-1\.csv:2: found .*; expected JSON"),
        ("createml", '"x": 128.0', '"x": NaN', "image number 1: annotation 1: found x NaN; expected a number"),
        ("fiftyone", '"bounding_box": [', '"bounding_box": [1, ', "sample number 1: label 1: found no bounding_box"),
        ("cvat", 'xtl="64.00"', 'xtl="1e999"', r"image 'a\.jpg': box 1: found '1e999' for xtl; expected a number"),
        ("tensorflow", ",64,", ",1e300,", r"train_labels\.csv:2: found a face at x y w h"),
        ("tensorflow", "a.jpg,640", ",640", r"train_labels\.csv:2: found no name of an image"),
    ],
)
def test_a_malformed_place_is_named_or_skipped(tmp_path, export, old, new, problem):
    folder = write_export(tmp_path, export)
    for path in (path for path in folder.rglob("*") if path.suffix in (".json", ".csv", ".xml")):
        path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=problem):
        read_annotations(folder)


@pytest.mark.parametrize("export", ["labelme", "supervisely", "cvat", "tensorflow"])
def test_a_cleaned_copy_of_an_export_is_coco_json(script, tmp_path, export):
    folder = write_export(tmp_path / "set", export)
    (folder / "images" / "b.jpg").unlink()
    result = script("tools/check/__main__.py", folder, "--fix")
    (copy,) = tmp_path.rglob("*_fixed.json")
    assert f"{copy}: is COCO JSON, since" in result.out
    (annotation,) = read_annotations(copy)
    assert annotation.boxes.tolist() == [pytest.approx(corners(face)) for face in FACES]
    assert folder == copy.parent or folder.parent == copy.parent


def test_the_image_of_a_label_studio_task_is_the_text_that_names_one(tmp_path):
    data = {"question": "Which of these are faces?", "photo": "s3://bucket/x/a.jpg?versionId=3"}
    task = studio_task(1, "a.jpg", studio_annotation(studio_region("face", FACES[0]))) | {"data": data}
    assert [each.name for each in read(tmp_path, {"p.json": json.dumps([task])})] == ["a.jpg"]


def test_a_crowd_of_datumaro_or_fiftyone_is_ignored(tmp_path):
    crowd, face = datumaro_box(0, [1, 2, 3, 4]), datumaro_box(0, [5, 6, 7, 8])
    for record, is_crowd in ((crowd, True), (face, False)):
        record["attributes"] = {"is_crowd": is_crowd}
    (found,) = read(tmp_path / "datumaro", {"default.json": datumaro(crowd, face)})[:1]
    assert found.ignored.tolist() == [True, False]
    labels = fiftyone_samples().replace('"bounding_box"', '"iscrowd": 1, "bounding_box"')
    annotations = read(write_export(tmp_path / "fiftyone", "fiftyone"), {"samples.json": labels})
    assert annotations[0].ignored.all() and any(
        "marked to be ignored (iscrowd)" in each for each in annotations.remarks
    )


def test_datumaro_rotation_outlines_and_labels_of_images(tmp_path):
    polygon = datumaro_box(0, []) | {"type": "polygon", "points": [10, 20, 40, 30, 20, 60]}
    mask = datumaro_box(0, []) | {"type": "mask", "rle": {"counts": "x", "size": [480, 640]}}
    turned, tag = datumaro_box(0, [40, 35, 20, 10], rotation=90.0), {"type": "label", "label_id": 1}
    found = read(tmp_path, {"default.json": datumaro(turned, polygon, mask, tag)})
    assert boxes(found) == [[45, 30, 55, 50], [10, 20, 40, 60]] and "rotation" not in found[0].attributes
    assert "read as the boxes around them: 1 rotated rectangle, 1 polygon" in found.remarks
    assert "not read, since they are no boxes or outlines: 1 mask" in found.remarks
    with pytest.raises(UserError, match=r"item a: annotation 1: found label_id 7; expected the number"):
        read(tmp_path, {"default.json": datumaro(datumaro_box(7, [1, 2, 3, 4]))})

"""Images of one name in an export: two images, or two records of one."""

import json

from PIL import Image

from data.annotations import read_annotations
from tests.data.test_exports import read
from tests.helpers.annotations import write_files
from tests.helpers.exports import (
    FACES,
    SIZE,
    corners,
    cvat_box,
    studio_annotation,
    studio_region,
    studio_task,
    vott,
    vott_asset,
)


def two_subsets(first: str, second: str) -> str:
    """Return CVAT's XML of a project, in which two images of two subsets have one name."""
    image = '<image id="{}" name="a.jpg" subset="{}" width="640" height="480">{}</image>'
    images = image.format(0, first, cvat_box("face", FACES[0])) + image.format(1, second, cvat_box("face", FACES[1]))
    return f"<annotations><version>1.1</version>{images}</annotations>"


def test_images_of_one_name_in_two_subsets_of_cvat_stay_two(tmp_path):
    for subset in ("Train", "Validation"):
        (tmp_path / "images" / subset).mkdir(parents=True)
        Image.new("RGB", SIZE[::-1]).save(tmp_path / "images" / subset / "a.jpg")
    found = read(tmp_path, {"annotations.xml": two_subsets("Train", "Validation")})
    assert [each.name for each in found] == ["Train/a.jpg", "Validation/a.jpg"]
    assert [each.boxes.tolist() for each in found] == [[corners(face)] for face in FACES]


def test_records_of_one_image_are_joined_with_a_note(tmp_path):
    joined = "1 record of an image that has another one: their objects are joined"
    found = read(tmp_path, {"annotations.xml": two_subsets("Train", "Validation")})
    assert len(found) == 1 and len(found[0].boxes) == 2 and joined in found.remarks
    tasks = [studio_task(i, "a.jpg", studio_annotation(studio_region("face", FACES[i]))) for i in (0, 1)]
    assert joined in read_annotations(write_files(tmp_path / "studio", {"p.json": json.dumps(tasks)})).remarks


def test_images_of_one_name_in_two_folders_of_vott_stay_two(tmp_path):
    assets = [vott_asset("a.jpg", [("face", face)]) for face in FACES]
    for folder, each in zip(("one", "two"), assets, strict=True):
        each["asset"] |= {"id": folder, "path": f"file:C:/faces/{folder}/a.jpg"}
    found = read(tmp_path, {"faces-export.json": vott(*assets)})
    assert [each.name for each in found] == ["one/a.jpg", "two/a.jpg"]
    assert [each.boxes.tolist() for each in found] == [[corners(face)] for face in FACES]

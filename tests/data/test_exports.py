"""Exports of labelling tools: the same faces in each give the same records."""

import pytest
from PIL import Image

from data.annotations import find_annotations, image_key, read_annotations
from tests.helpers.annotations import write_files
from tests.helpers.exports import EXPORTS, FACES, SIZE, corners

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

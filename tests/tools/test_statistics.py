"""What the images and faces of a dataset are like, in numbers."""

import numpy as np

from data.annotations import read_annotations
from data.image_files import ImageFolder
from tests.helpers.images import draw_image
from tools.statistics import distributions, image_sizes


def test_statistics_of_a_hand_made_set(tmp_path):
    label = tmp_path / "label.txt"
    label.write_text("# a.jpg\n10 20 40 10\n0 0 0 9\n# b.jpg\n# c.jpg\n30 10 8 8\n60 90 20 20\n")
    values = distributions(read_annotations(label), np.array([[100, 200], [50, 60], [np.nan, np.nan]]))
    assert {name: array[:2].tolist() for name, array in values.items() if name in ("width", "height")} == {
        "width": [200, 60],
        "height": [100, 50],
    }
    assert values["faces"].tolist() == [1, 0, 2]
    assert values["size"].tolist() == [20, 8, 20]
    np.testing.assert_array_equal(values["relative_size"], [0.2, np.nan, np.nan])
    assert values["aspect"].tolist() == [4, 1, 1]
    np.testing.assert_array_equal(values["x"], [0.15, np.nan, np.nan])
    np.testing.assert_array_equal(values["y"], [0.25, np.nan, np.nan])


def test_a_face_is_compared_with_the_short_side_of_its_image(tmp_path):
    (tmp_path / "label.txt").write_text("# wide.jpg\n0 0 20 20\n# tall.jpg\n0 0 20 20\n")
    values = distributions(read_annotations(tmp_path / "label.txt"), np.array([[100, 200], [200, 50]]))
    assert values["relative_size"].tolist() == [0.2, 0.4]


def test_sizes_come_from_headers(dataset, tmp_path):
    (tmp_path / "bad.jpg").write_text("no image")
    draw_image(tmp_path / "tall.png", [], (70, 30))
    names = ["faces/images/0.jpg", "bad.jpg", "tall", "none.jpg"]
    sizes, errors = image_sizes(ImageFolder(tmp_path), names)
    np.testing.assert_array_equal(sizes, [[96, 128], [np.nan, np.nan], [70, 30], [np.nan, np.nan]])
    assert len(errors) == 2 and "bad.jpg" in errors[0] and "'none.jpg'" in errors[1]

"""`python -m tools.statistics`, and the plots that it shares with `python -m tools.show`."""

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from data.annotations import read_annotations
from data.image_files import ImageFolder
from tests.helpers.images import draw_image
from tools.statistics.measures import distributions, image_sizes

BOXES = {"a": ["30 30 20 20", "70 50 6 6"], "b": ["50 30 40 40", "9 9 0 30"], "c": ["60 40 10 10"], "d": []}


@pytest.fixture
def label(tmp_path):
    """A label file of four images with faces of 20 and 6 px, 40 px and an empty box, 10 px, and none."""
    for name in BOXES:
        draw_image(tmp_path / "images" / f"{name}.png", [], (150, 160))
    lines = [line for name, rows in BOXES.items() for line in (f"# {name}.png", *rows)]
    (tmp_path / "label.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "label.txt"


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved."""
    saved, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args: saved.append(self) or save(self, *args))
    return saved


@pytest.fixture
def statistics(script):
    return lambda *arguments: script("tools/statistics/__main__.py", *arguments)


def test_distributions_of_a_hand_made_dataset(tmp_path):
    label = tmp_path / "label.txt"
    label.write_text("# a.jpg\n10 20 40 10\n0 0 0 9\n# b.jpg\n# c.jpg\n30 10 8 8\n60 90 20 20\n")
    values = distributions(read_annotations(label), np.array([[100, 200], [50, 60], [np.nan, np.nan]]))
    expected = {
        "width": [200, 60, np.nan],
        "height": [100, 50, np.nan],
        "faces": [1, 0, 2],
        "ignored": [0, 0, 0],
        "size": [20, 8, 20],
        "relative_size": [0.2, np.nan, np.nan],
        "aspect": [4, 1, 1],
        "x": [0.15, np.nan, np.nan],
        "y": [0.25, np.nan, np.nan],
    }
    assert values.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(values[name], array)


def test_relative_size_refers_to_the_short_side(tmp_path):
    (tmp_path / "label.txt").write_text("# wide.jpg\n0 0 20 20\n# tall.jpg\n0 0 20 20\n")
    values = distributions(read_annotations(tmp_path / "label.txt"), np.array([[100, 200], [200, 50]]))
    assert values["relative_size"].tolist() == [0.2, 0.4]


def test_image_sizes_are_read_from_headers(dataset, tmp_path):
    (tmp_path / "bad.jpg").write_text("no image")
    draw_image(tmp_path / "tall.png", [], (70, 30))
    names = ["faces/images/0.jpg", "bad.jpg", "tall", "none.jpg"]
    sizes, errors = image_sizes(ImageFolder(tmp_path), names)
    np.testing.assert_array_equal(sizes, [[96, 128], [np.nan, np.nan], [70, 30], [np.nan, np.nan]])
    assert len(errors) == 2 and "bad.jpg" in errors[0] and "'none.jpg'" in errors[1]


def test_counts_and_quantiles_are_printed(statistics, label):
    outcome = statistics(label)
    assert outcome.status == 0 and outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0] == f"{label}: 4 images, 4 faces, 1 background image"
    rows = {line[:36].strip(): line[36:].split() for line in lines[2:]}
    assert [rows["face size, px"][at] for at in (0, 3, 6)] == ["6", "15", "40"]
    assert rows["faces per image"][0] == "0" and rows["image width, px"][0] == "160"


def test_plots_show_the_distributions(statistics, label, figures, tmp_path):
    outcome = statistics(label, "--out", tmp_path / "plots.png")
    assert outcome.status == 0 and outcome.out.endswith(f"plots: {tmp_path / 'plots.png'}\n")
    assert cv2.imread(str(tmp_path / "plots.png")).shape[1] > 1000
    plots = {axes.get_title(loc="left").partition(" (")[0]: axes for axes in figures[0].axes}
    assert [words.get_text() for words in plots["Image size in pixels"].get_yticklabels()] == ["160 x 150"]
    assert [bar.get_height() for bar in plots["Faces per image"].patches] == [1, 2, 1]
    assert [line.get_xdata()[0] for line in plots["Face size"].lines] == [16, 32, 64, 128, 256, 512]
    assert sum(bar.get_height() for bar in plots["Face size"].patches) == 4
    assert "median 15" in plots["Face size"].get_title(loc="left")
    assert plots["Face centers"].images[0].get_array().sum() == 4
    assert all(axes.get_xlabel() for axes in plots.values())


def test_many_image_sizes_are_circles(statistics, tmp_path, figures):
    for i in range(10):
        draw_image(tmp_path / "images" / f"{i}.jpg", [], (40 + max(i, 1), 60))
    (tmp_path / "label.txt").write_text("".join(f"# {i}.jpg\n1 1 {5 + i} 9\n" for i in range(10)))
    assert statistics(tmp_path / "label.txt", "--out", tmp_path / "plots.png").status == 0
    axes = figures[0].axes[0]
    (circles,) = axes.collections
    assert sorted(map(tuple, circles.get_offsets().tolist())) == [(60, 40 + i) for i in range(1, 10)]
    assert circles.get_sizes()[0] > circles.get_sizes()[1:].max()
    assert "60 x 41" in axes.get_title(loc="left")


def test_ignored_faces_are_counted_and_not_measured(statistics, script, tmp_path, figures):
    for name in ("a.jpg", "b.jpg"):
        draw_image(tmp_path / "images" / name, [])
    label = tmp_path / "wider_bbx_gt.txt"
    b = "b.jpg\n1\n9 9 50 50 0 0 0 1 0 0\n"
    label.write_text(
        "a.jpg\n3\n5 5 60 60 0 0 0 1 0 0\n80 20 30 30 0 0 0 0 0 0\n80 60 6 6 0 0 0 1 0 0\n" + b
    )  # fmt: skip
    counts = "2 images, 1 face, 3 ignored faces, 0 background images"
    assert counts in statistics(label).out
    assert counts in script("tools/show/__main__.py", label, "--statistics", "--out", tmp_path / "plots.png").out
    titles = [axes.get_title(loc="left") for axes in figures[0].axes]
    assert "Face size (median 30 px)" in titles and "Faces per image (mean 0.5, max 1)" in titles
    assert counts in [text.get_text() for text in figures[0].texts]
    label.write_text(b)
    statistics(label).refuses(label, "no faces to measure")


def test_unreadable_images_are_listed(statistics, dataset):
    (dataset.parent / "images" / "2.jpg").write_bytes(b"no image")
    outcome = statistics(dataset)
    assert outcome.status == 3 and "2.jpg" in outcome.err and "6 images, 9 faces" in outcome.out
    for path in (dataset.parent / "images").iterdir():
        path.write_bytes(b"no image")
    statistics(dataset).refuses("none of 6 images can be read", "0.jpg")


def test_plots_cannot_replace_an_image_of_the_dataset(statistics, label):
    statistics(label, "--out", label.parent / "images" / "a.png").refuses("--out", "among the images")
    statistics(label, "--out", label.parent / "plots.txt").refuses("plots.txt", ".pdf")

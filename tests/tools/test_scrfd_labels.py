"""SCRFD's labels, which look like RetinaFace's and have corners."""

import json
import time

import pytest

from data.annotations import read_annotations
from utils.errors import UserError

POINTS = [[15, 30], [35, 30], [25, 40], [18, 50], [33, 50]]
LABELS = (
    "# 0--Parade/a b.jpg 200 100\n"
    f"10 20 40 60 {' '.join(f'{x} {y} 1.0' for x, y in POINTS)}\n"
    f"100 20 140 60{' -1' * 15}\n150 50 170 80 1\n# b.jpg 64 48\n# c.jpg 64 48\n1 2 3.5 4\n"
)


def test_labels_of_scrfd_are_corners(tmp_path):
    (tmp_path / "labelv2.txt").write_text(LABELS)
    annotations = read_annotations(tmp_path)
    assert [each.name for each in annotations] == ["0--Parade/a b.jpg", "b.jpg", "c.jpg"]
    first, second, third = annotations
    assert first.boxes.tolist() == [[10, 20, 40, 60], [100, 20, 140, 60], [150, 50, 170, 80]]
    assert first.landmarks[0].tolist() == POINTS and first.landmark_mask.tolist() == [True, False, False]
    assert first.ignored.tolist() == [False, False, True]
    assert (first.size, third.size) == ((100, 200), (48, 64))
    assert not len(second.boxes) and third.boxes.tolist() == [[1, 2, 3.5, 4]]


def test_the_command_converts_corners_to_sizes(convert, tmp_path):
    (tmp_path / "labelv2.txt").write_text(LABELS)
    outcome = convert(tmp_path / "labelv2.txt", tmp_path / "coco.json", "--to", "coco")
    assert outcome.status == 0, outcome.err
    faces = json.loads((tmp_path / "coco.json").read_text())["annotations"]
    assert [face["bbox"] for face in faces][:3] == [[10, 20, 30, 40], [100, 20, 40, 40], [150, 50, 20, 30]]
    assert "1 of 4 faces is marked to be ignored (ignore)" in outcome.out


@pytest.mark.parametrize(
    ("line", "bad", "expected"),
    [
        (2, "40 60 10 20", "x1 y1 x2 y2 with"),
        (2, "1 2 3 4 5", "'x1 y1 x2 y2', alone"),
        (2, "# b.jpg", "'# image.jpg width height'"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, bad, expected):
    (tmp_path / "labelv2.txt").write_text(f"# a.jpg 200 100\n{bad}\n")
    with pytest.raises(UserError, match=f"labelv2.txt:{line}: found '{bad}'; expected {expected}"):
        read_annotations(tmp_path)


def test_a_long_title_takes_no_time(tmp_path):
    (tmp_path / "labelv2.txt").write_text(f"# a.jpg 200 100\n# a{' ' * 100_000}x\n")
    start = time.process_time()
    with pytest.raises(UserError, match=r"labelv2\.txt:2"):
        read_annotations(tmp_path)
    assert time.process_time() - start < 5


ROWS = ["1 2 3 4", "1 2 3 4 0", "1 2 3 4 1", f"1 2 30 40{' 5.5 6 1.0' * 5}", f"1 2 30 40{' 5 6.25 0' * 5} 0.82"]


def test_rows_of_all_widths_give_the_same_at_once_and_line_by_line(tmp_path):
    for name, last in (("at_once", "1 2 3 4"), ("by_line", "1 2 3 0x4")):
        (tmp_path / name).write_text("\n".join(["# a.jpg 200 100", *ROWS, "# b.jpg 64 48", last]))
    problems = []
    at_once, by_line = (read_annotations(tmp_path / name, problems=problems) for name in ("at_once", "by_line"))
    assert len(problems) == 1 and problems[0].record == 1 and "by_line:8: found '1 2 3 0x4'" in problems[0].sentence
    for found in (at_once[0], by_line[0]):
        assert found.boxes[:, 2:].tolist() == [[3, 4], [3, 4], [3, 4], [30, 40], [30, 40]]
        assert found.ignored.tolist() == [False, False, True, False, False]
        assert found.landmarks[:, 0].tolist() == [[-1, -1], [-1, -1], [-1, -1], [5.5, 6], [5, 6.25]]
    assert [len(each.boxes) for each in by_line] == [5, 0] and [len(each.boxes) for each in at_once] == [5, 1]


def test_a_score_of_scrfd_is_said_to_be_not_read(convert, tmp_path):
    (tmp_path / "labelv2.txt").write_text("\n".join(["# a.jpg 200 100", *ROWS]))
    outcome = convert(tmp_path / "labelv2.txt", tmp_path / "out.json", "--to", "coco")
    assert outcome.status == 0 and "the 20th column of 1 face" in outcome.out + outcome.err


def test_valid_rows_are_parsed_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("data.annotations.formats.scrfd_text._parse_face", None)  # which takes a line
    (tmp_path / "labelv2.txt").write_text("\n".join(["# a.jpg 200 100", *ROWS]))
    assert len(read_annotations(tmp_path)[0].boxes) == len(ROWS)

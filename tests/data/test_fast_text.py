"""The fast readers return the same records as the readers line by line, and take little memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data.annotations import fast_text, read_annotations
from data.annotations.formats.label_text import read_label, read_label_by_line, read_label_fast
from data.annotations.formats.laboro_text import LABORO_ATTRIBUTES
from data.annotations.formats.wider_text import (
    WIDER_ATTRIBUTES,
    read_wider_text,
    read_wider_text_by_line,
    read_wider_text_fast,
)
from data.annotations.places import PackedNames
from utils.errors import UserError

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12).filter(lambda name: name.strip())
DECIMALS = st.from_regex(r"[0-9]{1,7}\.[0-9]{0,20}|0\.0{20,30}[0-9]{1,9}|\.[0-9]{1,9}", fullmatch=True)
NUMBERS = st.one_of(st.integers(0, 5000).map(str), st.floats(0, 1e4, allow_nan=False).map(repr), DECIMALS)


@st.composite
def label_files(draw) -> bytes:
    widths = draw(st.sets(st.sampled_from([4, 19, 20]), min_size=1))
    blanks = st.sampled_from([" ", "  ", ",", ", ", "\t"])
    lines = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=5)):
        lines.append(f"#{draw(st.sampled_from(['', ' ']))}{name}")
        for _ in range(draw(st.integers(0, 3))):
            width, blank = draw(st.sampled_from(sorted(widths))), draw(blanks)
            lines.append(blank.join(draw(NUMBERS) for _ in range(width)) + draw(st.sampled_from(["", " "])))
            lines += [""] * draw(st.integers(0, 1))
    text = draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(st.sampled_from(["", "\n"]))
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()


def assert_equal(found, expected) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
        np.testing.assert_array_equal(one.landmark_mask, other.landmark_mask)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=label_files())
def test_usual_labels_are_read_fast_and_equal_those_read_line_by_line(tmp_path_factory, monkeypatch, content):
    monkeypatch.setattr(fast_text, "_BLOCK", 64)  # bytes, so that files of a few rows have several blocks
    path = tmp_path_factory.getbasetemp() / "label.txt"
    path.write_bytes(content)
    expected, found = read_label_by_line(path), read_label_fast(path, content)
    if found is None:  # a line begins with a letter that Python strips as a blank
        assert any(line[:1].isspace() for line in content.decode("utf-8-sig").split("\n") if line.strip())
    else:
        assert_equal(found, expected)
    assert_equal(read_annotations(path, "label"), expected)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("# a.jpg\n1 2 3\n", "a.txt:2: found '1 2 3'; expected"),
        ("# a.jpg\n1 2 3 4\n# b.jpg\n1 2 x 4\n", "a.txt:4: found '1 2 x 4'; expected"),
        ("# a.jpg\n1 2 3 e\n", "a.txt:2"),
        ("# a.jpg\n1 2 3 4.5.6\n", "a.txt:2: found '1 2 3 4.5.6'; expected"),
        ("# a.jpg\n1 2 3 .\n", "a.txt:2: found '1 2 3 .'; expected"),
        ("# a.jpg\n1 2 3.-4 .\n", "a.txt:2: found '1 2 3.-4 .'; expected"),
        ("# a.jpg\n1 2 3 - 4\n", "a.txt:2: found '1 2 3 - 4'; expected"),
        ("# a.jpg\n1 2 -3 4\n", "a.txt:2: found '1 2 -3 4'; a face's width"),
        ("# a.jpg\n1 2 3 1e999\n", "a.txt:2"),
        ("# a.jpg\n1 2 3 4\n#\n1 2 3 4\n", "a.txt:3: found '#' alone"),
        ("# a.jpg\n1 2 3 4\n#   \n", "a.txt:3: found '#' alone"),
        ("# a.jpg\n1 2 3 2e9\n", "expected numbers up to 1e9"),
    ],
)
def test_malformed_rows_are_named_by_their_line(tmp_path, text, problem):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UserError) as error:
        read_annotations(tmp_path / "a.txt")
    assert problem in str(error.value)


@pytest.mark.parametrize(
    "text",
    [" # a.jpg\n1 2 3 4\n", "# a.jpg\n1 2 3 4\n\t\n", "# a.jpg\n1_ 2 3 4\n".replace("_", "\u2003")],
    ids=["indented", "tab alone", "another blank"],
)
def test_unusual_files_are_read_line_by_line(tmp_path, text):
    assert read_label_fast(tmp_path, text.encode()) is None
    (tmp_path / "a.txt").write_text(text)
    first = read_annotations(tmp_path / "a.txt")[0]
    assert first.name == "a.jpg" and first.boxes[0].tolist() == [1, 2, 4, 6]


def test_names_are_packed_and_unpacked():
    names = ["a.jpg", "日本/語.png", "with blank.jpg", "\udce9.jpg", "back\\slash.jpg", "/root.jpg"]
    packed = PackedNames.pack(names)
    assert list(packed) == [*names[:4], "back/slash.jpg", "root.jpg"]
    assert packed[-1] == "root.jpg" and packed[1:3] == names[1:3] and len(packed) == 6
    assert list(PackedNames.pack([])) == []


def test_a_large_label_file_takes_little_memory(tmp_path):
    count = 30_000
    rows = "10 20 30 40\n50 60 70 80\n1 2 3 4\n"
    Path(tmp_path, "label.txt").write_text("".join(f"# programme/{i:08}.jpg\n{rows}" for i in range(count)))
    tracemalloc.start()
    try:
        annotations = read_annotations(tmp_path / "label.txt")
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert annotations[count - 1].name == f"programme/{count - 1:08}.jpg" and len(annotations[7].boxes) == 3
    assert held < 300 * count  # the text, three boxes and the place of the name; an array object alone takes 112
    assert peak < 1200 * count


BLANKS = ("\r", "\n", "\r\n", "\t", " ", ",", "\0", "\ufeff", "\x0b", "\x1c", "\x85", "\u2003", "\u2028", "\u3000")
PARTS = ("#", "a.jpg", "/", "1", "20", "-", "+", ".", "e", "_", "1e5", "99999999999999999999", "10 10 30 30")
ODD = st.sampled_from(BLANKS + PARTS)


def outcome(reader, *arguments) -> list | str:
    """Return the records of a reader as lists, or its error message."""
    try:
        found = reader(*arguments)
    except UserError as error:
        return str(error)
    places = found.places
    records = [
        (
            one.name,
            one.boxes.tolist(),
            one.landmarks.tolist(),
            {key: own.tolist() for key, own in one.attributes.items()},
        )
        for one in found
    ]
    return [records, list(places.images), list(places.faces)]


@settings(deadline=None, max_examples=300)
@given(parts=st.lists(ODD, max_size=25), start=st.sampled_from(["", "# a.jpg\n", "# a.jpg\r10 10 30 30\n"]))
@example(parts=["#", "\x85"], start="")
@example(parts=["20 20 30 30 ", "99999999999999999999 " * 15, "1"], start="# a.jpg\n")
def test_both_readers_of_labels_agree_on_unusual_characters(tmp_path_factory, parts, start):
    path = tmp_path_factory.getbasetemp() / "odd.txt"
    path.write_bytes((start + "".join(parts)).encode())
    expected = outcome(read_label_by_line, path)
    assert outcome(read_label, path) == expected


WIDER_LINES = (
    "a.jpg",
    "0",
    "1",
    "2",
    "1 2 3 4 0 0 0 0 1 0",
    "0 0 0 0 0 0 0 0 0 0 ",
    "7",
    "",
    "\u3000",
    "\uff11",
    " b.jpg ",
)
ODD_LINES = (
    "1 2 -3 4 0 0 0 0 1 0",
    "1 2 3 4 0 0 0 0 1",
    "1 2 3e9 4 0 0 0 0 1 0",
    "1, 2, 3, 4, 5, 6, 7, 8.5",
    "\0",
    "\x1c1",
)


@st.composite
def wider_texts(draw) -> str:
    """Draw images with rows, mostly as many as counted, with other lines between them."""
    columns, separator = draw(st.sampled_from([(10, " "), (8, ", ")]))
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        lines += draw(st.lists(st.sampled_from(WIDER_LINES + ODD_LINES), max_size=1 + 2 * draw(st.booleans())))
        count = draw(st.integers(0, 2))
        rows = [
            separator.join(["0" if count == 0 else draw(NUMBERS) for _ in range(columns)]) for _ in range(count or 1)
        ]
        lines += [
            draw(st.sampled_from(["a.jpg", "0001", "p 3"])),
            str(count),
            *rows[: count or draw(st.integers(0, 1))],
        ]
    return draw(st.sampled_from(["", "\ufeff"])) + draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])).join(lines)


@settings(deadline=None, max_examples=150)
@given(text=wider_texts(), attributes=st.sampled_from([WIDER_ATTRIBUTES, LABORO_ATTRIBUTES]))
def test_both_readers_of_wider_text_agree(tmp_path_factory, text, attributes):
    path = tmp_path_factory.getbasetemp() / "wider.txt"
    path.write_bytes(text.encode())
    assert outcome(read_wider_text, path, attributes) == outcome(read_wider_text_by_line, path, attributes)


def test_usual_wider_text_is_read_fast(tmp_path):
    text = "a.jpg\n1\n1 2 3 4 0 0 0 0 1 0 \nb.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \nc.jpg\n0\nd.jpg\n1\n5 6 7 8.5 2 0 0 0 1 0\n"
    found = read_wider_text_fast(tmp_path / "a.txt", text.encode(), WIDER_ATTRIBUTES)
    (tmp_path / "a.txt").write_text(text)
    assert_equal(found, read_wider_text_by_line(tmp_path / "a.txt", WIDER_ATTRIBUTES))
    assert found[3].attributes["blur"].tolist() == [2] and found.places.faces[1].endswith("a.txt:11")


def test_lone_carriage_returns_end_lines(tmp_path):
    content = "# a.jpg\r10 10 30 30\r# b.jpg\r20 20 30 30\r"
    (tmp_path / "label.txt").write_bytes(content.encode())
    assert [one.name for one in read_annotations(tmp_path / "label.txt")] == ["a.jpg", "b.jpg"]
    (tmp_path / "wider.txt").write_bytes(b"a.jpg\r1\r1 2 3 4 0 0 0 0 0 0\r")
    assert read_annotations(tmp_path / "wider.txt")[0].boxes.tolist() == [[1, 2, 4, 6]]

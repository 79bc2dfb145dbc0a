"""Parsing of prediction text files: the compiled parser equals the one in Python to the bit."""

import random
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.annotations import LARGEST
from data.annotations.formats.prediction_text import parse_text
from evaluation.extension import load_extension
from evaluation.prediction_text import parse_texts
from tests.helpers.compiled import without_compiled
from tests.helpers.evaluation import ONE
from utils.errors import UserError

# What is no number, what only Python takes for one, and numbers at the limits of a double.
ODD_FIELDS = [
    *["", "+", "-", ".", "-.", "e5", "1e", "1e+", "--1", "1_0", "_1", "1,5", "0.4x"],
    *["0x1p3", "nan", "-inf", "Infinity"],
    *["\u0663", "\uff15", "\u22125", "\xb2", "\ufeff5", "5\x00", "\x005", "-0", "+1.", ".5", "1e308", "1e400", "0e999"],
    *["1e-400", "-1e-400", "5e-324", "2.4703282292062328e-324", "2.2250738585072011e-308", "1e99999999999999999999"],
    *["9007199254740993", "9007199254740992e22", "9007199254740992e23", "18446744073709551616", "1e22"],
    *["1" + "0" * 400, "0." + "0" * 400 + "1"],
]
ODD_BLANKS = ["", ",", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\xa0", "\u2003", "\x00"]
ODD_NEWLINES = ["", "\r", "\r\r\n", "\n\r", "\x0b", "\x85", "\u2028"]
ODD_BYTES = [b"\xff", b"\xe3\x81", b"\xef\xbb\xbf", b"\x00", b"\r", b"\n", b" ", b"-", b"e", b"."]


def random_number(rng: random.Random) -> str:
    def digits(most: int) -> str:
        return "".join(rng.choices("0123456789", k=rng.randint(0, most)))

    return rng.choice(
        [
            lambda: str(rng.randint(0, 3000)),
            lambda: f"{rng.random():.7f}",
            lambda: repr(rng.random()),
            lambda: repr(float(np.int64(rng.getrandbits(62)).view(np.float64))),
            lambda: f"{digits(25)}.{digits(25)}",
            lambda: f"{digits(25)}.{digits(4)}{rng.choice('eE')}{rng.choice(['', '+', '-'])}{digits(3)}",
        ]
    )()


def random_file(rng: random.Random) -> bytes:
    """Return a file that is well-formed but for a few oddities, so that each of them is met by itself."""

    def pick(usual: list, odd: list) -> str:
        return rng.choice(usual if rng.random() < 0.98 else odd)

    def row() -> str:
        fields = ""
        for column in range(int(pick([5, 5, 6, 8], [0, 1, 4]))):
            sign = rng.choice(["", "", "-", "+"]) if column not in (2, 3) else pick([""], ["-", "+"])
            fields += sign + pick([random_number(rng)], ODD_FIELDS) + pick([" ", "\t", "  "], ODD_BLANKS)
        return fields

    rows = [pick([row()], ["", " "]) for _ in range(rng.randint(0, 3))]
    count = str(sum(bool(row.split()) for row in rows))
    title = rng.choice(["name", "", " a b ", "\ufeff", "\u9854", "a\x0bb", "a\x00b"])
    lines = [title, pick([count, count + " ", "\t0" + count], ["", "7", "+1", "\u0663", "\xb2", "9" * 5000]), *rows]
    text = "".join(line + pick(["\n", "\r\n", "\t\n"], ODD_NEWLINES) for line in lines)
    content = text.encode("utf-8-sig" if rng.random() < 0.1 else "utf-8")
    content = content.rstrip() if rng.random() < 0.3 else content
    place = rng.randint(0, len(content))
    return content[:place] + (rng.choice(ODD_BYTES) if rng.random() < 0.1 else b"") + content[place:]


def outcome(content: bytes, array_of) -> tuple | str:
    """Return the bits of the array, or the message."""
    try:
        array = array_of(content)
    except UserError as error:
        return str(error)
    return array.shape, array.dtype, array.tobytes()


def test_compiled_reading_equals_pythons_to_the_bit():
    rng = random.Random(0)
    refused = 0
    for _ in range(6000):
        content = random_file(rng)
        expected = outcome(content, lambda content: parse_text(content, "x.txt"))
        assert outcome(content, lambda content: parse_texts([content], ["x.txt"])[0]) == expected, content
        refused += isinstance(expected, str)
    assert 1000 < refused < 5000


def test_files_are_read_at_once_as_they_are_one_by_one():
    rng = random.Random(1)
    files = [random_file(rng) for _ in range(1000)]
    files = [content for content in files if not isinstance(outcome(content, lambda c: parse_text(c, "x.txt")), str)]
    for content, rows in zip(files, parse_texts(files, ["x.txt"] * len(files)), strict=True):
        assert rows.tobytes() == parse_text(content, "x.txt").tobytes()


def test_numbers_of_all_sizes_are_read_compiled_and_exactly():
    rng = np.random.default_rng(0)
    doubles = rng.integers(0, np.float64(1e9).view(np.int64), 20_000).view(np.float64)
    formats = ["{!r}", "{:.17e}", "{:.25g}", "{:.7g}", "{:.3e}", "{:.0f}", "{:.340f}"]
    texts = [formats[i % len(formats)].format(float(value)) for i, value in enumerate(doubles)]
    mantissas = (2**53 - 1, 2**53, 2**53 + 1, 10**19 - 1, 10**19, 2**64 + 1)
    texts += [f"{m}e{e}" for m in mantissas for e in range(-40, 41) if m * 10.0**e <= 1e9]
    content = f"name\n{len(texts)}\n{''.join(f'0 +{text} 0 0 -{text}{chr(10)}' for text in texts)}".encode()
    rows, counts = np.empty((len(texts) + 2, 5)), np.empty(1, np.int64)
    import_module("evaluation._prediction_rows").read_plain([content], rows, counts)
    assert counts.tolist() == [len(texts)]
    expected = np.array([float(text) for text in texts])
    assert rows[:-2, 1].tobytes() == expected.tobytes()
    assert rows[:-2, 4].tobytes() == (-expected).tobytes()


def test_plain_files_are_parsed_in_compiled_code(monkeypatch):
    monkeypatch.setattr("evaluation.prediction_text.parse_text", None)
    texts = [ONE, "\ufeff\u9854.jpg\r\n1 \r\n\r\n +1. .5e1\t3 4.25 1E-2 more, ~ columns \r\n \t", "\n0", "a\n0\n\n"]
    one, two, *empty = parse_texts([text.encode() for text in texts], ["x"] * 4)
    assert one.tolist() == [[10, 11, 50, 51, 0.98], [100, 10, 140, 50, 0.6]]
    assert two.tolist() == [[1, 5, 4, 9.25, 0.01]]
    assert [array.shape for array in empty] == [(0, 5), (0, 5)]


def test_without_the_extension_there_is_one_warning(monkeypatch, capsys):
    with without_compiled("evaluation._prediction_rows", "evaluation._other"):
        for _ in range(2):
            assert parse_texts([ONE.encode()], ["one.txt"])[0].tolist() == parse_text(ONE.encode(), "one.txt").tolist()
        assert load_extension("_other") is None
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "python setup.py build_ext --inplace" in warning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: found an empty file; "),
        ("one\n", ":2: found ''; expected the number of detections"),
        ("one\n5 5 5 5 1\n", ":2: found '5 5 5 5 1'; expected the number of detections"),
        ("one\n" + "1" * 5000, ":2: found '111"),
        ("one\n2\n5 5 5 5 1\n", ":2: found 1 rows below; expected 2, "),
        ("one\n2\n\n5 5 5 5 1\n5 5 5 1\n", ":5: found '5 5 5 1'; expected five numbers"),
        ("one\n1\n1e308 5 1e308 5 1\n", ":3: found '1e308 5 1e308 5 1'; expected numbers up to 1e9"),
        ("one\n1\n5 5 5 -1 1\n", ":3: found '5 5 5 -1 1'; expected a width and height of 0 or more"),
        (b"one\n0\n\xff", ": is not UTF-8 text (byte 6)"),
        ("one\n1\n5 5 5 1_0 1\n", ":3: found '5 5 5 1_0 1'; expected five numbers"),
    ],
)
def test_malformed_text(text, message):
    with pytest.raises(UserError) as error:
        parse_texts([ONE.encode(), text if isinstance(text, bytes) else text.encode()], ["a.txt", "b.txt"])
    assert str(error.value).startswith(f"b.txt{message}")


values = st.one_of(
    st.integers(-5, 300).map(str),
    st.floats(width=32).map(repr),
    st.sampled_from(["", "x", "1_0", "1e3", ",", "+1."]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(values, min_size=3, max_size=7), max_size=4), st.booleans())
def test_any_rows_are_read_as_python_reads_them_or_refused(rows, right_count):
    lines = [" ".join(row) for row in rows]
    rows = [line.split() for line in lines if line.strip()]
    content = "\n".join(["name", str(len(rows) + (not right_count)), *lines]).encode()
    try:
        expected = np.array([[float(value) for value in row[:5]] for row in rows]).reshape(-1, 5)
        expected[:, 2:4] += expected[:, :2]
        fine = right_count and (np.abs(expected) <= LARGEST).all() and (expected[:, 2:4] >= expected[:, :2]).all()
        fine = fine and not any("_" in value for row in rows for value in row[:5])
    except ValueError:
        fine = False
    if not fine:
        with pytest.raises(UserError, match=r"any\.txt"):
            parse_texts([content], ["any.txt"])
        return
    assert np.array_equal(parse_texts([content], ["any.txt"])[0], expected)

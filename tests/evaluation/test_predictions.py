"""Reading predictions: the compiled reader against Python's, which file is for which image, COCO's results."""

import json
import random
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.annotations import LARGEST, Annotation
from evaluation.extension import load_extension
from evaluation.prediction_text import parse_text, parse_texts
from evaluation.predictions import load_predictions
from tests.helpers.compiled import without_compiled
from utils.errors import UserError

ONE = "one\n2\n10 11 40 40 0.98\n100 10 40 40 0.6\n"


def images(*names: str, ids: tuple[int | str, ...] | None = None) -> list[Annotation]:
    """Return images without faces."""
    ids = ids or (None,) * len(names)
    return [
        Annotation(name, np.empty((0, 4)), np.empty((0, 5, 2)), identity=identity)
        for name, identity in zip(names, ids, strict=True)
    ]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes text files, in which a score tells them apart: write("a/b.txt", ...) -> folder."""

    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / "pred" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"title\n1\n1 2 3 4 {score_of(name)}\n")
        return tmp_path / "pred"

    return write


def score_of(name: str) -> float:
    return len(name) + sum(name.encode()) / 65536


@pytest.fixture
def results(tmp_path):
    """Return a function that writes a results file: the records, or any other content."""

    def results(content: object) -> Path:
        path = tmp_path / "results.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return results


def record(image_id: object, score: object = 0.5, box: object = (1, 2, 3, 4), category: object = 1) -> dict:
    return {"image_id": image_id, "category_id": category, "bbox": box, "score": score}


def refusal(path: Path, *arguments) -> str:
    """Return the one line that refuses the predictions."""
    with pytest.raises(UserError) as error:
        load_predictions(path, *arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---- the text of one file

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


def test_plain_files_do_without_python(monkeypatch):
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
        ("one\n2\n5 5 5 5 1\n", ":2: found 1 rows below; expected 2 "),
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


# ---- which file is for which image


def scores(predictions) -> dict[str, float]:
    return {key: array[0, 4] for key, array in predictions.detections.items()}


def test_files_at_the_path_of_their_image(write, capsys):
    folder = write("a.txt", "x/b.jpg.txt", "x/y/c.PNG.txt", "0.5_scale.txt", "d.jpg.txt")
    found = load_predictions(str(folder), images("a.jpg", "x/b.jpg", "x/y/c.jpg", "0.5_scale", "d.jpg.jpg"))
    assert scores(found) == {
        "a": score_of("a.txt"),
        "x/b": score_of("x/b.jpg.txt"),
        "x/y/c": score_of("x/y/c.PNG.txt"),
        "0.5_scale": score_of("0.5_scale.txt"),
        "d.jpg": score_of("d.jpg.txt"),  # and not for d.jpg
    }
    assert (found.missing, found.unknown, capsys.readouterr().err) == ([], [], "")
    assert found.detections["a"][0, :4].tolist() == [1, 2, 4, 6]


def test_two_files_for_one_image(write):
    folder = write("x/b.jpg.txt", "x/b.txt")
    message = refusal(folder, images("x/b.jpg"))
    assert message == f"{folder}: found 'x/b.jpg.txt' and 'x/b.txt' for the same image; remove one of them"
    (folder / "d.txt").write_bytes((folder / "x/b.txt").read_bytes())
    assert load_predictions(folder, images("c.jpg", "d.jpg"), True).unknown == ["x/b.jpg.txt", "x/b.txt"]


def test_other_folders_than_the_ground_truth_has(write, capsys):
    folder = write("one.txt", "deep/er/two.jpg.txt", "x/three.txt")
    found = load_predictions(folder, images("x/one.jpg", "two.jpg", "x/three.jpg"))
    assert scores(found) == {
        "x/one": score_of("one.txt"),
        "two": score_of("deep/er/two.jpg.txt"),
        "x/three": score_of("x/three.txt"),
    }
    note = capsys.readouterr().err
    assert note.count("\n") == 1
    assert "2 of 3 images" in note and "'one.txt'" in note and "three" not in note


def test_ambiguous_base_names_are_not_guessed(write, capsys):
    # a: two images; b: two files; c: of two images one has its own file; d: of two files one is another image's
    folder = write("a.txt", "p/b.txt", "q/b.txt", "x/c.txt", "c.txt", "x/d.jpg.txt", "q/d.txt")
    ground_truth = images("x/a.jpg", "y/a.jpg", "x/b.jpg", "x/c.jpg", "y/c.jpg", "x/d.jpg", "y/d.jpg")
    found = load_predictions(folder, ground_truth, allow_missing=True)
    assert scores(found) == {"x/c": score_of("x/c.txt"), "x/d": score_of("x/d.jpg.txt")}
    assert found.missing == ["x/a", "x/b", "y/a", "y/c", "y/d"]
    assert found.unknown == ["a.txt", "c.txt", "p/b.txt", "q/b.txt", "q/d.txt"]
    missing, unknown = capsys.readouterr().err.splitlines()
    assert missing.startswith("warning: ") and "5 of 7 images" in missing
    assert missing.endswith("as images without detections: 'x/a', 'y/a', 'x/b', ...")
    assert (
        unknown.startswith("warning: ")
        and "5 files" in unknown
        and unknown.endswith("'a.txt', 'c.txt', 'p/b.txt', ...")
    )


def test_missing_files(write):
    folder = write("a.txt", "zebra.txt")
    message = refusal(folder, images("a.jpg", "x/z.jpg", "y.jpg"))
    assert message.startswith(f"{folder / 'x' / 'z.txt'}: no such file, 2 of 3 images have no predictions ('x/z', 'y')")
    assert "run the detection" in message and "--allow_missing" in message and "'zebra.txt'" in message


def test_an_error_is_the_only_line(write, capsys):
    folder = write("one.txt", "zebra.txt")
    refusal(folder, images("x/one.jpg", "two.jpg"))
    (folder / "one.txt").write_text("one\n")
    assert refusal(folder, images("x/one.jpg", "two.jpg"), True).startswith(f"{folder / 'one.txt'}:2: ")
    assert capsys.readouterr().err == ""


def test_what_is_no_prediction_is_not_looked_at(write, capsys):
    folder = write("a.txt", ".b.txt", ".hidden/c.txt", "readme.md", "log.txt.gz")
    (folder / "folder.txt").mkdir()
    assert load_predictions(folder, images("a.jpg")).unknown == []
    assert capsys.readouterr().err == ""


def test_linked_folder_is_entered_by_name_alone(write, tmp_path, capsys):
    folder = write("a.txt")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.txt").write_text(ONE)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "circle").symlink_to(folder)
    found = load_predictions(folder, images("a.jpg", "linked/b.jpg"))
    assert len(found.detections["linked/b"]) == 2
    assert (found.unknown, capsys.readouterr().err) == ([], "")


@pytest.mark.parametrize("name", ["../../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "C:/x.jpg"])
def test_image_whose_name_leads_outside(write, name):
    assert f"{name[:-4]}.txt" in refusal(write("x.txt"), images(name), True)


def test_image_annotated_twice(write, results):
    for path in (write("a.txt"), results([])):
        assert "more than once" in refusal(path, images("a.jpg", "a.png"))


def test_no_such_folder(tmp_path):
    message = refusal(tmp_path / "none", images("a.jpg"))
    assert message == f"{tmp_path / 'none'}: no such folder; run the detection, or pass its output with --pred"


# ---- COCO's results


def test_results_by_identity_and_by_name(results, capsys):
    records = [record(7, 0.1), record("x/b.jpg", 0.2), record("seven", 0.3, category=1), record(7, 0.4, [5, 6, 0, 1.5])]
    ground_truth = images("a.jpg", "x/b.jpg", "c.jpg", "x/d.jpg", ids=(7, 8, "seven", None))
    found = load_predictions(results([*records, record("d", 0.5)]), ground_truth)
    assert {key: array.tolist() for key, array in found.detections.items()} == {
        "a": [[1, 2, 4, 6, 0.1], [5, 6, 5, 7.5, 0.4]],
        "x/b": [[1, 2, 4, 6, 0.2]],
        "c": [[1, 2, 4, 6, 0.3]],
        "x/d": [[1, 2, 4, 6, 0.5]],
    }
    assert (found.missing, found.unknown) == ([], [])
    assert "1 of 4 images" in capsys.readouterr().err


def test_results_without_a_record_for_a_image_found_nothing_there(results, capsys):
    found = load_predictions(results([record(1)]), images("a.jpg", "b.jpg", ids=(1, 2)))
    assert [array.shape for array in found.detections.values()] == [(1, 5), (0, 5)]
    assert found.missing == []
    assert load_predictions(results([]), images("a.jpg")).detections["a"].shape == (0, 5)
    assert capsys.readouterr().err == ""


def test_results_for_unknown_images(results, capsys):
    records = [record(image_id) for image_id in (1, 9, 9, "a/c", "b", 10)]
    found = load_predictions(results(records), images("a.jpg", "x/b.jpg", "y/b.jpg", ids=(1, 2, 3)))
    assert found.unknown == ["10", "9", "a/c", "b"]
    assert found.detections.keys() == {"a", "x/b", "y/b"}
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "5 detections" in warning and "4 image ids: 10, 9, 'a/c', ..." in warning


def test_results_that_match_nothing(results):
    message = refusal(results([record(4), record(5)]), images("a.jpg", "b.jpg", ids=(1, None)))
    assert "(4, 5)" in message and "(1, 'a', 'b')" in message


def test_results_for_one_image_under_two_names(results):
    message = refusal(results([record("x/a"), record("x/a.jpg")]), images("x/a.jpg"))
    assert "'x/a' and 'x/a.jpg' for the same image" in message
    assert "1 and 'x/a' for the same image" in refusal(results([record(1), record("x/a")]), images("x/a", ids=(1,)))


@pytest.mark.parametrize(
    "malformed",
    [
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
        {"image_id": 1, "score": 0.5},
        {"bbox": [1, 2, 3, 4], "score": 0.5},
        *[record(image_id) for image_id in (None, True, 1.5, [1], {})],
        *[record(1, score) for score in (None, "0.5", [0.5], float("nan"), float("inf"), 10**400)],
        *[
            record(1, 0.5, box)
            for box in (None, 5, "1234", [1, 2, 3], [1, 2, 3, 4, 5], [1, 2, "3", 4], [[1], [2], [3], [4]])
        ],
        *[
            record(1, 0.5, box)
            for box in ([1, 2, -3, 4], [1, 2, 3, -0.1], [1, 2, float("nan"), 4], [1e308, 2, 1e308, 4])
        ],
        *[
            record(1, 0.5, box)
            for box in ([-(10**400), 2, 10**400, 4], [None, 2, 3, 4], {"x": 1, "y": 2, "w": 3, "h": 4})
        ],
        [],
        None,
        "text",
        5,
    ],
    ids=lambda value: str(value)[:70],
)
def test_malformed_record(results, malformed):
    path = results([record(1), malformed])
    message = refusal(path, images("a.jpg", ids=(1,)))
    found = repr(json.loads(json.dumps(malformed)))
    assert message.startswith(f"{path}: record 2: found {found[:120]}; expected image_id")


def test_results_of_several_categories(results):
    path = results([record(1), record(1), record(1, category=2)])
    message = refusal(path, images("a.jpg", ids=(1,)))
    assert message.startswith(f"{path}: record 3: found category_id 2 after 1; ")
    without = [{key: value for key, value in record(1).items() if key != "category_id"}]
    assert len(load_predictions(results(without), images("a.jpg", ids=(1,))).detections["a"]) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "is not JSON"),
        ("title\n1\n1 2 3 4 0.5\n", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[" + "1" * 5000 + "]", "is not JSON"),
        ({"images": [], "annotations": []}, "found {'images': []"),
        (5, "found 5"),
    ],
    ids=["empty", "text", "deep", "long", "dataset", "number"],
)
def test_no_results(results, content, found):
    path = results(content)
    message = refusal(path, images("a.jpg"))
    assert message.startswith(f"{path}: ") and found in message and "expected a list of detections" in message

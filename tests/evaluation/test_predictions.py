"""Assignment of prediction files to images."""

import pytest

from evaluation.predictions import load_predictions
from tests.helpers.evaluation import ONE, images, refusal, score_of


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


@pytest.mark.parametrize(
    ("files", "names", "said"),
    [
        (["a.txt", "b.txt"], ["x/a.jpg", "y/a.jpg"], "'a' alone, 2 images and 1 file would belong together"),
        (["x/a.txt", "y/a.jpg.txt"], ["a.jpg"], "'a' alone, 1 image and 2 files would belong together"),
        (["c.txt", "x/a.txt", "y/a.txt"], ["c.jpg", "a.jpg"], "'a' alone, 1 image and 2 files would belong together"),
    ],
)
def test_the_error_says_where_base_names_are_ambiguous(write, files, names, said):
    assert said in refusal(write(*files), images(*names))


def test_a_folder_too_many_is_dropped_where_base_names_repeat(write, capsys):
    folder = write("tvface_txt/x/a.txt", "tvface_txt/y/a.jpg.txt", "tvface_txt/y/b.txt")
    found = load_predictions(folder, images("x/a.jpg", "y/a.jpg", "b.jpg"))
    assert scores(found) == {
        "x/a": score_of("tvface_txt/x/a.txt"),
        "y/a": score_of("tvface_txt/y/a.jpg.txt"),
        "b": score_of("tvface_txt/y/b.txt"),
    }
    assert "3 of 3 images were assigned" in capsys.readouterr().err


def test_a_folder_without_text_files_says_what_it_has(tmp_path):
    for name in ("a.csv", "b.csv", ".hidden"):
        (tmp_path / name).write_text("a\n1\n1 2 3 4 0.5\n")
    message = refusal(tmp_path, images("a.jpg", "b.jpg"))
    assert message.startswith(
        f"{tmp_path}: has no .txt file, only 'a.csv', 'b.csv'; expected a text file for each image"
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


def test_other_files_are_skipped(write, capsys):
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

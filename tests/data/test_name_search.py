"""Images named by paths of another computer, and where images lie beside an annotation."""

import time

import pytest

from data.annotations.name_search import names_below
from data.image_files import usual_images
from tests.helpers.annotations import write_files

FILES = {"a.jpg": "", "day 1/b.jpg": "", "x/c.jpg": "", "y/c.jpg": "", "up.jpg": "", "zu\u0308g.jpg": ""}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", "a.jpg"),
        ("./a.jpg", "./a.jpg"),
        ("images/a.jpg", "a.jpg"),
        ("C:\\Users\\me\\a.jpg", "a.jpg"),
        ("..\\..\\media\\upload\\1\\0f3ab1c2-up.jpg", "up.jpg"),
        ("/home/x/a.jpg", "a.jpg"),
        ("file:/home/x/a.jpg", "a.jpg"),
        ("file:C:/films/y/c.jpg", "y/c.jpg"),
        ("file:///C:/films/day%201/b.jpg", "day 1/b.jpg"),
        ("day%201/b.jpg", "day 1/b.jpg"),
        ("/data/upload/1/0f3ab1c2-up.jpg", "up.jpg"),
        ("/data/local-files/?d=films%2Fx%2Fc.jpg", "x/c.jpg"),
        ("https://store.example/films/a.jpg?sig=x%2F1", "a.jpg"),
        ("s3://bucket/x/c.jpg", "x/c.jpg"),
        ("zu%CC%88g.jpg", "zu\u0308g.jpg"),
        ("Z\u00fcg.JPG", "zu\u0308g.jpg"),
        ("Day 1/B.jpg", "day 1/b.jpg"),
        ("missing.jpg", "missing.jpg"),
        ("z/c.jpg", "z/c.jpg"),  # two files fit equally
        ("/home/me/missing.jpg", "missing.jpg"),
        ("../../etc/passwd", "passwd"),
        ("http://[", "["),
    ],
)
def test_an_image_is_found_by_the_last_parts_of_its_path(tmp_path, name, expected):
    (found,), notes = names_below([name], write_files(tmp_path / "images", FILES))
    assert found == expected
    assert bool(notes) == (name not in (expected, f"images/{expected}"))


def test_two_paths_never_stand_for_one_file(tmp_path):
    folder = write_files(tmp_path / "images", FILES)
    assert names_below(["a.jpg", "/one/a.jpg", "b/a.jpg"], folder)[0] == ["a.jpg", "one/a.jpg", "b/a.jpg"]
    assert names_below(["/m/one/a.jpg", "/m/two/a.jpg"], folder)[0] == ["one/a.jpg", "two/a.jpg"]


def test_without_the_images_the_shared_folders_of_other_computers_are_dropped(tmp_path):
    names = ["D:\\films\\one\\1.jpg", "D:\\films\\two\\1.jpg", "3.jpg"]
    found, (note,) = names_below(names, tmp_path / "nowhere")
    assert found == ["one/1.jpg", "two/1.jpg", "3.jpg"]
    assert "the names of 2 images, as 'D:\\films\\one\\1.jpg' -> 'one/1.jpg'" in note


@pytest.mark.parametrize(
    ("files", "annotation", "expected"),
    [
        (["images/a.jpg", "a.jpg"], "x.json", "images"),
        (["a.jpg"], "x.json", "."),
        (["data/a.jpg", "b.txt"], "x.json", "data"),
        (["data/a.txt"], "x.json", "images"),
        (["ds/img/a.jpg", "ds/ann/a.jpg.json"], "ds/ann", "ds/img"),
        (["JPEGImages/a.jpg", "Annotations/a.xml"], "Annotations", "JPEGImages"),
    ],
)
def test_the_images_of_an_annotation_are_where_tools_put_them(tmp_path, files, annotation, expected):
    write_files(tmp_path, dict.fromkeys(files, ""))
    assert usual_images(tmp_path / annotation) == tmp_path / expected


def test_names_without_suffix_get_those_of_the_only_files_that_fit(tmp_path):
    write_files(tmp_path, dict.fromkeys(["images/0a1b.jpg", "images/two.jpg", "images/two.png"], ""))
    assert names_below(["0a1b", "two", "three"], tmp_path / "images") == (["0a1b.jpg", "two", "three"], [])


def test_a_name_in_other_capitals_is_said_to_be_another_spelling(tmp_path):
    folder = write_files(tmp_path / "images", FILES)
    found, notes = names_below(["A.JPG", "/m/x/c.jpg"], folder)
    assert found == ["a.jpg", "x/c.jpg"]
    assert notes == [
        "read in another spelling: the names of 1 image, as 'A.JPG' -> 'a.jpg'",
        "read by the last parts of the paths: the names of 1 image, as '/m/x/c.jpg' -> 'x/c.jpg'",
    ]


def test_frames_of_many_shots_with_the_same_names_are_found_in_linear_time(tmp_path, monkeypatch):
    files = [f"shot{shot}/frames/{frame:04}.jpg" for shot in range(300) for frame in range(20)]
    monkeypatch.setattr("data.annotations.name_search.files_below", lambda folder, suffixes: files)
    start = time.process_time()
    found, _ = names_below([f"/home/me/{file}" for file in files], tmp_path)
    assert found == files and time.process_time() - start < 1.5

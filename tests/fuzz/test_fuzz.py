"""The fuzz run itself works, and what it has found stays mended."""

import io
import json
import zipfile

import cv2
import hypothesis
import numpy as np
import pytest
import scipy.io
import torch

from data.annotations import problems as problems_module
from data.annotations import read_annotations
from data.annotations.formats.prediction_text import parse_text
from data.annotations.text_lines import parse_numbers
from engine.detect.image_list import check_image_list
from engine.detect.prediction_writer import SETTINGS_FILE, record_settings
from evaluation.predictions import load_predictions
from models.weights import load_network
from tests.fuzz.campaign import write_files
from tests.fuzz.mutations import changed_files
from tests.fuzz.readers import READERS
from tests.fuzz.seeds import torch_bytes
from tests.fuzz.worker import run_reader
from utils.errors import UserError
from utils.expansion import check_json

PNG = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
SLOW = ("checkpoint", "weights", "video")  # a fuzz run reads them, too


@pytest.mark.parametrize("name", [name for name in READERS if name not in SLOW])
def test_a_reader_reads_or_refuses_its_seeds_and_a_changed_one(tmp_path, name):
    seeds = READERS[name].seeds()
    kinds = []
    for number, files in enumerate(seeds[:3]):
        write_files(tmp_path / str(number), files)
        outcome = run_reader(READERS[name], tmp_path / str(number))
        assert not outcome.is_finding, outcome.text
        kinds.append(outcome.kind)
    assert "read" in kinds or name == "yolo"

    @hypothesis.settings(max_examples=3, database=None, deadline=None, derandomize=True)
    @hypothesis.given(changed_files(seeds[-1]))
    def check(files):
        folder = tmp_path / f"changed{len(list(tmp_path.iterdir()))}"
        write_files(folder, files)
        outcome = run_reader(READERS[name], folder)
        assert not outcome.is_finding, outcome.text

    check()


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(10**12),
        torch.zeros(1).to_sparse(),
        torch.zeros(4, device="meta"),
    ],
    ids=["expanded", "sparse", "empty"],
)
def test_weights_without_a_stored_number_for_each_element_are_refused(tmp_path, tensor):
    path = tmp_path / "weights.pth"
    path.write_bytes(torch_bytes({"body.a": tensor}))
    with pytest.raises(UserError, match=r"weights.pth: .*body.a"):
        load_network(path)


def test_compressed_weights_are_refused_before_they_unpack(tmp_path):
    path = tmp_path / "weights.pth"
    with zipfile.ZipFile(io.BytesIO(torch_bytes({"a": torch.zeros(1 << 20)}))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    with pytest.raises(UserError, match=r"weights.pth: has .* bytes that unpack to 4,"):
        load_network(path)


def test_a_nested_record_of_settings_is_refused(tmp_path):
    (tmp_path / SETTINGS_FILE).write_text("[" * 100_000)
    with pytest.raises(UserError, match="not a record of detection settings"):
        record_settings(tmp_path, {"version": "1"}, resume=True)


def test_elements_without_end_inside_each_other_are_refused(tmp_path):
    (tmp_path / "a.xml").write_text("<annotation>" + "<a>" * 200 + "</a>" * 200 + "</annotation>")
    with pytest.raises(UserError, match=r"a.xml: is not XML \(has more than 100 elements inside each other\)"):
        read_annotations(tmp_path / "a.xml")


def test_the_list_of_problems_of_a_file_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(problems_module, "MOST_PROBLEMS", 3)
    annotations = [{"id": i} for i in range(5)]
    content = {"images": [], "annotations": annotations, "categories": [{"id": 1, "name": "face"}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="3 places before it are wrong, too: is the file in another format"):
        read_annotations(tmp_path / "a.json", problems=[])


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.json", "[" + "{}," * 1_000_000 + "{}]", "2,000,002 values in 3,000,004 bytes"),
        ("a.json", '{"images": [' + "[]," * 1_000_000 + "[]]}", "values in"),
        ("a.json", "{" + ",".join(f'"{i:x}":1' for i in range(300_000)) + "}", "values in"),
        ("a.json", '["' + '","'.join(["ab"] * 2_000_000) + '"]', "values in"),
        ("a.xml", "<annotation>" + "<a/>" * 1_000_000 + "</annotation>", "1,000,001 elements with 0 attributes"),
        ("a.txt", "# a.jpg\n1 2 3 4\n" + "#\n" * 1_000_000, "1,000,002 lines in 2,000,016 bytes"),
    ],
    ids=["objects", "lists", "keys", "strings", "elements", "lines"],
)
def test_a_file_of_tiny_values_is_refused_before_it_takes_memory(tmp_path, name, content, found):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=f"{name}: holds .*{found}.*MB of memory; is it an annotation"):
        read_annotations(tmp_path / name)


def test_a_matlab_file_that_unpacks_to_far_more_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"face_bbx_list": np.zeros((34_000_000, 1))}, do_compression=True)
    with pytest.raises(UserError, match=r"a\.mat: unpacks to 272,000,\d+ bytes; expected at most 268,435,456"):
        read_annotations(tmp_path / "a.mat")


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "older format"])
def test_weights_of_many_tiny_objects_are_refused(tmp_path, as_zip):
    torch.save([[] for _ in range(200_000)], tmp_path / "a.pth", _use_new_zipfile_serialization=as_zip)
    with pytest.raises(UserError, match=r"a\.pth: holds more than 1\d\d,\d+ objects in .* bytes; expected the weights"):
        load_network(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("labels/classes.txt", "a\n" * 150_000, "has more than 100,000 lines; expected the names of the classes"),
        ("labels/a.txt", "0 " + "0.5 " * 200_000, "and 800,002 letters in all"),
    ],
    ids=["classes", "a long row"],
)
def test_yolo_files_of_tiny_values_are_refused(tmp_path, name, content, found):
    write_files(tmp_path, {"labels/a.txt": b"0 .5 .5 .1 .1\n", "images/a.png": PNG, name: content.encode()})
    with pytest.raises(UserError, match=f"{name}:?.*{found}"):
        read_annotations(tmp_path)


def test_predictions_of_empty_lines_and_endless_rows_are_refused():
    with pytest.raises(UserError, match=r"a\.txt: holds 2,000,000 lines"):
        parse_text(b"\n" * 2_000_000, "a.txt")
    assert parse_numbers("1 " * 300_000) is None


def test_results_of_tiny_values_are_refused_before_they_take_memory(tmp_path):
    (tmp_path / "a.json").write_text("[" + "{}," * 1_000_000 + "{}]")
    with pytest.raises(UserError, match=r"a\.json: holds 2,000,002 values"):
        load_predictions(tmp_path / "a.json", [])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"annotations": [{"id": i, "bbox": [1, 2, 30, 40], "iscrowd": 0} for i in range(100_000)]}),
        str([[[12, 34], [56, 78], [90, 12], [34, 56]]] * 85_000).replace(" ", ""),
        str([123.5] * 1_000_000),
    ],
    ids=["100,000 faces", "compact polygons", "numbers"],
)
def test_the_values_of_large_labels_are_not_too_many(text):
    check_json("a.json", text)


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"], ids=["long", "zero byte"])
def test_a_list_with_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"no such image|must be a relative path"):
        check_image_list([f"{name}.jpg"], tmp_path)

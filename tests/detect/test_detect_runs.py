"""Long runs of val_tvface.py: interrupted, shared among processes, with unreadable images, over long lists."""

import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from array import array
from pathlib import Path

import numpy as np
import pytest
import torch

from data.annotations import ImageNames
from engine.detect import image_list, pipeline, prediction_writer
from engine.detect.image_list import check_image_list
from models import detector
from tests.helpers.detections import read_detections
from tests.helpers.images import draw_image
from tests.helpers.scripts import ROOT, shown_in_terminal
from tests.helpers.training import environments
from utils.errors import UserError
from utils.files import read_image_with_notes

NAMES = [f"{i % 3}/{i}.jpg" for i in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Forty images of two sizes and their list."""
    folder = tmp_path_factory.mktemp("images")
    for i, name in enumerate(NAMES):
        draw_image(folder / "images" / name, [(20, 20, 40, 50)], size=(96, 128) if i % 4 else (128, 96), seed=i)
    (folder / "tvval_list.txt").write_text("\n".join(NAMES) + "\n")
    return folder


@pytest.fixture
def flags(folder, random_weights, tmp_path):
    """Flags that detect in the forty images with random weights."""
    return (
        *("-m", random_weights["mobile0.25"], "--network", "mobile0.25", "--cpu"),
        *("--dataset_folder", folder / "images", "--save_folder", tmp_path / "out"),
    )


def texts(folder: Path) -> dict[str, bytes]:
    """Return the content of each prediction file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("[!.]*.txt")}


def start(*arguments, env=None) -> subprocess.Popen:
    command = [sys.executable, "val_tvface.py", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def undisturbed(script, flags, tmp_path) -> dict[str, bytes]:
    """The prediction files of a complete run, which are moved out of the output folder."""
    outcome = script("val_tvface.py", *flags)
    assert (outcome.status, outcome.err) == (0, "")
    found = texts(tmp_path / "out")
    assert len(found) == len(NAMES)
    (tmp_path / "out").rename(tmp_path / "undisturbed")
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_resumes_with_the_remaining_images(script, flags, tmp_path, undisturbed, number):
    run = start(*flags)
    while len(texts(tmp_path / "out")) < 3:
        assert run.poll() is None, run.communicate()
        time.sleep(0.005)
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert run.returncode == (-number if number == signal.SIGKILL else 128 + number), err
    if number != signal.SIGKILL:
        assert "--resume detects the remaining images" in err
    written = texts(tmp_path / "out")
    assert written.items() <= undisturbed.items()
    assert len(written) < len(NAMES), "the run was over before it could be interrupted"
    outcome = script("val_tvface.py", *flags, "--resume")
    assert outcome.status == 0, outcome.err
    assert f"40 prediction files: {tmp_path / 'out'} ({len(written)} of them before)" in outcome.out
    assert texts(tmp_path / "out") == undisturbed


@pytest.mark.parametrize("columns", [0, 80])
def test_a_progress_bar_shows_the_images_per_second(flags, columns):
    bars = re.split("[\r\n]", shown_in_terminal(columns, "val_tvface.py", *flags))
    assert any(re.search(r"detecting: 100%.*40/40.*image/s\]", bar) for bar in bars), bars
    assert max(map(len, bars[:-3])) <= 80


def test_resume_keeps_the_files_of_the_same_run_only(script, flags, tmp_path):
    def detect(*more):
        outcome = script("val_tvface.py", *flags, "--resume", *more)
        assert outcome.status == 0, outcome.err

    out = tmp_path / "out" / "0"
    detect()  # where there is nothing yet
    (out / "0.txt").write_text("mine")
    (out / "3.txt").unlink()
    os.utime(out / "6.txt", (0, 0))  # of an older run
    older = (out / "6.txt").stat().st_mtime_ns
    detect()
    assert (out / "0.txt").read_text() == "mine"
    assert len(read_detections(out / "3.txt")) > 0
    assert (out / "6.txt").stat().st_mtime_ns > older
    assert script("val_tvface.py", *flags).status == 0  # a new run
    assert len(read_detections(out / "0.txt")) > 0


def test_resume_with_other_settings_is_refused(script, flags, tmp_path, random_weights, folder):
    assert script("val_tvface.py", *flags).status == 0
    before = texts(tmp_path / "out")

    def resume(*more):
        return script("val_tvface.py", *flags, "--resume", *more)

    resume("--confidence_threshold", 0.3).refuses("out: its files were written with --confidence_threshold 0.02, not")
    resume("--save_image").refuses("--save_image False, not True")
    resume("--flip").refuses("--flip False, not True")
    resume("--decimals", 2).refuses("--decimals 0, not 2")
    resume("--scales", 64, 96).refuses("--scales None, not [64, 96]")
    resume("--network", "resnet50", "-m", random_weights["resnet50"]).refuses("weights of hash", "--network mobile0.25")
    resume("--dataset_folder", folder, "--list_file", folder / "tvval_list.txt").refuses("0/0.jpg: no such image")
    (tmp_path / "out" / prediction_writer.SETTINGS_FILE).write_text("[]")
    resume().refuses(f"{prediction_writer.SETTINGS_FILE}: not a record of detection settings")
    assert texts(tmp_path / "out") == before


def test_unreadable_images_are_named_at_the_end_and_the_rest_is_detected(script, flags, folder, tmp_path, undisturbed):
    damaged = folder / "images" / "1" / "1.jpg"  # of the second rank
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:300])
    try:
        runs = [start(*flags, env=env) for env in environments(2)]
        (out, err), other = [run.communicate(timeout=90) for run in runs]
    finally:
        damaged.write_bytes(whole)
    assert [run.returncode for run in runs] == [3, 3], err
    assert "39 prediction files" in out
    assert f"error: {damaged}: the image ends early" in err
    assert err.splitlines()[-1].startswith("1 of 40 images could not be read and have no prediction file")
    assert other == ("", "")
    found = texts(tmp_path / "out")
    assert found.keys() == undisturbed.keys() - {"1/1.txt"}
    assert script("val_tvface.py", *flags, "--resume").status == 0
    assert texts(tmp_path / "out").keys() == undisturbed.keys()
    assert {name: texts(tmp_path / "out")[name] for name in found} == found


def test_the_old_prediction_of_an_unreadable_image_is_removed(script, flags, folder, tmp_path):
    assert script("val_tvface.py", *flags).status == 0
    damaged = folder / "images" / "1" / "1.jpg"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"no image")
    try:
        assert script("val_tvface.py", *flags).status == 3
    finally:
        damaged.write_bytes(whole)
    assert not (tmp_path / "out" / "1" / "1.txt").exists()
    assert len(texts(tmp_path / "out")) == len(NAMES) - 1


def test_an_image_is_not_decoded_if_the_queue_would_fill_the_memory(script, flags, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "MEMORY_CHECK_FROM", 10**5)
    monkeypatch.setattr(pipeline, "available_memory", lambda _: 10**6)
    for name, size in (("small.jpg", (64, 64)), ("large.jpg", (300, 400))):
        draw_image(tmp_path / "images" / name, [], size=size)
    (tmp_path / "list.txt").write_text("large.jpg\nsmall.jpg\n")
    outcome = script(
        "val_tvface.py", *flags, "--dataset_folder", tmp_path / "images", "--list_file", tmp_path / "list.txt"
    )
    assert outcome.status == 3
    assert "large.jpg: 400 x 300 pixels need more memory than is free; cut the image up" in outcome.err
    assert list(texts(tmp_path / "out")) == ["small.txt"]


def test_an_image_that_cannot_be_drawn_is_named_and_the_rest_is_detected(script, flags, tmp_path):
    names = ["wide.png", f"{81 * '名'}.jpg"]
    draw_image(tmp_path / "images" / names[0], [], size=(10, 70_000))
    draw_image(tmp_path / "images" / "plain.jpg", [])
    (tmp_path / "images" / "plain.jpg").rename(tmp_path / "images" / names[1])
    (tmp_path / "list.txt").write_text("\n".join(names))
    where = ("--dataset_folder", tmp_path / "images", "--list_file", tmp_path / "list.txt")
    outcome = script("val_tvface.py", *flags, *where, "--save_image", "--confidence_threshold", 0.9)
    assert outcome.status == 3, outcome.err
    assert "wide.jpg: 70000 x 10 pixels cannot be written in this format" in outcome.err
    assert list(texts(tmp_path / "out")) == [f"{81 * '名'}.txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much a pipe holds")
def test_torchrun_prints_every_error_before_it_ends_the_ranks(flags, tmp_path):
    """The pipe of stderr is full before all is printed: rank 0 has to wait, and the others for it."""
    import fcntl
    import termios

    names = [f"{i}.jpg" for i in range(800)]
    (tmp_path / "images").mkdir()
    for name in names:
        (tmp_path / "images" / name).write_bytes(b"no image")
    (tmp_path / "tvval_list.txt").write_text("\n".join(names))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "val_tvface.py"]
    command += [*map(str, (*flags, "--dataset_folder", tmp_path / "images"))]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    waiting = array("i", [0])
    while waiting[0] < 60_000 and run.poll() is None:
        time.sleep(0.05)
        fcntl.ioctl(run.stderr, termios.FIONREAD, waiting)
    time.sleep(2)  # in which torchrun would see that another rank has ended
    _, err = run.communicate(timeout=120)
    assert run.returncode == 1
    assert all(f"/{name}: is not an image" in err for name in names)
    assert "800 of 800 images could not be read" in err


def test_an_image_too_large_for_the_memory_is_refused_before_it_is_decoded(script, flags, tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "available_memory", lambda _: 10**6)
    big = tmp_path / "list.txt"
    draw_image(tmp_path / "images" / "small.jpg", [])
    draw_image(tmp_path / "images" / "large.jpg", [], size=(300, 400))
    monkeypatch.setattr(
        "engine.detect.pipeline.read_image_with_notes", lambda path: [][0] if path.stem == "large" else read(path)
    )
    read = read_image_with_notes
    big.write_text("large.jpg\nsmall.jpg\n")
    outcome = script("val_tvface.py", *flags, "--dataset_folder", tmp_path / "images", "--list_file", big)
    assert outcome.status == 3
    assert re.search(r"large.jpg: 400 x 300 pixels need 0.00\d+ GB of memory", outcome.err)
    assert list(texts(tmp_path / "out")) == ["small.txt"]


def test_a_full_disk_ends_the_run_in_one_line(script, flags, tmp_path, monkeypatch):
    write = prediction_writer.write_text

    def full(path, text):
        if path.stem == "7":
            raise UserError(f"{path}: cannot be written (No space left on device)")
        write(path, text)

    monkeypatch.setattr(prediction_writer, "write_text", full)
    script("val_tvface.py", *flags).refuses("7.txt: cannot be written (No space left on device)")
    assert 0 < len(texts(tmp_path / "out")) < len(NAMES)


def test_a_long_list_takes_eight_bytes_per_name(tmp_path, monkeypatch):
    count = 60_000
    (tmp_path / "list.txt").write_text("".join(f"folder/of/programme_{i:08}.jpg\n" for i in range(count)))
    monkeypatch.setattr(image_list.os.path, "isfile", lambda _: True)
    names = ImageNames(tmp_path / "list.txt")
    tracemalloc.start()
    try:
        assert check_image_list(names, tmp_path) == count
        assert sum(1 for _ in names) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 9e6 + 30 * count  # pathlib's table of strings, and less than half of a name


def test_names_of_equal_hash_are_not_taken_for_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr(image_list.os.path, "isfile", lambda _: True)
    monkeypatch.setattr(image_list, "hash", len, raising=False)
    assert check_image_list(["a.jpg", "b.jpg", "cc.jpg"], tmp_path) == 3
    with pytest.raises(UserError, match=r"b\.png: the list has this image twice, or another .*b\.jpg"):
        check_image_list(["a.jpg", "b.jpg", "b.png"], tmp_path)


def test_one_thread_and_several_write_the_same(script, flags, tmp_path, undisturbed):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert script("val_tvface.py", *flags, "--batch_size", 5).status == 0
    finally:
        torch.set_num_threads(threads)
    for name in undisturbed:
        one, other = (read_detections(tmp_path / where / name) for where in ("undisturbed", "out"))
        assert len(one) == len(other)
        # Kernels for one thread and for several round differently, so that nearly equal scores change their order.
        distances = abs(one[:, None] - other).max(axis=2)
        assert distances.min(axis=1).max() <= 1.01


def test_an_image_that_cannot_be_detected_is_named_and_the_rest_of_its_batch_is_detected(detector, monkeypatch):
    images = {name: np.full((64, 64, 3), value, np.uint8) for name, value in (("a", 10), ("bright", 255), ("c", 20))}
    network, batches = detector.network.forward, []

    def overflow(pixels):
        batches.append(len(pixels))
        boxes, logits, landmarks = network(pixels)
        bright = pixels.amax(dim=(1, 2, 3)) > 100
        return boxes, torch.where(bright[:, None, None], torch.inf, logits), landmarks

    monkeypatch.setattr(detector.network, "forward", overflow)
    jobs = list(pipeline.detect_jobs(detector, (pipeline.ImageJob(name, image) for name, image in images.items()), 3))
    assert [job.detections is not None for job in jobs] == [True, False, True]
    assert jobs[1].error == "bright: the network's scores are not finite; its weights are too large"
    assert batches == [3, 1, 1, 1]

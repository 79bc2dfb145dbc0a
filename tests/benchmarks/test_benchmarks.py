"""The benchmarks run; no assertion is about times."""

import json
import shutil

import cv2
import pytest
import torch

from data.splits import LABELS
from tests.helpers.training import FAST


def test_training_is_timed_beside_its_bare_network(script, dataset):
    outcome = script("benchmarks/training.py", "--training_dataset", dataset, *FAST, "--steps", 1)
    assert outcome.status == 0, outcome.err
    rows = [line.split() for line in outcome.out.splitlines()[1:]]
    assert [row[0] for row in rows] == ["(a)", "(b)", "(c)"]
    assert all(float(row[row.index("images/s") - 1]) > 0 for row in rows)
    assert float(rows[0][-3]) == 1


def test_samples_are_timed_by_stage_and_by_workers(script, dataset, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)  # it would last for the other tests
    monkeypatch.setattr(cv2, "setNumThreads", lambda _: None)
    images = ("--pictures", dataset.parent / "images", "--limit", 1, "--samples", 1, "--sizes", 64)
    loader = ("--training_dataset", dataset, "--workers", 0, 1, "--batch_size", 2)
    outcome = script("benchmarks/loader.py", *images, *loader)
    assert outcome.status == 0, outcome.err
    _, images, _, stages, _, none, one = outcome.out.splitlines()
    assert images.startswith("1 images of 1920 x 1080")
    assert all(float(value) >= 0 for value in stages.split())
    assert [line.split()[:2] for line in (none, one)] == [["64", "0"], ["64", "1"]]


def test_detection_is_timed_beside_its_bare_network_and_the_usual_code(script):
    small = ("--device", "cpu", "--sizes", "96x64", "--batches", 1, 2, "--count", 2, "--rounds", 1)
    outcome = script("benchmarks/detection.py", *small, "--usual")
    assert outcome.status == 0, outcome.err
    _, head, *rows = outcome.out.splitlines()
    assert [row.split()[:2] for row in rows] == [["96x64", "1"], ["96x64", "2"]]
    for row in rows:
        stages, whole, usual = row.split("|")
        assert len(head.split("|")[0].split()) == len(stages.split()) == 8
        bare, loop, ratio, rate = map(float, whole.split())
        assert ratio == pytest.approx(loop / bare, rel=0.1) and rate == pytest.approx(1000 / loop, rel=0.1)
        assert len(usual.split()) == 2


def test_the_start_of_a_training_is_timed(script):
    outcome = script("benchmarks/startup.py", "--pictures", 50, "--workers", 1)
    assert outcome.status == 0, outcome.err
    names = [line.split(":")[0].split(",")[0] for line in outcome.out.splitlines()]
    assert names[:4] == [
        "counting 200 lines",
        "parsing whole numbers",
        "parsing fractions",
        "parsing WIDER FACE's text",
    ]
    assert names[4:] == ["dataset", "fingerprint", "4 batches of 1 workers", "this process", "a worker"]


def test_test_time_augmentation_is_scored_and_timed(script, dataset, random_weights):
    rows = ("", "--flip --scales 64 96")
    weights = random_weights["mobile0.25"]
    outcome = script("benchmarks/augmented_detection.py", "--labels", dataset, "-m", weights, "--rows", *rows)
    assert outcome.status == 0, outcome.err
    *_, plain, augmented = outcome.out.splitlines()
    assert plain.endswith("| 1.0 |") and augmented.startswith("| `--flip --scales 64 96` | ")
    assert len(plain.split("|")) == len(augmented.split("|")) == 8


def test_recipes_are_compared_and_nothing_is_trained_twice(script, dataset, random_weights, tmp_path):
    root = tmp_path / "splits"
    for split, labels in LABELS.items():
        shutil.copytree(dataset.parent, root / split)
        (root / split / "label.txt").rename(root / split / labels)
    start = ("--detector", random_weights["mobile0.25"], "--starts", "detector", "--folder", tmp_path / "runs")
    small = ("--epochs", 1, "--batch_size", 4, "--image_size", 64, "--num_workers", 0, "--target_size", 96)
    recipes = ("published", "boxes=--box_loss giou")
    flags = ("--dataset", root, *start, *small, "--seeds", 0, "--recipes")

    def rows(*names: str) -> tuple[list[str], list[str]]:
        outcome = script("benchmarks/recipes.py", *flags, *names)
        assert outcome.status == 0, outcome.err
        *runs, head, _ = lines = outcome.out.splitlines()[: -len(names)]
        assert head.startswith("| from | recipe | val enlarged |")
        return [line for line in runs if line.endswith("...")], outcome.out.splitlines()[len(lines) :]

    trained, table = rows(*recipes)
    assert trained == ["detector_published_0 ...", "detector_boxes_0 ..."]
    assert [row.split(" | ")[1] for row in table] == ["published", "boxes"]
    assert "(" in table[1] and "(" not in table[0]  # an interval of the difference
    interrupted = tmp_path / "runs" / "detector_boxes_0.json"
    interrupted.write_text(json.dumps({"settings": json.loads(interrupted.read_text())["settings"]}))
    assert rows(*recipes) == (["detector_boxes_0 ..."], table)
    outcome = script("benchmarks/recipes.py", *flags, "boxes=--balance 1")
    assert outcome.status == 2 and "detector_boxes_0.json: is of a run with other flags" in outcome.err
    outcome = script("benchmarks/recipes.py", *flags, "unknown")
    assert outcome.status == 2 and "expected one of published, tuned, or NAME=FLAGS" in outcome.err

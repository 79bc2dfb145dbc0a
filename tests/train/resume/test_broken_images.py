"""An image that becomes unreadable during a run."""

import pytest

from engine.train.checkpoints import read_last
from tests.helpers.training import LAST, changed_bytes, history


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_named_and_the_run_resumes_once_it_is_mended(
    train, assert_resumes, folder, uninterrupted, label, workers
):
    image = label.parent / "images" / "2.jpg"
    with changed_bytes(image, image.read_bytes()):
        train("--num_workers", workers, fault="truncate=2").refuses(image, "the image ends early")
    state = read_last(folder / LAST).state
    assert (state["epoch"], state["images_done"]) == (1, 14), "the image is in the last batch of the second epoch"
    assert_resumes(uninterrupted())


@pytest.mark.parametrize("workers", [0, 2])
def test_skip_unreadable_counts_an_image_and_names_it_once(train, folder, label, workers):
    image = label.parent / "images" / "2.jpg"
    with changed_bytes(image, image.read_bytes()):
        outcome = train("--num_workers", workers, "--skip_unreadable", "--epochs", 3, fault="truncate=2")
    assert outcome.status == 0
    assert outcome.err.splitlines() == [f"warning: {image}: cannot be read; skipped"]
    assert [row["unreadable"] for row in history(folder)] == ["0", "1", "1"]
    assert outcome.out.count("1 images skipped") == 2

"""A training names damaged images, and counts them and images that it reads in another way than a user may expect."""

import cv2
import numpy as np
import pytest

from data.dataset import FaceDataset
from tests.helpers.image_files import damaged_jpeg, frames, scene


@pytest.fixture
def spoiled(dataset):
    images = dataset.parent / "images"
    (images / "0.jpg").write_bytes(damaged_jpeg(scene()))
    (images / "1.jpg").write_bytes(frames("GIF"))
    (images / "2.jpg").write_bytes(cv2.imencode(".png", scene().astype(np.uint16) * 16)[1])
    return images


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_names_damaged_images_once_and_counts_them(train_in, spoiled, dataset, workers):
    outcome = train_in("weights", "--epochs", 2, "--val_dataset", dataset, "--num_workers", workers)
    assert outcome.status == 0, outcome.err
    assert outcome.out.count(" 1 image damaged") == 2
    named = [line for line in outcome.err.splitlines() if "0.jpg" in line and "dev set" not in line]
    assert len(named) == 1 and "the image is damaged and decoded as far as possible (Corrupt JPEG data" in named[0]
    said = outcome.err.splitlines()
    assert said.count("images: 1 image is scaled to the bits in use") == 1
    assert said.count("images: 1 image is read in the first frame or page only") == 1
    assert sum(line.startswith("warning: dev set: 1 image is damaged") for line in said) == 1
    assert not any(line.startswith("Corrupt") for line in said)


def test_a_sample_has_the_notes_of_its_image(dataset, spoiled):
    samples = FaceDataset(dataset, 64)
    kinds = [[note.kind for note in samples[0, i][2].notes] for i in range(4)]
    assert kinds == [["damaged"], ["frames"], ["stretched"], []]

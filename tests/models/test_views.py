"""Test-time augmentation: scales, flipped images, slices, and the vote of boxes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou, nms

from models.detector import Detector, Scaling
from models.registry import find_network
from models.views import GRID, MIN_SLICE, OVERLAP, cut_slices, slice_side, vote
from tests.helpers.detections import read_detections
from utils.errors import UserError
from utils.files import read_image

CFG = find_network("mobile0.25").cfg


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(MIN_SLICE, 2000))
def test_each_prior_belongs_to_one_slice_that_holds_its_surroundings(height, width, pixels):
    side = slice_side(pixels)
    slices = cut_slices(height, width, side)
    for step in CFG["steps"]:
        y, x = (np.arange(-(-length // step)) * step + step / 2 for length in (height, width))
        owners = np.zeros((len(y), len(x)), int)
        for left, top, columns, rows, (x1, y1, x2, y2) in slices:
            assert left % GRID == top % GRID == 0
            own_y, own_x = y[(y >= y1) & (y < y2)], x[(x >= x1) & (x < x2)]
            owners[np.ix_((y >= y1) & (y < y2), (x >= x1) & (x < x2))] += 1
            for own, start, extent, length in ((own_y, top, rows, height), (own_x, left, columns, width)):
                if len(own):  # not where only the last prior of the coarsest map is left, beyond the image's edge
                    assert start <= max(0, own.min() - OVERLAP / 2 + GRID)
                    assert start + extent >= min(length, own.max() + OVERLAP / 2 - GRID)
        assert (owners[np.ix_(y < height, x < width)] == 1).all()


def test_a_side_that_is_all_overlap_is_refused():
    with pytest.raises(UserError, match="expected 640 pixels or more"):
        slice_side(639)


def test_slices_find_the_faces_of_the_whole_image(shared):
    weights = shared / "weights" / "mobilenet0.25_Final.pth"
    image = read_image(shared / "images" / "crowd_1080p.jpg")[:640, :1024]
    whole, sliced = (Detector.load(weights, device="cpu", slices=slices)([image])[0] for slices in (None, 640))
    assert len(whole.scores) == len(sliced.scores) > 500
    distances = np.abs(whole.boxes[:, None] - sliced.boxes).max(axis=2)
    assert distances.min(axis=1).max() < 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_vote_is_the_mean_of_boxes_weighted_by_scores_and_of_scores_over_views(seed):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 60, (30, 2))
    boxes = torch.from_numpy(np.hstack([corners, corners + rng.integers(5, 40, (30, 2))])).float()
    scores = torch.from_numpy(np.sort(rng.uniform(0.1, 1, 30))[::-1].copy()).float()
    threshold = 0.4137  # no overlap of whole numbers is so near to it that rounding decides
    kept = nms(boxes, scores, threshold)
    overlaps = box_iou(boxes, boxes) > threshold
    owner = [next(k for k, own in enumerate(kept) if overlaps[i, own]) for i in range(30)]
    views = torch.from_numpy(rng.integers(0, 3, 30))
    voted, means = vote(kept, boxes, scores, boxes, views, 3, threshold)
    for k in range(len(kept)):
        mine = [i for i in range(30) if owner[i] == k]
        expected = (boxes[mine] * scores[mine, None]).sum(dim=0) / scores[mine].sum()
        torch.testing.assert_close(voted[k], expected)
        best = [max([scores[i].item() for i in mine if views[i] == view], default=0) for view in range(3)]
        assert means[k].item() == pytest.approx(sum(best) / 3)


def test_flipping_the_image_flips_the_detections_of_flipped_views(shared):
    weights = shared / "weights" / "mobilenet0.25_Final.pth"
    image = read_image(shared / "images" / "crowd_1080p.jpg")[:320, :480]
    plain, mirrored = Detector.load(weights, device="cpu", flip=True)([image, np.ascontiguousarray(image[:, ::-1])])
    boxes = mirrored.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [480, 0, 480, 0]
    assert len(plain.scores) == len(mirrored.scores) > 0
    assert np.abs(plain.boxes[:, None] - boxes).max(axis=2).min(axis=1).max() < 0.02


def test_several_views_find_more_of_the_small_faces(shared):
    weights = shared / "weights" / "mobilenet0.25_Final.pth"
    image = read_image(sorted((shared / "images").glob("*_20.jpg"))[0])
    found = {}
    for scales in ((400,), (400, 600)):
        scalings = [Scaling(scale, None) for scale in scales]
        detector = Detector.load(
            weights, device="cpu", scaling=scalings, flip=len(scales) > 1, confidence_threshold=0.5
        )
        found[len(scales)] = detector(image)
    one, several = found.values()
    assert len(several.scores) >= len(one.scores) > 0
    # Boxes of the same faces, averaged: near, but not the same.
    distances = np.abs(one.boxes[:3, None] - several.boxes).max(axis=2).min(axis=1)
    assert (distances < 12).all()
    assert (distances > 0).any()


def test_the_scripts_detect_with_scales_flipped_images_and_slices(shared, script, tmp_path):
    weights = shared / "weights" / "mobilenet0.25_Final.pth"
    name = sorted((shared / "images").glob("*_20.jpg"))[0].name
    (tmp_path / "list.txt").write_text(f"{name}\n")
    image = read_image(shared / "images" / name)
    where = ("-m", weights, "--cpu", "--dataset_folder", shared / "images", "--list_file", tmp_path / "list.txt")
    for flags, options in (
        (("--scales", 400, 600, "--flip"), {"scaling": [Scaling(400, None), Scaling(600, None)], "flip": True}),
        (("--slices", 640), {"slices": 640}),
    ):
        outcome = script("val_tvface.py", *where, *flags, "--save_folder", tmp_path / flags[0])
        assert outcome.status == 0, outcome.err
        (file,) = (tmp_path / flags[0]).glob("*.txt")
        expected = Detector.load(weights, device="cpu", **options)(image)
        assert len(read_detections(file)) == len(expected.scores) > 0
        assert np.abs(read_detections(file)[:, 4] - expected.scores).max() < 1e-4
    refused = script("val_tvface.py", *where, "--scales", 400, "--target_size", 400, "--save_folder", tmp_path)
    refused.refuses("--scales: replaces --origin_size and --target_size; omit them")
    script("detect.py", "-m", weights, shared / "images" / name, "--slices", 100).refuses("expected 640 pixels or more")

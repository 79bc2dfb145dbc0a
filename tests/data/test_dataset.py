"""The dataset: its samples, and that they depend on (seed, epoch, index) only."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from data import detection_collate
from data.annotations import Annotation
from data.augmentation import AugmentationOptions, clip_faces
from data.dataset import FaceDataset, SampleInfo
from data.sampler import EpochBatches
from tests.helpers.images import draw_image
from utils.errors import UserError
from utils.pixels import MEAN_BGR


def label_file(folder, rows: dict[str, list[str]]):
    path = folder / "label.txt"
    path.write_text("".join(f"# {name}\n" + "".join(f"{row}\n" for row in lines) for name, lines in rows.items()))
    return path


def test_a_sample_has_pixels_targets_and_its_path(dataset):
    image, target, info = FaceDataset(dataset, 64)[(0, 1)]
    assert image.shape == (3, 64, 64) and image.dtype == torch.uint8
    assert target.shape[1] == 15 and target.dtype == torch.float32
    assert (target[:, :4] >= 0).all() and (target[:, :4] <= 1).all()
    assert (target[:, 14] == -1).all()
    assert info.path.endswith("images/1.jpg")


def test_a_sample_is_channels_last_in_memory(dataset):
    image, _, _ = FaceDataset(dataset, 64)[(0, 1)]
    assert image.stride() == (1, 64 * 3, 3)
    assert image.permute(1, 2, 0).is_contiguous()


def test_a_face_with_landmarks_has_label_1(tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [(30, 20, 40, 50)])
    points = "40 40 0 60 40 0 50 50 0 42 60 0 58 60 0 0.9"
    dataset = FaceDataset(label_file(tmp_path, {"a.jpg": [f"30 20 40 50 {points}"]}), 64)
    for epoch in range(10):
        _, target, _ = dataset[(epoch, 0)]
        assert target[0, 14] == 1
        x, y = target[0, 4:14].reshape(5, 2).T
        x1, y1, x2, y2 = target[0, :4]
        assert (x > x1).all() and (x < x2).all() and (y > y1).all() and (y < y2).all()


def test_samples_depend_on_seed_epoch_and_index_only(dataset):
    def samples(seed: int, epoch: int, workers: int = 0):
        faces = FaceDataset(dataset, 64, seed)
        batches = EpochBatches(len(faces), 2, seed)
        batches.set_epoch(epoch)
        loader = DataLoader(faces, batch_sampler=batches, num_workers=workers, collate_fn=detection_collate)
        return [(info.path, image) for images, _, infos in loader for image, info in zip(images, infos, strict=True)]

    def equal(one, other):
        return all(a[0] == b[0] and torch.equal(a[1], b[1]) for a, b in zip(one, other, strict=True))

    first = samples(0, 3)
    assert len({path for path, _ in first}) == 6
    assert equal(first, samples(0, 3))
    assert equal(first, samples(0, 3, workers=2))
    assert not equal(first, samples(1, 3))
    assert not equal(first, samples(0, 4))
    by_hand = FaceDataset(dataset, 64, 0)
    for path, image in first:
        index = [str(by_hand.path(i)) for i in range(len(by_hand))].index(path)
        assert torch.equal(by_hand[(3, index)][0], image)


def test_a_mosaic_has_faces_of_other_images_and_depends_on_seed_epoch_and_index_only(dataset):
    faces = FaceDataset(dataset, 64, seed=1, augmentation=AugmentationOptions(mosaic=1))
    plain = FaceDataset(dataset, 64, seed=1)
    image, target, info = faces[(0, 1)]
    assert image.shape == (3, 64, 64)
    others = {plain.path(index) for index in range(6)}
    assert info._replace(others=()) == plain[(0, 1)][2]
    assert len(info.others) == 3 and set(map(Path, info.others)) <= others
    centers = (target[:, :2] + target[:, 2:4]) / 2
    quarters = {tuple(each) for each in (centers > 0.5).tolist()}
    assert len(quarters) == 4  # each has an image with a whole face
    again = FaceDataset(dataset, 64, seed=1, augmentation=AugmentationOptions(mosaic=1))
    assert torch.equal(image, again[(0, 1)][0]) and torch.equal(target, again[(0, 1)][1])
    assert not torch.equal(image, again[(1, 1)][0])


def test_a_share_of_the_samples_is_a_mosaic(dataset):
    some = FaceDataset(dataset, 64, augmentation=AugmentationOptions(mosaic=0.5))
    never = FaceDataset(dataset, 64, augmentation=AugmentationOptions(mosaic=1e-9))
    keys = [(epoch, index) for epoch in range(5) for index in range(6)]
    assert 5 < sum(not torch.equal(some[key][0], never[key][0]) for key in keys) < 25


def test_background_images_are_no_mosaics(dataset, tmp_path):
    draw_image(tmp_path / "studio" / "desk.png", [])
    dataset.write_text(dataset.read_text() + "# 6.jpg\n")
    draw_image(dataset.parent / "images" / "6.jpg", [])
    options = {"augmentation": AugmentationOptions(mosaic=1), "negatives": tmp_path / "studio"}
    faces = FaceDataset(dataset, 64, **options)
    for index in (6, 7):
        _, target, info = faces[(0, index)]
        assert info.is_background and len(target) == 0 and not info.others
    assert faces[(0, 0)][2].others and not faces[(0, 0)][2].is_background


def test_an_unreadable_image_of_a_mosaic_is_an_empty_quarter_or_an_error(dataset):
    options = AugmentationOptions(mosaic=1)
    strict, lenient = (FaceDataset(dataset, 64, skip_unreadable=skip, augmentation=options) for skip in (False, True))
    for index in range(6):
        if index != 2:
            strict.path(index).write_bytes(b"no image")
    with pytest.raises(UserError):
        [strict[(epoch, 2)] for epoch in range(9)]
    image, target, info = lenient[(0, 2)]
    assert not info.unreadable
    assert (image[:, :32, :32] != torch.tensor(MEAN_BGR).view(3, 1, 1)).any()
    assert len(target)


def test_boxes_are_clipped_to_the_image_and_empty_ones_are_dropped():
    boxes = np.array([[-5, 10, 20, 30], [90, 70, 120, 100], [5, 5, 5, 9], [200, 5, 220, 9], [1, 1, 9, 9]], float)
    annotation = Annotation("a.jpg", boxes, np.full((5, 5, 2), -1.0))
    faces, clipped, dropped = clip_faces(annotation, width=100, height=80)
    assert faces.boxes.tolist() == [[0, 10, 20, 30], [90, 70, 100, 80], [1, 1, 9, 9]]
    assert (clipped, dropped) == (2, 2)


def test_a_background_image_is_a_sample_without_targets(tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [(30, 20, 40, 50)])
    draw_image(tmp_path / "images" / "b.jpg", [])
    dataset = FaceDataset(label_file(tmp_path, {"a.jpg": ["30 20 40 50"], "b.jpg": []}), 64)
    image, target, _ = dataset[(0, 1)]
    assert image.shape == (3, 64, 64)
    assert target.shape == (0, 15)


def test_a_face_of_zero_size_in_float32_is_not_a_target(tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [(30, 20, 40, 50)])
    dataset = FaceDataset(label_file(tmp_path, {"a.jpg": ["30 20 40 50", "50 40 0.0000001 9"]}), 64)
    for epoch in range(10):
        _, target, info = dataset[(epoch, 0)]
        assert len(target) == 1
        assert info.dropped == 0


def test_an_image_may_have_a_thousand_faces(tmp_path):
    draw_image(tmp_path / "images" / "a.jpg", [], size=(300, 500))
    rows = [f"{x} {y} 8 8" for x in range(0, 490, 10) for y in range(0, 290, 10)][:1000]
    _, target, _ = FaceDataset(label_file(tmp_path, {"a.jpg": rows}), 64)[(0, 0)]
    assert len(target) > 10


@pytest.mark.parametrize("kind", ["gray", "transparent", "one pixel"])
def test_gray_transparent_and_tiny_images_become_samples(tmp_path, kind):
    shape = {"gray": (60, 80), "transparent": (60, 80, 4), "one pixel": (1, 1, 3)}[kind]
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.full(shape, 99, np.uint8))
    dataset = FaceDataset(label_file(tmp_path, {"a.png": ["0 0 1 1"]}), 64)
    image, target, _ = dataset[(0, 0)]
    assert image.shape == (3, 64, 64)
    assert len(target) == 1


def test_missing_images_are_counted_when_the_dataset_is_built(dataset):
    (dataset.parent / "images" / "2.jpg").unlink()
    (dataset.parent / "images" / "4.jpg").unlink()
    with pytest.raises(UserError, match=r"2\.jpg: no such image \(2 of the 6"):
        FaceDataset(dataset, 64)


def test_a_list_without_boxes_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg\n")
    with pytest.raises(UserError, match="no faces to train on"):
        FaceDataset(tmp_path / "list.txt", 64)


def test_names_cannot_leave_the_images_folder(tmp_path):
    with pytest.raises(UserError, match="stays inside"):
        FaceDataset(label_file(tmp_path, {"../../x.jpg": ["0 0 1 1"]}), 64)


def test_an_unreadable_image_is_an_error_that_names_it(dataset):
    (dataset.parent / "images" / "2.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"2\.jpg"):
        FaceDataset(dataset, 64)[(0, 2)]


@pytest.mark.parametrize("kind", ["no image", "ends early", "gone"])
def test_an_unreadable_image_can_be_skipped(dataset, kind):
    faces = FaceDataset(dataset, 64, skip_unreadable=True)
    path = faces.path(2)
    content = path.read_bytes()
    path.unlink()
    if kind != "gone":
        path.write_bytes(b"no image" if kind == "no image" else content[: len(content) // 2])

    image, target, info = faces[(0, 2)]
    assert info == SampleInfo(str(path), clipped=0, dropped=0, unreadable=True)
    assert image.shape == (3, 64, 64) and image.dtype == torch.uint8
    assert (image == torch.tensor(MEAN_BGR).view(3, 1, 1)).all()
    assert target.shape == (0, 15) and target.dtype == torch.float32
    assert not faces[(0, 1)][2].unreadable
    images, targets, infos = detection_collate([faces[(0, index)] for index in range(4)])
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert [len(target) > 0 for target in targets] == [True, True, False, True]
    assert [info.unreadable for info in infos] == [False, False, True, False]


def test_background_images_are_marked_and_may_come_from_a_folder(dataset, tmp_path):
    draw_image(tmp_path / "studio" / "deep" / "logo 名.png", [], size=(200, 300))
    draw_image(tmp_path / "studio" / "desk.jpg", [], size=(200, 300))
    dataset.write_text(dataset.read_text() + "# 6.jpg\n# 7.jpg\n-90 -90 20 20\n")
    for name in ("6.jpg", "7.jpg"):
        draw_image(dataset.parent / "images" / name, [])
    plain = FaceDataset(dataset, 64)
    assert [plain[(0, index)][2].is_background for index in range(8)] == [False] * 6 + [True, False]
    more = FaceDataset(dataset, 64, negatives=tmp_path / "studio")
    assert [more.path(index).name for index in (8, 9)] == ["logo 名.png", "desk.jpg"]
    assert more.fingerprint() != plain.fingerprint()
    seen = set()
    for epoch in range(20):
        image, found, info = more[(epoch, 8)]
        assert info.is_background and not info.unreadable and found.shape == (0, 15)
        seen.add(int((image == torch.tensor(MEAN_BGR).view(3, 1, 1)).all(dim=0).sum()))
    assert seen == {0}  # cropped to squares, never padded
    with pytest.raises(UserError, match="nowhere"):
        FaceDataset(dataset, 64, negatives=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no folder with images in it"):
        FaceDataset(dataset, 64, negatives=tmp_path / "empty")


@pytest.mark.parametrize("how", ["itself", "linked folder", "link", "hard link", "other way"])
def test_a_negative_that_has_faces_in_the_labels_is_refused(dataset, tmp_path, how):
    images, studio = dataset.parent / "images", tmp_path / "studio"
    draw_image(images / "6.jpg", [])
    dataset.write_text(dataset.read_text() + "# 6.jpg\n")
    draw_image(studio / "0.jpg", [], seed=9)
    (studio / "6.jpg").hardlink_to(images / "6.jpg")  # a background image of the labels
    assert FaceDataset(dataset, 64, negatives=studio).count_background() == 3
    count = "6 of the 7"
    if how == "linked folder":
        shutil.rmtree(studio)
        studio.symlink_to(images)
    elif how in ("link", "hard link"):
        getattr(studio / "a.jpg", "symlink_to" if how == "link" else "hardlink_to")(images / "3.jpg")
        count = "1 of the 3"
    folder = {"itself": images, "other way": studio / ".." / "faces" / "images"}.get(how, studio)
    with pytest.raises(UserError, match=rf"^{folder}/\w\.jpg: has faces in {dataset} as [03]\.jpg \({count} "):
        FaceDataset(dataset, 64, negatives=folder)


def test_the_fingerprint_changes_with_names_order_boxes_and_landmarks(tmp_path):
    def fingerprint(rows: dict[str, list[str]], size: int = 64) -> str:
        for name in rows:
            draw_image(tmp_path / "images" / name, [])
        return FaceDataset(label_file(tmp_path, rows), size).fingerprint()

    points = "40 40 0 60 40 0 50 50 0 42 60 0 58 60 0 0.9"
    rows = {"a.jpg": ["30 20 40 50", "1 2 3 4"], "b.jpg": []}
    changed = [
        {"a.jpg": ["30 20 40 50.001", "1 2 3 4"], "b.jpg": []},
        {"a.jpg": ["1 2 3 4", "30 20 40 50"], "b.jpg": []},
        {"a.jpg": [f"30 20 40 50 {points}", "1 2 3 4"], "b.jpg": []},
        {"a.jpg": ["30 20 40 50"], "b.jpg": ["1 2 3 4"]},
        {"c.jpg": ["30 20 40 50", "1 2 3 4"], "b.jpg": []},
        {"b.jpg": [], "a.jpg": ["30 20 40 50", "1 2 3 4"]},
        {"a.jpg": ["30 20 40 50", "1 2 3 4"]},
    ]
    first = fingerprint(rows)
    assert len(first) == 16 and int(first, 16) >= 0
    assert fingerprint(rows, size=32) == first
    assert len({first, *map(fingerprint, changed)}) == 8


WIDER = {"a.jpg": ["30 20 40 50 0 0 0 0 0 0", "5 5 20 20 2 0 0 1 0 0"], "b.jpg": ["9 9 30 30 0 0 0 1 0 0"]}


def wider_file(folder, rows: dict[str, list[str]]):
    path = folder / "wider_face_train_bbx_gt.txt"
    path.write_text(
        "".join(f"{name}\n{len(lines)}\n" + "".join(f"{row}\n" for row in lines) for name, lines in rows.items())
    )
    return path


def test_ignored_faces_have_label_0(tmp_path):
    for name in WIDER:
        draw_image(tmp_path / "images" / name, [])
    dataset = FaceDataset(wider_file(tmp_path, WIDER), 64)
    labels = [dataset[(epoch, 0)][1][:, 14].tolist() for epoch in range(30)]
    assert {tuple(sorted(each)) for each in labels} == {(-1, 0), (-1,)}  # every crop holds the whole face
    _, target, info = dataset[(0, 1)]
    assert set(target[:, 14].tolist()) <= {0} and not info.is_background
    assert (dataset.count_faces(), dataset.count_background()) == (1, 0)


def test_a_dataset_of_ignored_faces_only_is_refused(tmp_path):
    with pytest.raises(UserError, match="no faces to train on"):
        FaceDataset(wider_file(tmp_path, {"b.jpg": WIDER["b.jpg"]}), 64)


def test_the_fingerprint_changes_with_the_ignored_faces(tmp_path):
    for name in WIDER:
        draw_image(tmp_path / "images" / name, [])
    first = FaceDataset(wider_file(tmp_path, WIDER), 64).fingerprint()
    other = {"a.jpg": [WIDER["a.jpg"][0], "5 5 20 20 2 0 0 0 0 0"], "b.jpg": WIDER["b.jpg"]}
    none_ignored = {name: [row[:-5] + "0 0 0" for row in rows] for name, rows in WIDER.items()}
    fingerprints = [FaceDataset(wider_file(tmp_path, rows), 64).fingerprint() for rows in (other, none_ignored)]
    assert len({first, *fingerprints}) == 3
    plain = {name: [" ".join(row.split()[:4]) for row in rows] for name, rows in WIDER.items()}
    assert (
        FaceDataset(label_file(tmp_path, plain), 64).fingerprint() == fingerprints[1] == "73bfa9104c3878cd"
    )  # as in version 0.6.0


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_channels_last_in_memory(dataset, workers):
    faces = FaceDataset(dataset, 64)
    keys = [(0, index) for index in range(4)]
    loader = DataLoader(faces, 2, sampler=keys, num_workers=workers, collate_fn=detection_collate)
    images = [image for batch, _, _ in loader for image in batch]
    assert all(batch.is_contiguous(memory_format=torch.channels_last) for batch, _, _ in loader)
    assert all(torch.equal(image, faces[key][0]) for image, key in zip(images, keys, strict=True))


def test_collate_takes_contiguous_images_of_any_type():
    samples = [torch.rand(3, 4, 5) for _ in range(3)]
    images, _ = detection_collate([(image, torch.zeros(1, 15)) for image in samples])
    assert images.dtype == torch.float32
    assert torch.equal(images, torch.stack(samples))


def test_collate_takes_pairs():
    images, targets = detection_collate([(torch.zeros(3, 4, 4), torch.zeros(n, 15)) for n in (1, 2)])
    assert images.shape == (2, 3, 4, 4)
    assert [len(target) for target in targets] == [1, 2]

"""The MultiBox loss equals the reference and plain loops."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import cfg_mnet
from layers.functions.prior_box import PriorBox
from layers.matching import match_priors
from layers.modules import MultiBoxLoss, PriorMatches
from tests.helpers.matching import (
    CORNERS,
    MIXED,
    PRIORS,
    SIZE,
    VARIANCES,
    coordinates,
    match_by_loops,
    prior_at,
    random_batch,
    sizes,
)
from utils.box_utils import decode, decode_landm, encode, encode_landm, point_form


def test_losses_and_gradients_equal_the_reference(shared):
    reference = np.load(shared / "reference" / "loss.npz")
    size = int(reference["image_size"])
    predictions = [torch.from_numpy(reference[name]).requires_grad_() for name in ("loc", "conf", "landm")]
    targets = [torch.from_numpy(reference[f"target{i}"]) for i in range(5)]
    losses = MultiBoxLoss()(tuple(predictions), PriorBox(cfg_mnet, (size, size)).forward(), targets)
    (2 * losses[0] + losses[1] + losses[2]).backward()
    for loss, name in zip(losses, ("loc", "conf", "landm"), strict=True):
        assert loss.item() == pytest.approx(float(reference[f"loss_{name}"]), rel=1e-5)
    for prediction, name in zip(predictions, ("loc", "conf", "landm"), strict=True):
        expected = reference[f"grad_{name}"]
        assert np.abs(prediction.grad.numpy() - expected).max() <= 1e-5 * np.abs(expected).max(), name


def random_predictions(images: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(images, len(PRIORS), values, generator=generator, requires_grad=True) for values in (4, 2, 10)
    )


def target(boxes: torch.Tensor, label: int) -> torch.Tensor:
    landmarks = torch.full((len(boxes), 10), 0.5)
    return torch.cat([boxes, landmarks, torch.full((len(boxes), 1), float(label))], dim=1)


def test_a_batch_without_faces_has_no_loss_and_gradients_of_zero():
    predictions = random_predictions(2)
    losses = MultiBoxLoss()(predictions, PRIORS, [torch.zeros(0, 15)] * 2)
    assert [loss.item() for loss in losses] == [0, 0, 0]
    sum(losses).backward()
    # DistributedDataParallel waits for a gradient of every weight, so each head needs one.
    assert all(prediction.grad is not None and not prediction.grad.any() for prediction in predictions)


def test_a_background_image_beside_an_image_with_a_face_changes_nothing():
    predictions = random_predictions(2)
    both = MultiBoxLoss()(predictions, PRIORS, [target(prior_at(100), 1), torch.zeros(0, 15)])
    first = tuple(prediction[:1] for prediction in predictions)
    alone = MultiBoxLoss()(first, PRIORS, [target(prior_at(100), 1)])
    torch.testing.assert_close(both, alone)


def test_a_background_image_adds_its_hardest_negatives_to_the_loss():
    boxes, logits, landmarks = random_predictions(2)
    targets = [target(prior_at(100), 1), torch.zeros(0, 15)]
    loss = MultiBoxLoss(background_negatives=30)
    matches = loss.match(targets, PRIORS)
    box, class_, landmark = loss.sums((boxes, logits, landmarks), matches)
    without = loss.sums((boxes, logits, landmarks), MultiBoxLoss().match(targets, PRIORS))
    assert box == without[0] and landmark == without[2]
    assert matches.counts.tolist() == [1, 1, 30]
    background = -logits[1].log_softmax(dim=1)[:, 0]
    torch.testing.assert_close(class_, without[1] + background.topk(30).values.sum())
    class_.backward()
    assert (logits.grad[1].abs().sum(dim=1) > 0).sum() == 30
    everything = MultiBoxLoss(background_negatives=10**6)
    matches = everything.match(targets, PRIORS)
    assert matches.counts.tolist() == [1, 1, len(PRIORS)]
    all_sums = everything.sums((boxes, logits, landmarks), matches)
    torch.testing.assert_close(all_sums[1], without[1] + background.sum())


def test_background_images_weigh_no_more_than_images_with_faces():
    """In a batch without positives, a divisor of 1 would make a step a hundred times as large."""
    predictions = random_predictions(8)
    loss, empty = MultiBoxLoss(background_negatives=100), torch.zeros(0, 15)
    faces = target(torch.cat([prior_at(i) for i in (100, 140, 180)]), 1)
    usual = loss(predictions, PRIORS, [faces] * 4 + [empty] * 4)[1]
    for images_with_faces in (0, 1):
        targets = [faces] * images_with_faces + [empty] * (8 - images_with_faces)
        assert usual / 2 < loss(predictions, PRIORS, targets)[1] < 2 * usual
    hardest = (-predictions[1].log_softmax(dim=2)[..., 0]).topk(100).values
    torch.testing.assert_close(loss(predictions, PRIORS, [empty] * 8)[1], 7 * hardest.mean())


def test_the_divisors_are_the_positives_if_there_are_enough():
    loss = MultiBoxLoss()
    assert loss.divisors([50, 20, 0]) == loss.divisors([50, 20, 350]) == (50, 50, 20)
    assert loss.divisors([50, 20, 700]) == (50, 100, 20)
    assert loss.divisors([0, 0, 0]) == (1, 1, 1)


def test_only_background_images_have_negatives_without_positives():
    """The placeholder of an unreadable image, or an image with faces too small to match, is no background image."""
    loss, targets = MultiBoxLoss(background_negatives=30), [torch.zeros(0, 15)] * 2
    predictions = random_predictions(2)
    losses = loss.sums(predictions, loss.match(targets, PRIORS, [False, True]))
    alone = loss.sums([values[1:] for values in predictions], loss.match(targets[1:], PRIORS))
    torch.testing.assert_close(losses, alone)
    assert not any(loss.sums(predictions, loss.match(targets, PRIORS, [False, False])))
    tiny = torch.cat([PRIORS[0, :2] - 1 / SIZE, PRIORS[0, :2] + 1 / SIZE])[None]
    assert loss(predictions, PRIORS, [target(tiny, 1)] * 2)[1] == 0


def test_a_face_without_landmarks_adds_to_the_box_and_class_losses_only():
    predictions = random_predictions(1)
    with_landmarks = MultiBoxLoss()(predictions, PRIORS, [target(prior_at(100), 1)])
    without = MultiBoxLoss()(predictions, PRIORS, [target(prior_at(100), -1)])
    assert without[2].item() == 0 < with_landmarks[2].item()
    torch.testing.assert_close(without[:2], with_landmarks[:2])


def test_priors_on_ignored_faces_are_excluded_from_the_loss():
    boxes, logits, landmarks = random_predictions(1)
    crowd = torch.tensor([[40.0, 40, 128, 128]]) / SIZE
    targets = [torch.cat([target(prior_at(100), -1), target(crowd, 0)])]
    alone = [target(prior_at(100), -1)]
    corners = CORNERS.T * SIZE
    inside = (corners[:, :2] >= 40).all(dim=1) & (corners[:, 2:] <= 128).all(dim=1)
    assert inside.sum() > 100 and 100 not in inside.nonzero()
    with torch.no_grad():
        logits[0, inside, 1] += 20  # the hardest negatives, if they were not ignored
    losses = MultiBoxLoss()((boxes, logits, landmarks), PRIORS, targets)
    usual = MultiBoxLoss()((boxes, logits, landmarks), PRIORS, alone)
    assert losses[0] == usual[0] and losses[2] == usual[2] == 0
    assert usual[1] > losses[1] + 100
    losses[1].backward()
    in_loss = logits.grad[0].ne(0).any(dim=1)
    assert not in_loss[inside].any()
    assert in_loss.sum() == 8 * len(match_priors(prior_at(100), CORNERS, 0.35)[0])  # as many negatives, from elsewhere


def test_a_face_in_an_ignored_region_is_matched():
    loss, crowd = MultiBoxLoss(), target(torch.tensor([[0.0, 0, 1, 1]]), 0)
    alone = loss.match([target(prior_at(100), 1)], PRIORS)
    among = loss.match([torch.cat([crowd, target(prior_at(100), 1)])], PRIORS)
    for name in ("positives", "boxes", "with_landmarks", "landmarks", "counts"):
        assert torch.equal(getattr(alone, name), getattr(among, name))


def test_an_image_of_ignored_faces_adds_nothing_to_the_loss():
    predictions = random_predictions(2)
    targets = [target(prior_at(100), 0), target(prior_at(500), 0)]
    losses = MultiBoxLoss(background_negatives=30)(predictions, PRIORS, targets)
    assert [loss.item() for loss in losses] == [0, 0, 0]
    sum(losses).backward()
    assert not any(prediction.grad.any() for prediction in predictions)


def test_the_seven_hardest_negatives_of_each_positive_are_in_the_loss():
    predictions = random_predictions(1)
    losses = MultiBoxLoss()(predictions, PRIORS, [target(prior_at(100), -1)])
    losses[1].backward()
    in_loss = predictions[1].grad[0].abs().sum(dim=1) > 0
    positives, _ = match_priors(prior_at(100), CORNERS, 0.35)
    assert in_loss.sum() == 8 * len(positives)
    background = predictions[1].detach()[0].log_softmax(dim=1)[:, 0].index_fill(0, positives, 0)
    hardest = background.argsort()[: 7 * len(positives)]
    assert in_loss[hardest].all()


def test_a_thousand_faces_are_matched():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(1000, 2, generator=generator) * 0.9
    losses = MultiBoxLoss()(random_predictions(1), PRIORS, [target(torch.cat([corners, corners + 0.1], dim=1), 1)])
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses)


def is_ignored(prior: np.ndarray, region: np.ndarray) -> bool:
    """Whether a prior's IoU with an ignored region is 0.35 or more, or half of the prior is inside."""
    width, height = np.minimum(prior[2:], region[2:]) - np.maximum(prior[:2], region[:2])
    common = max(width, 0) * max(height, 0)
    own, other = np.prod(prior[2:] - prior[:2]), np.prod(region[2:] - region[:2])
    return common >= own / 2 or common / (own + other - common) >= np.float32(0.35)


def sums_by_loops(predictions, priors: torch.Tensor, targets: list[torch.Tensor]):
    """The design's words, one prior at a time: the three sums, and the counts of PriorMatches."""

    def smooth_l1(values, wanted):
        distance = (values - wanted).abs()
        return torch.where(distance < 1, distance**2 / 2, distance - 0.5).sum().item()

    sums, counts = np.zeros(3), np.zeros(3)
    for boxes, logits, landmarks, target in zip(*predictions, targets, strict=True):
        ignored, target = target[target[:, 14] == 0].numpy(), target[target[:, 14] != 0]
        if len(target) == 0:
            continue
        face, positive = match_by_loops(target[:, :4].numpy(), point_form(priors).numpy(), 0.35)
        losses = logits.double().exp()
        losses = (losses.sum(dim=1, keepdim=True) / losses).log().tolist()  # of background and of face
        for i in positive.nonzero()[0]:
            matched, prior = target[face[i]], priors[i : i + 1]
            sums[0] += smooth_l1(boxes[i], encode(matched[None, :4], prior, VARIANCES)[0])
            sums[1] += losses[i][1]
            counts[0] += 1
            if matched[14] == 1:
                sums[2] += smooth_l1(landmarks[i], encode_landm(matched[None, 4:14], prior, VARIANCES)[0])
                counts[1] += 1
        corners = point_form(priors).numpy()
        known = [i for i in (~positive).nonzero()[0] if not any(is_ignored(corners[i], row[:4]) for row in ignored)]
        background = sorted((losses[i][0] for i in known), reverse=True)
        sums[1] += sum(background[: min(7 * positive.sum(), len(priors) - 1)])
    return sums, counts


images = st.lists(
    st.lists(st.tuples(coordinates, coordinates, sizes, sizes, st.sampled_from([1, -1, 0])), max_size=5),
    min_size=1,
    max_size=4,
)
# Two rows of priors of 64 and 128 px: a few faces match so many that fewer than seven negatives are left for each.
FEW = PRIORS[560:592]


@settings(deadline=None, max_examples=60)
@given(images, st.sampled_from([PRIORS, FEW, FEW[:2]]), st.integers(0, 99))
def test_sums_equal_plain_loops(images, priors, seed):
    predictions, targets = random_batch(images, priors, seed)
    expected, counts = sums_by_loops(predictions, priors, targets)
    loss = MultiBoxLoss()
    matches = loss.match(targets, priors)
    assert matches.counts.tolist() == counts.tolist()
    assert [value.item() for value in loss.sums(predictions, matches)] == pytest.approx(expected, rel=1e-4, abs=1e-4)
    divided = expected / counts.clip(1)[[0, 0, 1]]
    assert [value.item() for value in loss(predictions, priors, targets)] == pytest.approx(divided, rel=1e-4, abs=1e-4)


CROWDED = [[*MIXED[0], (0, 0, 90, 50, 0)], [(10, 10, 40, 40, 0)], MIXED[2]]


def test_all_other_priors_are_negatives_if_there_are_less_than_seven_for_each_positive():
    predictions, targets = random_batch([MIXED[0]], FEW, 0)
    predictions[1].requires_grad_()
    loss = MultiBoxLoss()
    matches = loss.match(targets, FEW)
    assert 7 * len(matches.positives) > matches.most == len(FEW) - len(matches.positives)
    loss.sums(predictions, matches)[1].backward()
    assert predictions[1].grad.ne(0).all()
    assert predictions[1].grad[0, :, 1].lt(0).nonzero().squeeze(1).tolist() == matches.positives.tolist()


def test_sums_over_the_parts_of_a_batch_add_up_to_those_of_the_batch():
    predictions, targets = random_batch(MIXED, PRIORS, 0)
    loss = MultiBoxLoss()
    matches = loss.match(targets, PRIORS)
    parts = [loss.match(targets[part], PRIORS) for part in (slice(0, 1), slice(1, 3))]
    assert torch.equal(matches.counts, parts[0].counts + parts[1].counts)
    first = loss.sums(tuple(prediction[:1] for prediction in predictions), parts[0])
    second = loss.sums(tuple(prediction[1:] for prediction in predictions), parts[1])
    for whole, one, other in zip(loss.sums(predictions, matches), first, second, strict=True):
        torch.testing.assert_close(whole, one + other)


def test_matches_hold_the_coded_faces_of_ascending_positives():
    _, targets = random_batch(MIXED, PRIORS, 0)
    matches = MultiBoxLoss().match(targets, PRIORS)
    assert (matches.positives.diff() > 0).all()
    faces = []
    for position, code in zip(matches.positives.tolist(), matches.boxes, strict=True):
        image, prior = divmod(position, len(PRIORS))
        distance = (decode(code[None], PRIORS[prior : prior + 1], VARIANCES) - targets[image][:, :4]).abs().amax(1)
        assert distance.min() < 1e-5
        faces.append(targets[image][distance.argmin()])
    labelled = [i for i, face in enumerate(faces) if face[14] == 1]
    assert 0 < len(labelled) < len(faces)
    assert matches.with_landmarks.tolist() == matches.positives[labelled].tolist()
    landmarks = decode_landm(matches.landmarks, PRIORS[matches.with_landmarks % len(PRIORS)], VARIANCES)
    torch.testing.assert_close(landmarks, torch.stack([faces[i][4:14] for i in labelled]))


def test_matches_are_small_and_survive_a_move():
    _, targets = random_batch(CROWDED, PRIORS, 0)
    matches = MultiBoxLoss(balance=0.5).match(targets, PRIORS)
    assert len(matches.ignored)
    # A worker process sends whole storages, so no tensor may be a view of a larger one.
    assert len(pickle.dumps(matches)) < 4096 + sum(v.nbytes for v in vars(matches).values() if torch.is_tensor(v))
    moved = matches.to("cpu", non_blocking=True)
    assert isinstance(moved, PriorMatches)
    assert {name: value for name, value in vars(moved).items() if not torch.is_tensor(value)} == {
        "most": matches.most,
    }
    torch.testing.assert_close(vars(moved), vars(matches), rtol=0, atol=0)
    assert {value.device.type for value in vars(matches.to("meta")).values() if torch.is_tensor(value)} == {"meta"}


BROKEN = [
    (0, "positive", 0, torch.nan),
    (1, "positive", 0, torch.nan),
    (1, "positive", 1, torch.inf),
    (1, "negative", 0, torch.nan),
    (1, "negative", 1, torch.nan),
    (1, "negative", 0, torch.inf),
    (1, "negative", 1, torch.inf),
    (2, "positive", 3, torch.nan),
]


@pytest.mark.parametrize(("head", "where", "column", "value"), BROKEN)
def test_a_prediction_that_is_not_finite_shows_in_the_loss(head, where, column, value):
    predictions, targets = random_batch(MIXED, PRIORS, 0)
    matches = MultiBoxLoss().match(targets, PRIORS)
    # The image of the last positive has few positives, so only its hardest negatives are in the loss.
    position = matches.positives[-1] if where == "positive" else 2 * len(PRIORS) + 1
    assert where == "positive" or position not in matches.positives
    predictions[head].flatten(0, 1)[position, column] = value
    losses = MultiBoxLoss().sums(predictions, matches)
    assert [bool(loss.isfinite()) for loss in losses] == [i != head for i in range(3)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_predictions_are_compared_in_float32(dtype):
    predictions, targets = random_batch(MIXED, PRIORS, 0)
    predictions[1][..., 0] -= 100  # differences between logits that half precision would round to the same
    half = tuple(prediction.to(dtype).requires_grad_() for prediction in predictions)
    single = tuple(prediction.detach().float() for prediction in half)
    matches = MultiBoxLoss().match(targets, PRIORS)
    losses = MultiBoxLoss().sums(half, matches)
    torch.testing.assert_close(losses, MultiBoxLoss().sums(single, matches))
    sum(losses).backward()
    assert all(prediction.grad.dtype == dtype and prediction.grad.any() for prediction in half)


def test_the_layout_of_predictions_in_memory_does_not_matter():
    predictions, targets = random_batch(MIXED, PRIORS, 0)
    turned = tuple(prediction.permute(2, 1, 0).contiguous().permute(2, 1, 0) for prediction in predictions)
    assert not turned[1].is_contiguous()
    matches = MultiBoxLoss().match(targets, PRIORS)
    torch.testing.assert_close(MultiBoxLoss().sums(turned, matches), MultiBoxLoss().sums(predictions, matches))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("faces", [MIXED, CROWDED, [[], []]], ids=["faces", "some ignored", "no faces"])
@pytest.mark.parametrize("options", [{}, {"box_loss": "giou", "balance": 0.5}], ids=["published", "tuned"])
def test_the_loss_on_a_gpu_needs_no_synchronization_and_equals_the_cpu(faces, options):
    predictions, targets = random_batch(faces, PRIORS, 0)
    loss = MultiBoxLoss(**options)
    matches = loss.match(targets, PRIORS)
    expected = loss.sums(predictions, matches)
    on_gpu = tuple(prediction.cuda().requires_grad_() for prediction in predictions)
    pinned = matches.pin_memory()
    assert pinned.boxes.is_pinned()
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = loss.sums(on_gpu, pinned.to("cuda", non_blocking=True))
        sum(losses).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close([value.cpu() for value in losses], list(expected))
    assert all(prediction.grad.any() == bool(len(matches.positives)) for prediction in on_gpu)
    everything = loss(on_gpu, PRIORS.cuda(), [target.cuda() for target in targets])
    torch.testing.assert_close(torch.stack(everything).cpu(), torch.stack(loss(predictions, PRIORS, targets)))

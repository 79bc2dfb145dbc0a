"""The loss beyond the published one: generalized IoU of boxes, and balanced faces."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import generalized_box_iou_loss

from layers.modules import MultiBoxLoss
from layers.modules.multibox_loss import giou_loss
from tests.helpers.matching import MIXED, PRIORS, VARIANCES, random_batch
from utils.box_utils import decode, point_form


def test_the_giou_loss_equals_that_of_torchvision():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(200, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    boxes, faces = (point_form(each) for each in (first, second))
    boxes.requires_grad_()
    (expected,) = torch.autograd.grad(generalized_box_iou_loss(boxes, faces, reduction="sum"), boxes)
    (gradient,) = torch.autograd.grad(giou_loss(boxes, faces).sum(), boxes)
    torch.testing.assert_close(giou_loss(boxes, faces), generalized_box_iou_loss(boxes, faces), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-4)


def test_the_box_sum_of_giou_compares_the_decoded_boxes_with_the_faces():
    predictions, targets = random_batch([[face] for faces in MIXED for face in faces], PRIORS, 0)
    loss = MultiBoxLoss(box_loss="giou")
    matches = loss.match(targets, PRIORS)
    images, priors = matches.positives // len(PRIORS), PRIORS[matches.positives % len(PRIORS)]
    boxes = decode(predictions[0].flatten(0, 1)[matches.positives], priors, VARIANCES)
    faces = torch.cat(targets)[images, :4]  # one face in each image
    assert loss.sums(predictions, matches)[0].item() == pytest.approx(giou_loss(boxes, faces).sum().item(), rel=1e-4)
    predictions[0].flatten(0, 1)[matches.positives] = matches.boxes
    assert loss.sums(predictions, matches)[0].item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("balance", [0.5, 1])
def test_the_weight_of_a_positive_falls_with_how_many_its_face_has(balance):
    predictions, targets = random_batch([[face] for faces in MIXED for face in faces], PRIORS, 0)
    expected = torch.zeros(2)
    for number in range(len(targets)):  # one face in each image
        image = tuple(each[number : number + 1] for each in predictions)
        matches = MultiBoxLoss().match(targets[number : number + 1], PRIORS)
        box, both, _ = MultiBoxLoss().sums(image, matches)
        face = F.cross_entropy(
            image[1][0, matches.positives], torch.ones(len(matches.positives)).long(), reduction="sum"
        )
        weight = (20 / len(matches.positives)) ** balance
        expected += torch.stack([weight * box, both + (weight - 1) * face])
    loss = MultiBoxLoss(balance=balance)
    found = loss.sums(predictions, loss.match(targets, PRIORS))
    torch.testing.assert_close(torch.stack(found[:2]), expected)

"""Learning-rate schedules, optimizers, and EMA."""

import math

import pytest
import torch
from torch import nn

from engine.train.optim import EMA, Phase, build_optimizer, build_scheduler


def build_phase(**settings) -> Phase:
    return Phase(**{"number": 1, "start": 0, "end": 4, "lr": 1.0, "gamma": 0.1, "decay_epochs": (), **settings})


def rates(steps_per_epoch: int, **settings) -> list[float]:
    """Return the learning rate of each step of a phase."""
    phase = build_phase(**settings)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], phase.lr)
    scheduler = build_scheduler(optimizer, phase, steps_per_epoch, 0)
    found = []
    for _ in range((phase.end - phase.start) * steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_decays_apply_after_their_epochs_and_not_before_the_start_of_the_phase():
    assert rates(2, decay_epochs=(2, 3)) == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert rates(1, start=2, end=5, decay_epochs=(1, 2, 4)) == pytest.approx([1, 1, 0.1])


def test_warm_up_grows_linearly_to_the_learning_rate():
    assert rates(4, warmup_epochs=1.0, decay_epochs=(2,))[:9] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 0.1])
    assert rates(4, warmup_epochs=0.5)[:3] == pytest.approx([0.5, 1, 1])


def test_cosine_decays_from_the_learning_rate_to_almost_0():
    found = rates(5, cosine=True, decay_epochs=(1,))
    assert found[0] == 1
    assert found[10] == pytest.approx(0.5)
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx((1 + math.cos(math.pi * 19 / 20)) / 2)


@pytest.mark.parametrize("settings", [{"decay_epochs": (2,)}, {"cosine": True}, {"warmup_epochs": 2.5}])
def test_a_schedule_resumes_at_any_step(settings):
    expected = rates(3, **settings)
    phase = build_phase(**settings)
    for step in (0, 1, 5, 11):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], phase.lr)
        build_scheduler(optimizer, phase, 3, step)
        assert optimizer.param_groups[0]["lr"] == expected[step]


def test_sgd_equals_that_of_pytorch():
    torch.manual_seed(0)
    network, plain = nn.Linear(3, 2), nn.Linear(3, 2)
    plain.load_state_dict(network.state_dict())
    ours = build_optimizer(network, "sgd", 0.1, 0.9, 5e-4)
    theirs = torch.optim.SGD(plain.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    for _ in range(4):
        for model, optimizer in ((network, ours), (plain, theirs)):
            optimizer.zero_grad()
            model(torch.ones(5, 3)).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(network.weight, plain.weight)


def test_a_first_step_that_overflows_in_half_precision_keeps_the_weights():
    for seed in range(5):  # memory that PyTorch does not initialize may be zeros by chance
        torch.manual_seed(seed)
        network = nn.Linear(300, 300)
        optimizer = build_optimizer(network, "sgd", 0.1, 0.9, 0.0)
        scaler = torch.amp.GradScaler("cpu")
        before = network.weight.detach().clone()
        scaler.scale(network(torch.ones(1, 300)).sum() * torch.inf).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        assert torch.equal(network.weight, before)
        scaler.scale(network(torch.ones(1, 300)).sum()).backward()
        scaler.step(optimizer)
        torch.testing.assert_close(network.weight, before - 0.1)


def test_ema_averages_weights_and_batch_statistics():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = EMA(network, 0.75)
    before = network[0].weight.detach().clone()
    with torch.no_grad():
        network[0].weight += 1
        network[1].running_mean += 4
    ema.update()
    torch.testing.assert_close(ema.network[0].weight, before + 0.25)
    torch.testing.assert_close(ema.network[1].running_mean, torch.ones(2))

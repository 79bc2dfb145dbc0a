"""The options of a training: each off by default, each with the effect that its name promises."""

import csv
import json
import math
import shutil

import pytest
import torch
from torch import nn

from engine.train.optim import EMA, Phase, build_optimizer, build_scheduler
from tests.helpers.training import FAST, equal, weights


@pytest.fixture
def train(script, dataset, tmp_path):
    """Train in a folder of that name below tmp_path: train("name", "--flag", value ...) -> Outcome."""

    def call(folder: str, *arguments):
        where = ("--training_dataset", dataset, "--save_folder", tmp_path / folder)
        return script("train.py", *where, *FAST, "--tensorboard", "false", *arguments)

    return call


def final(tmp_path, folder: str) -> dict[str, torch.Tensor]:
    return weights(tmp_path / folder / "mobilenet0.25_Final.pth")


def log(tmp_path, folder: str) -> list[dict[str, str]]:
    with open(tmp_path / folder / "mobilenet0.25_log.csv", newline="") as file:
        return list(csv.DictReader(file))


def rates(steps_per_epoch: int, **settings) -> list[float]:
    """Return the learning rate of each step of a phase."""
    phase = Phase(**{"number": 1, "start": 0, "end": 4, "lr": 1.0, "gamma": 0.1, "decay_epochs": (), **settings})
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], phase.lr)
    scheduler = build_scheduler(optimizer, phase, steps_per_epoch, 0)
    seen = []
    for _ in range((phase.end - phase.start) * steps_per_epoch):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_decays_apply_at_the_end_of_their_epochs_and_those_before_the_start_are_over():
    assert rates(2, decay_epochs=(2, 3)) == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert rates(1, start=2, end=5, decay_epochs=(1, 2, 4)) == pytest.approx([1, 1, 0.1])


def test_warm_up_grows_to_the_full_rate_and_then_leaves_it_alone():
    assert rates(4, warmup_epochs=1.0, decay_epochs=(2,))[:9] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 0.1])
    assert rates(4, warmup_epochs=0.5)[:3] == pytest.approx([0.5, 1, 1])


def test_a_cosine_goes_from_the_rate_to_almost_nothing():
    seen = rates(5, cosine=True, decay_epochs=(1,))
    assert seen[0] == 1
    assert seen[10] == pytest.approx(0.5)
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == pytest.approx((1 + math.cos(math.pi * 19 / 20)) / 2)


@pytest.mark.parametrize("settings", [{"decay_epochs": (2,)}, {"cosine": True}, {"warmup_epochs": 2.5}])
def test_a_schedule_that_goes_on_in_the_middle_gives_the_rates_that_were_left(settings):
    whole = rates(3, **settings)
    phase = Phase(**{"number": 1, "start": 0, "end": 4, "lr": 1.0, "gamma": 0.1, "decay_epochs": (), **settings})
    for step in (0, 1, 5, 11):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], phase.lr)
        build_scheduler(optimizer, phase, 3, step)
        assert optimizer.param_groups[0]["lr"] == whole[step]


def test_sgd_is_the_published_one():
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


def test_a_first_step_that_overflows_in_half_precision_leaves_good_weights():
    for seed in range(5):  # what PyTorch leaves unset may be zeros by chance
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


def test_the_average_follows_the_weights_and_the_batch_statistics():
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = EMA(network, 0.75)
    before = network[0].weight.detach().clone()
    with torch.no_grad():
        network[0].weight += 1
        network[1].running_mean += 4
    average.update()
    torch.testing.assert_close(average.network[0].weight, before + 0.25)
    torch.testing.assert_close(average.network[1].running_mean, torch.ones(2))


def test_ema_writes_averages_that_lag_behind(train, tmp_path):
    assert train("plain", "--epochs", 2).status == 0
    assert train("ema", "--epochs", 2, "--ema", 0.9).status == 0
    assert train("none", "--epochs", 2, "--ema", 0).status == 0
    assert equal(final(tmp_path, "plain"), final(tmp_path, "none"))  # an average of nothing but the newest
    start = train("start", "--epochs", 2, "--lr", 0)
    assert start.status == 0
    key = "BboxHead.0.conv1x1.bias"
    moved = (final(tmp_path, "plain")[key] - final(tmp_path, "start")[key]).norm()
    assert 0 < (final(tmp_path, "ema")[key] - final(tmp_path, "start")[key]).norm() < 0.8 * moved


def test_clipped_gradients_move_the_weights_no_further_than_their_norm(train, tmp_path):
    options = ("--epochs", 1, "--batch_size", 6, "--momentum", 0, "--weight_decay", 0, "--lr", 1)
    assert train("start", *options, "--lr", 0).status == 0
    assert train("clipped", *options, "--clip_norm", 0.01).status == 0
    start, clipped = final(tmp_path, "start"), final(tmp_path, "clipped")
    learnt = [key for key in start if "running" not in key and "batches" not in key]
    distance = math.sqrt(sum((clipped[key] - start[key]).double().square().sum() for key in learnt))
    assert distance == pytest.approx(0.01, rel=1e-3)


def test_warm_up_cosine_and_adamw_reach_the_optimizer(train, tmp_path):
    options = ("--epochs", 4, "--decay_epochs", 2)
    assert train("steps", *options).status == 0
    assert train("cosine", *options[:2], "--schedule", "cosine").status == 0
    assert train("warm", *options, "--warmup_epochs", 2).status == 0
    assert train("adamw", *options, "--optimizer", "adamw").status == 0
    shown = {name: [float(row["lr"]) for row in log(tmp_path, name)] for name in ("steps", "cosine", "warm", "adamw")}
    assert shown["steps"] == shown["adamw"] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    assert shown["cosine"] == pytest.approx([1e-3, 8.53553e-4, 5e-4, 1.46447e-4])
    assert shown["warm"] == pytest.approx([2.5e-4, 7.5e-4, 1e-4, 1e-4])
    start = ("BboxHead.0.conv1x1.bias", "ClassHead.1.conv1x1.bias")
    assert not any(torch.equal(final(tmp_path, "steps")[key], final(tmp_path, "adamw")[key]) for key in start)


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_half_precision_learns_about_the_same(train, tmp_path, amp):
    assert train("full", "--epochs", 3).status == 0
    outcome = train("half", "--epochs", 3, "--amp", amp)
    assert outcome.status == 0, outcome.err
    full, half = (float(log(tmp_path, name)[0]["total"]) for name in ("full", "half"))
    assert half == pytest.approx(full, rel=0.05)
    assert half != full
    assert all(value.dtype in (torch.float32, torch.int64) for value in final(tmp_path, "half").values())


def test_a_compiled_network_learns_the_same_and_goes_on(train, tmp_path, monkeypatch):
    compiled_calls, compile_ = [], torch.compile

    def trace(network, **options):  # and leave the writing of kernels out, which takes minutes
        compiled_calls.append(network)
        return compile_(network, **options, backend="eager")

    monkeypatch.setattr(torch, "compile", trace)
    assert train("plain", "--epochs", 2).status == 0
    outcome = train("compiled", "--epochs", 1, "--compile")
    assert outcome.status == 0, outcome.err
    outcome = train("compiled", "--epochs", 2, "--resume")
    assert outcome.status == 0, outcome.err
    assert len(compiled_calls) == 2
    plain, compiled = final(tmp_path, "plain"), final(tmp_path, "compiled")
    assert plain.keys() == compiled.keys()
    for key in plain:
        torch.testing.assert_close(compiled[key], plain[key], rtol=1e-3, atol=1e-4)


def test_a_network_that_cannot_be_compiled_is_one_line(train, monkeypatch):
    def fail(*_):
        raise OSError("no compiler here")

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network, **options: compile_(network, **options, backend=fail))
    train("run", "--epochs", 1, "--compile").refuses("--compile", "cannot be compiled", "leave it out")


def test_a_dev_image_that_cannot_be_read_ends_a_run_or_is_left_out(train, dataset, tmp_path):
    dev = tmp_path / "dev"
    shutil.copytree(dataset.parent, dev)
    (dev / "images" / "1.jpg").write_bytes(b"no image")
    flags = ("--epochs", 1, "--lr", 0, "--val_dataset")
    train("run", *flags, dev / "label.txt").refuses("1.jpg", "is not an image")
    outcome = train("run", *flags, dev / "label.txt", "--skip_unreadable")
    assert outcome.status == 0
    (line,) = outcome.err.splitlines()
    assert "1.jpg" in line and "excluded from the dev AP" in line
    before, _, rest = (dev / "label.txt").read_text().partition("# 1.jpg\n")
    (dev / "others.txt").write_text(before + rest[rest.index("#") :])
    assert train("others", *flags, dev / "others.txt").status == 0
    (found,), (expected,) = log(tmp_path, "run"), log(tmp_path, "others")
    assert float(expected["dev_ap"]) > 0
    assert found["dev_ap"] == expected["dev_ap"]


def test_dev_ap_is_that_of_the_detection_and_evaluation_commands(train, script, dataset, tmp_path):
    outcome = train("run", "--epochs", 12, "--val_dataset", dataset, "--val_every", 4, "--save_every", 4)
    assert outcome.status == 0, outcome.err
    scored = {int(row["epoch"]): float(row["dev_ap"]) for row in log(tmp_path, "run") if row["dev_ap"]}
    assert list(scored) == [4, 8, 12]
    best = max(scored, key=scored.get)
    assert scored[best] > 0
    folder = tmp_path / "run"
    assert equal(weights(folder / "mobilenet0.25_best.pth"), weights(folder / f"mobilenet0.25_epoch_{best}.pth"))
    found = script("val_tvface.py", "--network", "mobile0.25", "-m", folder / "mobilenet0.25_best.pth", "--cpu",
                   "--dataset_folder", dataset.parent / "images", "--list_file", dataset,
                   "--save_folder", tmp_path / "txt")  # fmt: skip
    assert found.status == 0, found.err
    result = tmp_path / "result"
    scored_again = script("val_dataset_evaluate/eval.py", "-p", tmp_path / "txt", "-g", dataset, "--result", result)
    assert scored_again.status == 0, scored_again.err
    (model,) = json.loads((result / "ap.json").read_text())["models"].values()
    assert model["subsets"]["all"]["ap"] == pytest.approx(scored[best], rel=1e-5)


def test_scoring_the_dev_set_does_not_change_what_is_learnt(train, dataset, tmp_path):
    assert train("without", "--epochs", 2).status == 0
    assert train("with", "--epochs", 2, "--val_dataset", dataset, "--val_every", 1).status == 0
    assert equal(final(tmp_path, "without"), final(tmp_path, "with"))


def test_patience_ends_a_phase_that_gets_no_better(train, dataset, tmp_path):
    dev = ("--val_dataset", dataset, "--val_every", 1, "--patience", 2)
    outcome = train("run", "--epochs", 50, "--lr", 0, "--save_every", 100, *dev)
    assert outcome.status == 0, outcome.err
    last = len(log(tmp_path, "run"))
    assert last < 50
    end, kept = final(tmp_path, "run"), weights(tmp_path / "run" / f"mobilenet0.25_epoch_{last}.pth")
    assert equal(end, kept)
    outcome = train("run", "--epochs", 60, "--resume")
    assert "nothing is left to train; --patience 2 ended this phase" in outcome.out


@pytest.mark.parametrize("start", ["2", "3", "best"])
def test_both_phases_in_one_command_equal_the_two_commands(train, script, dataset, tmp_path, start):
    phase_one = ("--epochs", 3, "--save_every", 1, "--decay_epochs", 2, 4)
    dev = ("--val_dataset", dataset, "--val_every", 1) if start == "best" else ()
    one = train("one", *phase_one, *dev, "--finetune_epochs", 2, "--finetune_lr", 1e-4, "--finetune_from", start)
    assert one.status == 0, one.err
    epoch = start
    if start == "best":
        scores = {int(row["epoch"]): float(row["dev_ap"]) for row in log(tmp_path, "one") if row["phase"] == "1"}
        epoch = max(scores, key=scores.get)
    flags = [flag for flag in FAST if flag != "--no_pretrain"]
    assert train("two", *phase_one).status == 0
    net = tmp_path / "two" / f"mobilenet0.25_epoch_{epoch}.pth"
    two = script(
        "train.py", "--training_dataset", dataset, "--save_folder", tmp_path / "two2", *flags, "--decay_epochs", 2, 4,
        "--resume_net", net, "--resume_epoch", epoch, "--epochs", int(epoch) + 2, "--lr", 1e-4,
    )  # fmt: skip
    assert two.status == 0, two.err
    assert equal(final(tmp_path, "one"), final(tmp_path, "two2"))
    if start == "2":  # phase two has an epoch 3 of its own; phase one's is kept
        kept = weights(tmp_path / "one" / "mobilenet0.25_phase1_epoch_3.pth")
        assert equal(kept, weights(tmp_path / "two" / "mobilenet0.25_epoch_3.pth"))


def test_flags_that_contradict_each_other_are_refused(train, dataset):
    train("run", "--patience", 2).refuses("--patience 2", "--val_dataset")
    train("run", "--finetune_from", "best").refuses("--finetune_from best", "--val_dataset")
    train("run", "--finetune_lr", 1e-4).refuses("--finetune_lr 0.0001", "--finetune_epochs")
    train("run", "--finetune_from", 3, "--epochs", 5).refuses("--finetune_from 3", "--finetune_epochs")
    train("run", "--finetune_epochs", 2, "--finetune_from", 9, "--epochs", 5).refuses("--finetune_from 9", "1 to 5")
    dev = ("--val_dataset", dataset, "--patience", 2, "--finetune_epochs", 2, "--finetune_from", 3)
    train("run", *dev, "--epochs", 5).refuses("--patience", "best")
    train("run", "--val_dataset", dataset.parent / "none.txt").refuses("none.txt: no such label file", "--val_dataset")
    train("run", "--sync_bn").refuses("--sync_bn", "torchrun")
    train("run", "--optimizer", "adamw", "--momentum", 0.8).refuses("--momentum 0.8", "adamw")
    train("run", "--schedule", "cosine", "--decay_epochs", 3).refuses("--decay_epochs", "leave one of them out")
    for flag, value in (("--clip_norm", "-1"), ("--ema", 2), ("--accumulate", 0), ("--rank_timeout", 0)):
        outcome = train("run", flag, value)
        assert outcome.status == 2 and f"argument {flag}: found {value}; expected" in outcome.err


def test_phase_two_can_be_added_to_a_finished_run(train, dataset, tmp_path):
    assert train("run", "--epochs", 2, "--save_every", 1).status == 0
    more = ("--resume", "--finetune_epochs", 1, "--finetune_lr", 1e-4)
    train("run", *more, "--val_dataset", dataset).refuses("--finetune_from best", "no epoch of this run was scored")
    (tmp_path / "run" / "mobilenet0.25_epoch_1.pth").rename(tmp_path / "elsewhere.pth")
    train("run", *more, "--finetune_from", 1).refuses("mobilenet0.25_epoch_1.pth: no such weights", "--finetune_from")
    outcome = train("run", *more, "--finetune_from", 2)
    assert outcome.status == 0, outcome.err
    assert [(row["epoch"], row["phase"]) for row in log(tmp_path, "run")] == [("1", "1"), ("2", "1"), ("3", "2")]

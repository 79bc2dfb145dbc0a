"""Options of train.py that change the optimizer, the precision, or the network."""

import math

import pytest
import torch

from tests.helpers.training import equal, final_weights, history


def test_ema_weights_lag_behind(train_in, tmp_path):
    assert train_in("plain", "--epochs", 2).status == 0
    assert train_in("ema", "--epochs", 2, "--ema", 0.9).status == 0
    assert train_in("none", "--epochs", 2, "--ema", 0).status == 0
    assert train_in("start", "--epochs", 2, "--lr", 0).status == 0
    plain, ema, none, start = (final_weights(tmp_path / name) for name in ("plain", "ema", "none", "start"))
    assert equal(plain, none)  # --ema 0 is off
    key = "BboxHead.0.conv1x1.bias"
    assert 0 < (ema[key] - start[key]).norm() < 0.8 * (plain[key] - start[key]).norm()


def test_clip_norm_limits_the_change_of_the_weights(train_in, tmp_path):
    options = ("--epochs", 1, "--batch_size", 6, "--momentum", 0, "--weight_decay", 0, "--lr", 1)
    assert train_in("start", *options, "--lr", 0).status == 0
    assert train_in("clipped", *options, "--clip_norm", 0.01).status == 0
    start, clipped = final_weights(tmp_path / "start"), final_weights(tmp_path / "clipped")
    trained = [key for key in start if "running" not in key and "batches" not in key]
    distance = math.sqrt(sum((clipped[key] - start[key]).double().square().sum() for key in trained))
    assert distance == pytest.approx(0.01, rel=1e-3)


def test_warm_up_cosine_and_adamw_reach_the_optimizer(train_in, tmp_path):
    options = ("--epochs", 4, "--decay_epochs", 2)
    assert train_in("steps", *options).status == 0
    assert train_in("cosine", *options[:2], "--schedule", "cosine").status == 0
    assert train_in("warm", *options, "--warmup_epochs", 2).status == 0
    assert train_in("adamw", *options, "--optimizer", "adamw").status == 0
    names = ("steps", "cosine", "warm", "adamw")
    lr = {name: [float(row["lr"]) for row in history(tmp_path / name)] for name in names}
    assert lr["steps"] == lr["adamw"] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    assert lr["cosine"] == pytest.approx([1e-3, 8.53553e-4, 5e-4, 1.46447e-4])
    assert lr["warm"] == pytest.approx([2.5e-4, 7.5e-4, 1e-4, 1e-4])
    sgd, adamw = (final_weights(tmp_path / name) for name in ("steps", "adamw"))
    for key in ("BboxHead.0.conv1x1.bias", "ClassHead.1.conv1x1.bias"):
        assert not torch.equal(sgd[key], adamw[key])


def test_half_precision_has_about_the_same_loss(train_in, tmp_path):
    for amp in ("float32", "bf16", "fp16"):
        outcome = train_in(amp, "--epochs", 3, "--amp", amp)
        assert outcome.status == 0, outcome.err
    full, *halves = (float(history(tmp_path / amp)[0]["total"]) for amp in ("float32", "bf16", "fp16"))
    assert halves == pytest.approx([full, full], rel=0.05)
    assert full not in halves
    for amp in ("bf16", "fp16"):
        assert all(value.dtype in (torch.float32, torch.int64) for value in final_weights(tmp_path / amp).values())


def test_a_compiled_network_trains_to_the_same_weights_and_resumes(train_in, tmp_path, monkeypatch):
    compiled_calls, compile_ = [], torch.compile

    def trace(network, **options):  # without generating kernels, which takes minutes
        compiled_calls.append(network)
        return compile_(network, **options, backend="eager")

    monkeypatch.setattr(torch, "compile", trace)
    assert train_in("plain", "--epochs", 2).status == 0
    outcome = train_in("compiled", "--epochs", 1, "--compile")
    assert outcome.status == 0, outcome.err
    outcome = train_in("compiled", "--epochs", 2, "--resume")
    assert outcome.status == 0, outcome.err
    assert len(compiled_calls) == 2
    plain, compiled = final_weights(tmp_path / "plain"), final_weights(tmp_path / "compiled")
    assert plain.keys() == compiled.keys()
    for key in plain:
        torch.testing.assert_close(compiled[key], plain[key], rtol=1e-3, atol=1e-4)


def test_a_failed_compilation_is_one_line(train_in, monkeypatch):
    def fail(*_):
        raise OSError("no compiler here")

    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network, **options: compile_(network, **options, backend=fail))
    train_in("run", "--epochs", 1, "--compile").refuses("--compile", "torch.compile failed", "omit --compile")


def test_contradictory_options_are_refused(train_in, dataset):
    train_in("run", "--patience", 2).refuses("--patience 2", "--val_dataset")
    train_in("run", "--finetune_from", "best").refuses("--finetune_from best", "--val_dataset")
    train_in("run", "--finetune_lr", 1e-4).refuses("--finetune_lr 0.0001", "--finetune_epochs")
    train_in("run", "--finetune_from", 3, "--epochs", 5).refuses("--finetune_from 3", "--finetune_epochs")
    train_in("run", "--finetune_epochs", 2, "--finetune_from", 9, "--epochs", 5).refuses("--finetune_from 9", "1 to 5")
    dev = ("--val_dataset", dataset, "--patience", 2, "--finetune_epochs", 2, "--finetune_from", 3)
    train_in("run", *dev, "--epochs", 5).refuses("--patience", "best")
    absent = dataset.parent / "none.txt"
    train_in("run", "--val_dataset", absent).refuses(f"{absent}: no such label file", "--val_dataset")
    train_in("run", "--sync_bn").refuses("--sync_bn", "torchrun")
    train_in("run", "--optimizer", "adamw", "--momentum", 0.8).refuses("--momentum 0.8", "--optimizer sgd")
    train_in("run", "--schedule", "cosine", "--decay_epochs", 3).refuses("--decay_epochs", "--schedule steps")
    for flag, value in (("--clip_norm", "-1"), ("--ema", 2), ("--accumulate", 0), ("--rank_timeout", 0)):
        outcome = train_in("run", flag, value)
        assert outcome.status == 2 and f"argument {flag}: found {value}; expected" in outcome.err

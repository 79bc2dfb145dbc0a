"""Options of train.py beyond the published method: what each of them changes, and --recipe."""

import pytest
import torch

from data.augmentation import CROP_SCALES
from data.config import RECIPES
from engine.train.optim import EMA
from models.weights import load_network
from tests.helpers.training import LAST, equal, final_weights, history

STEM = "body.stage1.0.0.weight"
STATISTICS = "fpn.merge1.1.running_mean"


def saved_config(folder) -> dict:
    return torch.load(folder / LAST, weights_only=True)["config"]


def test_a_recipe_sets_its_options_and_a_flag_overrides_them(train_in, tmp_path):
    assert train_in("tuned", "--epochs", 1, "--recipe", "tuned", "--box_loss", "smooth_l1").status == 0
    config = saved_config(tmp_path / "tuned")
    expected = RECIPES["tuned"] | {"recipe": "tuned", "box_loss": "smooth_l1"}
    assert {name: config[name] for name in expected} == expected
    assert [row["recipe"] for row in history(tmp_path / "tuned")] == ["tuned"]
    outcome = train_in("tuned", "--epochs", 2, "--resume")
    assert outcome.status == 0, outcome.err
    assert "box_loss" not in outcome.err
    assert saved_config(tmp_path / "tuned")["box_loss"] == "smooth_l1"
    outcome = train_in("tuned", "--epochs", 3, "--resume", "--recipe", "published")
    assert outcome.status == 2
    assert "--recipe published: the run to resume has another recipe" in outcome.err


def test_the_published_recipe_is_the_default(train_in, tmp_path):
    assert train_in("plain", "--epochs", 1).status == 0
    published = ("--recipe", "published", "--crop_scales", *CROP_SCALES, "--box_loss", "smooth_l1", "--box_weight", 2)
    assert train_in("same", "--epochs", 1, *published, "--balance", 0).status == 0
    assert equal(final_weights(tmp_path / "plain"), final_weights(tmp_path / "same"))


@pytest.mark.parametrize(
    "flags",
    [
        ("--box_loss", "giou"),
        ("--box_weight", 1),
        ("--mosaic", 1),
        ("--balance", 0.5),
        ("--box_shift", 0.5),
        ("--crop_scales", 1.5, 2),
    ],
    ids=lambda flags: "".join(map(str, flags)),
)
def test_an_option_changes_the_weights_and_trains_on(train_in, tmp_path, flags):
    assert train_in("plain", "--epochs", 1).status == 0
    outcome = train_in("other", "--epochs", 1, *flags)
    assert outcome.status == 0, outcome.err
    plain, other = final_weights(tmp_path / "plain"), final_weights(tmp_path / "other")
    assert not torch.equal(plain["ClassHead.0.conv1x1.weight"], other["ClassHead.0.conv1x1.weight"])
    assert all(value.isfinite().all() for value in other.values())
    stored = load_network(tmp_path / "other" / "mobilenet0.25_Final.pth")[0].box_shift
    assert stored == (0.5 if "--box_shift" in flags else 0)


def test_frozen_stages_and_statistics_stay(train_in, tmp_path):
    assert train_in("start", "--epochs", 1, "--lr", 0, "--freeze_bn").status == 0
    assert train_in("frozen", "--epochs", 1, "--freeze", 1).status == 0
    assert train_in("statistics", "--epochs", 1, "--freeze_bn").status == 0
    start, frozen, statistics = (final_weights(tmp_path / name) for name in ("start", "frozen", "statistics"))
    first = [key for key in start if key.startswith("body.stage1.")]
    assert all(torch.equal(start[key], frozen[key]) for key in first)
    assert not torch.equal(start["body.stage2.0.0.weight"], frozen["body.stage2.0.0.weight"])
    assert not torch.equal(start[STATISTICS], frozen[STATISTICS])
    assert torch.equal(start[STATISTICS], statistics[STATISTICS])
    assert not torch.equal(start[STEM], statistics[STEM])
    outcome = train_in("frozen", "--epochs", 2, "--freeze", 1, "--resume")
    assert outcome.status == 0, outcome.err
    assert torch.equal(start[STEM], final_weights(tmp_path / "frozen")[STEM])
    train_in("frozen", "--epochs", 3, "--freeze", 0, "--resume").refuses("--freeze 1", "--resume_net")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--freeze", 4), "--freeze 4: the backbone has 3 stages"),
        (("--box_shift", 20), "--box_shift 20.0: expected 16 pixels or less"),
        (("--ema_warmup",), "--ema_warmup: has no effect without --ema"),
        (("--crop_scales", 0), "found 0; expected more than 0"),
        (("--mosaic", 0.5, "--image_size", 65), "--image_size 65: expected an even number"),
    ],
)
def test_options_that_make_no_sense_are_refused(train_in, flags, message):
    outcome = train_in("out", "--epochs", 1, *flags)
    assert outcome.status == 2
    assert message in outcome.err


def test_the_decay_of_an_ema_grows_from_the_start_also_after_a_resume():
    network = torch.nn.Linear(1, 1, bias=False)
    values = [1.0, 4.0, 2.0, 8.0, 5.0]
    torch.nn.init.constant_(network.weight, values[0])
    ema, expected = EMA(network, 0.3, warmup=True), values[0]
    for number, value in enumerate(values):
        if number == 3:  # as a resumed run builds it
            resumed = EMA(network, 0.3, warmup=True, updates=number)
            resumed.network.load_state_dict(ema.network.state_dict())
            ema = resumed
        torch.nn.init.constant_(network.weight, value)
        ema.update()
        decay = min(0.3, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * value
        assert ema.network.weight.item() == pytest.approx(expected)


def test_warns_of_the_learning_rate_of_another_optimizer(train_in):
    flags = ("--epochs", 1, "--recipe", "tuned", "--optimizer", "sgd")
    both = train_in("a", *flags).err
    assert "warning: --optimizer sgd: --lr 0.002 and --weight_decay 0.05 of --recipe tuned are for adamw" in both
    assert "warning: --optimizer sgd: --lr 0.002 of" in train_in("b", *flags, "--weight_decay", 5e-4).err
    assert "warning" not in train_in("c", *flags, "--lr", 1e-2, "--weight_decay", 5e-4).err


def test_every_weight_file_has_the_box_shift(train_in, tmp_path):
    flags = ("--box_shift", 2, "--ema", 0.5, "--save_every", 1)
    assert train_in("out", *flags, "--epochs", 1).status == 0
    outcome = train_in("out", "--epochs", 2, "--finetune_epochs", 1, "--finetune_from", 1, "--resume")
    assert outcome.status == 0, outcome.err
    files = sorted((tmp_path / "out").glob("*.pth"))
    assert [path.stem.partition("_")[2] for path in files] == ["Final", "epoch_1", "epoch_2", "phase1_epoch_2"]
    assert {load_network(path)[0].box_shift for path in files} == {2.0}

"""The AP of the dev set during training, and what depends on it: best weights, patience, and phase two."""

import json
import shutil

import pytest

from tests.helpers.training import FAST, NAME, equal, final_weights, history, weights


def test_dev_ap_equals_that_of_val_tvface_and_eval(train_in, script, dataset, tmp_path):
    outcome = train_in("run", "--epochs", 12, "--val_dataset", dataset, "--val_every", 4, "--save_every", 4)
    assert outcome.status == 0, outcome.err
    scored = {int(row["epoch"]): float(row["dev_ap"]) for row in history(tmp_path / "run") if row["dev_ap"]}
    assert list(scored) == [4, 8, 12]
    best = max(scored, key=scored.get)
    assert scored[best] > 0
    folder = tmp_path / "run"
    assert equal(weights(folder / f"{NAME}_best.pth"), weights(folder / f"{NAME}_epoch_{best}.pth"))
    found = script("val_tvface.py", "--network", "mobile0.25", "-m", folder / f"{NAME}_best.pth", "--cpu",
                   "--dataset_folder", dataset.parent / "images", "--list_file", dataset,
                   "--save_folder", tmp_path / "txt")  # fmt: skip
    assert found.status == 0, found.err
    result = tmp_path / "result"
    scored_again = script("val_dataset_evaluate/eval.py", "-p", tmp_path / "txt", "-g", dataset, "--result", result)
    assert scored_again.status == 0, scored_again.err
    (model,) = json.loads((result / "ap.json").read_text())["models"].values()
    assert model["subsets"]["all"]["ap"] == pytest.approx(scored[best], rel=1e-5)


def test_scoring_the_dev_set_does_not_change_the_weights(train_in, dataset, tmp_path):
    assert train_in("without", "--epochs", 2).status == 0
    assert train_in("with", "--epochs", 2, "--val_dataset", dataset, "--val_every", 1).status == 0
    assert equal(final_weights(tmp_path / "without"), final_weights(tmp_path / "with"))


def test_an_unreadable_dev_image_ends_a_run_or_is_excluded(train_in, dataset, tmp_path):
    dev = tmp_path / "dev"
    shutil.copytree(dataset.parent, dev)
    (dev / "images" / "1.jpg").write_bytes(b"no image")
    options = ("--epochs", 1, "--lr", 0, "--val_dataset")
    train_in("run", *options, dev / "label.txt").refuses("1.jpg", "is not an image")
    outcome = train_in("run", *options, dev / "label.txt", "--skip_unreadable")
    assert outcome.status == 0
    (line,) = outcome.err.splitlines()
    assert "1.jpg" in line and "excluded from the dev AP" in line
    before, _, after = (dev / "label.txt").read_text().partition("# 1.jpg\n")
    (dev / "others.txt").write_text(before + after[after.index("#") :])
    assert train_in("others", *options, dev / "others.txt").status == 0
    (found,), (expected,) = history(tmp_path / "run"), history(tmp_path / "others")
    assert float(expected["dev_ap"]) > 0
    assert found["dev_ap"] == expected["dev_ap"]


def test_patience_ends_a_phase_without_improvement(train_in, dataset, tmp_path):
    dev = ("--val_dataset", dataset, "--val_every", 1, "--patience", 2)
    outcome = train_in("run", "--epochs", 50, "--lr", 0, "--save_every", 100, *dev)
    assert outcome.status == 0, outcome.err
    last = len(history(tmp_path / "run"))
    assert last < 50
    assert equal(final_weights(tmp_path / "run"), weights(tmp_path / "run" / f"{NAME}_epoch_{last}.pth"))
    outcome = train_in("run", "--epochs", 60, "--resume")
    assert "nothing is left to train; --patience 2 ended this phase" in outcome.out


@pytest.mark.parametrize("start", ["2", "3", "best"])
def test_both_phases_in_one_command_equal_two_commands(train_in, script, dataset, tmp_path, start):
    phase_one = ("--epochs", 3, "--save_every", 1, "--decay_epochs", 2, 4)
    dev = ("--val_dataset", dataset, "--val_every", 1) if start == "best" else ()
    one = train_in("one", *phase_one, *dev, "--finetune_epochs", 2, "--finetune_lr", 1e-4, "--finetune_from", start)
    assert one.status == 0, one.err
    epoch = start
    if start == "best":
        scores = {int(row["epoch"]): float(row["dev_ap"]) for row in history(tmp_path / "one") if row["phase"] == "1"}
        epoch = max(scores, key=scores.get)
    flags = [flag for flag in FAST if flag != "--no_pretrain"]
    assert train_in("two", *phase_one).status == 0
    net = tmp_path / "two" / f"{NAME}_epoch_{epoch}.pth"
    two = script(
        "train.py", "--training_dataset", dataset, "--save_folder", tmp_path / "two2", *flags, "--decay_epochs", 2, 4,
        "--resume_net", net, "--resume_epoch", epoch, "--epochs", int(epoch) + 2, "--lr", 1e-4,
    )  # fmt: skip
    assert two.status == 0, two.err
    assert equal(final_weights(tmp_path / "one"), final_weights(tmp_path / "two2"))
    if start == "2":  # both phases have an epoch 3; phase one's is renamed
        renamed = weights(tmp_path / "one" / f"{NAME}_phase1_epoch_3.pth")
        assert equal(renamed, weights(tmp_path / "two" / f"{NAME}_epoch_3.pth"))


def test_phase_two_can_be_added_to_a_finished_run(train_in, dataset, tmp_path):
    assert train_in("run", "--epochs", 2, "--save_every", 1).status == 0
    more = ("--resume", "--finetune_epochs", 1, "--finetune_lr", 1e-4)
    train_in("run", *more, "--val_dataset", dataset).refuses("--finetune_from best", "no epoch of this run was scored")
    (tmp_path / "run" / f"{NAME}_epoch_1.pth").rename(tmp_path / "elsewhere.pth")
    train_in("run", *more, "--finetune_from", 1).refuses(f"{NAME}_epoch_1.pth: no such weights", "--finetune_from")
    outcome = train_in("run", *more, "--finetune_from", 2)
    assert outcome.status == 0, outcome.err
    assert [(row["epoch"], row["phase"]) for row in history(tmp_path / "run")] == [("1", "1"), ("2", "1"), ("3", "2")]

"""A resumed run takes its options from the checkpoint; new values apply, and a warning names those that matter."""

import pytest

from tests.helpers.train_process import TrainProcess
from tests.helpers.training import assert_same_run, changed_bytes, history


def change_warnings(outcome) -> list[str]:
    assert outcome.status == 0, outcome.err
    return [line for line in outcome.err.splitlines() if line.startswith("warning: changed since")]


def test_the_options_of_the_checkpoint_apply(train, folder, uninterrupted):
    options = ("--momentum", 0.8, "--decay_epochs", 1, "--seed", 3)
    assert train(*options, fault="term_step=2").status == 143
    outcome = TrainProcess(folder, "none=0", "--resume").end()
    assert (outcome.status, outcome.err) == (0, "")
    assert_same_run(folder, uninterrupted(*options))


def test_a_new_learning_rate_applies(resume, folder):
    resume("--lr", 0, "--weight_decay", 0)
    assert [row["lr"] for row in history(folder)][1] == "0"


def test_changed_options_are_named_in_one_line(resume):
    (line,) = change_warnings(resume("--lr", 0.01, "--clip_norm", 5))
    assert line.endswith("and with it the result: --lr 0.001 -> 0.01; --clip_norm 0.0 -> 5.0")


def test_options_that_do_not_change_the_result_are_not_named(resume):
    options = ("--num_workers", 1, "--log_every", 1, "--save_every", 2, "--save_minutes", 1)
    assert not change_warnings(resume(*options))


def test_the_start_of_phase_two_is_not_named_without_a_phase_two(resume, dev_label):
    (line,) = change_warnings(resume("--val_dataset", dev_label))
    assert line.endswith(f"and with it the result: --val_dataset None -> {dev_label}")


def test_another_computer_is_named(resume):
    (line,) = change_warnings(resume(change=lambda content: content.update(computer="a GPU")))
    assert line.endswith("and with it the result: a GPU -> the CPU (threads: 1)")


def test_changed_labels_are_named(resume, label):
    with changed_bytes(label, label.read_bytes().replace(b"30 36", b"30 35", 1)):
        (line,) = change_warnings(resume())
    assert line.endswith("the images or their labels")


def test_options_that_need_others_find_them_in_the_checkpoint(train, folder):
    assert train("--epochs", 1, "--finetune_epochs", 1, fault="term_step=2").status == 143
    train("--resume", "--patience", 2, defaults=()).refuses("--patience 2", "--val_dataset")
    assert train("--resume", "--finetune_lr", 1e-6, defaults=()).status == 0
    assert [row["lr"] for row in history(folder)] == ["0.001", "1e-06"]


def test_a_resumed_run_can_omit_phase_two(train, assert_resumes, uninterrupted):
    assert train("--finetune_epochs", 1, "--finetune_lr", 1e-6, fault="term_step=2").status == 143
    options = ("--finetune_epochs", 0)
    train("--resume", *options, "--finetune_lr", 1e-6).refuses("--finetune_lr 1e-06", "--finetune_epochs")
    assert_resumes(uninterrupted(), *options)


def test_options_of_phase_two_are_checked_without_a_checkpoint(train):
    train("--resume", "--finetune_lr", 1e-6).refuses("--finetune_lr 1e-06", "--finetune_epochs")


@pytest.fixture
def image_log(tmp_path):
    """A file to which runs with its environment append `epoch image` for each image that they train on."""
    return tmp_path / "images.txt"


def log_to(path) -> dict[str, str]:
    return {"IMAGE_LOG": str(path)}


def test_phase_two_that_starts_within_an_epoch_trains_on_every_image(train, folder, image_log):
    assert train(fault="term_step=5").status == 143
    options = ("--resume", "--epochs", 1, "--finetune_epochs", 1)
    assert train(*options, env=log_to(image_log)).status == 0
    assert sorted(image_log.read_text().splitlines()) == sorted(f"2 {i}.jpg" for i in range(22))
    assert [(row["epoch"], row["phase"]) for row in history(folder)] == [("1", "1"), ("2", "2")]


def test_a_stopped_and_resumed_run_trains_on_every_image_once_per_epoch(train, image_log):
    assert train(fault="term_step=2", env=log_to(image_log)).status == 143
    assert train("--resume", env=log_to(image_log)).status == 0
    assert sorted(image_log.read_text().splitlines()) == sorted(
        f"{epoch} {i}.jpg" for epoch in (1, 2) for i in range(22)
    )


def test_another_batch_size_within_an_epoch_repeats_no_image(resume, train, image_log, tmp_path):
    (line,) = change_warnings(resume("--batch_size", 5, env=log_to(image_log)))
    assert "--batch_size 8 -> 5" in line
    after = [entry for entry in image_log.read_text().splitlines() if entry.startswith("1 ")]
    order = tmp_path / "order.txt"
    assert train("--epochs", 1, env=log_to(order)).status == 0
    assert set(after) <= set(order.read_text().splitlines()[14:])
    assert len(after) == len(set(after))

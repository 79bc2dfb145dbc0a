"""A run that was killed resumes exactly: its files are those of an uninterrupted run."""

import random
import signal
import time

import pytest

from tests.helpers.training import LAST, NAME, assert_same_run, history

EVERY_STEP = ("--save_minutes", 0)  # a checkpoint after each step; otherwise after each epoch


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        (EVERY_STEP, ["kill_step=1"]),
        (EVERY_STEP, ["kill_step=4"]),
        (EVERY_STEP, ["kill_step=6"]),
        ((), ["kill_step=3"]),
        (EVERY_STEP, ["kill_writing=2"]),
        (EVERY_STEP, ["kill_renaming=2"]),
        ((), ["kill_writing=1"]),
        ((), ["kill_writing=4"]),
        ((), ["kill_renaming=1"]),
        ((), ["kill_renaming=2"]),
        (EVERY_STEP, ["kill_step=2", "kill_writing=3", "kill_step=2"]),
    ],
    ids=lambda value: "-".join(map(str, value)).replace("--", "") or "every_epoch",
)
def test_a_killed_run_resumes_exactly(train, assert_resumes, uninterrupted, options, faults):
    first, *others = faults
    assert train(*options, fault=first).status == -signal.SIGKILL
    for fault in others:
        assert train(*options, "--resume", fault=fault).status == -signal.SIGKILL
    assert_resumes(uninterrupted(), *options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("before", "after"), [(4, 0), (0, 4)])
def test_the_number_of_workers_can_change(train, folder, uninterrupted, before, after):
    assert train(*EVERY_STEP, "--num_workers", before, fault="kill_step=5").status == -signal.SIGKILL
    outcome = train("--resume", "--num_workers", after)
    assert outcome.status == 0
    assert "changed since the checkpoint" not in outcome.err
    assert_same_run(folder, uninterrupted())


@pytest.mark.parametrize(
    ("amp", "fault"), [("bf16", "kill_step=2"), ("fp16", "kill_step=4"), ("fp16", "kill_renaming=4")]
)
def test_ema_accumulation_clipping_half_precision_and_schedules_resume(
    train, assert_resumes, uninterrupted, amp, fault
):
    options = ("--ema", 0.9, "--accumulate", 2, "--clip_norm", 1, "--amp", amp, "--schedule", "cosine")
    options += ("--warmup_epochs", 1.5)
    assert train(*options, *EVERY_STEP, fault=fault).status == -signal.SIGKILL
    assert_resumes(uninterrupted(*options))


@pytest.mark.parametrize("more", [("--optimizer", "adamw"), ("--recipe", "tuned", "--ema", 0.9, "--ema_warmup")])
def test_adamw_and_the_tuned_recipe_resume(train, assert_resumes, uninterrupted, more):
    options = (*more, "--freeze", 1)
    assert train(*options, *EVERY_STEP, fault="kill_step=3").status == -signal.SIGKILL
    assert_resumes(uninterrupted(*options))


@pytest.mark.parametrize("fault", ["kill_scoring=2", "kill_scoring=4", "kill_renaming=2", "kill_renaming=7"])
def test_a_run_killed_while_it_scores_or_writes_the_best_weights_resumes(
    train, assert_resumes, folder, uninterrupted, dev_label, fault
):
    options = ("--val_dataset", dev_label, "--val_every", 1)
    assert train(*options, fault=f"rising_ap=1,{fault}").status == -signal.SIGKILL
    assert_resumes(uninterrupted(*options, fault="rising_ap=1"), *options, fault="rising_ap=1")
    assert (folder / f"{NAME}_best.pth").exists()


# Phase two starts after epoch 1, so that both phases have an epoch 2. Files are renamed in this order: epoch_1.pth,
# last.ckpt, log.csv; epoch_2.pth, last.ckpt, log.csv; Final.pth; epoch_2.pth to phase1_epoch_2.pth; last.ckpt; ...
@pytest.mark.parametrize(
    "fault",
    ["kill_renaming=7", "kill_renaming=8", "kill_writing=6", "kill_renaming=9", "kill_step=8", "kill_writing=7"],
)
def test_a_run_killed_in_or_before_phase_two_resumes(train, assert_resumes, folder, uninterrupted, fault):
    options = ("--finetune_epochs", 1, "--finetune_from", 1)
    assert train(*options, *EVERY_STEP * (fault == "kill_step=8"), fault=fault).status == -signal.SIGKILL
    assert_resumes(uninterrupted(*options), *options)
    assert (folder / f"{NAME}_phase1_epoch_2.pth").exists()


def test_phase_two_keeps_its_last_epoch_after_a_better_score(train, assert_resumes, uninterrupted, dev_label):
    options = ("--epochs", 1, "--finetune_epochs", 2, "--val_dataset", dev_label, "--val_every", 1)
    assert train(*options, fault="rising_ap=1,kill_step=8").status == -signal.SIGKILL
    assert_resumes(uninterrupted(*options, fault="rising_ap=1"), *options, fault="rising_ap=1")


def test_the_table_has_the_learning_rate_at_the_start_of_an_epoch(train, assert_resumes, folder, uninterrupted):
    options = ("--decay_epochs", 1)
    assert train(*options, *EVERY_STEP, fault="kill_renaming=4").status == -signal.SIGKILL  # after the last step
    assert_resumes(uninterrupted(*options))
    assert [row["lr"] for row in history(folder)] == ["0.001", "0.0001"]


def test_a_run_killed_at_a_random_moment_resumes(start, assert_resumes, uninterrupted):
    begun = time.monotonic()
    uninterrupted()
    process = start(*EVERY_STEP)
    moment = random.uniform(0, 1.2)
    print(f"killed {moment:.3f} s after its start, {time.monotonic() - begun:.3f} s")
    time.sleep(moment)
    process.close()
    process.process.join()
    assert_resumes(uninterrupted())


def test_the_next_run_removes_a_half_written_file(train, folder):
    assert train(fault="kill_writing=2").status == -signal.SIGKILL
    (half_written,) = folder.glob(".*")
    assert half_written.suffixes[-2:] == [".tmp", ".ckpt"]
    assert train("--epochs", 1).status == 0
    assert not list(folder.glob(".*"))


def test_without_a_checkpoint_resume_starts_from_the_beginning(train, folder, uninterrupted):
    outcome = train("--resume")
    assert outcome.status == 0
    assert f"{folder}: no checkpoint yet; starting from the beginning" in outcome.out
    assert_same_run(folder, uninterrupted())


def test_a_finished_run_can_be_extended(train, assert_resumes, folder, uninterrupted):
    assert train("--epochs", 1).status == 0
    outcome = train("--epochs", 1, "--resume")
    assert (outcome.status, outcome.err) == (0, "")
    assert "nothing is left to train; a larger --epochs or --finetune_epochs continues the run" in outcome.out
    assert [row["epoch"] for row in history(folder)] == ["1"]
    assert_resumes(uninterrupted(), "--epochs", 2)


def test_a_new_run_renames_the_checkpoint_of_an_older_one(train, folder, stopped, uninterrupted):
    folder.mkdir()
    (folder / LAST).write_bytes((stopped / LAST).read_bytes())
    outcome = train()
    assert outcome.status == 0
    assert f"{folder / LAST}: of another run" in outcome.out
    assert (folder / f"{NAME}_previous.ckpt").read_bytes() == (stopped / LAST).read_bytes()
    assert_same_run(folder, uninterrupted())

"""A training that is killed, stopped or out of disk goes on with --resume as if nothing had happened."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch

from engine.train.checkpoints import read_last
from tests.helpers.run_with_fault import NAME, SMALL, Run, assert_same, changed_bytes, draw_dataset, history
from tests.helpers.scripts import ROOT
from tests.helpers.training import weights

EVERY_STEP = ("--save_minutes", 0)  # a checkpoint after each; otherwise after each epoch
LAST = f"{NAME}_last.ckpt"


@pytest.fixture(scope="module")
def label(tmp_path_factory) -> Path:
    """22 images: with batches of 8, three steps an epoch, of 7, 7 and 8 images."""
    return draw_dataset(tmp_path_factory.mktemp("faces"), 22)


@pytest.fixture(scope="module")
def dev_label(tmp_path_factory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp("dev"), 3, first=50)


@pytest.fixture(scope="module")
def undisturbed(label, tmp_path_factory):
    """Return the folder of a run that nothing disturbs: undisturbed("--ema", 0.9)."""
    folders = {}

    def call(*flags, fault: str = "none=0") -> Path:
        if (flags, fault) not in folders:
            folder = folders[flags, fault] = tmp_path_factory.mktemp("undisturbed")
            outcome = Run(folder, fault, "--training_dataset", label, *SMALL, *flags).end()
            assert outcome.status == 0, outcome.err
        return folders[flags, fault]

    return call


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "weights"


@pytest.fixture
def start(label, folder):
    """Start a small training: start("--epochs", 1, fault="kill_step=3") -> Run."""
    runs = []

    def call(*arguments, fault: str = "none=0", flags=SMALL, env=None) -> Run:
        runs.append(Run(folder, fault, "--training_dataset", label, *flags, *arguments, env=env))
        return runs[-1]

    yield call
    for run in runs:
        if run.process.is_alive():
            run.send(signal.SIGKILL)


@pytest.fixture
def train(start):
    """Run a small training to its end, whatever that is."""
    return lambda *arguments, **options: start(*arguments, **options).end()


def resume_to_the_end(train, *flags, **options) -> None:
    outcome = train(*flags, "--resume", **options)
    assert outcome.status == 0, outcome.err


# ---------------------------------------------------------------- killed


@pytest.mark.parametrize(
    ("flags", "faults"),
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
def test_a_killed_run_goes_on_as_if_nothing_had_happened(train, folder, undisturbed, flags, faults):
    first, *others = faults
    assert train(*flags, fault=first).status == -signal.SIGKILL
    for fault in others:
        assert train(*flags, "--resume", fault=fault).status == -signal.SIGKILL
    resume_to_the_end(train, *flags)
    assert_same(folder, undisturbed())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("before", "after"), [(4, 0), (0, 4)])
def test_the_number_of_workers_may_change_in_between(train, folder, undisturbed, before, after):
    fault = "kill_step=5"
    assert train(*EVERY_STEP, "--num_workers", before, fault=fault).status == -signal.SIGKILL
    outcome = train("--resume", "--num_workers", after)
    assert outcome.status == 0
    assert "changed since the checkpoint" not in outcome.err
    assert_same(folder, undisturbed())


@pytest.mark.parametrize(
    ("amp", "fault"), [("bf16", "kill_step=2"), ("fp16", "kill_step=4"), ("fp16", "kill_renaming=4")]
)
def test_averages_accumulation_clipping_half_precision_and_schedules_go_on_too(train, folder, undisturbed, amp, fault):
    flags = ("--ema", 0.9, "--accumulate", 2, "--clip_norm", 1, "--amp", amp, "--schedule", "cosine")
    flags += ("--warmup_epochs", 1.5)
    assert train(*flags, *EVERY_STEP, fault=fault).status == -signal.SIGKILL
    resume_to_the_end(train)
    assert_same(folder, undisturbed(*flags))


def test_adamw_goes_on_too(train, folder, undisturbed):
    flags = ("--optimizer", "adamw")
    assert train(*flags, *EVERY_STEP, fault="kill_step=3").status == -signal.SIGKILL
    resume_to_the_end(train)
    assert_same(folder, undisturbed(*flags))


@pytest.mark.parametrize("fault", ["kill_scoring=2", "kill_scoring=4", "kill_renaming=2", "kill_renaming=7"])
def test_a_run_killed_while_it_scores_or_keeps_the_best_goes_on(train, folder, undisturbed, dev_label, fault):
    flags = ("--val_dataset", dev_label, "--val_every", 1)
    assert train(*flags, fault=f"rising_ap=1,{fault}").status == -signal.SIGKILL
    resume_to_the_end(train, *flags, fault="rising_ap=1")
    assert (folder / f"{NAME}_best.pth").exists()
    assert_same(folder, undisturbed(*flags, fault="rising_ap=1"))


# Phase two begins after epoch 1, so that both phases have an epoch 2. Files get their names in this order:
# epoch_1.pth, last.ckpt, log.csv; epoch_2.pth, last.ckpt, log.csv; Final.pth; epoch_2.pth aside; last.ckpt; ...
@pytest.mark.parametrize(
    "fault",
    ["kill_renaming=7", "kill_renaming=8", "kill_writing=6", "kill_renaming=9", "kill_step=8", "kill_writing=7"],
)
def test_a_run_killed_in_phase_two_or_on_the_way_to_it_goes_on(train, folder, undisturbed, fault):
    flags = ("--finetune_epochs", 1, "--finetune_from", 1)
    assert train(*flags, *EVERY_STEP * (fault == "kill_step=8"), fault=fault).status == -signal.SIGKILL
    resume_to_the_end(train, *flags)
    assert_same(folder, undisturbed(*flags))
    assert (folder / f"{NAME}_phase1_epoch_2.pth").exists()


def test_phase_two_keeps_its_end_where_it_found_a_better_epoch(train, folder, undisturbed, dev_label):
    flags = ("--epochs", 1, "--finetune_epochs", 2, "--val_dataset", dev_label, "--val_every", 1)
    assert train(*flags, fault="rising_ap=1,kill_step=8").status == -signal.SIGKILL
    resume_to_the_end(train, *flags, fault="rising_ap=1")
    assert_same(folder, undisturbed(*flags, fault="rising_ap=1"))


def test_the_table_names_the_lr_that_an_epoch_began_with(train, folder, undisturbed):
    flags = ("--decay_epochs", 1)
    assert train(*flags, *EVERY_STEP, fault="kill_renaming=4").status == -signal.SIGKILL  # behind the last step
    resume_to_the_end(train)
    assert [row["lr"] for row in history(folder)] == ["0.001", "0.0001"]
    assert_same(folder, undisturbed(*flags))


def test_a_run_killed_at_any_moment_goes_on(start, train, folder, undisturbed):
    begun = time.monotonic()
    undisturbed()
    run = start(*EVERY_STEP)
    moment = random.uniform(0, 1.2)
    print(f"killed {moment:.3f} s after its start, {time.monotonic() - begun:.3f} s")
    time.sleep(moment)
    if run.process.is_alive():
        run.send(signal.SIGKILL)
    run.process.join()
    resume_to_the_end(train)
    assert_same(folder, undisturbed())


def test_a_half_written_file_is_removed_by_the_next_run(train, folder):
    assert train(fault="kill_writing=2").status == -signal.SIGKILL
    (half_written,) = folder.glob(".*")
    assert half_written.suffixes[-2:] == [".tmp", ".ckpt"]
    assert train("--epochs", 1).status == 0
    assert not list(folder.glob(".*"))


# ---------------------------------------------------------------- asked to end


def assert_stopped(outcome, folder: Path, number: int) -> None:
    assert outcome.status == 128 + number
    assert outcome.out.splitlines()[-1].endswith(f"continue with --resume: {folder / LAST}")
    (line,) = outcome.err.strip().splitlines()
    assert line.startswith(f"{signal.Signals(number).name}: a checkpoint follows; ")


@pytest.mark.parametrize(
    ("fault", "number", "workers"),
    [
        ("term_step=2", 15, 0),
        ("term_step=6", 15, 2),
        ("term_all_step=4", 15, 2),
        ("hangup_step=3", 1, 0),
        ("interrupt_step=4", 2, 2),
    ],
)
def test_sigterm_and_ctrl_c_write_a_checkpoint_first(train, folder, undisturbed, fault, number, workers):
    assert_stopped(train("--num_workers", workers, fault=fault), folder, number)
    resume_to_the_end(train)
    assert_same(folder, undisturbed())


def test_ctrl_c_that_ends_the_listener_of_a_pipe_first_writes_a_checkpoint_too(train, folder, undisturbed):
    assert train("--log_every", 1, fault="interrupt_piped=2").status == 130
    assert read_last(folder / LAST).state["images_done"] == 14
    resume_to_the_end(train)
    assert_same(folder, undisturbed())


def test_a_worker_outlives_one_sigterm_however_long_its_parent_takes():
    code = """
import os, signal
from utils.signals import ignore_first_signal
ignore_first_signal()
os.kill(os.getpid(), signal.SIGTERM)
print(signal.alarm(0), flush=True)
os.kill(os.getpid(), signal.SIGTERM)
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "0\n"), done.stderr


def test_sigterm_while_it_scores_ends_a_run_too(train, folder, undisturbed, dev_label):
    flags = ("--val_dataset", dev_label, "--val_every", 1)
    assert_stopped(train(*flags, fault="term_scoring=2"), folder, 15)
    resume_to_the_end(train)
    assert_same(folder, undisturbed(*flags))


def test_a_defect_ends_a_run_that_has_workers(train):
    """The workers outlive a first SIGTERM, and multiprocessing sends one and waits."""
    outcome = train("--num_workers", 2, fault="crash_step=2")
    assert outcome.status == 1
    assert "RuntimeError: a defect" in outcome.err


def test_a_program_that_leaves_a_loader_open_ends(label):
    code = f"""
from torch import device
from data import cfg_mnet
from data.dataset import FaceDataset
from data.sampler import EpochBatches
from engine.train.loader import MatchedCollate, build_loader
from layers.functions.prior_box import PriorBox
from layers.modules import MultiBoxLoss
collate = MatchedCollate(MultiBoxLoss(), PriorBox(cfg_mnet, (64, 64)).forward())
loader = build_loader(FaceDataset({str(label)!r}, 64), EpochBatches(22, 8, 0), collate, 2, device("cpu"))
print(len(next(iter(loader)).infos))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_a_defect_in_a_worker_is_not_taken_for_its_death(train):
    outcome = train("--num_workers", 2, fault="crash_collate=1")
    assert outcome.status == 1
    assert "RuntimeError: a defect" in outcome.err


def test_a_second_ctrl_c_ends_at_once(start, folder):
    run = start("--log_every", 1, "--num_workers", 2, fault="hang_step=3")
    run.wait_for("step 2/3")
    run.send(signal.SIGINT)
    run.wait_for("SIGINT: a checkpoint follows")
    run.send(signal.SIGINT)
    outcome = run.end(10)
    assert outcome.status == 130
    asked, ended = outcome.err.strip().splitlines()
    assert asked.startswith("SIGINT: a checkpoint follows; ")
    assert ended == "interrupted"
    assert not (folder / LAST).exists()


# ---------------------------------------------------------------- a full disk


@pytest.fixture
def small_disk(folder):
    """Make the save folder a file system of 6 MB: room for one epoch's files and not for two."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_named_and_what_was_written_stays(train, folder, undisturbed):
    train().refuses(f"{folder / NAME}_epoch_2.pth: cannot be written (No space left on device)")
    assert read_last(folder / LAST).state["epoch"] == 1
    assert weights(folder / f"{NAME}_epoch_1.pth")
    assert not list(folder.glob(".*"))
    subprocess.run(["mount", "-o", "remount,size=60m", folder], check=True)
    resume_to_the_end(train)
    assert_same(folder, undisturbed())


def test_a_quota_is_named_and_what_was_written_stays(train, folder, undisturbed):
    assert train(fault="term_step=2").status == 143
    before = (folder / LAST).read_bytes()
    train("--resume", fault="quota=2500").refuses(folder / LAST, "cannot be written (File too large)")
    assert (folder / LAST).read_bytes() == before
    resume_to_the_end(train)
    assert_same(folder, undisturbed())


@pytest.mark.parametrize(("file", "fault"), [(f"{NAME}_epoch_1.pth", "full_disk=1"), (LAST, "full_disk=4")])
def test_a_disk_that_was_full_for_a_moment_is_named(train, folder, undisturbed, file, fault):
    train(fault=fault).refuses(folder / file, "cannot be written (No space left on device)")
    resume_to_the_end(train)
    assert_same(folder, undisturbed())


# ---------------------------------------------------------------- what --resume refuses


@pytest.fixture(scope="module")
def stopped(label, tmp_path_factory) -> Path:
    """The folder of a run that was stopped after two of the three steps of its first epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    outcome = Run(folder, "term_step=2", "--training_dataset", label, *SMALL).end()
    assert outcome.status == 143, outcome.err
    return folder


@pytest.fixture
def resume(train, folder, stopped):
    """Go on with the stopped run, with a changed checkpoint if need be: resume("--lr", 1, change=function)."""

    def call(
        *arguments,
        change=None,
        flags=(
            "--tensorboard",
            "false",
        ),
        **options,
    ):
        folder.mkdir()
        shutil.copy(stopped / LAST, folder)
        if change:
            content = torch.load(folder / LAST)
            torch.save(change(content) or content, folder / LAST)
        return train("--resume", *arguments, flags=flags, **options)

    return call


class RunsCode:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_checkpoint_of_another_network_is_refused(train, folder, stopped):
    folder.mkdir()
    path = shutil.copy(stopped / LAST, folder / "Resnet50_last.ckpt")
    train("--network", "resnet50", "--resume").refuses(path, "'mobilenet0.25'")


def test_a_truncated_checkpoint_is_refused_and_kept(train, folder, stopped):
    folder.mkdir()
    content = (stopped / LAST).read_bytes()[:-1000]
    (folder / LAST).write_bytes(content)
    train("--resume").refuses(folder / LAST, "truncated")
    assert (folder / LAST).read_bytes() == content


def test_code_in_a_checkpoint_never_runs(resume, folder, tmp_path):
    def booby_trap(content):
        content["state"]["epoch"] = RunsCode(tmp_path / "executed")

    resume(change=booby_trap).refuses(folder / LAST, "code")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda content: content["model"], ["not the checkpoint of a run", "--resume_net"]),
        (lambda content: {**content, "format": 99}, ["format 99"]),
        (lambda content: {**content, "state": {"epoch": 1}}, ["corrupt checkpoint"]),
        (lambda content: {**content, "state": {**content["state"], "far": 1}}, ["corrupt checkpoint"]),
        (lambda content: {**content, "optimizer": {}}, ["optimizer", "does not fit"]),
        (lambda content: content["model"].__delitem__("ClassHead.0.conv1x1.bias"), ["ClassHead.0.conv1x1.bias"]),
        (
            lambda content: content["model"].update({"ClassHead.0.conv1x1.bias": torch.zeros(9)}),
            ["1 of another shape (ClassHead.0.conv1x1.bias)"],
        ),
    ],
    ids=["weights alone", "newer format", "half a state", "other state", "no optimizer", "missing key", "other shape"],
)
def test_what_is_no_checkpoint_of_this_network_is_refused(resume, folder, change, parts):
    resume(change=change).refuses(folder / LAST, *parts)


def test_a_checkpoint_of_a_run_is_no_weights(train, stopped, tmp_path):
    flags = [flag for flag in SMALL if flag != "--no_pretrain"]
    train("--resume_net", stopped / LAST, flags=flags).refuses(stopped / LAST, "--resume", "name weights")


def test_another_optimizer_is_refused(resume, folder):
    resume("--optimizer", "adamw").refuses(folder / LAST, "optimizer")


def test_other_weights_to_start_from_are_refused(resume, folder, stopped):
    other = stopped / "other.pth"
    resume("--resume_net", other).refuses(folder / LAST, "--resume_net", other)


# ---------------------------------------------------------------- what --resume takes over, and what it says


def warnings(outcome) -> list[str]:
    assert outcome.status == 0, outcome.err
    return [line for line in outcome.err.splitlines() if line.startswith("warning: changed since")]


def test_the_flags_of_the_checkpoint_apply_without_being_given_again(train, folder, label, undisturbed):
    flags = ("--momentum", 0.8, "--decay_epochs", 1, "--seed", 3)
    assert train(*flags, fault="term_step=2").status == 143
    outcome = Run(folder, "none=0", "--resume").end()
    assert (outcome.status, outcome.err) == (0, "")
    assert_same(folder, undisturbed(*flags))


def test_changed_flags_that_change_the_result_are_named_in_one_line(resume):
    (line,) = warnings(resume("--lr", 0.01, "--clip_norm", 5))
    assert line.endswith("and with it the result: --lr 0.001 -> 0.01; --clip_norm 0.0 -> 5.0")


def test_a_changed_lr_applies(resume, folder):
    resume("--lr", 0, "--weight_decay", 0)
    assert [row["lr"] for row in history(folder)][1] == "0"


def test_where_no_phase_two_starts_is_not_named(resume, dev_label):
    (line,) = warnings(resume("--val_dataset", dev_label))
    assert line.endswith(f"and with it the result: --val_dataset None -> {dev_label}")


def test_another_computer_is_named(resume):
    (line,) = warnings(resume(change=lambda content: content.update(computer="a GPU")))
    assert line.endswith("and with it the result: a GPU -> the CPU (threads: 1)")


def test_flags_that_need_others_find_them_in_the_checkpoint(train, folder):
    assert train("--epochs", 1, "--finetune_epochs", 1, fault="term_step=2").status == 143
    train("--resume", "--patience", 2, flags=()).refuses("--patience 2", "--val_dataset")
    assert train("--resume", "--finetune_lr", 1e-6, flags=()).status == 0
    assert [row["lr"] for row in history(folder)] == ["0.001", "1e-06"]


def test_phase_two_can_be_left_out_of_a_run_that_goes_on(train, folder, undisturbed):
    assert train("--finetune_epochs", 1, "--finetune_lr", 1e-6, fault="term_step=2").status == 143
    more = ("--finetune_epochs", 0)
    train("--resume", *more, "--finetune_lr", 1e-6).refuses("--finetune_lr 1e-06", "--finetune_epochs")
    assert train("--resume", *more).status == 0
    assert_same(folder, undisturbed())


def test_flags_of_a_phase_two_that_there_is_not_are_refused_before_a_first_checkpoint_too(train):
    train("--resume", "--finetune_lr", 1e-6).refuses("--finetune_lr 1e-06", "--finetune_epochs")


def test_phase_two_that_begins_in_the_middle_of_an_epoch_learns_every_image(train, folder, tmp_path):
    assert train(fault="term_step=5").status == 143
    seen = tmp_path / "seen.txt"
    flags = ("--resume", "--epochs", 1, "--finetune_epochs", 1)
    assert train(*flags, env={"SEEN": str(seen)}).status == 0
    assert sorted(seen.read_text().splitlines()) == sorted(f"2 {i}.jpg" for i in range(22))
    assert [(row["epoch"], row["phase"]) for row in history(folder)] == [("1", "1"), ("2", "2")]


def test_changed_flags_without_effect_are_not_named(resume):
    assert not warnings(resume("--num_workers", 1, "--log_every", 1, "--save_every", 2, "--save_minutes", 1))


def test_another_batch_size_in_the_middle_of_an_epoch_shows_no_image_twice(resume, stopped, label, tmp_path):
    seen = tmp_path / "seen.txt"
    (line,) = warnings(resume("--batch_size", 5, env={"SEEN": str(seen)}))
    assert "--batch_size 8 -> 5" in line
    after = [entry for entry in seen.read_text().splitlines() if entry.startswith("1 ")]
    order = read_order(label, tmp_path)
    assert set(after) <= set(order[14:])
    assert len(after) == len(set(after))


def read_order(label: Path, tmp_path: Path) -> list[str]:
    """Return `1 name` for each image in the order of the first epoch."""
    seen = tmp_path / "order.txt"
    arguments = ("--training_dataset", label, *SMALL, "--epochs", 1)
    assert Run(tmp_path / "order", "none=0", *arguments, env={"SEEN": str(seen)}).end().status == 0
    return seen.read_text().splitlines()


def test_every_image_is_seen_once_an_epoch_over_a_stop(train, tmp_path):
    env = {"SEEN": str(tmp_path / "seen.txt")}
    assert train(fault="term_step=2", env=env).status == 143
    resume_to_the_end(train, env=env)
    seen = Counter((tmp_path / "seen.txt").read_text().splitlines())
    assert seen == {f"{epoch} {i}.jpg": 1 for epoch in (1, 2) for i in range(22)}


def test_a_changed_label_file_is_named(resume, label):
    with changed_bytes(label, label.read_bytes().replace(b"30 36", b"30 35", 1)):
        (line,) = warnings(resume())
    assert line.endswith("the images or their labels")


def test_without_a_checkpoint_resume_starts_from_the_beginning(train, folder, undisturbed):
    outcome = train("--resume")
    assert outcome.status == 0
    assert f"{folder}: no checkpoint yet; starting from the beginning" in outcome.out
    assert_same(folder, undisturbed())


def test_a_new_run_puts_the_checkpoint_of_an_old_one_aside(train, folder, stopped, undisturbed):
    folder.mkdir()
    shutil.copy(stopped / LAST, folder)
    outcome = train()
    assert outcome.status == 0
    assert f"{folder / LAST}: of another run" in outcome.out
    assert (folder / f"{NAME}_previous.ckpt").read_bytes() == (stopped / LAST).read_bytes()
    assert_same(folder, undisturbed())


def test_a_finished_run_has_nothing_left_to_do_and_can_be_extended(train, folder, undisturbed):
    assert train("--epochs", 1).status == 0
    outcome = train("--epochs", 1, "--resume")
    assert (outcome.status, outcome.err) == (0, "")
    assert "nothing is left to train; a larger --epochs or --finetune_epochs continues the run" in outcome.out
    assert history(folder) == history(undisturbed())[:1]
    outcome = train("--resume", "--epochs", 2)
    assert outcome.status == 0
    assert_same(folder, undisturbed())


# ---------------------------------------------------------------- workers and images


def test_a_worker_that_is_killed_stops_the_run_with_advice(train, folder, undisturbed):
    outcome = train(*EVERY_STEP, "--num_workers", 2, fault="kill_worker=5")
    outcome.refuses("a loader worker was killed", "--num_workers", "--resume")
    resume_to_the_end(train)
    assert_same(folder, undisturbed())


def test_a_worker_that_is_killed_while_the_dev_set_is_scored_gives_the_same_advice(
    train, folder, undisturbed, dev_label
):
    flags = ("--val_dataset", dev_label, "--val_every", 1)
    outcome = train(*flags, "--num_workers", 2, fault="worker_dies_scoring=1")
    outcome.refuses("a loader worker was killed", "--num_workers", "--resume")
    resume_to_the_end(train)
    assert_same(folder, undisturbed(*flags))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_image_that_breaks_while_training_is_named_and_the_run_goes_on_when_it_is_mended(
    train, folder, undisturbed, label, workers
):
    image = label.parent / "images" / "2.jpg"
    with changed_bytes(image, image.read_bytes()):
        train("--num_workers", workers, fault="truncate=2").refuses(image, "the image ends early")
    state = read_last(folder / LAST).state
    assert (state["epoch"], state["images_done"]) == (1, 14), "the image is in the last batch of the second epoch"
    resume_to_the_end(train)
    assert_same(folder, undisturbed())


@pytest.mark.parametrize("workers", [0, 2])
def test_with_skip_unreadable_such_a_image_is_counted_and_named_once(train, folder, label, workers):
    image = label.parent / "images" / "2.jpg"
    with changed_bytes(image, image.read_bytes()):
        outcome = train("--num_workers", workers, "--skip_unreadable", "--epochs", 3, fault="truncate=2")
    assert outcome.status == 0
    assert outcome.err.splitlines() == [f"warning: {image}: cannot be read; skipped"]
    assert [row["unreadable"] for row in history(folder)] == ["0", "1", "1"]
    assert outcome.out.count("1 images skipped") == 2

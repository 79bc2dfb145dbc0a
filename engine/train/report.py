"""What a person sees of a training: lines, bar, TensorBoard, table, and curves. It never changes the run."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch

from data.dataset import FaceDataset
from data.image_files import passed_over
from engine.train.curves import draw_training_curves
from engine.train.history import gpu_memory, write_log
from engine.train.progress import EpochBar, format_losses
from engine.train.state import EpochTotals, Run
from engine.train.tensorboard import TensorBoard, draw_sample
from engine.train.validate import DevScore, DevSet
from utils.console import say
from utils.devices import visible_gpus
from utils.image_notes import count_images
from utils.version import show_versions
from utils.wording import counted

SHOWN_SAMPLES = 8


class Report:
    """Output of a run; on ranks other than the main one it is silent.

    Args:
        path: returns the path of a file of the run: RunFiles.path.
        dataset: training images.
        is_main: whether this is the main rank.
    """

    def __init__(self, path: Callable[[str], Path], dataset: FaceDataset, is_main: bool):
        self.path, self.dataset, self.is_main = path, dataset, is_main
        self.board = TensorBoard(None)
        self.bar: EpochBar | None = None

    def say(self, line: str, stream=None) -> None:
        if self.is_main:
            say(line, stream)

    def start(self, run: Run, dev_set: DevSet | None) -> None:
        """Print the first lines of a run, and write training samples to TensorBoard; on the main rank only."""
        say(describe_run(run, self.dataset, dev_set))
        if run.is_over or not run.config.tensorboard:
            return
        self.board = TensorBoard(self.path("tensorboard"), run.state.iterations)
        keys = [(run.state.epoch, index) for index in range(min(SHOWN_SAMPLES, len(self.dataset)))]
        self.board.images("training samples", [draw_sample(self.dataset[key]) for key in keys], run.state.iterations)

    def close(self) -> None:
        """Close the bar and the TensorBoard file."""
        if self.bar is not None:
            self.bar.close()
        self.board.close()

    def start_epoch(self, run: Run, steps_done: int) -> None:
        """Show the bar of the current epoch."""
        later = run.phase.end - run.state.epoch - 1
        if run.phase.number == 1:
            later += run.config.finetune_epochs
        self.bar = EpochBar(
            _title(run),
            total=run.steps_per_epoch,
            done=steps_done,
            later=later * run.steps_per_epoch,
            log_every=run.config.log_every,
            quiet=not self.is_main,
        )

    def steps(self, run: Run, losses: list[list[float]]) -> None:
        """Show steps of the current epoch by the box, class, and landmark loss of each."""
        self.bar.update(losses, gpu_memory(run.device))
        step = self.bar.step
        if step % run.config.log_every and step != run.steps_per_epoch:
            return
        totals = run.state.totals
        box, class_, landmark = losses[-1]
        values = {
            "loss/box": box,
            "loss/class": class_,
            "loss/landmark": landmark,
            "loss/total": run.total_loss(losses[-1]),
            "lr": run.lr(step - 1),
            "speed/images per s": totals.images / totals.seconds,
            "speed/data wait": totals.data_time / totals.seconds,
            "speed/GPU memory in GB": gpu_memory(run.device),
        }
        self.board.scalars(values, run.state.iterations)

    def epoch(self, run: Run, row: dict, score: DevScore | None) -> None:
        """Show the row of an epoch whose steps are done."""
        totals = run.state.totals
        losses = format_losses([row["box"], row["class"], row["landmark"]])
        ap = "" if score is None else f" dev AP {100 * score.ap:.2f} %"
        skipped = f" {totals.unreadable} images skipped" if totals.unreadable else ""
        damaged = f" {counted(count, 'image')} damaged" if (count := totals.notes.get("damaged")) else ""
        self.say(
            f"{_title(run)} mean {losses} lr {row['lr']:g} {row['pictures_per_s']:.1f} images/s"
            f" {totals.seconds:.0f} s{ap}{skipped}{damaged}"
        )
        if not run.state.history:
            self._repaired_boxes(totals)
            self._noted_images(totals)
        if row["box"] == 0:
            self.say(
                "warning: no prior matched any face of this epoch; python -m tools.check shows the sizes of faces and"
                " priors",
                sys.stderr,
            )
        if score is not None:
            self.board.images("dev detections", score.drawn, run.state.iterations)
            self.board.scalars({"dev AP": score.ap}, run.state.iterations)

    def _repaired_boxes(self, totals: EpochTotals) -> None:
        if totals.clipped + totals.dropped:
            self.say(
                f"labels: {counted(totals.clipped, 'face')} reaching outside the image clipped,"
                f" {counted(totals.dropped, 'face')} without width or height inside it dropped",
                sys.stderr,
            )

    def _noted_images(self, totals: EpochTotals) -> None:
        for kind, count in totals.notes.items():
            if count and kind != "damaged":  # which each epoch's line counts
                self.say(f"images: {count_images(count, kind)}", sys.stderr)

    def table(self, run: Run) -> None:
        """Write {name}_log.csv."""
        if self.is_main and run.state.history:
            write_log(self.path("log.csv"), run.state.history)

    def curves(self, run: Run) -> None:
        """Draw {name}_curves.png."""
        if self.is_main and run.state.history:
            draw_training_curves(self.path("curves.png"), run.state.history)

    def phase_two(self, run: Run, source: Path) -> None:
        phase = run.phase
        self.say(f"phase two: epochs {phase.start + 1} to {phase.end} at lr {phase.lr:g}, from {source}")

    def stopped(self, run: Run, checkpoint: Path) -> None:
        self.say(
            f"stopped after {run.state.images_done} of {len(self.dataset)} images of epoch {run.state.epoch + 1};"
            f" continue with --resume: {checkpoint}"
        )

    def nothing_left(self, run: Run) -> None:
        if run.patience_is_over:
            more = f"--patience {run.config.patience} ended this phase; a larger one, or 0, continues the run"
        else:
            options = "--finetune_epochs" if run.phase.number == 2 else "--epochs or --finetune_epochs"
            more = f"a larger {options} continues the run"
        self.say(f"nothing is left to train; {more}")


def describe_run(run: Run, dataset: FaceDataset, dev_set: DevSet | None) -> str:
    """Return the first lines of a run: network, data, epochs, recipe, device, and versions."""
    config, state, phase, ranks = run.config, run.state, run.phase, run.ranks.size
    weights = sum(parameter.numel() for parameter in run.network.parameters())
    faces, background = dataset.count_faces(), dataset.count_background()
    ignored = len(dataset.annotations.boxes) - faces
    if state.iterations:
        images_done = f" and {state.images_done} images" if state.images_done else ""
        start = f"resumed after epoch {state.epoch}{images_done}"
    elif config.resume_net:
        start = f"from {config.resume_net}"
    else:
        start = "from random weights" if config.no_pretrain else "from an ImageNet backbone"
    faces = f"{faces} faces" + (f", {ignored} ignored" if ignored else "")
    faces += f", {counted(background, 'background image')}" if background else ""
    batch = f"{config.batch_size}" + (f" x {config.accumulate} a step" if config.accumulate > 1 else "")
    batch += f", shared by {ranks} ranks" if ranks > 1 else ""
    dev = f"; dev set {len(dev_set.annotations)} images" if dev_set else ""
    epochs = f"{phase.start + 1} to {phase.end}, lr {phase.lr:g}"
    if phase.number == 1 and config.finetune_epochs:
        source = "the best" if config.finetune_from == "best" else config.finetune_from
        epochs += f"; then {config.finetune_epochs} more from {source}, lr {config.finetune_lr:g}"
    workers = counted(config.num_workers, "loader worker")
    workers += " for each rank" if ranks > 1 else ""
    lines = {
        "network": f"{run.name}, {weights:,} weights, {start}",
        "data": f"{len(dataset)} images with {faces} at {dataset.image_size} px, batch {batch}{dev}",
        "epochs": f"{epochs}, seed {config.seed}",
        "recipe": config.recipe,
        "device": f"{_device_names(run)}, {config.amp}, {workers}",
        "program": show_versions(),
    }
    text = [f"{name:8} {line}" for name, line in lines.items()]
    sets = {"labels": dataset.annotations, "dev set": dev_set.annotations if dev_set else None}
    remarks = [f"{name:8} {line}" for name, read in sets.items() if read is not None for line in read.remarks]
    if config.negatives and (unread := passed_over(config.negatives)):
        remarks.append(f"labels   {unread}")
    return "\n".join([*text[:2], *remarks, *text[2:]])


def _device_names(run: Run) -> str:
    if run.device.type == "cpu":
        names = f"CPU with {torch.get_num_threads()} threads"
    else:
        names = " + ".join(torch.cuda.get_device_name(gpu) for gpu in visible_gpus(run.device))
    return f"{run.ranks.size} ranks, each on {names}" if run.ranks.size > 1 else names


def _title(run: Run) -> str:
    return f"epoch {run.state.epoch + 1}/{run.phase.end}"

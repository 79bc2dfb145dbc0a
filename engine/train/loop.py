"""The training loop: two phases of epochs, with exact resume, gradient accumulation, several ranks, and scoring."""

import signal
from pathlib import Path

import torch

from engine.train.checkpoints import RunFiles
from engine.train.history import epoch_row
from engine.train.loader import StepBatches, StepLoader, UnreadableImage
from engine.train.metrics import StepMetrics
from engine.train.report import Report
from engine.train.state import Run
from engine.train.step import train_step
from engine.train.validate import DevScore, DevSet, score_dev_set
from layers.modules import MultiBoxLoss
from utils.signals import Stop, StopRequest


def train(
    run: Run,
    criterion: MultiBoxLoss,
    loader: StepLoader,
    dev_set: DevSet | None,
    files: RunFiles,
    report: Report,
    stop: StopRequest,
) -> Path:
    """Train to the end of the last phase.

    Args:
        run: the network and its state, at any step; updated in place.
        dev_set: scored during training; None: nothing is scored.
        stop: asked after each step whether to end.

    Returns:
        The path of the final weights.

    Raises:
        UserError: a loss is not finite, an image cannot be read, or a file cannot be written.
        Stop: the run was asked to end; its checkpoint is written.
    """
    state, metrics = run.state, StepMetrics(run)
    while not run.is_over:
        if run.phase_is_over:
            start_phase_two(run, files, report)
        metrics.start_epoch(steps_done=loader.steps_done(state.images_done))
        report.start_epoch(run, metrics.synced)
        try:
            for step in loader.steps(state.epoch, state.images_done):
                counts, stopping, saving = agree(run, step, stop, files)
                metrics.add(train_step(run, criterion, step.batches, counts), step)
                run.advance(step)
                stopping = stopping or (run.ranks.size == 1 and bool(stop))  # a signal during the step
                if metrics.is_due or stopping or saving:
                    report.steps(run, metrics.sync())  # raises if a loss is not finite
                if stopping or saving:
                    files.save_checkpoint(run)
                if stopping:
                    end(run, stop, files, report)
        except UnreadableImage:
            if run.ranks.size == 1:  # with several ranks, the others are in a step that never completes
                metrics.sync()
                files.save_checkpoint(run)
            raise
        score = None
        if dev_set is not None and run.is_scoring_due:
            files.save_checkpoint(run)  # the scoring takes time, in which the run may be killed
            score = score_run(run, dev_set, stop)
            if score is None:
                end(run, stop, files, report)
        finish_epoch(run, score, files, report)
    return files.write_weights(run, "Final.pth")


def agree(run: Run, step: StepBatches, stop: StopRequest, files: RunFiles) -> tuple[list[float], bool, bool]:
    """Exchange what all ranks need for the next step, in one all-reduce between the CPUs.

    Returns:
        The counts of the step's batches, summed over the ranks; whether any rank was asked to end; whether a checkpoint
        is due.
    """
    late = run.ranks.is_main and files.minutes_since_save >= run.config.save_minutes
    counts = torch.stack([batch.matches.counts for batch in step.batches]).sum(dim=0).tolist()
    *counts, stopping, saving = run.ranks.all_reduce_sum([*counts, float(bool(stop)), float(late)])
    return counts, stopping > 0, saving > 0


def start_phase_two(run: Run, files: RunFiles, report: Report) -> None:
    """Load the weights that phase two starts from, and create its optimizer, schedule, and EMA."""
    state = run.state
    source, start = files.phase_two_source(run.config.finetune_from, state)
    files.load_weights(run, source)
    state.start_phase_two(start)
    run.start_phase()
    files.rename_repeated_epochs(range(run.phase.start + 1, run.phase.end + 1))
    files.save_checkpoint(run)
    report.phase_two(run, source)


def score_run(run: Run, dev_set: DevSet, stop: StopRequest) -> DevScore | None:
    """Score the dev set with the eval model; return None if the run was asked to end meanwhile."""
    # Each rank has batch statistics of its own; the main rank's are written.
    run.ranks.broadcast(run.eval_model.buffers())
    return score_dev_set(run.eval_model, run.cfg, run.device, dev_set, run.ranks, lambda: bool(stop))


def finish_epoch(run: Run, score: DevScore | None, files: RunFiles, report: Report) -> None:
    """Record an epoch whose steps are done, and write the files that are due."""
    row = epoch_row(run, None if score is None else score.ap)
    report.epoch(run, row, score)
    run.state.next_epoch(row)
    if score is not None and run.state.update_best(score.ap):
        files.write_weights(run, "best.pth")
    if run.is_saving_due:
        files.write_weights(run, f"epoch_{run.state.epoch}.pth")
    report.table(run)
    if run.is_saving_due or score is not None:
        files.save_checkpoint(run)


def end(run: Run, stop: StopRequest, files: RunFiles, report: Report) -> None:
    """End the run, whose checkpoint is written, as a signal asked for.

    Raises:
        Stop: always.
    """
    report.stopped(run, files.last)
    raise Stop(stop.signal or signal.SIGTERM)

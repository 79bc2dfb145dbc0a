"""The training loop: two phases of epochs, with exact resume, gradient accumulation, several ranks, and scoring."""

import signal
from pathlib import Path

import torch

from engine.train.checkpoints import Checkpoints
from engine.train.loader import StepBatches, StepLoader, UnreadableImage
from engine.train.metrics import StepMetrics, epoch_row
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
    checkpoints: Checkpoints,
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
            start_phase_two(run, checkpoints, report)
        metrics.start_epoch(loader.steps_done(state.images_done))
        with report.epoch_bar(run, metrics.synced) as bar:
            try:
                for step in loader.steps(state.epoch, state.images_done):
                    counts, stopping, saving = agree(run, step, stop, checkpoints)
                    metrics.add(train_step(run, criterion, step.batches, counts), step)
                    run.advance(step)
                    stopping = stopping or (run.ranks.size == 1 and bool(stop))  # a signal during the step
                    if metrics.is_due or stopping or saving:
                        report.steps(run, metrics.sync(), metrics.synced, bar)  # raises if a loss is not finite
                    if stopping or saving:
                        checkpoints.save(run)
                    if stopping:
                        end(run, stop, checkpoints, report)
            except UnreadableImage:
                if run.ranks.size == 1:
                    metrics.sync()
                    checkpoints.save(run)
                raise
        score = None
        if dev_set is not None and run.is_scoring_due:
            checkpoints.save(run)  # the scoring takes time, which an interruption would lose
            score = score_run(run, dev_set, stop)
            if score is None:
                end(run, stop, checkpoints, report)
        finish_epoch(run, score, checkpoints, report)
    return checkpoints.write_weights(run, "Final.pth")


def agree(run: Run, step: StepBatches, stop: StopRequest, checkpoints: Checkpoints) -> tuple[list[float], bool, bool]:
    """Exchange what all ranks need for the next step, in one all-reduce between the CPUs.

    Returns:
        The counts of the step's batches, summed over the ranks; whether any rank was asked to end; whether a checkpoint
        is due.
    """
    late = run.ranks.is_main and checkpoints.minutes_since_save >= run.config.save_minutes
    counts = torch.stack([batch.matches.counts for batch in step.batches]).sum(dim=0).tolist()
    *counts, stopping, saving = run.ranks.all_reduce_sum([*counts, float(bool(stop)), float(late)])
    return counts, stopping > 0, saving > 0


def start_phase_two(run: Run, checkpoints: Checkpoints, report: Report) -> None:
    """Load the weights that phase two starts from, and create its optimizer, schedule, and EMA."""
    state = run.state
    source, start = checkpoints.phase_two_source(run.config.finetune_from, state)
    checkpoints.load_weights(run, source)
    state.start_phase_two(start)
    run.start_phase()
    checkpoints.set_aside(range(run.phase.start + 1, run.phase.end + 1))
    checkpoints.save(run)
    report.phase_two(run, source)


def score_run(run: Run, dev_set: DevSet, stop: StopRequest) -> DevScore | None:
    """Score the dev set with the eval model; return None if the run was asked to end meanwhile."""
    # Each rank has batch statistics of its own; the main rank's are written.
    run.ranks.broadcast(run.eval_model.buffers())
    return score_dev_set(run.eval_model, run.cfg, run.device, dev_set, run.ranks, lambda: bool(stop))


def finish_epoch(run: Run, score: DevScore | None, checkpoints: Checkpoints, report: Report) -> None:
    """Record an epoch whose steps are done, and write the files that are due."""
    row = epoch_row(run, None if score is None else score.ap)
    report.epoch(run, row, score)
    run.state.next_epoch(row)
    if score is not None and run.state.update_best(score.ap):
        checkpoints.write_weights(run, "best.pth")
    if run.is_saving_due:
        checkpoints.write_weights(run, f"epoch_{run.state.epoch}.pth")
    report.table(run)
    if run.is_saving_due or score is not None:
        checkpoints.save(run)


def end(run: Run, stop: StopRequest, checkpoints: Checkpoints, report: Report) -> None:
    """End the run, whose checkpoint is written, as a signal asked for.

    Raises:
        Stop: always.
    """
    report.stopped(run, checkpoints.last)
    raise Stop(stop.signal or signal.SIGTERM)

"""What a person sees of a training: its first lines, a bar in a terminal, lines in a log."""

import sys
import time

import torch

from engine.train.state import EpochTotals
from utils.console import progress_bar, say


def show_losses(values: list[float]) -> str:
    """Return the box, class and landmark loss as text, the last where there is one: most datasets have no landmarks."""
    box, class_, landmark = values
    return f"box {box:.3f} class {class_:.3f}" + (f" landmark {landmark:.3f}" if landmark else "")


def show_time(seconds: float) -> str:
    """Return a duration as text: 2 d 03:04:05, or without the days."""
    days, rest = divmod(round(seconds), 86400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def gpu_memory(device: torch.device) -> float | None:
    """Return the most GB of a GPU's memory that the run has held at once; None on the CPU."""
    return torch.cuda.max_memory_reserved(device) / 1e9 if device.type == "cuda" else None


class Progress:
    """The progress of one epoch.

    Args:
        title: of the bar and the lines.
        totals: of the epoch so far, brought up to date here.
        steps: of the whole epoch, and how many of them are `done`.
        steps_after: of the run, behind this epoch, for the time that is left.
        log_every: steps between lines, where there is no bar.
        device: whose memory is shown.
        quiet: show nothing, as ranks other than the first.
    """

    def __init__(
        self,
        title: str,
        totals: EpochTotals,
        *,
        steps: int,
        done: int,
        steps_after: int,
        log_every: int,
        device: torch.device,
        quiet: bool,
    ):
        self.title = title
        self.totals = totals
        self.log_every = log_every
        self.steps_after = steps_after
        self.device = device
        self.quiet = quiet
        self.step = done
        self.taken = 0
        self.bar = progress_bar(
            total=steps,
            initial=done,
            desc=title,
            unit="step",
            leave=False,
            disable=True if quiet else None,
            bar_format="{desc} {percentage:.0f} %|{bar}| {n_fmt}/{total_fmt} {rate_fmt}{postfix}",
        )
        self.begun = self.noted = time.perf_counter()

    def update(self, losses: list[list[float]]) -> None:
        """Count steps whose losses are known now, (box, class, landmark) of each."""
        now = time.perf_counter()
        self.totals.seconds += now - self.noted
        self.noted = now
        for values in losses:
            self.totals.losses = [total + value for total, value in zip(self.totals.losses, values, strict=True)]
            self.totals.steps += 1
            self.step += 1
            self.taken += 1
            if not self.quiet and self.bar.disable and self.step % self.log_every == 0:
                say(f"{self.title} step {self.step}/{self.bar.total} {show_losses(values)}")
        if losses:
            left = (self.bar.total - self.step + self.steps_after) * (now - self.begun) / self.taken
            memory = gpu_memory(self.device)
            held = "" if memory is None else f", {memory:.1f} GB"
            # What matters first: a narrow terminal cuts off the rest.
            self.bar.set_postfix_str(f"ends in {show_time(left)}{held}, {show_losses(losses[-1])}", refresh=False)
            self.bar.update(len(losses))

    def close(self) -> None:
        self.bar.close()


def report_mended(totals: EpochTotals) -> None:
    """Say, after the first epoch, how many boxes of the dataset had to be changed."""
    if totals.clipped + totals.dropped:
        say(
            f"labels: {totals.clipped} boxes reached outside their image and were clipped,"
            f" {totals.dropped} had no size inside it and were dropped",
            sys.stderr,
        )

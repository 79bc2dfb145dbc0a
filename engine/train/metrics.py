"""Losses of the optimizer steps, kept on the device until they are needed, and the sums of an epoch."""

import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

import torch
from torch import Tensor

from data.dataset import SampleInfo
from engine.train.loader import StepBatches
from engine.train.progress import format_losses
from engine.train.state import Run
from utils.console import say
from utils.errors import UserError
from utils.image_notes import NOTE_KINDS


class StepMetrics:
    """The losses and images of the steps since the last `sync`.

    Reading a loss makes the host wait for a GPU, so `is_due` is true every --log_every steps there, and after every
    step on a CPU.
    """

    def __init__(self, run: Run):
        self.run = run
        self.interval = 1 if run.device.type == "cpu" else run.config.log_every
        self.warned: set[str] = set()  # paths of images, and kinds of notes

    def start_epoch(self, steps_done: int) -> None:
        """Begin an epoch of which some steps are done."""
        self.synced = steps_done
        self.losses: list[Tensor] = []
        self.steps: list[StepBatches] = []
        self.synced_at = time.perf_counter()

    def add(self, losses: Tensor, step: StepBatches) -> None:
        """Add a step: (3,) box, class, and landmark loss on the device, and its batches."""
        self.losses.append(losses)
        self.steps.append(step)

    @property
    def is_due(self) -> bool:
        return (self.synced + len(self.steps)) % self.interval == 0 or self.steps[-1].is_last

    def sync(self) -> list[list[float]]:
        """Read the losses from the device, average them over the ranks, and add them to the epoch's totals.

        Returns:
            box, class, and landmark loss of each step since the last call.

        Raises:
            UserError: a loss is not finite; the message names the images.
        """
        if not self.steps:
            return []
        ranks, totals = self.run.ranks, self.run.state.totals
        infos = [info for step in self.steps for info in step.infos]
        self._warn(infos)
        values = torch.stack(self.losses).flatten().tolist()
        noted = Counter(note.kind for info in infos for note in info.notes)
        counted = [sum(getattr(info, name) for info in infos) for name in ("clipped", "dropped", "unreadable")]
        summed = ranks.all_reduce_sum([*values, *(noted[kind] for kind in NOTE_KINDS), *counted])
        *sums, clipped, dropped, unreadable = summed
        sums, notes = sums[: len(values)], sums[len(values) :]
        means = [value / ranks.size for value in sums]
        losses = [means[i : i + 3] for i in range(0, len(means), 3)]
        self._check_finite(losses)

        totals.clipped += int(clipped)
        totals.dropped += int(dropped)
        totals.unreadable += int(unreadable)
        totals.notes = {
            kind: totals.notes.get(kind, 0) + int(count) for kind, count in zip(NOTE_KINDS, notes, strict=True)
        }
        totals.images = self.steps[-1].images_done - totals.unreadable
        now = time.perf_counter()
        totals.add_steps(losses, now - self.synced_at)
        self.synced, self.synced_at = self.synced + len(losses), now
        self.losses, self.steps = [], []
        return losses

    def _warn(self, infos: Sequence[SampleInfo]) -> None:
        """Name each unreadable or damaged image once, and the first image of each other kind of note."""
        for info in sorted(infos, key=attrgetter("path")):
            if info.unreadable:
                self._warn_once(info.path, f"{info.path}: cannot be read; skipped")
            for kind, message in info.notes:
                if kind == "damaged":
                    self._warn_once(info.path, f"{info.path}: the image is {NOTE_KINDS[kind]} ({message})")
                else:
                    more = "the first epoch counts further ones"
                    self._warn_once(kind, f"{info.path}: the image is {NOTE_KINDS[kind]} ({message}); {more}")

    def _warn_once(self, subject: str, line: str) -> None:
        if subject not in self.warned:
            self.warned.add(subject)
            say(f"warning: {line}", sys.stderr)

    def _check_finite(self, losses: list[list[float]]) -> None:
        for i, step in enumerate(losses):
            if not all(map(math.isfinite, step)):
                images = [path for info in self.steps[i].infos for path in (info.path, *info.others)]
                paths = self.run.ranks.gather(images)
                self.run.ranks.fail(
                    UserError(
                        f"the loss is not finite in epoch {self.run.state.epoch + 1}, step {self.synced + i + 1}"
                        f" ({format_losses(step)}); try a lower --lr; earlier checkpoints are valid; images of this"
                        f" batch: {', '.join(path for share in paths for path in share)}"
                    )
                )

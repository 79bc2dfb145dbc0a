"""The progress bar of an epoch, or its lines in a log."""

import time

from utils.console import progress_bar, say


def format_losses(losses: list[float]) -> str:
    """Format the box, class, and landmark loss; the last one is omitted if it is 0, as without landmarks."""
    box, class_, landmark = losses
    return f"box {box:.3f} class {class_:.3f}" + (f" landmark {landmark:.3f}" if landmark else "")


def format_time(seconds: float) -> str:
    """Format a duration as 3:04:05, or 2 d 3:04:05."""
    days, rest = divmod(round(seconds), 86400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


class EpochBar:
    """Progress of one epoch: a bar in a terminal, a line every `log_every` steps elsewhere.

    Args:
        title: text before the bar and in the lines.
        total: steps of the epoch.
        done: steps that are done already.
        later: steps of the run after this epoch, for the remaining time.
        quiet: show nothing, as on ranks other than the main one.
    """

    def __init__(self, title: str, *, total: int, done: int, later: int, log_every: int, quiet: bool):
        self.title, self.total, self.later, self.log_every, self.quiet = title, total, later, log_every, quiet
        self.step = self.start = done
        self.started_at = time.perf_counter()
        self.bar = progress_bar(
            total=total,
            initial=done,
            desc=title,
            unit="step",
            leave=False,
            disable=True if quiet else None,
            bar_format="{desc} {percentage:.0f} %|{bar}| {n_fmt}/{total_fmt} {rate_fmt}{postfix}",
        )
        if done == total:  # only the scoring of the epoch is left
            self.close()

    def update(self, losses: list[list[float]], memory_gb: float | None) -> None:
        """Advance by steps whose box, class, and landmark losses are known."""
        for values in losses:
            self.step += 1
            if not self.quiet and self.bar.disable and self.step % self.log_every == 0:
                say(f"{self.title} step {self.step}/{self.total} {format_losses(values)}")
        if losses:
            seconds = (time.perf_counter() - self.started_at) / (self.step - self.start)
            left = format_time((self.total - self.step + self.later) * seconds)
            memory = "" if memory_gb is None else f", {memory_gb:.1f} GB"
            # The most important first: a narrow terminal cuts off the end.
            self.bar.set_postfix_str(f"ends in {left}{memory}, {format_losses(losses[-1])}", refresh=False)
            self.bar.update(len(losses))
            if self.step == self.total:
                self.bar.refresh()
                self.close()

    def close(self) -> None:
        self.bar.close()

"""The curves of a run: losses, dev AP, and learning rate over its epochs."""

import warnings
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from utils.files import atomic_path

# Colors of Okabe and Ito, which color-blind readers can tell apart.
LOSS_COLORS = {"total": "#222222", "box": "#0072b2", "class": "#d55e00", "landmark": "#009e73"}
AP_COLOR, LR_COLOR, SHADE, GRAY = "#8e3b80", "#555555", "#fdf1d3", "#666666"
MOST_MARKED_EPOCHS = 40


def draw_training_curves(path: Path, history: Sequence[dict]) -> None:
    """Draw a history (see engine/train/history.py). Phase two, which may start from an earlier epoch, is shaded.

    Args:
        path: image file, 1200 pixels wide; the suffix chooses the format.
        history: at least one epoch.

    Raises:
        UserError: the file cannot be written.
    """
    from matplotlib.figure import Figure  # here, since the import takes half a second; Figure has no global state

    panels = [(_draw_losses, 2.7), (_draw_ap, 1.9), (_draw_lr, 0.9)]
    if all(row["dev_ap"] is None for row in history):
        del panels[1]
    heights = [height for _, height in panels]
    header, gap, footer = 1.05, 0.45, 0.55  # inches
    total = header + sum(heights) + gap * (len(panels) - 1) + footer
    figure = Figure(figsize=(8, total), dpi=150)
    place = {"left": 0.7 / 8, "right": 7.7 / 8, "bottom": footer / total, "top": 1 - header / total}
    space = gap * len(panels) / sum(heights)
    grid = {"height_ratios": heights, "hspace": space, **place}
    axes = figure.subplots(len(panels), sharex=True, squeeze=False, gridspec_kw=grid)[:, 0]
    for (draw, _), panel in zip(panels, axes, strict=True):
        _style(panel, history)
        draw(panel, history)
    axes[-1].set_xlabel("epoch")
    name = path.stem.removesuffix("_curves")
    figure.text(0.7 / 8, 1 - 0.2 / total, name, va="top", fontsize=13, fontweight="bold", parse_math=False)
    figure.text(0.7 / 8, 1 - 0.47 / total, _summary(history), va="top", color=GRAY, fontsize=10)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks
        figure.savefig(temporary)


def _summary(history: Sequence[dict]) -> str:
    seconds = sum(row["seconds"] for row in history)
    speed = sum(row["pictures_per_s"] * row["seconds"] for row in history) / seconds
    hours, minutes = divmod(round(seconds / 60), 60)
    time = f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "less than a minute"
    epochs = "1 epoch" if len(history) == 1 else f"{len(history)} epochs"
    return f"{epochs} in {time}, {speed:.3g} images/s"


def _phases(history: Sequence[dict]) -> list[list[dict]]:
    return [list(rows) for _, rows in groupby(history, key=lambda row: row["phase"])]


def _range(history: Sequence[dict]) -> tuple[float, float]:
    """Return the first and last epoch of a history, half an epoch further out."""
    epochs = [row["epoch"] for row in history]
    return min(epochs) - 0.5, max(epochs) + 0.5


def _style(axes, history: Sequence[dict]) -> None:
    from matplotlib.ticker import MaxNLocator

    phase_two = [row for row in history if row["phase"] == 2]
    if phase_two:
        axes.axvspan(*_range(phase_two), color=SHADE, linewidth=0, zorder=0)
    axes.set_xlim(_range(history))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(color="#888888", labelsize=9)
    axes.grid(color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#888888")


def _plot(axes, history: Sequence[dict], field: str, **style) -> None:
    """Plot a column, a line for each phase."""
    from matplotlib.patheffects import Normal, Stroke

    rim = [Stroke(linewidth=4, foreground="white"), Normal()]  # keeps phase two apart from phase one under it
    for rows in _phases(history):
        axes.plot(
            [row["epoch"] for row in rows],
            [row[field] for row in rows],
            marker="o" if len(history) <= MOST_MARKED_EPOCHS or len(rows) == 1 else None,
            markersize=4,
            linewidth=2,
            path_effects=rim if rows[0]["phase"] == 2 else None,
            **style,
        )


def _draw_losses(axes, history: Sequence[dict]) -> None:
    from matplotlib.lines import Line2D

    shown = {name: color for name, color in LOSS_COLORS.items() if any(row[name] for row in history)}
    for name, color in shown.items():
        _plot(axes, history, name, color=color)
    highest = max(row["total"] for row in history)
    axes.set_ylim(0, 1.08 * highest if highest > 0 else 1)
    axes.set_title("mean losses", loc="left", fontsize=11)
    if phase_two := [row for row in history if row["phase"] == 2]:
        (low, high), (start, end) = _range(phase_two), _range(history)
        is_left = (low + high) / 2 < (start + end) / 2
        style = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points", "va": "top", "fontsize": 9}
        x, offset, side = (low, 4, "left") if is_left else (high, -4, "right")
        axes.annotate("phase two", (x, 1), xytext=(offset, -4), ha=side, color="#8a6d1f", **style)
    lines = [Line2D([], [], color=color, linewidth=3) for color in shown.values()]
    axes.legend(  # above the panel, where it hides no line, with the values of the last epoch
        lines,
        [f"{name} {history[-1][name]:.3f}" for name in shown],
        ncols=max(1, len(shown)),
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0,
        handlelength=0.8,
        frameon=False,
        labelcolor="linecolor",
        prop={"weight": "bold", "size": 10},
    )


def _draw_ap(axes, history: Sequence[dict]) -> None:
    rows = [{**row, "dev_ap": 100 * row["dev_ap"]} for row in history if row["dev_ap"] is not None]
    _plot(axes, rows, "dev_ap", color=AP_COLOR)
    best = max(rows, key=lambda row: row["dev_ap"])
    star = {"color": AP_COLOR, "markersize": 15, "markeredgecolor": "white", "zorder": 4, "clip_on": False}
    axes.plot(best["epoch"], best["dev_ap"], "*", **star)
    lowest, highest = min(row["dev_ap"] for row in rows), best["dev_ap"]
    spread = max(highest - lowest, 1) if len(rows) > 1 else 10
    axes.set_ylim(lowest - 0.15 * spread, min(highest + 0.2 * spread, 100 + 0.1 * spread))
    axes.set_title("AP on the dev set, %", loc="left", fontsize=11)
    phase = " of phase two" if best["phase"] == 2 else ""
    text = f"best {highest:.2f} % after epoch {best['epoch']}{phase}"
    style = {"ha": "right", "fontsize": 10, "fontweight": "bold", "color": AP_COLOR}
    axes.text(1, 1.04, text, transform=axes.transAxes, **style)


def _draw_lr(axes, history: Sequence[dict]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    rates = [row["lr"] for row in history if row["lr"] > 0] or [1.0]  # a log scale has no place for 0
    axes.set_yscale("log")
    axes.set_ylim(min(rates) / 3.2, max(rates) * 3.2)  # more than a decade, so that at least one has a tick
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    for rows in _phases(history):
        axes.plot(
            [row["epoch"] for row in rows],
            [row["lr"] for row in rows],
            drawstyle="steps-mid",
            linewidth=2,
            color=LR_COLOR,
        )
    axes.set_title("learning rate", loc="left", fontsize=11)

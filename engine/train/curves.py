"""The table and the image of a run's curves.

Both show its history, one dict per finished epoch with the keys of FIELDS.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from utils.files import atomic_path, write_text

# lr: at the epoch's start; total: the weighted sum of the mean losses; data_wait: share of the time, 0..1, that was
# spent waiting for images; memory_gb: None on a CPU; dev_ap: 0..1, None in an epoch that was not scored.
FIELDS = (
    "epoch",
    "phase",
    "lr",
    "box",
    "class",
    "landmark",
    "total",
    "pictures_per_s",
    "data_wait",
    "seconds",
    "memory_gb",
    "unreadable",
    "dev_ap",
)
# Okabe and Ito's colours, which colour-blind readers can tell apart.
LOSS_COLOURS = {"total": "#222222", "box": "#0072b2", "class": "#d55e00", "landmark": "#009e73"}
AP_COLOUR, LR_COLOUR, SHADE, GREY = "#8e3b80", "#555555", "#fdf1d3", "#666666"
MOST_MARKED_EPOCHS = 40


def write_log(path: Path, history: Sequence[dict]) -> None:
    """Write a run's history as CSV, a row per epoch; a value that there is none of is an empty cell.

    Raises:
        UserError: the file cannot be written.
    """
    rows = [FIELDS, *([_cell(row[field]) for field in FIELDS] for row in history)]
    write_text(path, "".join(",".join(row) + "\n" for row in rows))


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def draw_curves(path: Path, history: Sequence[dict]) -> None:
    """Draw a run's losses, dev AP where it was scored, and learning rate over its epochs.

    Phase two may start from an earlier epoch than phase one's last. It is shaded, and has lines of its own.

    Args:
        path: of an image of the kind that the suffix tells, 1200 pixels wide.
        history: at least one epoch.

    Raises:
        UserError: the file cannot be written.
    """
    # Here, since it takes half a second that --help and errors need not wait for; Figure has no global state.
    from matplotlib.figure import Figure

    scored = any(row["dev_ap"] is not None for row in history)
    panels = [(_draw_losses, 2.7), (_draw_ap, 1.9), (_draw_lr, 0.9)]
    if not scored:
        panels.remove(panels[1])
    # Places by hand, in inches: matplotlib's own layout takes longer than the rest of the drawing.
    width, left, right, header, gap, bottom = 8.0, 0.7, 0.3, 1.05, 0.45, 0.55
    height = header + sum(panel for _, panel in panels) + gap * (len(panels) - 1) + bottom
    figure = Figure(figsize=(width, height), dpi=150)
    top = height - header
    for draw, panel in panels:
        size = (left / width, (top - panel) / height, (width - left - right) / width, panel / height)
        axes = figure.add_axes(size)
        _draw_frame(axes, history, is_last=draw is _draw_lr)
        draw(axes, history)
        top -= panel + gap
    _name_phase_two(figure.axes[0], history)
    name = path.stem.removesuffix("_curves")
    figure.text(left / width, 1 - 0.2 / height, name, va="top", fontsize=13, fontweight="bold", parse_math=False)
    figure.text(left / width, 1 - 0.47 / height, _summary(history), va="top", color=GREY, fontsize=10)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks: a box stands for them
        figure.savefig(temporary)


def _summary(history: Sequence[dict]) -> str:
    seconds = sum(row["seconds"] for row in history)
    speed = sum(row["pictures_per_s"] * row["seconds"] for row in history) / seconds
    hours, minutes = divmod(round(seconds / 60), 60)
    time = f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "less than a minute"
    epochs = "1 epoch" if len(history) == 1 else f"{len(history)} epochs"
    return f"{epochs} in {time}, {speed:.3g} images/s"


def _stretches(history: Sequence[dict]) -> list[list[dict]]:
    """Cut a history where another phase begins or the epochs start again from an earlier one."""
    stretches = []
    for row in history:
        last = stretches[-1][-1] if stretches else None
        if last is None or row["phase"] != last["phase"] or row["epoch"] <= last["epoch"]:
            stretches.append([])
        stretches[-1].append(row)
    return stretches


def _range(history: Sequence[dict]) -> tuple[float, float]:
    """Return the epochs that a history covers, half an epoch wider on both sides."""
    epochs = [row["epoch"] for row in history]
    return min(epochs) - 0.5, max(epochs) + 0.5


def _phase_two(history: Sequence[dict]) -> list[dict]:
    return [row for row in history if row["phase"] == 2]


def _draw_frame(axes, history: Sequence[dict], is_last: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    if _phase_two(history):
        axes.axvspan(*_range(_phase_two(history)), color=SHADE, linewidth=0, zorder=0)
    axes.set_xlim(_range(history))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(labelbottom=is_last, color="#888888", labelsize=9)
    axes.set_xlabel("epoch" if is_last else "")
    axes.grid(color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#888888")


def _name_phase_two(axes, history: Sequence[dict]) -> None:
    if not _phase_two(history):
        return
    low, high = _range(_phase_two(history))
    start, end = _range(history)
    # A narrow shade at either side has no room for its name's half: the name then ends where the image does.
    is_left, is_right = (low + high) / 2 < start + 0.1 * (end - start), (low + high) / 2 > end - 0.1 * (end - start)
    x, side = (low, "left") if is_left else (high, "right") if is_right else ((low + high) / 2, "center")
    axes.annotate(
        "phase two",
        (x, 1),
        xycoords=axes.get_xaxis_transform(),
        xytext=({"left": 4, "right": -4, "center": 0}[side], -4),
        textcoords="offset points",
        ha=side,
        va="top",
        fontsize=9,
        color="#8a6d1f",
    )


def _plot(axes, rows: Sequence[dict], field: str, is_marked: bool, **style) -> None:
    from matplotlib.patheffects import Normal, Stroke

    # A white rim keeps a line of phase two apart from phase one's, of the same colour, under it.
    rim = [Stroke(linewidth=4, foreground="white"), Normal()]
    axes.plot(
        [row["epoch"] for row in rows],
        [row[field] for row in rows],
        marker="o" if is_marked or len(rows) == 1 else None,
        markersize=4,
        linewidth=2,
        path_effects=rim if rows[0]["phase"] == 2 else None,
        **style,
    )


def _draw_losses(axes, history: Sequence[dict]) -> None:
    from matplotlib.lines import Line2D

    shown = {name: colour for name, colour in LOSS_COLOURS.items() if any(row[name] for row in history)}
    is_marked = len(history) <= MOST_MARKED_EPOCHS
    for stretch in _stretches(history):
        for name, colour in shown.items():
            _plot(axes, stretch, name, is_marked, color=colour)
    highest = max(row["total"] for row in history)
    axes.set_ylim(0, 1.08 * highest if highest > 0 else 1)
    axes.set_title("mean losses", loc="left", fontsize=11)
    # Above the panel, since inside it hides lines; the numbers are the last epoch's.
    lines = [Line2D([], [], color=colour, linewidth=3) for colour in shown.values()]
    names = [f"{name} {history[-1][name]:.3f}" for name in shown]
    axes.legend(
        lines,
        names,
        ncols=len(names),
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0,
        borderpad=0.3,
        handlelength=0.8,
        handletextpad=0.5,
        columnspacing=1.4,
        frameon=False,
        labelcolor="linecolor",
        prop={"weight": "bold", "size": 10},
    )


def _draw_ap(axes, history: Sequence[dict]) -> None:
    rows = [{**row, "dev_ap": 100 * row["dev_ap"]} for row in history if row["dev_ap"] is not None]
    for stretch in _stretches(rows):
        _plot(axes, stretch, "dev_ap", len(rows) <= MOST_MARKED_EPOCHS, color=AP_COLOUR)
    best = max(rows, key=lambda row: row["dev_ap"])
    axes.plot(
        best["epoch"],
        best["dev_ap"],
        "*",
        color=AP_COLOUR,
        markersize=15,
        markeredgecolor="white",
        zorder=4,
        clip_on=False,
    )
    lowest, highest = min(row["dev_ap"] for row in rows), best["dev_ap"]
    wrap_parallel = max(highest - lowest, 1) if len(rows) > 1 else 10
    axes.set_ylim(lowest - 0.15 * wrap_parallel, min(highest + 0.2 * wrap_parallel, 100 + 0.1 * wrap_parallel))
    axes.set_title("AP on the dev images, %", loc="left", fontsize=11)
    axes.text(
        1,
        1.04,
        f"best {highest:.2f} % after epoch {best['epoch']}" + (" of phase two" if best["phase"] == 2 else ""),
        transform=axes.transAxes,
        ha="right",
        fontsize=10,
        fontweight="bold",
        color=AP_COLOUR,
    )


def _draw_lr(axes, history: Sequence[dict]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    rates = [row["lr"] for row in history if row["lr"] > 0] or [1.0]  # a decay by 0 is no place on a log scale
    axes.set_yscale("log")
    axes.set_ylim(min(rates) / 3.2, max(rates) * 3.2)  # more than a decade, so that at least one has its tick
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    for stretch in _stretches(history):
        _plot(axes, stretch, "lr", False, color=LR_COLOUR, drawstyle="steps-mid")
    axes.set_title("learning rate", loc="left", fontsize=11)

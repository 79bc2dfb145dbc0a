"""The curves of precision over recall, and how scores are spread: as an image, and as points for the report."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.model import Model
from evaluation.protocol import SubsetResult
from utils.files import atomic_path

# Okabe and Ito's colours, which colour-blind readers can tell apart; further lines repeat them in another dash.
COLOURS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
DASHES = ("solid", "dashed", "dotted", "dashdot")
MOST_COLUMNS = 3
LONGEST_NAME = 34
BINS = 50


@dataclass(frozen=True, eq=False)
class Panel:
    """One plot of precision over recall.

    Attributes:
        title: the subset, where there is a panel for each of several.
        lines: name -> its score.
    """

    title: str
    lines: dict[str, SubsetResult]


def panels_of(models: Sequence[Model]) -> list[Panel]:
    """Return one panel with a line per subset for one model, a panel per subset with a line per model for several."""
    if len(models) == 1:
        return [Panel("", models[0].result.subsets)]
    subsets = models[0].result.subsets
    return [
        Panel(subset if len(subsets) > 1 else "", {model.name: model.result.subsets[subset] for model in models})
        for subset in subsets
    ]


def curve_points(score: SubsetResult) -> np.ndarray:
    """Return the (N, 2) different recall and precision of a curve, 0..1, to a thousandth; none if nothing is found."""
    # Before the first find there are no proposals or only false ones: points at (0, 0), not a curve.
    points = np.stack([score.recall, score.precision], axis=1)[score.recall > 0].round(3)
    return points[np.append(True, (points[1:] != points[:-1]).any(axis=1))[: len(points)]]


def score_histogram(*samples: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Count scores in BINS equal bins.

    Args:
        samples: (N,) scores each.

    Returns:
        edges: (BINS + 1,): 0..1, as scores usually are, else from the lowest to the highest score; around both where
            they are equal or nearly so.
        counts: (BINS,) int64 for each sample.
    """
    scores = np.concatenate(samples)
    low, high = (scores.min(), scores.max()) if len(scores) else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif high - low < 1e-6 * max(abs(low), abs(high)):  # no room for bins between them
        low, high = low - max(1.0, abs(low)), high + max(1.0, abs(high))
    edges = np.histogram_bin_edges([], BINS, (low, high))
    return edges, [np.histogram(sample, edges)[0] for sample in samples]


def draw_curves(path: Path, models: Sequence[Model]) -> None:
    """Write the panels of one or several models as an image, of the kind that the suffix tells.

    Raises:
        UserError: the file cannot be written.
    """
    # Here, since it takes half a second that --help and errors need not wait for; Figure has no global state.
    from matplotlib.figure import Figure

    panels = panels_of(models)
    columns = min(len(panels), MOST_COLUMNS)
    rows = math.ceil(len(panels) / columns)
    # Places by hand, in inches: matplotlib's own layout takes longer than the rest of the drawing.
    side, step, left, bottom, header = 5.0, 6.0, 0.75, 0.65, 0.85
    width, height = step * columns, step * rows + header - 0.35
    figure = Figure(figsize=(width, height), dpi=150)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        x, y = left + step * column, bottom + step * (rows - 1 - row)
        axes = figure.add_axes((x / width, y / height, side / width, side / height))
        _draw_panel(axes, panel)
    result = models[0].result
    title = f"Precision and recall at IoU {result.iou:g}"
    figure.text(left / width, 1 - 0.2 / height, title, va="top", fontsize=13, fontweight="bold")
    counts = f"{len(result.matches.ground_truth):,} images"
    if len(models) == 1:
        counts += f", {len(result.matches.detections):,} detections"
    figure.text(left / width, 1 - 0.47 / height, counts, va="top", color="#666666", fontsize=10)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks: a box stands for them
        figure.savefig(temporary)


def _draw_panel(axes, panel: Panel) -> None:
    for index, (name, score) in enumerate(panel.lines.items()):
        style = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
            "linewidth": 2,
            "clip_on": False,
            "zorder": 3,
        }
        axes.plot(*curve_points(score).T, **style)
        # A legend of our own: matplotlib's leaves out names that begin with "_", and reads formulas between two "$".
        y = 0.04 + 0.05 * (len(panel.lines) - 1 - index)
        axes.plot([0.03, 0.09], [y, y], transform=axes.transAxes, **style)
        name = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
        label = f"{name}: AP {100 * score.ap:.2f} %" if score.faces else f"{name}: no faces"
        axes.text(0.11, y, label, transform=axes.transAxes, va="center", fontsize=11, parse_math=False)
    axes.set_title(panel.title, fontsize=11, parse_math=False)
    ticks = [step / 5 for step in range(6)]
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks, xlabel="recall", ylabel="precision")
    axes.grid(color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#888888")
    axes.tick_params(color="#888888")

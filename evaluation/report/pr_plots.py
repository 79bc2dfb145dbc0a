"""Precision-recall curves: their points, and pr_curve.png."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.protocol import SubsetResult
from evaluation.scored_model import ScoredModel
from utils.files import atomic_path

# The colors of Okabe and Ito, safe for color-blind readers; further lines repeat them with another dash pattern.
COLORS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
DASHES = ("solid", "dashed", "dotted", "dashdot")
MAX_COLUMNS = 3
MAX_NAME_LENGTH = 34


@dataclass(frozen=True, eq=False)
class CurvePanel:
    """One precision-recall plot.

    Attributes:
        title: the subset, if there is a panel for each of several.
        lines: name -> its score.
    """

    title: str
    lines: dict[str, SubsetResult]


def curve_panels(models: Sequence[ScoredModel]) -> list[CurvePanel]:
    """Return the panels: for one model a line per subset, for several models a panel per subset."""
    if len(models) == 1:
        return [CurvePanel("", models[0].result.subsets)]
    subsets = models[0].result.subsets
    return [
        CurvePanel(subset if len(subsets) > 1 else "", {model.name: model.result.subsets[subset] for model in models})
        for subset in subsets
    ]


def curve_points(score: SubsetResult) -> np.ndarray:
    """Return the (N, 2) distinct points (recall, precision) of a curve, 0..1, rounded to 0.001."""
    # Points before the first found face are all (0, 0) and not part of the curve.
    points = np.stack([score.recall, score.precision], axis=1)[score.recall > 0].round(3)
    return points[np.append(True, (points[1:] != points[:-1]).any(axis=1))[: len(points)]]


def draw_pr_curves(path: Path, models: Sequence[ScoredModel]) -> None:
    """Draw the panels of one or several models into an image file.

    Raises:
        UserError: the file cannot be written.
    """
    # Imported here: it takes half a second, which --help and errors should not wait for. Figure has no global state.
    from matplotlib.figure import Figure

    panels = curve_panels(models)
    columns = min(len(panels), MAX_COLUMNS)
    rows = math.ceil(len(panels) / columns)
    # Layout by hand, in inches: matplotlib's layout engines take longer than the rest of the drawing.
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
        warnings.simplefilter("ignore")  # glyphs that the font lacks are drawn as boxes
        figure.savefig(temporary)


def _draw_panel(axes, panel: CurvePanel) -> None:
    for index, (name, score) in enumerate(panel.lines.items()):
        style = {
            "color": COLORS[index % len(COLORS)],
            "linestyle": DASHES[index // len(COLORS) % len(DASHES)],
            "linewidth": 2,
            "clip_on": False,
            "zorder": 3,
        }
        axes.plot(*curve_points(score).T, **style)
        # Not matplotlib's legend, which skips names that begin with "_" and parses formulas between "$".
        y = 0.04 + 0.05 * (len(panel.lines) - 1 - index)
        axes.plot([0.03, 0.09], [y, y], transform=axes.transAxes, **style)
        name = name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"
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

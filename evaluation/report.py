"""What a user sees of a score: the table, ap.json, pr_curve.csv and pr_curve.png."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from evaluation.protocol import SubsetResult
from utils.files import atomic_path, make_folder, write_text

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7")


@dataclass(frozen=True)
class Inputs:
    """What was scored.

    Attributes:
        predictions: folder of the predictions.
        ground_truth: annotation file or folder.
        pictures: number of pictures in the ground truth.
        missing: number of them without predictions.
        detections: number of detections in the others.
        iou: smallest overlap of a detection with its face.
    """

    predictions: Path
    ground_truth: Path
    pictures: int
    missing: int
    detections: int
    iou: float


def format_table(results: dict[str, SubsetResult], inputs: Inputs) -> str:
    """Return the table that the command prints, a line per subset."""
    lines = [
        f"{inputs.pictures:,} pictures, {inputs.detections:,} detections, IoU {inputs.iou:g}",
        "",
        f"{'subset':<10}{'AP %':>10}{'faces':>12}{'found':>12}{'recall %':>12}",
    ]
    for subset, result in results.items():
        if result.faces:
            ap, recall = f"{100 * result.ap:.2f}", f"{100 * result.recall[-1]:.2f}"
        else:
            ap, recall = "no faces", "-"
        lines.append(f"{subset:<10}{ap:>10}{result.faces:>12,}{result.found:>12,}{recall:>12}")
    return "\n".join(lines)


def write_report(folder: Path, results: dict[str, SubsetResult], inputs: Inputs) -> list[Path]:
    """Write ap.json, pr_curve.csv and pr_curve.png, each whole or not at all, and return their paths.

    Raises:
        UserError: the folder or a file cannot be written.
    """
    make_folder(folder)
    paths = [folder / name for name in ("ap.json", "pr_curve.csv", "pr_curve.png")]
    write_text(paths[0], json.dumps(_summary(results, inputs), indent=2, allow_nan=False) + "\n")
    write_text(paths[1], _curve_rows(results))
    _draw_curves(paths[2], results, inputs)
    return paths


def _summary(results: dict[str, SubsetResult], inputs: Inputs) -> dict:
    """Return what ap.json holds; a subset in which no face counts has null for what is not defined."""
    return {
        "predictions": str(inputs.predictions.resolve()),
        "ground_truth": str(inputs.ground_truth.resolve()),
        "pictures": inputs.pictures,
        "pictures_without_predictions": inputs.missing,
        "detections": inputs.detections,
        "iou": inputs.iou,
        "subsets": {
            subset: {
                "ap": None if math.isnan(result.ap) else result.ap,
                "faces": result.faces,
                "found": result.found,
                "recall": float(result.recall[-1]) if result.faces else None,
            }
            for subset, result in results.items()
        },
    }


def _curve_rows(results: dict[str, SubsetResult]) -> str:
    lines = ["subset,threshold,precision,recall"]
    for subset, result in results.items():
        points = zip(result.thresholds, result.precision, result.recall, strict=True)
        lines += [f"{subset},{threshold:.3f},{p:.9g},{r:.9g}" for threshold, p, r in points]
    return "\n".join(lines) + "\n"


def _draw_curves(path: Path, results: dict[str, SubsetResult], inputs: Inputs) -> None:
    # Here, since it takes half a second that --help and errors need not wait for; Figure has no global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.8, 6.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for index, (subset, result) in enumerate(results.items()):
        # Before the first find there are no proposals or only false ones: points at (0, 0), not a curve.
        drawn = result.recall > 0
        ap = f"AP {100 * result.ap:.2f} %" if result.faces else "no faces"
        axes.plot(
            result.recall[drawn],
            result.precision[drawn],
            color=COLOURS[index % len(COLOURS)],
            linewidth=2,
            label=f"{subset}: {ap}",
            solid_capstyle="round",
            clip_on=False,
            zorder=3,
        )
    ticks = [step / 10 for step in range(11)]
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks, aspect="equal")
    axes.set(xlabel="recall", ylabel="precision")
    axes.grid(color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#888888")
    axes.tick_params(color="#888888")
    title = f"Precision and recall at IoU {inputs.iou:g}"
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=24)
    counts = f"{inputs.pictures:,} pictures, {inputs.detections:,} detections"
    axes.text(0, 1.03, counts, transform=axes.transAxes, color="#666666", fontsize=10)
    axes.legend(loc="lower left", fontsize=11, framealpha=0.95, edgecolor="#e3e3e3", borderpad=0.8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)

"""The result folder: ap.json, pr_curve.csv, pr_curve.png and report.html."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from evaluation.metrics import confidence_interval
from evaluation.protocol import THRESHOLDS, GroupResult, SubsetResult
from evaluation.report.page import write_page
from evaluation.report.pr_plots import draw_pr_curves
from evaluation.reported_metrics import REPORTED_METRICS
from evaluation.scored_model import ScoredModel, ap_differences
from utils.files import make_folder, write_text
from utils.version import VERSION


def write_result(
    folder: Path,
    models: Sequence[ScoredModel],
    ground_truth: Path,
    images: dict[str, Path],
    remarks: Sequence[str] = (),
) -> list[Path]:
    """Write the four files, each completely or not at all, and return their paths.

    Args:
        remarks: sentences on how the ground truth was read, for ap.json.

    Raises:
        UserError: the folder or a file cannot be written.
    """
    make_folder(folder)
    table, curve, plot, page = (folder / name for name in ("ap.json", "pr_curve.csv", "pr_curve.png", "report.html"))
    write_json(table, models, ground_truth, remarks)
    write_csv(curve, models)
    draw_pr_curves(plot, models)
    write_page(page, models, ground_truth, images)
    return [table, curve, plot, page]


def write_json(path: Path, models: Sequence[ScoredModel], ground_truth: Path, remarks: Sequence[str] = ()) -> None:
    """Write all metrics with their inputs; an undefined metric is null.

    Raises:
        UserError: the file cannot be written.
    """
    result = models[0].result
    content = {
        "version": VERSION,
        "ground_truth": str(ground_truth.resolve()),
        "ground_truth_remarks": list(remarks),
        "pictures": len(result.matches.ground_truth),
        "iou": result.iou,
        "models": {model.name: _model_entry(model) for model in models},
    }
    if len(models) > 1:
        content["ap_less_that_of_the_first"] = {
            model.name: {
                subset: {"ap": difference, "ap_interval": interval}
                for subset, (difference, interval) in ap_differences(models[0], model).items()
            }
            for model in models[1:]
        }
    write_text(path, json.dumps(_nan_to_none(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: Path, models: Sequence[ScoredModel]) -> None:
    """Write the precision-recall curves, 1000 rows per model and subset.

    Raises:
        UserError: the file cannot be written.
    """
    lines = ["model,subset,threshold,score,precision,recall"]
    for model in models:
        name = '"' + model.name.replace('"', '""') + '"'
        for subset, result in model.result.subsets.items():
            points = zip(THRESHOLDS, model.result.scores, result.precision, result.recall, strict=True)
            lines += [f"{name},{subset},{t:.3f},{score:.9g},{p:.9g},{r:.9g}" for t, score, p, r in points]
    write_text(path, "\n".join(lines) + "\n")


def _model_entry(model: ScoredModel) -> dict:
    result = model.result
    return {
        "predictions": str(model.predictions.resolve()),
        "detections": len(result.matches.detections),
        "pictures_without_predictions": model.missing,
        "predictions_without_picture": model.unknown,
        "subsets": {name: _subset_entry(subset) for name, subset in result.subsets.items()},
        "groups": {
            kind: {name: _group_entry(group) for name, group in groups.items()}
            for kind, groups in result.groups.items()
        },
    }


def _group_entry(group: GroupResult) -> dict:
    return {
        "ap": group.ap,
        "mean_ap": group.mean_ap,
        "faces": group.faces,
        "found": group.found,
        "found_at_best_f1": group.found_at_best,
    }


def _subset_entry(subset: SubsetResult) -> dict:
    entry = {**_group_entry(subset), "ap_interval": confidence_interval(subset.samples)}
    for metric in REPORTED_METRICS:
        *parents, name = metric.key
        parent = entry
        for key in parents:
            parent = parent.setdefault(key, {})
        parent[name] = metric.value(subset)
    entry["best_f1"] = asdict(subset.best) if subset.best else None  # with its score, precision and recall
    return entry


def _nan_to_none(content: object) -> object:
    if isinstance(content, dict):
        return {key: _nan_to_none(value) for key, value in content.items()}
    return None if isinstance(content, float) and math.isnan(content) else content

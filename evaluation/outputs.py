"""The figures as text: the table that is printed, ap.json and pr_curve.csv."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from evaluation.error_analysis import shortest_score
from evaluation.metrics import confidence_interval
from evaluation.model import Model, differences
from evaluation.protocol import FALSE_POSITIVE_RATES, THRESHOLDS, GroupResult, SubsetResult
from utils.files import write_text
from utils.version import VERSION


def format_table(models: Sequence[Model]) -> str:
    """Return what the command prints: a line per model and subset, then AP by size, height and attribute."""
    result = models[0].result
    detections = " / ".join(f"{len(model.result.matches.detections):,}" for model in models)
    title = f"{len(result.matches.ground_truth):,} images, {detections} detections, IoU {result.iou:g}"
    parts = [title, _subset_table(models), _difference_table(models), _group_table(models)]
    return "\n\n".join(parts if len(models) > 1 else [parts[0], parts[1], parts[3]])


def write_json(path: Path, models: Sequence[Model], ground_truth: Path) -> None:
    """Write all figures with what they were made from; null where a figure is not defined.

    Raises:
        UserError: the file cannot be written.
    """
    result = models[0].result
    content = {
        "version": VERSION,
        "ground_truth": str(ground_truth.resolve()),
        "pictures": len(result.matches.ground_truth),
        "iou": result.iou,
        "models": {model.name: _summary(model) for model in models},
    }
    if len(models) > 1:
        content["ap_less_that_of_the_first"] = {
            model.name: {
                subset: {"ap": difference, "ap_interval": ends}
                for subset, (difference, ends) in differences(models[0], model).items()
            }
            for model in models[1:]
        }
    write_text(path, json.dumps(_without_nan(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: Path, models: Sequence[Model]) -> None:
    """Write the curves, 1000 rows per model and subset.

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


def _subset_table(models: Sequence[Model]) -> str:
    rates = [f"recall % at {rate:g} FP" for rate in FALSE_POSITIVE_RATES]
    rows = [["subset", "AP %", "AP 50-95 %", *rates, "best F1 %", "at score", "highest recall %", "faces"]]
    for model in models:
        for subset, result in model.result.subsets.items():
            best = [_percent(result.best.f1), shortest_score(model.result, result.best.score)] if result.best else "--"
            figures = [_percent(result.mean_ap), *map(_percent, result.recall_at.values()), *best]
            highest = _percent(result.found / result.faces if result.faces else math.nan)
            rows.append([_label(models, model, subset), _ap(result), *figures, highest, f"{result.faces:,}"])
    return _aligned(rows) + "\nFP: false positives an image"


def _difference_table(models: Sequence[Model]) -> str:
    """Return what each further model has more than the first."""
    rows = [["AP less that of " + models[0].name, "points"]]
    for model in models[1:]:
        for subset, (difference, ends) in differences(models[0], model).items():
            points = "-" if math.isnan(difference) else f"{100 * difference:+.2f}" + _ends(ends, "+.2f")
            rows.append([_label(models, model, subset), points])
    return _aligned(rows)


def _group_table(models: Sequence[Model]) -> str:
    """Return a block for each division: the faces, and each model's AP and recall where its F1 is best."""
    blocks = []
    for kind, groups in models[0].result.groups.items():
        header = [kind, "faces"]
        for model in models:
            name = f"{model.name} " if len(models) > 1 else ""
            best = model.result.subsets[model.result.main].best
            at = f" at {shortest_score(model.result, best.score)}" if best else ""
            header += [f"{name}AP %", f"{name}recall %{at}"]
        rows = [header]
        for group, result in groups.items():
            row = [group, f"{result.faces:,}"]
            for model in models:
                of_model = model.result.groups[kind][group]
                recall = of_model.found_at_best / of_model.faces if of_model.faces else math.nan
                row += [_percent(of_model.ap), _percent(recall)]
            rows.append(row)
        blocks.append(_aligned(rows))
    return "\n\n".join(blocks)


def _label(models: Sequence[Model], model: Model, subset: str) -> str:
    return f"{model.name}: {subset}" if len(models) > 1 else subset


def _ap(result: SubsetResult) -> str:
    return _percent(result.ap) + _ends(confidence_interval(result.samples), ".2f") if result.faces else "no faces"


def _ends(ends: tuple[float, float] | None, form: str) -> str:
    return f" [{100 * ends[0]:{form}}, {100 * ends[1]:{form}}]" if ends else ""


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def _aligned(rows: list[list[str]]) -> str:
    """Return rows as text, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("   ".join(cells).rstrip())
    return "\n".join(lines)


def _summary(model: Model) -> dict:
    result = model.result
    return {
        "predictions": str(model.predictions.resolve()),
        "detections": len(result.matches.detections),
        "pictures_without_predictions": model.missing,
        "predictions_without_picture": model.unknown,
        "subsets": {
            subset: {
                **_figures(score),
                "ap_interval": confidence_interval(score.samples),
                "recall_at_false_positives_per_picture": {f"{rate:g}": r for rate, r in score.recall_at.items()},
                "best_f1": asdict(score.best) if score.best else None,
            }
            for subset, score in result.subsets.items()
        },
        "groups": {
            kind: {group: _figures(score) for group, score in groups.items()} for kind, groups in result.groups.items()
        },
    }


def _figures(result: GroupResult) -> dict:
    return {
        "ap": result.ap,
        "mean_ap": result.mean_ap,
        "faces": result.faces,
        "found": result.found,
        "found_at_best_f1": result.found_at_best,
    }


def _without_nan(content: object) -> object:
    """Replace what is not defined by None, which JSON has a word for."""
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    return None if isinstance(content, float) and math.isnan(content) else content

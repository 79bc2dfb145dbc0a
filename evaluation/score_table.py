"""The printed table: metrics of each subset, differences between models, and AP by size, height and attribute."""

import math
from collections.abc import Sequence

from evaluation.error_analysis import shortest_score
from evaluation.reported_metrics import BEST_F1, REPORTED_METRICS, format_interval, format_percent
from evaluation.scored_model import ScoredModel, ap_differences


def format_score_table(models: Sequence[ScoredModel]) -> str:
    """Return the text that eval.py prints."""
    result = models[0].result
    detections = " / ".join(f"{len(model.result.matches.detections):,}" for model in models)
    title = f"{len(result.matches.ground_truth):,} images, {detections} detections, IoU {result.iou:g}"
    differences = [_difference_table(models)] if len(models) > 1 else []
    return "\n\n".join([title, _subset_table(models), *differences, _group_tables(models)])


def _subset_table(models: Sequence[ScoredModel]) -> str:
    header = ["subset"]
    for metric in REPORTED_METRICS:
        header += [metric.column, "at score"] if metric is BEST_F1 else [metric.column]
    rows = [[*header, "highest recall %", "faces"]]
    for model in models:
        for name, subset in model.result.subsets.items():
            row = [_row_name(models, model, name)]
            for metric in REPORTED_METRICS:
                row.append(metric.cell(subset))
                if metric is BEST_F1:
                    row.append(shortest_score(model.result, subset.best.score) if subset.best else "-")
            highest = format_percent(subset.found / subset.faces if subset.faces else math.nan)
            rows.append([*row, highest, f"{subset.faces:,}"])
    return _align(rows) + "\nFP: false positives per image"


def _difference_table(models: Sequence[ScoredModel]) -> str:
    """Return the AP of each further model minus that of the first."""
    rows = [["AP less that of " + models[0].name, "points"]]
    for model in models[1:]:
        for subset, (difference, interval) in ap_differences(models[0], model).items():
            points = "-" if math.isnan(difference) else f"{100 * difference:+.2f}" + format_interval(interval, "+.2f")
            rows.append([_row_name(models, model, subset), points])
    return _align(rows)


def _group_tables(models: Sequence[ScoredModel]) -> str:
    """Return a table for each division: the faces, and each model's AP and its recall at the best F1."""
    tables = []
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
                score = model.result.groups[kind][group]
                recall = score.found_at_best / score.faces if score.faces else math.nan
                row += [format_percent(score.ap), format_percent(recall)]
            rows.append(row)
        tables.append(_align(rows))
    return "\n\n".join(tables)


def _row_name(models: Sequence[ScoredModel], model: ScoredModel, subset: str) -> str:
    return f"{model.name}: {subset}" if len(models) > 1 else subset


def _align(rows: list[list[str]]) -> str:
    """Return rows as text, with the first column aligned to the left and all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("   ".join(cells).rstrip())
    return "\n".join(lines)

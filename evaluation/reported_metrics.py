"""The metrics of a subset that the printed table, ap.json and the report show.

A new metric is a function of the counts in evaluation/metrics.py and an entry here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from evaluation.metrics import confidence_interval
from evaluation.protocol import FALSE_POSITIVE_RATES, SubsetResult


def format_percent(value: float, digits: int = 2, unit: str = "") -> str:
    """Return a share as per cent, "-" for nan."""
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f}{unit}"


def format_interval(interval: tuple[float, float] | None, form: str = ".2f") -> str:
    """Return the bounds of an interval of shares as per cent, "" for None."""
    return f" [{100 * interval[0]:{form}}, {100 * interval[1]:{form}}]" if interval else ""


@dataclass(frozen=True)
class ReportedMetric:
    """A metric and how the outputs name it.

    Attributes:
        key: path in a subset's object of ap.json.
        column: heading of the printed table.
        label: name in the report.
        value: the metric of a subset, 0..1; nan if it is undefined.
        note: details for the report, empty if there are none.
    """

    key: tuple[str, ...]
    column: str
    label: str
    value: Callable[[SubsetResult], float]
    note: Callable[[SubsetResult], str] = lambda subset: ""

    def cell(self, subset: SubsetResult) -> str:
        """Return the metric of a subset as the printed table shows it."""
        return format_percent(self.value(subset))


class _AveragePrecision(ReportedMetric):
    def cell(self, subset: SubsetResult) -> str:
        """Return AP with its confidence interval, if there is one."""
        if not subset.faces:
            return "no faces"
        return super().cell(subset) + format_interval(confidence_interval(subset.samples))


def _ap_interval(subset: SubsetResult) -> str:
    interval = confidence_interval(subset.samples)
    return f"95 %: {100 * interval[0]:.1f} to {100 * interval[1]:.1f}" if interval else ""


def _precision_and_recall(subset: SubsetResult) -> str:
    if not subset.best:
        return ""
    precision, recall = (format_percent(value, 1, " %") for value in (subset.best.precision, subset.best.recall))
    return f"precision {precision}, recall {recall}"


def _recall_at(rate: float) -> ReportedMetric:
    return ReportedMetric(
        key=("recall_at_false_positives_per_picture", f"{rate:g}"),
        column=f"recall % at {rate:g} FP",
        label=f"Recall at {rate:g} false positive{'' if rate == 1 else 's'} per image",
        value=lambda subset: subset.recall_at[rate],
    )


AP = _AveragePrecision(("ap",), "AP %", "AP", lambda subset: subset.ap, _ap_interval)
BEST_F1 = ReportedMetric(
    key=("best_f1", "f1"),
    column="best F1 %",
    label="Best F1",
    value=lambda subset: subset.best.f1 if subset.best else math.nan,
    note=_precision_and_recall,
)
REPORTED_METRICS = (
    AP,
    ReportedMetric(("mean_ap",), "AP 50-95 %", "AP, mean of IoU 0.50 to 0.95", lambda subset: subset.mean_ap),
    *map(_recall_at, FALSE_POSITIVE_RATES),
    BEST_F1,
)

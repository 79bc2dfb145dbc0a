"""A model's predictions with their score, as the table, the files and the report receive them."""

from dataclasses import dataclass
from pathlib import Path

from evaluation.metrics import confidence_interval
from evaluation.protocol import EvaluationResult


@dataclass(frozen=True, eq=False)
class ScoredModel:
    """One set of predictions and its score.

    Attributes:
        name: name in the table, the plots and the report.
        predictions: folder or file of the predictions.
        missing: images without predictions.
        unknown: predictions for images that are not in the ground truth.
        result: the score.
    """

    name: str
    predictions: Path
    missing: list[str]
    unknown: list[str]
    result: EvaluationResult


def ap_differences(first: ScoredModel, second: ScoredModel) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Return, for each subset, the second model's AP minus the first's, and the confidence interval of the difference.

    The interval compares both models on the same resampled images; it is None if no samples were drawn.
    """
    return {
        subset: (score.ap - other.ap, confidence_interval(score.samples - other.samples))
        for (subset, score), other in zip(second.result.subsets.items(), first.result.subsets.values(), strict=True)
    }

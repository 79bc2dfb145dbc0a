"""A detector as the outputs of a scoring run see it."""

from dataclasses import dataclass
from pathlib import Path

from evaluation.metrics import confidence_interval
from evaluation.protocol import Result


@dataclass(frozen=True, eq=False)
class Model:
    """One set of predictions and its score.

    Attributes:
        name: what the table, the plots and the report call it.
        predictions: the folder or file that it was read from.
        missing: the images without predictions.
        unknown: the predictions for images that the ground truth does not have.
        result: its score.
    """

    name: str
    predictions: Path
    missing: list[str]
    unknown: list[str]
    result: Result


def differences(first: Model, second: Model) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Return, for each subset, the second model's AP less that of the first, and its confidence interval.

    The interval is that of the same resampled images under both; None where no samples were drawn.
    """
    return {
        subset: (score.ap - other.ap, confidence_interval(score.samples - other.samples))
        for (subset, score), other in zip(second.result.subsets.items(), first.result.subsets.values(), strict=True)
    }

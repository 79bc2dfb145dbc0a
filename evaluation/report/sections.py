"""The content of the report: the errors of each model, and the differences between two models."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.error_analysis import (
    DetectorError,
    ErrorAnalysis,
    ImageErrors,
    analyze_errors,
    largest_missed_faces,
    shortest_score,
    top_false_positives,
    worst_images,
)
from evaluation.protocol import SubsetResult
from evaluation.scored_model import ScoredModel

# Number of errors shown of each kind: in a report of one model, and of several.
GALLERY_SIZE, SMALL_GALLERY_SIZE = 24, 12
MAX_IMAGES = 10


@dataclass(frozen=True, eq=False)
class ModelSection:
    """A model and its errors at the score of its best F1.

    Attributes:
        model: the model.
        analysis: outcome of its faces and detections at that score.
        score: the score as text; empty if no face is found.
        missed: the largest missed faces.
        wrong: the false positives with the highest scores.
        worst: the images with the most errors.
    """

    model: ScoredModel
    analysis: ErrorAnalysis
    score: str
    missed: list[DetectorError]
    wrong: list[DetectorError]
    worst: list[ImageErrors]

    @property
    def main(self) -> SubsetResult:
        """The subset with the most faces, which all of the report but curves and subsets is about."""
        return self.model.result.subsets[self.model.result.main]

    @property
    def faces_found(self) -> int:
        return int(self.analysis.found.sum())

    @property
    def faces_missed(self) -> int:
        return int(self.analysis.missed.sum())

    @property
    def false_positives(self) -> int:
        return int(self.analysis.false_positive.sum())


@dataclass(frozen=True, eq=False)
class ModelPair:
    """The faces that one model finds and another one misses, each at its own score.

    Attributes:
        finder, loser: the models.
        count: number of these faces.
        faces: the largest of them, as errors of the loser.
    """

    finder: ModelSection
    loser: ModelSection
    count: int
    faces: list[DetectorError]


def make_sections(models: Sequence[ScoredModel]) -> list[ModelSection]:
    """Return a section for each model, with a smaller gallery if there are several."""
    size = GALLERY_SIZE if len(models) == 1 else SMALL_GALLERY_SIZE
    return [_make_section(model, size) for model in models]


def make_pairs(sections: Sequence[ModelSection]) -> list[ModelPair]:
    """Return two pairs for each further model: (first, other) and (other, first)."""
    first = sections[0]
    return [_make_pair(*pair) for other in sections[1:] for pair in ((first, other), (other, first))]


def _make_section(model: ScoredModel, size: int) -> ModelSection:
    result = model.result
    analysis = analyze_errors(result)
    return ModelSection(
        model=model,
        analysis=analysis,
        score=shortest_score(result, analysis.threshold) if result.subsets[result.main].best else "",
        missed=largest_missed_faces(analysis, size),
        wrong=top_false_positives(analysis, size),
        worst=worst_images(analysis, MAX_IMAGES),
    )


def _make_pair(finder: ModelSection, loser: ModelSection) -> ModelPair:
    count = int((finder.analysis.found & ~loser.analysis.found).sum())
    faces = largest_missed_faces(loser.analysis, SMALL_GALLERY_SIZE, among=finder.analysis.found)
    return ModelPair(finder, loser, count, faces)

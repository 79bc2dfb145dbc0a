"""What the report shows of each model, and of each two models."""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.error_analysis import (
    Failure,
    ImageErrors,
    Outcomes,
    false_positives,
    missed_faces,
    outcomes,
    shortest_score,
    worst_images,
)
from evaluation.model import Model
from evaluation.protocol import SubsetResult

# How many failures of a kind are shown: of one model, and of each of several.
GALLERY, SMALL_GALLERY = 24, 12
WORST_IMAGES = 10


@dataclass(frozen=True, eq=False)
class Section:
    """A model, and what it gets wrong at the score that it does best at.

    Attributes:
        model: the model.
        judged: its faces and detections at that score.
        score: the score as text; empty where no face is found at any score.
        missed: the largest missed faces.
        wrong: the false positives of the highest scores.
        worst: the images with the most errors.
    """

    model: Model
    judged: Outcomes
    score: str
    missed: list[Failure]
    wrong: list[Failure]
    worst: list[ImageErrors]

    @property
    def main(self) -> SubsetResult:
        """The score of the subset with the most faces, which all but the curves and the subsets' table is about."""
        return self.model.result.subsets[self.model.result.main]

    @property
    def faces_found(self) -> int:
        return int(self.judged.found.sum())

    @property
    def faces_missed(self) -> int:
        return int((self.judged.misses >= 0).sum())

    @property
    def false_positives(self) -> int:
        return int((self.judged.false_positives >= 0).sum())


@dataclass(frozen=True, eq=False)
class Pair:
    """The faces that one model finds and another one misses, each at its own score.

    Attributes:
        finder, loser: the models.
        count: number of these faces.
        faces: the largest of them, as failures of the loser.
    """

    finder: Section
    loser: Section
    count: int
    faces: list[Failure]


def sections_of(models: Sequence[Model]) -> list[Section]:
    """Return what is shown of each model; of several, less of each."""
    size = GALLERY if len(models) == 1 else SMALL_GALLERY
    return [_section(model, size) for model in models]


def pairs_of(sections: Sequence[Section]) -> list[Pair]:
    """Return what the first model finds and another one misses, and the reverse, for each other model.

    Args:
        sections: of models that were scored on the same ground truth.
    """
    first = sections[0]
    return [_pair(*pair) for other in sections[1:] for pair in ((first, other), (other, first))]


def _section(model: Model, size: int) -> Section:
    result = model.result
    judged = outcomes(result)
    return Section(
        model=model,
        judged=judged,
        score=shortest_score(result, judged.threshold) if result.subsets[result.main].best else "",
        missed=missed_faces(judged, size),
        wrong=false_positives(judged, size),
        worst=worst_images(judged, WORST_IMAGES),
    )


def _pair(finder: Section, loser: Section) -> Pair:
    count = int((finder.judged.found & ~loser.judged.found).sum())
    return Pair(finder, loser, count, missed_faces(loser.judged, SMALL_GALLERY, among=finder.judged.found))

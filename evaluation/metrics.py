"""What is read off counts: average precision, recall at a rate of false positives, the best F1, confidence."""

from dataclasses import dataclass

import numpy as np

# Of the bootstrap samples lie within a confidence interval: 95 %.
INTERVAL = (0.025, 0.975)
# Samples drawn at a time, which bounds the memory.
BLOCK = 250


@dataclass(frozen=True)
class OperatingPoint:
    """What a detector does when only detections over one score are kept.

    Attributes:
        score: to keep those over it, as --confidence_threshold does; halfway to the next lower score of the set.
        f1, precision, recall: 0..1, of the detections kept.
    """

    score: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, eq=False)
class ExactCounts:
    """Counts at each different score of a set, without the rounding of scores to 1000 thresholds.

    Attributes:
        scores: (S,) falling.
        proposals: (S,) detections of this score or a higher one.
        found: (S,) faces that they find.
        faces: number of faces that count.
    """

    scores: np.ndarray
    proposals: np.ndarray
    found: np.ndarray
    faces: int

    def recall_at(self, false_positives: float) -> float:
        """Return the highest recall with no more false positives in the set than this; nan without faces.

        A proposal that finds no new face is a false positive: the second detection of a face is one too.
        """
        if not self.faces:
            return float("nan")
        allowed = np.searchsorted(self.proposals - self.found, false_positives, side="right")
        return float(self.found[allowed - 1]) / self.faces if allowed else 0.0

    def best_f1(self) -> OperatingPoint | None:
        """Return the point of the highest F1, of equals that of the highest score; None where nothing is found."""
        if not len(self.scores) or not self.found[-1]:
            return None
        f1 = 2 * self.found / (self.proposals + self.faces)
        best = int(f1.argmax())
        score = self.scores[best]
        lower = self.scores[best + 1] if best + 1 < len(self.scores) else np.nextafter(score, -np.inf)
        middle = score / 2 + lower / 2
        return OperatingPoint(
            score=float(middle if middle < score else lower),  # between neighbouring floats there is none
            f1=float(f1[best]),
            precision=float(self.found[best] / self.proposals[best]),
            recall=float(self.found[best] / self.faces),
        )


def exact_counts(scores: np.ndarray, proposed: np.ndarray, finds: np.ndarray, faces: int) -> ExactCounts:
    """Count at each different score.

    Args:
        scores: (D,) falling.
        proposed: (D,) bool, the detections that are proposals.
        finds: (D,) bool, those that find a face that counts, each face once.
        faces: number of faces that count.
    """
    last = np.append(scores[1:] != scores[:-1], True)[: len(scores)]  # of equal scores: none can be kept alone
    return ExactCounts(scores[last], proposed.cumsum()[last], finds.cumsum()[last], faces)


def precision_recall(
    proposals: np.ndarray, found: np.ndarray, faces: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray]:
    """Turn (..., T) running counts into precision and recall, both 0 where there is nothing to divide by."""
    # Without proposals nothing is found either: 0 / 1.
    return found / np.maximum(proposals, 1), found / np.maximum(faces, 1)[..., None]


def average_precision(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Return the area under the precision envelope of (..., T) points ordered by rising recall.

    The envelope at a recall is the best precision at that recall or a higher one; the curve starts at recall 0 and is
    continued to recall 1 with precision 0.
    """
    envelope = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    return np.sum(np.diff(recall, axis=-1, prepend=0) * envelope, axis=-1)


def bootstrap(
    repeats: int,
    seed: int,
    images: int,
    steps: int,
    proposed_at: tuple[np.ndarray, np.ndarray],
    found_at: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Return the average precision of `repeats` sets drawn from the images with replacement (Efron 1979).

    The same seed draws the same images, so that the samples of two detectors can be subtracted. The thresholds
    stay those of the whole set. A draw without faces has an average precision of nan.

    Args:
        images: number of them, P.
        steps: number of thresholds, T.
        proposed_at: the image and the first threshold, each (N,), of every proposal.
        found_at: the image and the first threshold, each (M,), of every face that counts; T: never found.

    Returns:
        (repeats,) float64.
    """
    from scipy.sparse import coo_array  # here, since it takes longer to import than a set takes to score

    proposed, finds = (
        coo_array((np.ones(len(at[0])), at), shape=(images, columns)).tocsr()
        for at, columns in ((proposed_at, steps), (found_at, steps + 1))
    )
    rng = np.random.default_rng(seed)
    samples = np.full(repeats, np.nan)
    for start in range(0, repeats if images else 0, BLOCK):
        block = samples[start : start + BLOCK]
        draws = rng.multinomial(images, np.full(images, 1 / images), size=len(block))
        proposals, found = (draws @ proposed).cumsum(axis=1), (draws @ finds).cumsum(axis=1)
        faces = found[:, -1]
        aps = average_precision(*precision_recall(proposals, found[:, :steps], faces))
        block[faces > 0] = aps[faces > 0]
    return samples


def confidence_interval(samples: np.ndarray) -> tuple[float, float] | None:
    """Return the ends between which 95 % of the (N,) samples lie, nan left out; None where there are no samples."""
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return None
    low, high = np.quantile(samples, INTERVAL)
    return float(low), float(high)

"""Recognize predictions in another convention than x y w h score in pixels, by the faces that they would find.

Predictions in another convention are numbers like any others: they are scored, and AP is near zero. Each convention of
evaluation/box_conventions.py is therefore tried on some images. Where one finds far more faces, a warning names it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from data.annotations import Annotation, image_key
from evaluation.box_conventions import BoxConvention, LabeledRows, plain_conventions, scaled_conventions
from evaluation.image_order import explain_low_recall
from evaluation.inclusive_iou import inclusive_ious
from evaluation.metrics import average_precision, precision_recall
from evaluation.protocol import EvaluationResult
from utils.wording import counted

MOST_IMAGES = 100  # on which conventions are tried
MOST_ROWS = 100  # of an image
MOST_PLACES = 500  # of faces, which are compared with those of further images
IOUS = (0.5, 0.75)
# A convention explains the predictions if it finds this share of the faces more, and this many times as many.
MIN_GAIN, MIN_RATIO = 0.25, 2.0
# One face may be found by chance: by one of many detections, or by a scale that was estimated from it.
MIN_FACES, MIN_FACES_SCALED = 2, 3
FEW_ROWS = 3  # an image, among which none finds a face by chance
MAX_SHARE = 2.0  # pixels; boxes in parts of the image are no larger
MIN_SMALL = 0.05  # share of the images whose boxes look like this
REVERSED_AUC, REVERSED_DEVIATIONS = 0.35, 2.5
AP_LOSS = 0.02


@dataclass(frozen=True)
class Recall:
    """The faces that a convention finds at each of IOUS."""

    found: tuple[int, ...]
    faces: int

    def explains(self, now: "Recall", min_faces: int) -> int | None:
        """Return the index of the first IoU at which this convention finds far more faces than now; None: at none."""
        for index, (new, old) in enumerate(zip(self.found, now.found, strict=True)):
            enough = max(MIN_GAIN * self.faces, min_faces, (MIN_RATIO - 1) * old)
            if new - old >= enough and self.found[0] >= now.found[0]:
                return index
        return None


def convention_warnings(result: EvaluationResult, read_rows: Callable[[str], np.ndarray | None]) -> list[str]:
    """Return sentences on what is unusual about predictions that have been scored.

    Args:
        result: their score.
        read_rows: image_key(name) -> (N, C) numbers of an image's rows as in the file, None where there are none.
    """
    images = sample_images(result.matches.ground_truth, read_rows)
    sentence = explain_boxes(images) or explain_low_recall(result)
    return [
        each for each in (sentence, find_score_column(images), _reversed_scores(result), _coarse_scores(result)) if each
    ]


def sample_images(
    ground_truth: Sequence[Annotation], read_rows: Callable[[str], np.ndarray | None]
) -> list[LabeledRows]:
    """Return images with faces that are not ignored and with predictions, evenly from the whole set."""
    with_faces = [annotation for annotation in ground_truth if not annotation.ignored.all()]
    images = []
    for annotation in with_faces[:: -(-len(with_faces) // MOST_IMAGES) or 1]:
        rows = read_rows(image_key(annotation.name))
        if rows is not None and len(rows):
            images.append(LabeledRows(rows[:MOST_ROWS], annotation.boxes[~annotation.ignored], annotation.size))
    return images


def explain_boxes(images: Sequence[LabeledRows]) -> str | None:
    """Return a sentence that names the likely convention of the boxes; None where x y w h in pixels is the best one."""
    if not images:
        return None
    different = _different_images(images)
    now = _recall(different, BoxConvention())
    columns = min(image.rows.shape[1] for image in images)
    sizes_known = all(image.size for image in images)
    min_faces = MIN_FACES if _many_rows(images) or len(different) < len(images) else 1
    if MIN_RATIO * now.found[0] > now.faces:  # only width and height can be swapped
        best = _best(different, now, [BoxConvention("x y h w")], min_faces)
    else:
        best = _best(different, now, plain_conventions(columns, sizes_known), min_faces)
        best = best or _best(different, now, scaled_conventions(columns, different), MIN_FACES_SCALED)
    if best:
        convention, recall, index = best
        return (
            f"finds {now.found[index]:,} of {counted(now.faces, 'face')} at IoU {IOUS[index]:g}, but"
            f" {recall.found[index]:,} if the rows are read as '{_row_words(convention, images)}'{convention.unit};"
            " expected 'x y w h score' in pixels of the image, x y of the top left corner: convert the predictions"
        )
    boxes = np.concatenate([image.rows[:, :4] for image in images])
    extents = np.array([np.abs(image.rows[:, :4]).max() for image in images])
    if (small := int((extents <= MAX_SHARE).sum())) >= MIN_SMALL * len(images):
        where = "" if small == len(images) else f" of {small:,} of {len(images):,} images"
        return (
            f"all boxes{where} lie within {extents[extents <= MAX_SHARE].max():.2g} pixels: they look like parts of the"
            " image (0 to 1); expected 'x y w h score' in pixels: multiply x and w by the image's width, y and h by its"
            " height"
        )
    scores = np.concatenate([image.rows[:, 4] for image in images])
    first = boxes[:, 0]
    if ((first >= 0) & (first <= 1)).all() and (first % 1 != 0).any() and (scores > 1).all():
        return (
            "all first columns are numbers from 0 to 1 and all scores are above 1: the rows look like 'score x y w h';"
            " expected 'x y w h score'"
        )
    return None


def _different_images(images: Sequence[LabeledRows]) -> list[LabeledRows]:
    """Return the images without those whose faces are all where earlier ones are, as of a fixed camera.

    There a convention that by chance takes one detection to the face does so in all images.
    """
    different, places = [], np.empty((0, 4))
    for image in images:
        if (_best_ious(places, image.faces) < IOUS[0]).any():
            different.append(image)
            places = np.concatenate([places, image.faces])[-MOST_PLACES:]
    return different


def find_score_column(images: Sequence[LabeledRows]) -> str | None:
    """Return a sentence if the fifth column is no score and a later one looks like it."""
    columns = min((image.rows.shape[1] for image in images), default=0)
    rows = np.concatenate([np.empty((0, columns)), *(image.rows[:, :columns] for image in images)])
    if len(rows) < 2 or _varies_from_0_to_1(rows[:, 4]):
        return None
    later = [column for column in range(5, columns) if _varies_from_0_to_1(rows[:, column])]
    if not later:
        return None
    fifth = f"{rows[0, 4]:g}" if np.ptp(rows[:, 4]) == 0 else f"from {rows[:, 4].min():g} to {rows[:, 4].max():g}"
    return (
        f"the fifth column, which is read as the score, is {fifth}, and column {later[-1] + 1} looks like the score;"
        " expected 'x y w h score': drop the columns between"
    )


def _varies_from_0_to_1(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 1)).all() and (values % 1 != 0).any() and np.ptp(values) > 0)


def _best(
    images: Sequence[LabeledRows], now: Recall, conventions: Iterable[BoxConvention], min_faces: int
) -> tuple[BoxConvention, Recall, int] | None:
    """Return the convention that finds most faces, if it finds far more than now, and the index of the IoU."""
    tried = [(convention, _recall(images, convention)) for convention in conventions]
    if not tried:
        return None
    convention, recall = max(tried, key=lambda each: sum(each[1].found))
    index = recall.explains(now, min_faces)
    return None if index is None else (convention, recall, index)


def _recall(images: Sequence[LabeledRows], convention: BoxConvention) -> Recall:
    best = np.concatenate([np.empty(0), *(_best_ious(convention.boxes(image), image.faces) for image in images)])
    return Recall(tuple(int((best >= iou).sum()) for iou in IOUS), len(best))


def _best_ious(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the (F,) highest IoU of each face with one of the (N, 4) boxes that are not empty."""
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    return inclusive_ious(boxes, faces).max(axis=0) if len(boxes) else np.zeros(len(faces))


def _many_rows(images: Sequence[LabeledRows]) -> bool:
    return sum(len(image.rows) for image in images) > FEW_ROWS * len(images)


def _row_words(convention: BoxConvention, images: Sequence[LabeledRows]) -> str:
    """Return what the columns of a row are: those before the box, the box, and the score if it follows."""
    before = [_column_word(images, column) for column in range(convention.first)]
    after = [] if "score" in before else ["score"]
    return " ".join([*before, convention.layout, *after])


def _column_word(images: Sequence[LabeledRows], column: int) -> str:
    values = np.concatenate([image.rows[:, column] for image in images])
    return "class" if (values % 1 == 0).all() else "score"


def _reversed_scores(result: EvaluationResult) -> str | None:
    """Return a sentence if matched detections have lower scores than the others, by the rank-sum test."""
    matches = result.matches
    proposals = ~matches.in_crowd
    scores, matched = matches.detections[proposals, 4], matches.matched[proposals]
    right, wrong = int(matched.sum()), int((~matched).sum())
    if not right or not wrong:
        return None
    _, rank, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[rank]  # the mean rank of equal scores, from 1
    auc = (ranks[matched].sum() - right * (right + 1) / 2) / (right * wrong)
    deviation = np.sqrt((right + wrong + 1) / (12 * right * wrong))
    if auc > REVERSED_AUC or (0.5 - auc) / deviation < REVERSED_DEVIATIONS:
        return None
    return (
        f"the {counted(right, 'matched detection')} have lower scores than the {wrong:,} others (mean"
        f" {scores[matched].mean():.3g} and {scores[~matched].mean():.3g}): the score looks like a distance or the"
        " probability of no face; expected the higher, the surer"
    )


def _coarse_scores(result: EvaluationResult) -> str | None:
    """Return a sentence if the 1000 thresholds from the lowest to the highest score do not separate the scores."""
    subset = result.subsets[result.main]
    if not subset.faces or not len(subset.counts.scores):
        return None
    exact = average_precision(*precision_recall(subset.counts.proposals, subset.counts.found, np.array(subset.faces)))
    if exact - subset.ap < AP_LOSS:
        return None
    scores = result.matches.detections[:, 4]
    return (
        f"most scores lie close together between {scores.min():.4g} and {scores.max():.4g}, and the protocol's 1000"
        f" thresholds do not separate them: AP is {subset.ap:.2%}, with all scores as thresholds {float(exact):.2%};"
        " expected probabilities from 0 to 1"
    )

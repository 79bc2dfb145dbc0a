"""Sentences of the report, written from the figures: where detectors fail."""

from collections.abc import Sequence

from evaluation.error_analysis import false_positives_by_kind, median_box_offset, missed_by_reason, missed_by_size
from evaluation.report.sections import ModelPair, ModelSection
from evaluation.scored_model import ap_differences

# Offset relative to the face's size that is worth a sentence: it lowers the IoU by a fifth.
MIN_OFFSET = 0.1
ALL_IGNORED = "All faces are ignored, so no face can be missed."


def headline(sections: Sequence[ModelSection], pairs: Sequence[ModelPair]) -> list[str]:
    """Return the first sentences of the report, about one model or a comparison of several."""
    if len(sections) == 1:
        return summarize(sections[0])
    if not sections[0].main.faces:
        return [ALL_IGNORED]
    best, second = sorted(sections, key=lambda section: section.main.ap, reverse=True)[:2]
    difference, bounds = ap_differences(second.model, best.model)[best.model.result.main]
    interval = f" (95 % interval {100 * bounds[0]:+.2f} to {100 * bounds[1]:+.2f})" if bounds else ""
    first = (
        f"{best.model.name} has the highest AP, {100 * best.main.ap:.2f} %, {100 * difference:.2f} points"
        f"{interval} more than {second.model.name}."
    )
    return [first, *(_compare(lost, gained) for lost, gained in zip(pairs[::2], pairs[1::2], strict=True))]


def summarize(section: ModelSection) -> list[str]:
    """Return sentences about the errors of one model."""
    detections, faces = len(section.model.result.matches.detections), section.main.faces
    if not faces:
        first = ALL_IGNORED
    elif not detections:
        first = f"There are no detections: all {faces:,} faces are missed."
    elif not section.faces_found:
        first = f"None of the {detections:,} detections finds a face: all {faces:,} faces are missed."
    else:
        found = section.faces_found
        first = f"At score {section.score}, {found:,} of {faces:,} faces are found ({100 * found / faces:.1f} %)."
    return [first, *_about_missed_faces(section), *_about_offsets(section), *_about_false_positives(section)]


def caveats(section: ModelSection) -> list[tuple[str, list[str]]]:
    """Return warnings about the input: a sentence and the names that it is about."""
    model, scores = section.model, section.model.result.matches.detections[:, 4]
    found = []
    if model.missing:
        images = "1 image has" if len(model.missing) == 1 else f"{len(model.missing):,} images have"
        found.append((f"{images} no predictions; all faces there count as missed.", model.missing))
    if model.unknown:
        unknown = "1 prediction is" if len(model.unknown) == 1 else f"{len(model.unknown):,} predictions are"
        found.append((f"{unknown} for images that are not in the ground truth, and not scored.", model.unknown))
    if len(scores) > 1 and scores.min() == scores.max():
        found.append((f"All scores are {scores[0]:g}: the curve is a single point.", []))
    return found


def _compare(lost: ModelPair, gained: ModelPair) -> str:
    name, other = lost.finder.model.name, lost.loser.model.name
    faces = "face" if gained.count == 1 else "faces"
    return f"{other} finds {gained.count:,} {faces} that {name} misses, and misses {lost.count:,} that {name} finds."


def _about_missed_faces(section: ModelSection) -> list[str]:
    if not section.faces_missed or not section.faces_found:
        return []
    size, of_size = max(missed_by_size(section.analysis).items(), key=lambda item: item[1])
    low, placed, undetected = missed_by_reason(section.analysis).values()
    reasons = [
        (low, f"{low:,} {_are(low)} detected with a lower score"),
        (placed, f"{placed:,} {_are(placed)} badly placed"),
        (undetected, f"{undetected:,} {_are(undetected)} not detected"),
    ]
    return [f"Of the {section.faces_missed:,} missed faces, {of_size:,} {_are(of_size)} {size}; {_join(reasons)}."]


def _about_offsets(section: ModelSection) -> list[str]:
    """Report a systematic offset: the detector was trained on other boxes than the ground truth has."""
    right, down = median_box_offset(section.analysis)
    sides = [
        (right, "width", "to the right" if right > 0 else "to the left"),
        (down, "height", "down" if down > 0 else "up"),
    ]
    return [
        f"Half of the boxes are shifted {side} by {100 * abs(offset):.0f} % of the face's {size} or more."
        for offset, size, side in sides
        if abs(offset) >= MIN_OFFSET
    ]


def _about_false_positives(section: ModelSection) -> list[str]:
    wrong = section.false_positives
    if not wrong:
        return ["There are no false positives."] if section.faces_found else []
    nothing, placed, second = false_positives_by_kind(section.analysis).values()
    kinds = [
        (nothing, f"{nothing:,} {_are(nothing)} on no labelled face"),
        (placed, f"{placed:,} {_are(placed)} badly placed on a face"),
        (second, "1 is a second box on a face" if second == 1 else f"{second:,} are second boxes"),
    ]
    return [f"Of {wrong:,} false {'positive' if wrong == 1 else 'positives'}, {_join(kinds)}."]


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _join(parts: Sequence[tuple[int, str]]) -> str:
    """Join the texts of counts that are not 0; there is at least one."""
    texts = [text for number, text in parts if number]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)

"""The report in words: where detectors fail, said from their figures."""

from collections.abc import Sequence

from evaluation.error_analysis import displacement, false_positives_by_kind, missed_by_reason, missed_by_size
from evaluation.model import differences
from evaluation.report.sections import Pair, Section

# In parts of a face's size: what costs a box a fifth of its overlap.
DISPLACED = 0.1


def verdict(sections: Sequence[Section], pairs: Sequence[Pair]) -> list[str]:
    """Say in a few sentences what there is to know first, of one model or of several."""
    if len(sections) == 1:
        return summary(sections[0])
    if not sections[0].main.faces:
        return ["No face counts, so that none can be missed."]
    best, second = sorted(sections, key=lambda section: section.main.ap, reverse=True)[:2]
    difference, ends = differences(second.model, best.model)[best.model.result.main]
    interval = f" (95 % interval {100 * ends[0]:+.2f} to {100 * ends[1]:+.2f})" if ends else ""
    first = (
        f"{best.model.name} has the highest AP, {100 * best.main.ap:.2f} %, {100 * difference:.2f} points"
        f"{interval} more than {second.model.name}."
    )
    return [first, *(_say_differences(lost, gained) for lost, gained in zip(pairs[::2], pairs[1::2], strict=True))]


def summary(section: Section) -> list[str]:
    """Say in a few sentences where a model fails."""
    detections, faces = len(section.model.result.matches.detections), section.main.faces
    if not faces:
        first = "No face counts, so that none can be missed."
    elif not detections:
        first = f"Nothing was detected: all {faces:,} faces are missed."
    elif not section.faces_found:
        first = f"None of the {detections:,} detections is on a face that counts: all {faces:,} faces are missed."
    else:
        found = section.faces_found
        first = f"At score {section.score}, {found:,} of {faces:,} faces are found ({100 * found / faces:.1f} %)."
    return [first, *_say_missed(section), *_say_displaced(section), *_say_wrong(section)]


def warnings(section: Section) -> list[tuple[str, list[str]]]:
    """Return what a reader must know before the figures: sentences, each with the names that it is about."""
    model, scores = section.model, section.model.result.matches.detections[:, 4]
    found = []
    if model.missing:
        images = "1 image has" if len(model.missing) == 1 else f"{len(model.missing):,} images have"
        found.append((f"{images} no predictions; nothing counts as found there.", model.missing))
    if model.unknown:
        those = "1 prediction is" if len(model.unknown) == 1 else f"{len(model.unknown):,} predictions are"
        found.append((f"{those} for no image of the ground truth, and not scored.", model.unknown))
    if len(scores) > 1 and scores.min() == scores.max():
        found.append((f"All scores are {scores[0]:g}: the curve is a single point.", []))
    return found


def _say_differences(lost: Pair, gained: Pair) -> str:
    name, other = lost.finder.model.name, lost.loser.model.name
    faces = "face" if gained.count == 1 else "faces"
    return f"{other} finds {gained.count:,} {faces} that {name} misses, and misses {lost.count:,} that {name} finds."


def _say_missed(section: Section) -> list[str]:
    if not section.faces_missed or not section.faces_found:
        return []
    size, of_size = max(missed_by_size(section.judged).items(), key=lambda item: item[1])
    low, placed, unseen = missed_by_reason(section.judged).values()
    reasons = [
        (low, f"{low:,} {_are(low)} detected with a lower score"),
        (placed, f"{placed:,} {_are(placed)} boxed too badly"),
        (unseen, f"{unseen:,} {_are(unseen)} not seen at all"),
    ]
    return [f"Of the {section.faces_missed:,} missed, {of_size:,} {_are(of_size)} {size}; {_list(reasons)}."]


def _say_displaced(section: Section) -> list[str]:
    """Say where most boxes are off to one side: the detector learnt other boxes than the labels have."""
    right, below = displacement(section.judged)
    sides = [
        (right, "width", "to the right" if right > 0 else "to the left"),
        (below, "height", "down" if below > 0 else "up"),
    ]
    return [
        f"Half of the boxes sit {100 * abs(part):.0f} % of the face's {size} or more too far {side}."
        for part, size, side in sides
        if abs(part) >= DISPLACED
    ]


def _say_wrong(section: Section) -> list[str]:
    wrong = section.false_positives
    if not wrong:
        return ["There are no false positives."] if section.faces_found else []
    nothing, placed, second = false_positives_by_kind(section.judged).values()
    kinds = [
        (nothing, f"{nothing:,} {_are(nothing)} on no labelled face"),
        (placed, f"{placed:,} {_are(placed)} badly placed on one"),
        (second, "1 is a second box on one" if second == 1 else f"{second:,} are second boxes"),
    ]
    return [f"Of {wrong:,} false {'positive' if wrong == 1 else 'positives'}, {_list(kinds)}."]


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _list(parts: Sequence[tuple[int, str]]) -> str:
    """Join the texts whose numbers are not 0, at least one."""
    texts = [text for number, text in parts if number]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)

"""report.html: one page, without a file or a request beside it, that shows where detectors fail."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.error_analysis import (
    Failure,
    ImageErrors,
    false_positives_by_kind,
    missed_by_reason,
    score_samples,
)
from evaluation.metrics import confidence_interval
from evaluation.model import Model, differences
from evaluation.protocol import FALSE_POSITIVE_RATES, GroupResult
from evaluation.report.crops import Part, cut
from evaluation.report.pr_plots import COLOURS, DASHES, curve_points, panels_of, score_histogram
from evaluation.report.sections import Section, pairs_of, sections_of
from evaluation.report.sentences import summary, verdict, warnings
from utils.files import write_text
from utils.version import VERSION

TEMPLATES = Path(__file__).with_name("templates")
# A group is weak if its recall is this much below that of all faces; under so many faces that is chance.
WEAK, FEW = 0.1, 10
# Of a kind in one image: more could not be told apart.
MOST_BOXES = 1000
GROUP_TITLES = {"size": "Size, the side of a square of the box's area", "height": "Height, share of the image's"}


@dataclass(frozen=True)
class Cell:
    """How a model does on a group of faces.

    Attributes:
        recall: share of the faces that is found at the model's score, 0..1; nan without faces.
        missed: number of the others.
        ap: average precision, 0..1; nan without faces.
        weak: whether the recall is much lower than that of all faces.
    """

    recall: float
    missed: int
    ap: float
    weak: bool


def write_page(path: Path, models: Sequence[Model], ground_truth: Path, images: Mapping[str, Path]) -> None:
    """Write the report of one model, or of several on the same ground truth, compared with the first.

    An image that is missing or cannot be read leaves its entry without a crop.

    Args:
        path: the HTML file.
        models: at least one.
        ground_truth: the path that it was read from, to be named.
        images: image_key(name) -> file; empty: the page has no crops.

    Raises:
        UserError: the page cannot be written.
    """
    sections = sections_of(models)
    pairs = pairs_of(sections)
    shown = [failure for section in sections for failure in section.missed + section.wrong]
    parts = [_part(failure) for failure in shown + [failure for pair in pairs for failure in pair.faces]]
    parts += [Part(errors.name) for section in sections for errors in section.worst]
    views = cut(parts, images) if images else {}
    page = _template().render(
        version=VERSION,
        ground_truth=ground_truth,
        result=models[0].result,
        verdict=verdict(sections, pairs),
        sections=sections,
        pairs=pairs,
        panels=_curves(models),
        tables=_group_tables(sections),
        differences=[differences(models[0], model) for model in models[1:]],
        view_of=lambda failure: views.get(_part(failure)),
        image_of=lambda errors: views.get(Part(errors.name)),
        has_images=bool(images),
        rates=FALSE_POSITIVE_RATES,
        colours=COLOURS,
    )
    # A file's name may hold bytes that are no text, which UTF-8 has no place for.
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))


def _template():
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here, since only the report needs it

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "percent": _percent,
        "signed": lambda value: "-" if math.isnan(value) else f"{100 * value:+.2f}",
        "score": "{:.4f}".format,
        "interval": lambda score: confidence_interval(score.samples),
        "ltwh": _ltwh,
        "box_path": lambda box: _box_path([box]),
        "overlap": _overlap,
        "summary": summary,
        "warnings": warnings,
        "face_outcomes": _face_outcomes,
        "detection_outcomes": _detection_outcomes,
        "spread": _spread,
        "boxes_in": _boxes_in,
    }
    return environment.get_template("page.html")


def _part(failure: Failure) -> Part:
    """Return what to show of a failure: the surroundings of both of its boxes."""
    x1, y1, x2, y2 = failure.box
    if failure.other:
        left, top, right, bottom = failure.other
        x1, y1, x2, y2 = min(x1, left), min(y1, top), max(x2, right), max(y2, bottom)
    return Part(failure.name, (x1, y1, x2, y2))


def _face_outcomes(section: Section) -> list[tuple[str, str, int]]:
    """Return (name, CSS class, number) of what becomes of the faces that count."""
    missed = zip(missed_by_reason(section.judged).items(), ("low", "placed", "unseen"), strict=True)
    return [("found", "found", section.faces_found), *((name, css, number) for (name, number), css in missed)]


def _detection_outcomes(section: Section) -> list[tuple[str, str, int]]:
    """Return (name, CSS class, number) of what becomes of the detections that are kept."""
    kept = int((section.model.result.matches.detections[:, 4] > section.judged.threshold).sum())
    wrong = zip(false_positives_by_kind(section.judged).items(), ("nothing", "beside", "second"), strict=True)
    void = kept - section.faces_found - section.false_positives
    return [
        ("finds a face", "found", section.faces_found),
        *((name, css, number) for (name, number), css in wrong),
        ("void: on a face that does not count", "void", void),
    ]


def _overlap(value: float) -> str:
    return f"IoU\u00a0{math.floor(100 * value) / 100:.2f}"  # down, so that 0.498 does not look like enough


def _group_tables(sections: Sequence[Section]) -> list[tuple[str, list[tuple[str, int, list[Cell]]]]]:
    """Return (title, rows of (group, faces, a cell per model)); the first has one row, of all faces that count."""
    tables = [("", [("all faces that count", sections[0].main.faces, [_cell(s, s.main) for s in sections])])]
    for kind, groups in sections[0].model.result.groups.items():
        rows = [
            (name, group.faces, [_cell(section, section.model.result.groups[kind][name]) for section in sections])
            for name, group in groups.items()
        ]
        tables.append((GROUP_TITLES.get(kind, kind), rows))
    return tables


def _cell(section: Section, group: GroupResult) -> Cell:
    recall = group.found_at_best / group.faces if group.faces else math.nan
    weak = group.faces >= FEW and recall <= section.main.found_at_best / section.main.faces - WEAK
    return Cell(recall, group.faces - group.found_at_best, group.ap, weak)


def _curves(models: Sequence[Model]) -> list[tuple[str, list[dict]]]:
    """Return (title, lines) of each plot of precision over recall; points are in % from the upper left corner."""
    return [
        (
            panel.title,
            [
                {
                    "name": name,
                    "score": score,
                    "colour": index % len(COLOURS),
                    "dash": DASHES[index // len(COLOURS) % len(DASHES)],
                    "points": " ".join(f"{100 * r:.1f},{100 - 100 * p:.1f}" for r, p in curve_points(score)),
                }
                for index, (name, score) in enumerate(panel.lines.items())
            ],
        )
        for panel in panels_of(models)
    ]


def _spread(section: Section) -> dict:
    """Return the histograms of the scores of right and wrong detections; places are in % from the upper left corner.

    Counts are drawn on a logarithmic scale, since a detector gives thousands of detections that nobody keeps.
    """
    edges, histograms = score_histogram(*score_samples(section.model.result))
    most = max(1, *(int(counts.max()) for counts in histograms))
    floor = 0.5  # so that a single detection has a height
    top = math.log(1.25 * most / floor)
    low, high = edges[0], edges[-1]

    def y(number: float) -> float:
        return 100 - 100 * math.log(max(number, floor) / floor) / top

    def outline(counts: np.ndarray) -> str:
        x = np.linspace(0, 100, len(counts) + 1)
        steps = [f"V{y(number):.1f}H{right:g}" for number, right in zip(counts, x[1:], strict=True)]
        return f"M0 100{''.join(steps)}V100Z"

    return {
        "right": outline(histograms[0]),
        "wrong": outline(histograms[1]),
        "heights": [(f"{10**power:,}", y(10**power)) for power in range(int(math.log10(most)) + 1)],
        "scores": [(f"{low + part * (high - low):.3g}", 100 * part) for part in (0, 0.2, 0.4, 0.6, 0.8, 1)],
        "threshold": 100 * (section.judged.threshold - low) / (high - low) if section.score else None,
    }


def _boxes_in(section: Section, errors: ImageErrors) -> list[tuple[str, str]]:
    """Return (CSS class, outlines) of the found faces, the missed faces and the false positives in one image."""
    judged, matches = section.judged, section.judged.matches
    faces, detections = matches.face_images == errors.image, matches.detection_images == errors.image
    return [
        ("found", _box_path(matches.faces[faces & judged.found][:MOST_BOXES])),
        ("missed", _box_path(matches.faces[faces & (judged.misses >= 0)][:MOST_BOXES])),
        ("wrong", _box_path(matches.detections[detections & (judged.false_positives >= 0)][:MOST_BOXES])),
    ]


def _box_path(boxes: Sequence[Sequence[float]]) -> str:
    return "".join(f"M{x1:.1f} {y1:.1f}H{x2:.1f}V{y2:.1f}H{x1:.1f}Z" for x1, y1, x2, y2 in (box[:4] for box in boxes))


def _ltwh(box: Sequence[float]) -> str:
    """Return a box as label files have it: x y w h."""
    x1, y1, x2, y2 = box
    return " ".join(f"{round(value, 1):g}" for value in (x1, y1, x2 - x1, y2 - y1))


def _percent(value: float, digits: int = 2) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.{digits}f} %"

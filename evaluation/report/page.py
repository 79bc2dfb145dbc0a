"""report.html: one self-contained page that shows the errors of detectors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.error_analysis import DetectorError, false_positives_by_kind, missed_by_reason
from evaluation.protocol import GroupResult
from evaluation.report.crops import CropRequest, cut_crops
from evaluation.report.pr_plots import COLORS
from evaluation.report.sections import ModelSection, make_pairs, make_sections
from evaluation.report.sentences import caveats, headline, summarize
from evaluation.report.svg_charts import box_path, curve_charts, error_outlines, histogram_chart
from evaluation.reported_metrics import AP, BEST_F1, REPORTED_METRICS, format_percent
from evaluation.scored_model import ScoredModel, ap_differences
from utils.files import write_text
from utils.version import VERSION

TEMPLATES = Path(__file__).with_name("templates")
# A group is weak if its recall is this much below that of all faces; fewer faces are too few to tell.
WEAK_RECALL_GAP, MIN_FACES = 0.1, 10
GROUP_TITLES = {"size": "Size, square root of the box's area", "height": "Height, relative to the image"}


@dataclass(frozen=True)
class GroupCell:
    """The score of a model on a group of faces.

    Attributes:
        recall: share of the faces found at the model's score, 0..1; nan without faces.
        missed: number of missed faces.
        ap: average precision, 0..1; nan without faces.
        weak: whether the recall is much lower than that of all faces.
    """

    recall: float
    missed: int
    ap: float
    weak: bool


def write_page(path: Path, models: Sequence[ScoredModel], ground_truth: Path, images: Mapping[str, Path]) -> None:
    """Write the report of one model, or of several on the same ground truth, compared with the first.

    The entry of an image that is missing or cannot be read has no crop.

    Args:
        path: the HTML file.
        models: at least one.
        ground_truth: path of the ground truth, to be shown.
        images: image_key(name) -> file; without images the page has no crops.

    Raises:
        UserError: the page cannot be written.
    """
    sections = make_sections(models)
    pairs = make_pairs(sections)
    errors = [error for section in sections for error in section.missed + section.wrong]
    requests = [_crop_request(error) for error in errors + [error for pair in pairs for error in pair.faces]]
    requests += [CropRequest(image.name) for section in sections for image in section.worst]
    views = cut_crops(requests, images) if images else {}
    page = _template().render(
        version=VERSION,
        ground_truth=ground_truth,
        result=models[0].result,
        headline=headline(sections, pairs),
        sections=sections,
        pairs=pairs,
        curve_charts=curve_charts(models),
        tables=_group_tables(sections),
        differences=[ap_differences(models[0], model) for model in models[1:]],
        crop_of=lambda error: views.get(_crop_request(error)),
        view_of=lambda image: views.get(CropRequest(image.name)),
        has_images=bool(images),
        metrics=REPORTED_METRICS,
        ap=AP,
        best_f1=BEST_F1,
        colors=COLORS,
    )
    # File names may hold bytes that are not UTF-8.
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))


def _template():
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here: only the report needs it

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": "{:,}".format,
        "percent": lambda value, digits=2: format_percent(value, digits, " %"),
        "signed": lambda value: "-" if math.isnan(value) else f"{100 * value:+.2f}",
        "score": "{:.4f}".format,
        "iou": lambda value: f"IoU\u00a0{math.floor(100 * value) / 100:.2f}",  # down: 0.498 must not look like 0.5
        "xywh": _xywh,
        "box_path": lambda box: box_path([box]),
        "summary": summarize,
        "caveats": caveats,
        "face_outcomes": _face_outcomes,
        "detection_outcomes": _detection_outcomes,
        "histogram": histogram_chart,
        "error_outlines": error_outlines,
    }
    return environment.get_template("page.html")


def _crop_request(error: DetectorError) -> CropRequest:
    """Return the crop of an error: around both of its boxes."""
    x1, y1, x2, y2 = error.box
    if error.other:
        left, top, right, bottom = error.other
        x1, y1, x2, y2 = min(x1, left), min(y1, top), max(x2, right), max(y2, bottom)
    return CropRequest(error.name, (x1, y1, x2, y2))


def _face_outcomes(section: ModelSection) -> list[tuple[str, str, int]]:
    """Return (name, CSS class, number) of each outcome of the faces."""
    missed = zip(missed_by_reason(section.analysis).items(), ("low", "placed", "unseen"), strict=True)
    return [("found", "found", section.faces_found), *((name, css, number) for (name, number), css in missed)]


def _detection_outcomes(section: ModelSection) -> list[tuple[str, str, int]]:
    """Return (name, CSS class, number) of each outcome of the detections above the score."""
    kept = int((section.model.result.matches.detections[:, 4] > section.analysis.threshold).sum())
    wrong = zip(false_positives_by_kind(section.analysis).items(), ("nothing", "beside", "second"), strict=True)
    ignored = kept - section.faces_found - section.false_positives
    return [
        ("finds a face", "found", section.faces_found),
        *((name, css, number) for (name, number), css in wrong),
        ("on an ignored face", "ignored", ignored),
    ]


def _group_tables(sections: Sequence[ModelSection]) -> list[tuple[str, list[tuple[str, int, list[GroupCell]]]]]:
    """Return (title, rows of (group, faces, a cell per model)); the first table has one row, of all faces."""
    tables = [("", [("all faces", sections[0].main.faces, [_group_cell(s, s.main) for s in sections])])]
    for kind, groups in sections[0].model.result.groups.items():
        rows = [
            (name, group.faces, [_group_cell(section, section.model.result.groups[kind][name]) for section in sections])
            for name, group in groups.items()
        ]
        tables.append((GROUP_TITLES.get(kind, kind), rows))
    return tables


def _group_cell(section: ModelSection, group: GroupResult) -> GroupCell:
    recall = group.found_at_best / group.faces if group.faces else math.nan
    weak = group.faces >= MIN_FACES and recall <= section.main.found_at_best / section.main.faces - WEAK_RECALL_GAP
    return GroupCell(recall, group.faces - group.found_at_best, group.ap, weak)


def _xywh(box: Sequence[float]) -> str:
    """Return a box as in label files: x y w h."""
    x1, y1, x2, y2 = box
    return " ".join(f"{round(value, 1):g}" for value in (x1, y1, x2 - x1, y2 - y1))

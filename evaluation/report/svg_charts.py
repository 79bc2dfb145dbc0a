"""Charts and boxes of the report as SVG coordinates, which scale with the page and follow its color scheme."""

import math
from collections.abc import Sequence

import numpy as np

from evaluation.error_analysis import ImageErrors, true_and_false_scores
from evaluation.report.pr_plots import COLORS, DASHES, curve_panels, curve_points
from evaluation.report.sections import ModelSection
from evaluation.scored_model import ScoredModel

BINS = 50
# Boxes of one kind drawn in an image: more could not be told apart.
MAX_BOXES = 1000


def curve_charts(models: Sequence[ScoredModel]) -> list[tuple[str, list[dict]]]:
    """Return (title, lines) of each precision-recall plot; points are in % from the upper left corner."""
    return [
        (
            panel.title,
            [
                {
                    "name": name,
                    "score": score,
                    "color": index % len(COLORS),
                    "dash": DASHES[index // len(COLORS) % len(DASHES)],
                    "points": " ".join(f"{100 * r:.1f},{100 - 100 * p:.1f}" for r, p in curve_points(score)),
                }
                for index, (name, score) in enumerate(panel.lines.items())
            ],
        )
        for panel in curve_panels(models)
    ]


def histogram_chart(section: ModelSection) -> dict:
    """Return the score histograms of true and false positives, in % from the upper left corner.

    Counts have a logarithmic scale: thousands of detections have a score that nobody keeps.
    """
    edges, histograms = score_histogram(*true_and_false_scores(section.model.result))
    highest = max(1, *(int(counts.max()) for counts in histograms))
    floor = 0.5  # makes a single detection visible
    top = math.log(1.25 * highest / floor)
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
        "counts": [(f"{10**power:,}", y(10**power)) for power in range(int(math.log10(highest)) + 1)],
        "scores": [(f"{low + part * (high - low):.3g}", 100 * part) for part in (0, 0.2, 0.4, 0.6, 0.8, 1)],
        "threshold": 100 * (section.analysis.threshold - low) / (high - low) if section.score else None,
    }


def score_histogram(*samples: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Count scores in BINS equal bins.

    Args:
        samples: (N,) scores each.

    Returns:
        edges: (BINS + 1,), from 0 to 1 if all scores are in that range, else from the lowest to the highest score,
            with a margin if these are almost equal.
        counts: (BINS,) int64 for each sample.
    """
    scores = np.concatenate(samples)
    low, high = (scores.min(), scores.max()) if len(scores) else (0.0, 1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif high - low < 1e-6 * max(abs(low), abs(high)):  # no room for bins between them
        low, high = low - max(1.0, abs(low)), high + max(1.0, abs(high))
    edges = np.histogram_bin_edges([], BINS, (low, high))
    return edges, [np.histogram(sample, edges)[0] for sample in samples]


def error_outlines(section: ModelSection, errors: ImageErrors) -> list[tuple[str, str]]:
    """Return (CSS class, path) of the found faces, missed faces and false positives in one image."""
    analysis, matches = section.analysis, section.analysis.matches
    faces, detections = matches.face_images == errors.image, matches.detection_images == errors.image
    return [
        ("found", box_path(matches.faces[faces & analysis.found][:MAX_BOXES])),
        ("missed", box_path(matches.faces[faces & analysis.missed][:MAX_BOXES])),
        ("wrong", box_path(matches.detections[detections & analysis.false_positive][:MAX_BOXES])),
    ]


def box_path(boxes: Sequence[Sequence[float]]) -> str:
    """Return the SVG path of (N, 4 or more) boxes x1 y1 x2 y2."""
    return "".join(f"M{x1:.1f} {y1:.1f}H{x2:.1f}V{y2:.1f}H{x1:.1f}Z" for x1, y1, x2, y2 in (box[:4] for box in boxes))

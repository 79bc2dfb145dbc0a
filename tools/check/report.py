"""The findings and the numbers as text, and as JSON."""

import json
from collections.abc import Iterator, Sequence

from tools.check.findings import KINDS, Finding
from tools.check.summary import MEASURES, QUANTILES, THRESHOLDS
from utils.wording import printable

SHOWN = 10  # places of each kind


def to_json(parts: dict[str, dict], findings: Sequence[Finding], learnable: dict | None) -> str:
    """Return everything as JSON."""
    every = [
        {"kind": found.kind, "error": KINDS[found.kind].is_error, "part": found.part, "where": found.where,
         "message": found.message}
        for found in findings
    ]  # fmt: skip
    return json.dumps({"parts": parts, "priors": learnable, "findings": every}, indent=1)  # ASCII, for any terminal


def to_text(parts: dict[str, dict], findings: Sequence[Finding], learnable: dict | None) -> str:
    """Return the report for a terminal: what was found by kind, the first places of each, and the numbers."""
    lines = [*_findings(findings), *_counts(parts), *_quantiles(parts)]
    if learnable:
        lines += _priors(learnable)
    return "\n".join([*lines, _verdict(findings)])


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    for kind, words in KINDS.items():
        found = [finding for finding in findings if finding.kind == kind]
        if found:
            yield f"{'error' if words.is_error else 'look at'}: {words.heading} ({len(found)})"
            yield from (f"  {printable(str(finding), 300)}" for finding in found[:SHOWN])
            if len(found) > SHOWN:
                yield f"  and {len(found) - SHOWN} more, which --json has"
            yield ""


def _counts(parts: dict[str, dict]) -> Iterator[str]:
    yield f"{'':12}{'images':>10}{'of TV Face':>12}{'listed':>10}{'faces':>10}{'landmarks':>11}{'no face':>9}"
    for name, part in parts.items():
        published = "" if part["pictures_of_tv_face"] is None else part["pictures_of_tv_face"]
        yield (
            f"{printable(name):12}{part['pictures']:>10}{published:>12}{part['records']:>10}{part['faces']:>10}"
            f"{part['faces_with_landmarks']:>11}{part['records_without_faces']:>9}"
        )
    yield ""


def _quantiles(parts: dict[str, dict]) -> Iterator[str]:
    for name, part in parts.items():
        words = ["least", *(f"{share} %" for share in QUANTILES[1:-1]), "most"]
        yield f"{printable(name):36}" + "".join(f"{word:>9}" for word in words)
        for measure, values in part["quantiles"].items():
            yield f"  {MEASURES[measure]:34}" + "".join(f"{value:>9.4g}" for value in values)
        yield ""


def _priors(learnable: dict) -> Iterator[str]:
    shares = " and ".join(
        f"{100 * share:.1f} % by {threshold}" for share, threshold in zip(learnable["shares"], THRESHOLDS, strict=True)
    )
    size = learnable["image_size"]
    yield (
        f"A training sees random crops of {learnable['part']}, scaled to {size} px. Of the {learnable['faces']:,} faces"
        f" in those of an epoch (median {learnable['median_size']:g} px), prior boxes {learnable['min_sizes']} overlap"
        f" {shares}."
    )
    if learnable["median_size_of_unlearnt"] is not None:
        yield (
            f"The rest cannot be learnt (median {learnable['median_size_of_unlearnt']:g} px); a larger --image_size"
            " makes small faces larger."
        )
    if learnable["suggested_min_sizes"]:
        share = learnable["suggested_shares"][0]
        yield (
            f"With min_sizes {learnable['suggested_min_sizes']} in data/config.py it would be {100 * share:.1f} % by"
            f" {THRESHOLDS[0]}; published weights fit the published sizes only."
        )
    else:
        yield "Other min_sizes would not be worth a change."
    yield ""


def _verdict(findings: Sequence[Finding]) -> str:
    errors = sum(KINDS[finding.kind].is_error for finding in findings)
    if not findings:
        return "Nothing wrong was found."
    return f"errors: {errors}, places to look at: {len(findings) - errors}"

"""The report of findings and numbers, as text and as JSON."""

import json
from collections.abc import Iterator, Sequence

from tools.check.findings import FINDING_KINDS, Finding
from tools.check.summary import IOU_LEVELS
from tools.statistics.measures import quantile_table
from utils.wording import printable

MAX_PLACES = 10  # per kind in the text


def to_json(splits: dict[str, dict], findings: Sequence[Finding], priors: dict | None) -> str:
    """Return everything as JSON."""
    rows = [
        {"kind": found.kind, "error": FINDING_KINDS[found.kind].is_error, "part": found.split, "where": found.where,
         "message": found.message}
        for found in findings
    ]  # fmt: skip
    return json.dumps({"parts": splits, "priors": priors, "findings": rows}, indent=1)  # ASCII, for any terminal


def to_text(splits: dict[str, dict], findings: Sequence[Finding], priors: dict | None) -> str:
    """Return the report for a terminal: findings by kind with their first places, then the numbers."""
    lines = [*_findings(findings), *_remarks(splits), *_counts(splits)]
    for name, split in splits.items():
        lines += [*quantile_table(name, split["quantiles"]), ""]
    if priors:
        lines += [*_priors(priors), ""]
    return "\n".join([*lines, _verdict(findings)])


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    for name, kind in FINDING_KINDS.items():
        found = [finding for finding in findings if finding.kind == name]
        if found:
            yield f"{'error' if kind.is_error else 'look at'}: {kind.heading} ({len(found)})"
            yield from (f"  {printable(str(finding), 300)}" for finding in found[:MAX_PLACES])
            if len(found) > MAX_PLACES:
                yield f"  and {len(found) - MAX_PLACES} more; --json lists all"
            yield ""


def _remarks(splits: dict[str, dict]) -> Iterator[str]:
    lines = [f"{printable(name)}: {remark}" for name, split in splits.items() for remark in split["remarks"]]
    yield from lines
    yield from [""] * bool(lines)


def _counts(splits: dict[str, dict]) -> Iterator[str]:
    yield f"{'':12}{'images':>10}{'of TV Face':>12}{'listed':>10}{'faces':>10}{'landmarks':>11}{'no face':>9}"
    for name, split in splits.items():
        published = "" if split["pictures_of_tv_face"] is None else split["pictures_of_tv_face"]
        yield (
            f"{printable(name):12}{split['pictures']:>10}{published:>12}{split['records']:>10}{split['faces']:>10}"
            f"{split['faces_with_landmarks']:>11}{split['records_without_faces']:>9}"
        )
    yield ""


def _priors(priors: dict) -> Iterator[str]:
    shares = " and ".join(
        f"{100 * share:.1f} % at IoU >= {level}" for share, level in zip(priors["shares"], IOU_LEVELS, strict=True)
    )
    yield (
        f"Training samples of {priors['part']} are random crops (of the published recipe), scaled to"
        f" {priors['image_size']} px. Of the {priors['faces']:,} faces in the samples of one epoch (median"
        f" {priors['median_size']:g} px), prior boxes"
        f" {priors['min_sizes']} match {shares}."
    )
    if priors["median_size_of_unlearnt"] is not None:
        yield (
            f"No prior box matches the rest (median {priors['median_size_of_unlearnt']:g} px). A larger --image_size"
            " enlarges small faces."
        )
    if priors["suggested_min_sizes"]:
        yield (
            f"min_sizes {priors['suggested_min_sizes']} in data/config.py would match"
            f" {100 * priors['suggested_shares'][0]:.1f} % at IoU >= {IOU_LEVELS[0]}. Published weights fit the"
            " published sizes only."
        )
    else:
        yield "Other min_sizes would match hardly more."


def _verdict(findings: Sequence[Finding]) -> str:
    errors = sum(FINDING_KINDS[finding.kind].is_error for finding in findings)
    if not findings:
        return "Nothing wrong was found."
    return f"errors: {errors}, places to look at: {len(findings) - errors}"

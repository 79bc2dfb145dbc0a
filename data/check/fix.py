"""Cleaned copies of annotations, beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.annotations import Annotation, write_annotations
from data.check.copies import Copy
from data.check.labels import Labels
from data.check.parts import Part
from data.check.pictures import Looks
from utils.files import refuse_existing


def fixed_path(part: Part) -> Path:
    """Return where the cleaned copy of a part's annotation goes: label_fixed.txt for label.txt.

    Raises:
        UserError: something is there.
    """
    path = part.path.with_name(f"{part.path.stem}_fixed{part.path.suffix}")
    refuse_existing(path)
    return path


def write_fixed(
    parts: Sequence[Part], looks: Sequence[Looks], labels: Sequence[Labels], copies: Sequence[Copy]
) -> Iterator[str]:
    """Write the cleaned copies, in the formats of the annotations, and say of each what was done.

    What could not be read is not in them, nor are pictures that are missing or cannot be read. A picture that is
    listed twice is there once, with the faces of both. Boxes are clipped to their pictures; empty ones, those outside
    and those of faces labelled twice are left out. Of equal files, one is kept, and of those in two parts that of the
    later part, where scores are measured. The rest is for people to decide. What no reader looks at, such as objects
    that are no faces, is not copied.

    Raises:
        UserError: a copy cannot be written, or is there already.
    """
    dropped = _dropped_copies(parts, copies)
    for number, (part, look, label) in enumerate(zip(parts, looks, labels, strict=True)):
        left_out = set(look.problems) | {-1} | dropped[number]
        cleaned = [
            _merged(part, label, np.flatnonzero(label.first == record))
            for record in np.flatnonzero(label.first == np.arange(len(label.first))).tolist()
            if label.file[record] not in left_out
        ]
        path = fixed_path(part)
        if cleaned:
            sentences = write_annotations(cleaned, path, part.kind, images=part.images)
            faces = sum(len(annotation.boxes) for annotation in cleaned)
            before = f"{len(part.annotations)} records and {len(part.annotations.boxes)} faces could be read"
            yield f"{path}: written, with {len(cleaned)} pictures and {faces} faces, where {before}"
            yield from (f"{path}: {sentence}" for sentence in sentences)
        else:
            yield f"{path}: not written, since nothing would be left"


def _dropped_copies(parts: Sequence[Part], copies: Sequence[Copy]) -> list[set[int]]:
    """Return the files of each part that are left out since others are equal to them."""
    ends = np.cumsum([len(part.files) for part in parts])
    dropped = [set() for _ in parts]
    for copy in copies:
        here, there = np.searchsorted(ends, [copy.picture, copy.earlier], side="right").tolist()
        if copy.likeness == 1:
            number, picture = (here, copy.picture) if here == there else (there, copy.earlier)
            dropped[number].add(picture - int(ends[number]) + len(parts[number].files))
    return dropped


def _merged(part: Part, labels: Labels, records: np.ndarray) -> Annotation:
    """Return one record of several of the same picture, with their good faces."""
    found = []
    for record in records.tolist():
        one = part.annotations[record]
        end = int(part.annotations.ends[record])
        faces = slice(end - len(one.boxes), end)
        good = labels.whole[faces]
        found.append(
            replace(
                one,
                boxes=labels.clipped[faces][good],
                landmarks=one.landmarks[good],
                attributes={name: values[good] for name, values in one.attributes.items()},
                subsets={name: values[good] for name, values in one.subsets.items()},
            )
        )
    first = found[0]
    return replace(
        first,
        boxes=np.concatenate([one.boxes for one in found]),
        landmarks=np.concatenate([one.landmarks for one in found]),
        attributes={name: np.concatenate([one.attributes[name] for one in found]) for name in first.attributes},
        subsets={name: np.concatenate([one.subsets[name] for one in found]) for name in first.subsets},
    )

"""Cleaned copies of annotations, beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.annotations import Annotation, write_annotations
from data.annotations.fitting import FORMS
from data.check.copies import Copy
from data.check.labels import Labels, groups
from data.check.parts import Part, fixed_name
from data.check.pictures import Looks
from data.pictures import picture_key
from utils.files import refuse_existing


def refuse_fixed(part: Part) -> None:
    """Raise UserError where something is in the place of a cleaned copy."""
    for path in (_fixed_annotation(part), *map(_fixed_list, part.lists)):
        refuse_existing(path)


def write_fixed(
    parts: Sequence[Part], looks: Sequence[Looks], labels: Sequence[Labels], copies: Sequence[Copy]
) -> Iterator[str]:
    """Write the cleaned copies, in the formats of the annotations, and say of each what was done.

    What could not be read is not in them, nor are pictures that are missing or cannot be read. A picture that is
    listed twice is there once, with the faces of both. Boxes are clipped to their pictures; empty ones, those outside
    and those of faces labelled twice are left out. Of equal files, that with the most faces is kept, and of those in
    two parts that of the later part, where scores are measured. The rest is for people to decide. What no reader looks
    at, such as objects that are no faces, is not copied.

    Raises:
        UserError: a copy cannot be written, or is there already.
    """
    dropped = _dropped_copies(parts, labels, copies)
    for number, (part, look, label) in enumerate(zip(parts, looks, labels, strict=True)):
        path = _fixed_annotation(part)
        if label.are_corners:
            yield f"{path}: not written, since boxes are read as x y w h and these seem to be x1 y1 x2 y2"
            continue
        unusable = set(look.problems) | {-1}
        every = [records for records in groups(label.first) if label.file[records[0]] not in unusable]
        kept = [records for records in every if label.file[records[0]] not in dropped[number]]
        changes = {
            "what cannot be read": len(part.problems),
            "names without a picture that can be read": len(np.unique(label.first)) - len(every),
            "names that are there twice": len(label.first) - len(np.unique(label.first)),
            "files that are there twice": len(every) - len(kept),
            "faces of less than a pixel": int(label.empty.sum()),
            "faces outside": int(label.outside.sum()),
            "faces labelled twice": int((label.repeats >= 0).sum()),
        }
        clipped = int((label.whole & (label.overreach > 0)).sum())
        cleaned = [_merged(part, label, records) for records in kept]
        keys = {picture_key(one.name) for one in cleaned}
        is_listed = not part.lists or sorted(keys) == sorted(picture_key(name) for name, _ in part.list_names)
        if is_listed and not any(changes.values()) and not clipped:
            yield f"{part.path}: nothing to mend"
            continue
        if not cleaned:
            yield f"{path}: not written, since nothing would be left"
            continue
        sentences = write_annotations(cleaned, path, part.kind, images=part.images)
        left_out = ", ".join(f"{count} {what}" for what, count in changes.items() if count) or "nothing"
        faces = sum(len(annotation.boxes) for annotation in cleaned)
        yield f"{path}: {len(cleaned)} pictures, {faces} faces; left out: {left_out}; clipped: {clipped} faces"
        yield from (f"{path}: {sentence}" for sentence in sentences)
        own_names = {picture_key(name): name for name, _ in part.list_names}  # with suffixes that IDs do not have
        for listed in part.lists:
            names = [replace(one, name=own_names.get(picture_key(one.name), one.name)) for one in cleaned]
            write_annotations(names, _fixed_list(listed), "list")
            yield f"{_fixed_list(listed)}: the same pictures"


def _fixed_annotation(part: Part) -> Path:
    """Return where the cleaned copy of an annotation goes: beside it, a folder for formats that are folders."""
    path = part.path.parent if part.kind == "wider_mat" else part.path
    path = path.resolve()  # "." has no name
    name = fixed_name(path.name)
    return path.with_name(Path(name).stem if FORMS[part.kind].in_folder else name)


def _fixed_list(path: Path) -> Path:
    return path.with_name(fixed_name(path.name))


def _dropped_copies(parts: Sequence[Part], labels: Sequence[Labels], copies: Sequence[Copy]) -> list[set[int]]:
    """Return the files of each part that are left out since others are equal to them."""
    sizes = [len(part.files) for part in parts]
    starts = np.cumsum([0, *sizes])
    faces = np.concatenate([label.count_faces(size) for label, size in zip(labels, sizes, strict=True)])
    equal, leaked = {}, set()  # the first of equal files in a part -> all of them; firsts that a later part has, too
    for copy in copies:
        if copy.likeness == 1:
            here, there = np.searchsorted(starts, [copy.picture, copy.earlier], side="right")
            if here == there:
                equal.setdefault(copy.earlier, [copy.earlier]).append(copy.picture)
            else:
                leaked.add(copy.earlier)
    dropped = {file for first in leaked for file in equal.get(first, [first])}
    for group in equal.values():
        dropped |= set(group) - {max(group, key=lambda file: faces[file])}
    return [
        {file - start for file in dropped if start <= file < start + size}
        for start, size in zip(starts[:-1].tolist(), sizes, strict=True)
    ]


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

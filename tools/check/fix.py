"""Cleaned copies of annotations, beside them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.annotations import FORMATS, Annotation
from data.annotations.writing import write_at_exit
from data.image_files import image_key
from data.splits import FIXED
from tools.check.copies import Copy
from tools.check.labels import Seen, groups
from tools.check.parts import Part, fixed_name
from utils.errors import UserError
from utils.files import refuse_existing
from utils.wording import count_each, counted


@dataclass
class Cleaned:
    """What is left of a part's annotation.

    Attributes:
        annotations: one for each image, with its good faces.
        left_out: words for what is not among them, with counts.
        clipped: faces whose boxes were clipped.
    """

    annotations: list[Annotation]
    left_out: list[str]
    clipped: int


def refuse_fixed(parts: Sequence[Part]) -> None:
    """Raise UserError where something is in the place of a cleaned copy, or that of two parts would be the same."""
    owners = {}
    for part in parts:
        for path in (_fixed_annotation(part), *map(_fixed_list, part.lists)):
            refuse_existing(path)
            other = owners.setdefault(path.resolve(), part)
            if other is not part:
                raise UserError(
                    f"{path}: would hold what is left of {other.path} and of {part.path}; fix them one by one"
                )


def write_fixed(every: Sequence[Seen], copies: Sequence[Copy]) -> list[str]:
    """Write the cleaned copies, in the formats of the annotations, all of them or none, and say of each what was done.

    What could not be read is not in them, nor are images that are missing or cannot be read. An image that is
    listed twice is there once, with the faces of both. Boxes are clipped to their images; empty ones, those outside
    and those of faces labelled twice are left out, and with them images that have no others: they would seem to show
    no face. Of equal files, that with the most faces is kept, and of those in two parts that of the later one, where
    scores are measured, if their names tell which that is and it does not lose its faces. The rest, such as landmarks,
    is for people to decide. What no record holds, such as objects that are no faces, is not copied but said.

    Raises:
        UserError: a copy cannot be written, or is there already.
    """
    dropped, said = _dropped_copies(every, copies)
    with ExitStack() as together:
        for one, files in zip(every, dropped, strict=True):
            said += _write_part(one, files, together)
    return said


def _write_part(seen: Seen, dropped: set[int], together: ExitStack) -> Iterator[str]:
    """Write the cleaned copies of one part, which appear when `together` ends, and say what was done."""
    part, path = seen.part, _fixed_annotation(seen.part)
    if seen.labels.are_corners:
        yield f"{path}: not written, since boxes are read as x y w h and these seem to be x1 y1 x2 y2"
        return
    cleaned = _clean(seen, dropped)
    if not cleaned.left_out and not cleaned.clipped and _are_listed(cleaned.annotations, part):
        yield f"{part.path}: nothing to mend"
        return
    if not cleaned.annotations:
        yield f"{path}: not written, since nothing would be left"
        return
    sentences = together.enter_context(write_at_exit(cleaned.annotations, path, part.kind, images=part.images))
    faces = sum(len(annotation.boxes) for annotation in cleaned.annotations)
    yield (
        f"{path}: {counted(len(cleaned.annotations), 'image')}, {counted(faces, 'face')};"
        f" left out: {', '.join(cleaned.left_out) or 'nothing'}; clipped: {counted(cleaned.clipped, 'face')}"
    )
    yield from (f"{path}: {sentence}" for sentence in (*part.annotations.unread, *sentences))
    if part.kind == "yolo" and len(cleaned.annotations) < len(part.annotations):
        yield f"{path}: move the images that were left out away from {part.images}; without labels they have no face"
    own_names = {image_key(name): name for name, _ in part.list_names}  # with suffixes that IDs do not have
    for listed in part.lists:
        names = [
            replace(one, name=own_names.get(image_key(one.name), one.name))
            for one in _to_list(cleaned.annotations, part, listed)
        ]
        if names:
            together.enter_context(write_at_exit(names, _fixed_list(listed), "list"))
        what = counted(len(names), "image") if names else "not written, since nothing would be left"
        yield f"{_fixed_list(listed)}: {what}"


def _to_list(annotations: list[Annotation], part: Part, listed: Path) -> list[Annotation]:
    """Return the annotations whose names a cleaned list has: all for the only list, else those that it had before."""
    keys = {image_key(name) for name, _ in part.lists[listed]}
    return [one for one in annotations if len(part.lists) == 1 or image_key(one.name) in keys]


def _are_listed(annotations: list[Annotation], part: Part) -> bool:
    """Whether the lists beside the annotation, if there are any, name what they would when cleaned."""
    return all(
        sorted({image_key(one.name) for one in _to_list(annotations, part, listed)})
        == sorted(image_key(name) for name, _ in names)
        for listed, names in part.lists.items()
    )


def _fixed_annotation(part: Part) -> Path:
    """Return where the cleaned copy of an annotation goes: beside it, a folder for formats that are folders."""
    path = part.path.parent if part.kind == "wider_mat" else part.path
    path = path.resolve()  # "." has no name
    if FORMATS[part.kind].is_folder:
        return path.with_name((path.name if path.is_dir() else path.stem) + FIXED)
    return path.with_name(fixed_name(path.name))


def _fixed_list(path: Path) -> Path:
    return path.with_name(fixed_name(path.name))


def _clean(seen: Seen, dropped: set[int]) -> Cleaned:
    """Return what is left of a part without what is wrong with it and without some of its files."""
    labels, bereft = seen.labels, seen.labels.bereft
    unusable = set(seen.looks.problems) | {-1}
    every = list(groups(labels.first))
    usable = [records for records in every if labels.file[records[0]] not in unusable]
    single = [records for records in usable if labels.file[records[0]] not in dropped]
    kept = [records for records in single if not bereft[records[0]]]
    of_single = np.isin(labels.first[labels.record], [records[0] for records in single])
    left_out = count_each(
        (len(seen.part.problems), "place", "{} that cannot be read"),
        (len(every) - len(usable), "name", "{} without an image that can be read"),
        (len(labels.first) - len(every), "name", "{} listed before"),
        (len(usable) - len(single), "file", "{} equal to another"),
        (int((of_single & labels.empty).sum()), "face", "{} of less than a pixel"),
        (int((of_single & labels.outside).sum()), "face", "{} outside"),
        (int((of_single & (labels.repeats >= 0)).sum()), "face", "{} labelled twice"),
        (len(single) - len(kept), "image", "{} of which no face is left"),
    )
    return Cleaned(
        [_merged(seen, records) for records in kept],
        left_out,
        int((of_single & labels.whole & (labels.overreach > 0)).sum()),
    )


def _dropped_copies(every: Sequence[Seen], copies: Sequence[Copy]) -> tuple[list[set[int]], list[str]]:
    """Return the files of each part that are left out since others are equal to them.

    And a sentence on each two parts that have equal files, of which neither is known to be the one for scores.
    """
    sizes = [len(one.part.files) for one in every]
    starts = np.cumsum([0, *sizes])
    faces = np.concatenate([one.labels.count_faces(size) for one, size in zip(every, sizes, strict=True)])
    # Of equal files, one that lost its faces, and so will not be kept, is believed before one that is said to have none
    bereft = np.concatenate(
        [np.isin(np.arange(size), one.labels.file[one.labels.bereft]) for one, size in zip(every, sizes, strict=True)]
    )
    equal, between = {}, []  # the first of equal files in a part -> all of them; copies of files in two parts
    for copy in copies:
        if copy.likeness == 1:
            here, there = np.searchsorted(starts, [copy.image, copy.earlier], side="right") - 1
            if here == there:
                equal.setdefault(copy.earlier, [copy.earlier]).append(copy.image)
            else:
                between.append((copy, every[here].part, every[there].part))
    best = {
        file: max(group, key=lambda file: (faces[file], bereft[file])) for group in equal.values() for file in group
    }
    dropped = {file for file, kept in best.items() if file != kept}
    undecided = Counter()
    for copy, later, earlier in between:
        if bereft[best.get(copy.image, copy.image)] or bereft[best.get(copy.earlier, copy.earlier)]:
            continue  # which will not be kept, so that nothing is given up for it
        if None in (later.rank, earlier.rank) or later.rank == earlier.rank:
            undecided[earlier.name, later.name] += 1
        else:
            dropped.update(equal.get(copy.earlier, [copy.earlier]))
    by_part = [
        {file - start for file in dropped if start <= file < start + size}
        for start, size in zip(starts[:-1].tolist(), sizes, strict=True)
    ]
    return by_part, [
        f"{earlier} and {later}: {counted(count, 'equal file')} left in both; names of folders that begin with train,"
        " val or test tell where scores are measured"
        for (earlier, later), count in undecided.items()
    ]


def _merged(seen: Seen, records: np.ndarray) -> Annotation:
    """Return one record of several of the same image, with their good faces."""
    annotations, labels = seen.part.annotations, seen.labels
    found = []
    for record in records.tolist():
        one = annotations[record]
        end = int(annotations.ends[record])
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

"""--fix: cleaned copies of annotations, written beside them."""

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
from tools.check.dataset_splits import DatasetSplit, fixed_name
from tools.check.label_checks import CheckedSplit, groups
from utils.errors import UserError
from utils.files import refuse_existing
from utils.wording import count_each, counted


@dataclass
class CleanedSplit:
    """The cleaned annotation of a split.

    Attributes:
        annotations: one for each image, with its valid faces.
        dropped: words, with counts, for everything that was removed.
        clipped: number of faces with clipped boxes.
    """

    annotations: list[Annotation]
    dropped: list[str]
    clipped: int


def refuse_existing_copies(splits: Sequence[DatasetSplit]) -> None:
    """Raise UserError if a cleaned copy exists already, or if two splits would write the same one."""
    owners = {}
    for split in splits:
        for path in (_fixed_annotation(split), *map(_fixed_list, split.lists)):
            refuse_existing(path)
            other = owners.setdefault(path.resolve(), split)
            if other is not split:
                raise UserError(f"{path}: would be written for both {other.path} and {split.path}; fix them one by one")


def write_fixed_copies(checked: Sequence[CheckedSplit], copies: Sequence[Copy]) -> list[str]:
    """Write the cleaned copies in the formats of the annotations, all or none; return sentences that report them.

    Removed are: rows that cannot be read; images that are missing or cannot be read; empty, outside and duplicate
    boxes; and images that lose all their faces, since they would seem to be background images. Other boxes are
    clipped. Records of the same image are merged. Duplicate images in one split: the copy with the most faces is kept.
    Duplicates across splits: the copy in the later split is kept, unless it loses its faces, or the splits' names do
    not tell which is later. Everything else, as landmarks, is left for people to decide.

    Raises:
        UserError: a copy exists already or cannot be written.
    """
    dropped, sentences = _dropped_files(checked, copies)
    with ExitStack() as together:
        for one, files in zip(checked, dropped, strict=True):
            sentences += _write_split(one, files, together)
    return sentences


def _write_split(checked: CheckedSplit, dropped: set[int], together: ExitStack) -> Iterator[str]:
    """Write the cleaned copies of one split, which appear when `together` exits; yield the report."""
    split, path = checked.split, _fixed_annotation(checked.split)
    if checked.labels.has_corners:
        yield f"{path}: not written, since boxes are read as x y w h and these seem to be x1 y1 x2 y2"
        return
    cleaned = _clean(checked, dropped)
    if not cleaned.dropped and not cleaned.clipped and _lists_agree(cleaned.annotations, split):
        yield f"{split.path}: nothing to fix"
        return
    if not cleaned.annotations:
        yield f"{path}: not written, since nothing would be left"
        return
    format_name = _fixed_format(split)
    sentences = together.enter_context(write_at_exit(cleaned.annotations, path, format_name, images=split.images))
    faces = sum(len(annotation.boxes) for annotation in cleaned.annotations)
    yield (
        f"{path}: {counted(len(cleaned.annotations), 'image')}, {counted(faces, 'face')};"
        f" dropped: {', '.join(cleaned.dropped) or 'nothing'}; clipped: {counted(cleaned.clipped, 'face')}"
    )
    if format_name != split.format_name:
        original, copy = (FORMATS[name].description for name in (split.format_name, format_name))
        yield f"{path}: is {copy}, since {original} can only be read"
    yield from (f"{path}: {sentence}" for sentence in (*split.annotations.unread, *sentences))
    if split.format_name == "yolo" and len(cleaned.annotations) < len(split.annotations):
        yield (
            f"{path}: move the dropped images away from {split.images}; without label files they count as background"
            " images"
        )
    own_names = {image_key(name): name for name, _ in split.list_names}  # with the suffixes that IDs lack
    for path, entries in split.lists.items():
        names = [
            replace(one, name=own_names.get(image_key(one.name), one.name))
            for one in _of_list(cleaned.annotations, split, entries)
        ]
        if names:
            together.enter_context(write_at_exit(names, _fixed_list(path), "list"))
        count = counted(len(names), "image") if names else "not written, since nothing would be left"
        yield f"{_fixed_list(path)}: {count}"


def _of_list(
    annotations: list[Annotation], split: DatasetSplit, entries: Sequence[tuple[str, str]]
) -> list[Annotation]:
    """Return the annotations that a cleaned list names: all if it is the only list, else the list's own ones."""
    keys = {image_key(name) for name, _ in entries}
    return [one for one in annotations if len(split.lists) == 1 or image_key(one.name) in keys]


def _lists_agree(annotations: list[Annotation], split: DatasetSplit) -> bool:
    """Whether the lists beside the annotation name what their cleaned copies would."""
    return all(
        sorted({image_key(one.name) for one in _of_list(annotations, split, entries)})
        == sorted(image_key(name) for name, _ in entries)
        for entries in split.lists.values()
    )


def _fixed_annotation(split: DatasetSplit) -> Path:
    """Return the path of an annotation's cleaned copy, a folder for formats that are folders, beside the original."""
    path = split.path.parent if split.format_name == "wider_mat" else split.path
    path = path.resolve()  # "." has no name
    stem, format_name = path.name if path.is_dir() else path.stem, _fixed_format(split)
    if FORMATS[format_name].is_folder:
        return path.with_name(stem + FIXED)
    return path.with_name(
        f"{stem}{FIXED}{path.suffix if format_name == split.format_name else FORMATS[format_name].suffix}"
    )


def _fixed_format(split: DatasetSplit) -> str:
    """Return the format of an annotation's cleaned copy: its own, or COCO JSON where that can only be read."""
    return "coco" if FORMATS[split.format_name].write is None else split.format_name


def _fixed_list(path: Path) -> Path:
    return path.with_name(fixed_name(path.name))


def _clean(checked: CheckedSplit, dropped: set[int]) -> CleanedSplit:
    """Return the cleaned annotation of a split, without its dropped files."""
    labels, lost_all_faces = checked.labels, checked.labels.lost_all_faces
    unusable = set(checked.images.problems) | {-1}
    images = list(groups(labels.first))  # the records of each image
    usable = [records for records in images if labels.file[records[0]] not in unusable]
    single = [records for records in usable if labels.file[records[0]] not in dropped]
    kept = [records for records in single if not lost_all_faces[records[0]]]
    in_single = np.isin(labels.first[labels.record], [records[0] for records in single])
    removed = count_each(
        (len(checked.split.problems), "place", "{} that cannot be read"),
        (len(images) - len(usable), "name", "{} without an image that can be read"),
        (len(labels.first) - len(images), "name", "{} listed before"),
        (len(usable) - len(single), "file", "{} equal to another"),
        (int((in_single & labels.empty).sum()), "face", "{} of less than a pixel"),
        (int((in_single & labels.outside).sum()), "face", "{} outside"),
        (int((in_single & (labels.duplicate_of >= 0)).sum()), "face", "{} labelled twice"),
        (len(single) - len(kept), "image", "{} without a remaining face"),
    )
    clipped = int((in_single & labels.valid & (labels.excess > 0)).sum())
    return CleanedSplit([_merge_records(checked, records) for records in kept], removed, clipped)


def _dropped_files(checked: Sequence[CheckedSplit], copies: Sequence[Copy]) -> tuple[list[set[int]], list[str]]:
    """Choose one of equal files.

    Returns:
        the files of each split that are dropped, and a sentence for each two splits that both keep equal files.
    """
    sizes = [len(one.split.files) for one in checked]
    starts = np.cumsum([0, *sizes])
    owners = np.repeat(np.arange(len(sizes)), sizes)  # the split of each file
    lost_all_faces = np.concatenate(
        [
            np.isin(np.arange(size), one.labels.file[one.labels.lost_all_faces])
            for one, size in zip(checked, sizes, strict=True)
        ]
    )
    equal = [copy for copy in copies if copy.similarity == 1]
    groups = {}  # first of equal files in a split -> all of them
    for copy in equal:
        if owners[copy.image] == owners[copy.earlier]:
            groups.setdefault(copy.earlier, [copy.earlier]).append(copy.image)
    faces = np.concatenate([one.labels.count_faces(size) for one, size in zip(checked, sizes, strict=True)])
    best = _best_copies(groups, faces, lost_all_faces)
    dropped = {file for file, kept in best.items() if file != kept}
    undecided = Counter()
    for copy in equal:
        later, earlier = checked[owners[copy.image]].split, checked[owners[copy.earlier]].split
        if later is earlier:
            continue
        if lost_all_faces[best.get(copy.image, copy.image)] or lost_all_faces[best.get(copy.earlier, copy.earlier)]:
            continue  # only one of the two will be kept anyway
        if None in (later.rank, earlier.rank) or later.rank == earlier.rank:
            undecided[earlier.name, later.name] += 1
        else:
            dropped.update(groups.get(copy.earlier, [copy.earlier]))
    by_split = [
        {file - start for file in dropped if start <= file < start + size}
        for start, size in zip(starts[:-1].tolist(), sizes, strict=True)
    ]
    return by_split, [
        f"{earlier} and {later}: {counted(count, 'equal file')} left in both; the copy in the later split is kept only"
        " if the folders' names begin with train, val or test"
        for (earlier, later), count in undecided.items()
    ]


def _best_copies(groups: dict[int, list[int]], faces: np.ndarray, lost_all_faces: np.ndarray) -> dict[int, int]:
    """Return each file of the groups of equal files -> the file of its group with the most valid faces.

    If none has valid faces, a file that lost its faces wins: the image is no background image.
    """
    best = {}
    for group in groups.values():
        best |= dict.fromkeys(group, max(group, key=lambda file: (faces[file], lost_all_faces[file])))
    return best


def _merge_records(checked: CheckedSplit, records: np.ndarray) -> Annotation:
    """Return one record for several of the same image, with their valid faces."""
    annotations, labels = checked.split.annotations, checked.labels
    found = []
    for record in records.tolist():
        one = annotations[record]
        end = int(annotations.ends[record])
        faces = slice(end - len(one.boxes), end)
        found.append(replace(one, boxes=labels.clipped[faces]).select(labels.valid[faces]))
    first = found[0]
    return replace(
        first,
        boxes=np.concatenate([one.boxes for one in found]),
        landmarks=np.concatenate([one.landmarks for one in found]),
        attributes={name: np.concatenate([one.attributes[name] for one in found]) for name in first.attributes},
        subsets={name: np.concatenate([one.subsets[name] for one in found]) for name in first.subsets},
    )

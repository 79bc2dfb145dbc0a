"""Find the annotation that a path stands for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from data.annotations.folders import label_files
from data.annotations.foreign import refuse_foreign
from data.annotations.format import FileHead
from data.annotations.registry import FORMATS, find_format, recognize_file
from data.image_files import IMAGE_SUFFIXES
from data.splits import FIXED
from utils.errors import UserError

ANNOTATIONS = "annotations"  # in lower case
MOST_FILES = 20  # of a folder and MOST_LEVELS - 1 below it that are asked for a format that is not read
MOST_LEVELS = 3

# Text files that may lie beside an annotation and are none.
NO_ANNOTATIONS = ("*_list.txt", *(name for each in FORMATS.values() for name in each.companions))


@dataclass(frozen=True)
class FoundAnnotation:
    """An annotation in a folder.

    Attributes:
        format_name: the name of its format; None: unknown.
        path: the file or folder to read.
        example: the name of a file of it, for messages.
    """

    format_name: str | None
    path: Path
    example: str

    @property
    def has_boxes(self) -> bool:
        return self.format_name is not None and FORMATS[self.format_name].capabilities.boxes

    @property
    def is_prediction(self) -> bool:
        return self.format_name is not None and FORMATS[self.format_name].is_prediction


def find_annotations(path: str | Path, requested: str | None = None) -> tuple[str | None, Path]:
    """Return the name of the format and the file or folder that `read_annotations` reads.

    The name is None where the format is unknown.

    Raises:
        UserError: as `read_annotations`, before anything is read.
    """
    path = Path(path)
    is_per_image = requested is not None and find_format(requested).file_per_image
    if path.is_dir():
        if is_per_image:
            format_name = requested
        else:
            annotation = _find_in_folder(path, requested)
            if (path / annotation.example).is_file():
                refuse_foreign(path / annotation.example)
            format_name, path = annotation.format_name, annotation.path
    elif path.is_file():
        refuse_foreign(path)
        format_name = recognize_file(path, requested)
    else:
        raise UserError(f"{path}: no such annotation file or folder")
    if requested is not None and format_name not in (requested, None):
        raise UserError(f"{path}: is {FORMATS[format_name].description}; expected {_asked_for(requested)}")
    # Names that look like rows of numbers are a list if the user says so.
    return (requested if requested == "list" else format_name), path


def _asked_for(requested: str) -> str:
    return f"{FORMATS[requested].description}, the format {requested} that was asked for"


def _find_in_folder(folder: Path, requested: str | None) -> FoundAnnotation:
    """Return the one annotation in a folder.

    Args:
        requested: the format that the user asked for; None: any.

    Raises:
        UserError: there is no annotation in the folder, or more than one.
    """
    found = list_annotations(folder, requested)
    if not any(each.has_boxes for each in found):
        below = _found_below(folder, requested)
        if len(below) > 1 and not found:
            raise UserError(
                f"{folder}: found {_shown([each.example for each in below])} in sub-folders; name one of them"
            )
        if not below:
            _refuse_foreign_in(folder)
        has_list = any(each.format_name for each in found)
        wants_boxes = requested is not None and FORMATS[requested].capabilities.boxes
        if len(below) == 1 and (wants_boxes or not has_list):
            found = below
    if not found:  # a table with unknown columns, of which its reader says what it expects
        found = [FoundAnnotation("csv", file, file.name) for file in sorted(folder.iterdir()) if _is_table(file)]
    if not found:
        patterns = dict.fromkeys(each.files for each in FORMATS.values())
        raise UserError(f"{folder}: has no label file ({', '.join(patterns)}); name another folder or a file")
    matching = [each for each in found if requested in (each.format_name, None)]
    matching = [each for each in matching if each.has_boxes] or matching
    matching = [each for each in matching if not each.is_prediction] or matching
    if len(matching) > 1:
        matching = choose_files(matching)
    if len(matching) == 1:
        return matching[0]
    shown = _shown([each.example for each in matching or found])
    if not matching:
        raise UserError(f"{folder}: found {shown}; expected {_asked_for(requested)}")
    raise UserError(
        f"{folder}: found {shown}; name one of them, or its format (eval.py --gt_format, tools.convert --from)"
    )


def _refuse_foreign_in(folder: Path) -> None:
    """Raise UserError if a file of a folder without boxes, or of a folder in it, is in a format that is not read."""
    files = (
        file
        for level in range(MOST_LEVELS)
        for file in sorted(folder.glob("/".join("*" * (level + 1))))
        if file.suffix.lower() not in IMAGE_SUFFIXES and file.is_file()
    )
    for file in islice(files, MOST_FILES):
        refuse_foreign(file)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _found_below(folder: Path, requested: str | None) -> list[FoundAnnotation]:
    """Return the annotations with boxes in the sub-folders of a folder, as in train, valid and test."""
    return [
        replace(found, example=f"{each.name}/{found.example}")
        for each in _sub_folders(folder)
        for found in list_annotations(each, requested)
        if found.has_boxes
    ]


def _sub_folders(folder: Path) -> list[Path]:
    folders = (each for each in sorted(folder.iterdir()) if each.is_dir())
    return [each for each in folders if not each.name.startswith(".") and not each.name.endswith(FIXED)]


def list_annotations(folder: Path, requested: str | None) -> list[FoundAnnotation]:
    """Return the annotations in a folder or, if it has none with boxes, in `annotations` in it.

    Label files of a format with a file per image are one annotation, whose path is the folder. They are also looked
    for in sub-folders, if the folder itself has no boxes.
    """
    found: dict[tuple[str | None, Path], FoundAnnotation] = {}
    per_image = {name: each for name, each in FORMATS.items() if each.file_per_image}

    def add(format_name: str | None, path: Path, example: str) -> None:
        path = folder if format_name in per_image else path
        found.setdefault((format_name, path), FoundAnnotation(format_name, path, example))

    def has_boxes() -> bool:
        return any(each.has_boxes and not each.is_prediction for each in found.values())

    for place in (folder, *_label_folders(folder)):
        if not has_boxes():
            for each in annotation_files(place, requested):
                add(each.format_name, each.path, each.path.relative_to(folder).as_posix())
    if not has_boxes():
        for name in label_files(folder, {each.suffix for each in per_image.values()}):
            format_name = recognize_file(folder / name)
            if format_name in per_image:
                add(format_name, folder, name)
    if not has_boxes():
        for format_name, each in per_image.items():
            if example := each.recognizes_folder(folder):
                add(format_name, folder, example)
    return list(found.values())


def annotation_files(folder: Path, requested: str | None = None) -> Iterator[FoundAnnotation]:
    """Yield the files in a folder, not below it, that may be annotations."""
    for file in filter(_may_be_annotation, sorted(folder.iterdir())):
        yield FoundAnnotation(recognize_file(file, requested), file, file.name)


def choose_files(found: list[FoundAnnotation]) -> list[FoundAnnotation]:
    """Return one annotation for each format that consists of several files, none where they hold something else."""
    chosen = {}
    for each in found:
        choose = each.format_name and FORMATS[each.format_name].choose
        if not choose:
            chosen[each] = each
        elif each.format_name not in chosen:
            path = choose([other.path for other in found if other.format_name == each.format_name])
            chosen[each.format_name] = path and FoundAnnotation(each.format_name, path, path.name)
    return [each for each in chosen.values() if each] or found[:1]


def _label_folders(folder: Path) -> list[Path]:
    """Return the sub-folder that tools write a file of annotations to, beside that of the images."""
    return sorted(each for each in folder.iterdir() if each.name.lower() == ANNOTATIONS and each.is_dir())


def _may_be_annotation(file: Path) -> bool:
    """Whether the content of a file in a folder should be looked at."""
    if file.stem.endswith(FIXED) or file.name.upper().startswith("README") or file.name.startswith("."):
        return False
    if any(fnmatch(file.name, pattern) for pattern in NO_ANNOTATIONS):
        return False
    if not any(fnmatch(file.name.lower(), each.files) for each in FORMATS.values()) or not file.is_file():
        return False
    # Any program may write a table, so that its content decides.
    return not _is_table(file) or FORMATS["csv"].recognizes(FileHead.read(file))


def _is_table(file: Path) -> bool:
    return file.suffix.lower() in (".csv", ".tsv") and file.is_file()

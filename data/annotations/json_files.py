"""What the formats with JSON of labelling tools share: their files, and what a record of them can hold."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

from data.annotations.folders import label_files
from data.annotations.format import Capabilities, FileHead
from data.annotations.json_values import load_json
from data.annotations.objects import ObjectReader
from data.annotations.record import IGNORED_ATTRIBUTES
from utils.errors import UserError
from utils.wording import counted

# Of a format that is only read: any attribute, and the sizes of the images.
OBJECTS = Capabilities(attributes=None, ignore_attributes=IGNORED_ATTRIBUTES, sizes=True)


def json_files(
    path: Path, reader: ObjectReader, recognizes: Callable[[FileHead], bool], companions: Collection[str] = ()
) -> Iterator[tuple[str, str, dict]]:
    """Yield each JSON file of a format below a folder, or the one file: its path below the folder, place and content.

    Files that are no JSON are among the reader's problems. Files in another format are counted in its notes, except for
    the companions, by name.
    """
    root = path if path.is_dir() else path.parent
    files, others = label_files(path, {".json"}) if path.is_dir() else [path.name], 0
    for file in files:
        if path.is_dir() and not recognizes(FileHead.read(root / file)):
            others += PurePosixPath(file).name not in companions
            continue
        with reader.skipping():
            content = load_json(root / file)
            if not isinstance(content, dict):
                raise UserError(f"{root / file}: is no JSON object; expected one for each image")
            yield file, str(root / file), content
    if others:
        reader.notes.append(f"not read: {counted(others, 'JSON file')} in another format")


def as_object(where: str, content: object) -> dict:
    """Return a value that must be an object; raise UserError where it is none."""
    if not isinstance(content, dict):
        raise UserError(f"{where}: found {str(content)[:40]!r}; expected an object")
    return content

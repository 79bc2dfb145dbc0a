"""What detect.py is asked to look at: images, folders and patterns of them, videos, cameras."""

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from data.image_files import IMAGE_SUFFIXES, files_below
from engine.detect.video import VIDEO_SUFFIXES
from utils.errors import UserError


@dataclass(frozen=True)
class Source:
    """An image or a video.

    Attributes:
        name: by which its outputs are called: a path below the output folder.
        path: its file; None: a camera.
        camera: its number.
    """

    name: str
    path: Path | None = None
    camera: int | None = None

    @property
    def is_image(self) -> bool:
        return self.path is not None and not _is_video(self.path)

    def __str__(self) -> str:
        return self.name if self.path is None else str(self.path)


def find_sources(arguments: Sequence[str], ignored_priors: Sequence[Path]) -> list[Source]:
    """Return what the arguments name, in their order and sorted within a folder or a pattern.

    Args:
        leave_out: folders whose files are not taken, for they are outputs.

    Raises:
        UserError: something that does not exist, or a folder or pattern without images and videos.
    """
    outputs = [folder.resolve() for folder in ignored_priors]

    def is_output(source: Source) -> bool:
        return any(source.path.resolve().is_relative_to(folder) for folder in outputs)

    sources = {}  # each once
    for argument in arguments:
        found = _find(argument)
        if not found:
            raise UserError(f"{argument}: no images and no videos there, by their suffixes")
        if not Path(argument).is_file() and found[0].path is not None:
            found = [source for source in found if not is_output(source)]
        if not found:
            raise UserError(f"{argument}: all that is there belongs to the output; name another folder for that")
        sources |= dict.fromkeys(found)
    return list(sources)


def _find(argument: str) -> list[Source]:
    path = Path(argument)
    if path.is_file():
        return [Source(path.name, path)]
    if path.is_dir():
        return [Source(name, path / name) for name in files_below(path, IMAGE_SUFFIXES | VIDEO_SUFFIXES)]
    if argument.isdecimal():
        return [Source(f"camera_{argument}", camera=int(argument))]
    if has_magic(argument):
        plain = []  # the folders before the first that is a pattern
        for part in path.parts[:-1]:
            if has_magic(part):
                break
            plain.append(part)
        below = Path(*plain)
        matches = sorted(match for match in map(Path, glob(argument, recursive=True)) if match.is_file())
        return [Source(match.relative_to(below).as_posix(), match) for match in matches if _is_known(match)]
    raise UserError(f"{argument}: no such image, video or folder; a number is a camera, a pattern needs quotes")


def _is_known(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES or _is_video(path)


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES

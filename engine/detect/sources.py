"""Inputs of detect.py: images, videos, folders, patterns and cameras."""

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from itertools import takewhile
from pathlib import Path

from data.image_files import IMAGE_SUFFIXES, files_below
from engine.detect.video_streams import VIDEO_SUFFIXES
from utils.errors import UserError


@dataclass(frozen=True)
class MediaSource:
    """An image, a video or a camera.

    Attributes:
        name: path of its outputs below the output folder.
        path: its file; None for a camera.
        camera: number of the camera.
    """

    name: str
    path: Path | None = None
    camera: int | None = None

    @property
    def is_image(self) -> bool:
        return self.path is not None and self.path.suffix.lower() not in VIDEO_SUFFIXES

    def __str__(self) -> str:
        return self.name if self.path is None else str(self.path)


def find_sources(arguments: Sequence[str], output_folders: Sequence[Path]) -> list[MediaSource]:
    """Return the sources that the arguments name, each once: in the order of the arguments, sorted within each.

    Args:
        arguments: files, folders, patterns or camera numbers.
        output_folders: files in these folders are skipped, unless an argument names them one by one.

    Raises:
        UserError: a source does not exist, or a folder or pattern has no images or videos.
    """
    outputs = [folder.resolve() for folder in output_folders]

    def is_output(source: MediaSource) -> bool:
        return any(source.path.resolve().is_relative_to(folder) for folder in outputs)

    sources = {}
    for argument in arguments:
        found = _find(argument)
        if not found:
            raise UserError(f"{argument}: no images and no videos there, by their suffixes")
        if not Path(argument).is_file() and found[0].path is not None:
            found = [source for source in found if not is_output(source)]
        if not found:
            raise UserError(f"{argument}: all files there are in the output folders; name other output folders")
        sources |= dict.fromkeys(found)
    return list(sources)


def _find(argument: str) -> list[MediaSource]:
    path, suffixes = Path(argument), IMAGE_SUFFIXES | VIDEO_SUFFIXES
    if path.is_file():
        return [MediaSource(path.name, path)]
    if path.is_dir():
        return [MediaSource(name, path / name) for name in files_below(path, suffixes)]
    if argument.isdecimal():
        return [MediaSource(f"camera_{argument}", camera=int(argument))]
    if has_magic(argument):
        root = Path(*takewhile(lambda part: not has_magic(part), path.parts[:-1]))
        files = sorted(Path(match) for match in glob(argument, recursive=True))
        files = [file for file in files if file.suffix.lower() in suffixes and file.is_file()]
        return [MediaSource(file.relative_to(root).as_posix(), file) for file in files]
    raise UserError(f"{argument}: no such image, video or folder; a number is a camera, a pattern needs quotes")

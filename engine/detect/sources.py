"""Inputs of detect.py: images, videos, folders, patterns and cameras."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from itertools import takewhile
from pathlib import Path, PurePosixPath

from data.image_files import IMAGE_SUFFIXES, files_below, passed_over
from engine.detect.video_streams import SHARED_SUFFIXES, VIDEO_SUFFIXES, is_video_content
from utils.errors import UserError
from utils.files import check_file, read_bytes


@dataclass(frozen=True)
class MediaSource:
    """An image, a video or a camera.

    Attributes:
        name: path of its outputs below the output folder.
        path: its file; None for a camera.
        camera: number of the camera.
        is_image: whether it is an image, not a video or a camera.
        page: index of a page of an image file that has several.
    """

    name: str
    path: Path | None = None
    camera: int | None = None
    is_image: bool = False
    page: int | None = None

    def pages(self, indices: Iterable[int]) -> "list[MediaSource]":
        """Return a source for each page of this file, named after its number: a.tif_page001.tif."""
        suffix = PurePosixPath(self.name).suffix
        return [replace(self, name=f"{self.name}_page{index + 1:03}{suffix}", page=index) for index in indices]

    def __str__(self) -> str:
        name = self.name if self.path is None else str(self.path)
        return name if self.page is None else f"{name} page {self.page + 1}"


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
            also = unread_files(argument)
            raise UserError(f"{argument}: no images and no videos there, by their suffixes{also and f'; {also}'}")
        if not Path(argument).is_file() and found[0].path is not None:
            found = [source for source in found if not is_output(source)]
        if not found:
            raise UserError(f"{argument}: all files there are in the output folders; name other output folders")
        sources |= dict.fromkeys(found)
    return list(sources)


def unread_files(argument: str) -> str:
    """Return what may be images below a folder but has another suffix, or nothing."""
    is_folder = Path(argument).is_dir()
    return (passed_over(argument, IMAGE_SUFFIXES | VIDEO_SUFFIXES | SHARED_SUFFIXES) if is_folder else None) or ""


def _find(argument: str) -> list[MediaSource]:
    path = Path(argument)
    if path.is_file():
        return [MediaSource(path.name, path, is_image=not _is_video(path))]
    if path.is_dir():
        suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES | SHARED_SUFFIXES
        return _sources({name: path / name for name in files_below(path, suffixes)})
    if argument.isdecimal():
        return [MediaSource(f"camera_{argument}", camera=int(argument))]
    if has_magic(argument):
        root = Path(*takewhile(lambda part: not has_magic(part), path.parts[:-1]))
        files = sorted(Path(match) for match in glob(argument, recursive=True))
        return _sources({file.relative_to(root).as_posix(): file for file in files if file.is_file()})
    if path.exists():
        check_file(path)
    raise UserError(f"{argument}: no such image, video or folder; a number is a camera, a pattern needs quotes")


def _is_video(path: Path) -> bool:
    """Whether a file that the user names is a video: by its suffix, or by its content where that tells nothing."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
        return suffix in VIDEO_SUFFIXES
    return is_video_content(path)


def _sources(files: Mapping[str, Path]) -> list[MediaSource]:
    """Return the images and videos among the files of a folder or pattern, by their names.

    A suffix that other files have, too, is not enough: the content must be a video, or in TypeScript's case no text.
    """
    sources = []
    for name, path in files.items():
        suffix = path.suffix.lower()
        is_image, is_video = suffix in IMAGE_SUFFIXES, suffix in VIDEO_SUFFIXES
        if suffix == ".ts":
            is_video = not _is_text(path)
        elif suffix in SHARED_SUFFIXES:
            is_video = is_video_content(path)
        if is_image or is_video:
            sources.append(MediaSource(name, path, is_image=is_image))
    return sources


def _is_text(path: Path) -> bool:
    """Whether a file is text by its beginning; a pipe or a file that cannot be read is none, and opening it says so."""
    try:
        head = read_bytes(path, 1000)
    except UserError:
        return False
    return bool(head) and not {0x00, 0xFF} & set(head)

"""Image files: their names, where they are, and their sizes."""

import io
import os
import posixpath
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from data.splits import FIXED
from utils.errors import ImageError, UserError
from utils.files import check_file, path_inside

if TYPE_CHECKING:
    from PIL import Image

# A name without an extension may still hold a dot, so that only the suffixes of images are taken off.
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
PILLOW_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")
EXIF_ORIENTATION = 0x0112
MOST_PIXELS = 1 << 28  # of an image that is looked at; a training, too, would need gigabytes for it


def image_key(name: str) -> str:
    """Return an image's name without its extension, by which annotations and detection files are matched."""
    stem, suffix = os.path.splitext(name)
    key = stem if suffix.lower() in IMAGE_SUFFIXES else name
    # Most names need no more, and a path object would take ten times as long.
    return str(PurePosixPath(key)) if "//" in key or "./" in key or key.endswith(("/", "/.")) else key


def has_no_suffix(name: str) -> bool:
    """Whether an image's name lacks its suffix, as Laboro TV's IDs do."""
    return os.path.splitext(name)[1].lower() not in IMAGE_SUFFIXES


def find_images(folder: str | Path) -> dict[str, Path]:
    """Return image_key(path below the folder) -> file, in the order of the paths, for all images below a folder.

    Raises:
        UserError: no such folder, or two images whose names differ in the suffix alone.
    """
    folder = _existing_folder(folder)
    images = {}
    for name in files_below(folder, IMAGE_SUFFIXES):
        key, path = image_key(name), folder / name
        if key in images:
            raise UserError(f"{path}: is named like another image, {images[key].name}; rename or remove one of them")
        images[key] = path
    return images


def _existing_folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of images; name it with --images")
    return folder


def usual_images(annotation: str | Path) -> Path:
    """Return the folder of an annotation's images, where the user does not name it.

    Beside a file, it is `images`. For a folder of annotations it is the first that exists of `images` in it, the
    folder whose path has `images` for the last `labels`, and `images` beside it; else the folder itself, if images
    are in it. A cleaned copy that has no `images` in it has the images of the folder that it was made of.
    """
    annotation = Path(annotation)
    if not annotation.is_dir():
        return annotation.parent / "images"
    absolute = Path(os.path.abspath(annotation))
    original = absolute.parent / absolute.name.removesuffix(FIXED)
    parts, places = original.parts, [annotation / "images", original / "images"]
    if "labels" in parts:
        last = len(parts) - 1 - parts[::-1].index("labels")
        places.append(Path(*parts[:last], "images", *parts[last + 1 :]))
    beside = absolute.parent / "images"
    found = next((place for place in (*places, beside) if place.is_dir()), None)
    among = (folder for folder in (annotation, original) if folder.is_dir() and files_below(folder, IMAGE_SUFFIXES))
    return found or next(among, beside)


def images_by_name(names: Iterable[str]) -> dict[str, list[int]]:
    """Return what each name may mean: an image's own name -> its index, a name without suffix -> all that share it.

    Of a name that is there more than once, the last one counts.
    """
    whole = {name: index for index, name in enumerate(names)}
    found = {}
    for name, index in whole.items():
        found.setdefault(image_key(name), []).append(index)
    return found | {name: [index] for name, index in whole.items()}


class ImageFolder:
    """A folder, in which and below which labels name images, with their suffixes or without.

    Raises:
        UserError: there is no such folder.
    """

    def __init__(self, path: str | Path):
        self.path = _existing_folder(path)

    def find(self, name: str) -> str:
        """Return the file of an image as a path below the folder: that of the name, or of the same without suffix.

        It is the same for one image, however the name is spelt, with "./" or "//" in it for one.

        Raises:
            ImageError: there is none, or more than one.
            UserError: the name leads outside the folder.
        """
        if os.path.isfile(path_inside(self.path, name)):
            return posixpath.normpath(name)
        files, by_name = self._listed
        found = [files[index] for index in by_name.get(image_key(name), [])]
        if len(found) > 1:
            raise ImageError(f"found {' and '.join(found)} for the image {name!r} below {self.path}")
        if not found:
            raise ImageError(f"found no image {name!r} below {self.path}")
        return found[0]

    @cached_property
    def _listed(self) -> tuple[list[str], dict[str, list[int]]]:
        files = files_below(self.path, IMAGE_SUFFIXES)  # which takes a while in a large one
        return files, images_by_name(files)


def check_pixels(path: str | Path, size: tuple[int, int]) -> None:
    """Raise UserError where an image of (height, width) has more than MOST_PIXELS."""
    if size[0] * size[1] > MOST_PIXELS:
        raise UserError(f"{path}: has {size[1]} x {size[0]} pixels; expected at most {MOST_PIXELS:,} in all")


def image_size(path: str | Path) -> tuple[int, int]:
    """Return the (height, width) in stored pixels that an image's header tells; an EXIF rotation is not applied.

    Raises:
        UserError: the file cannot be read or is not an image.
    """
    check_file(path)
    with _header(path, path) as image:
        return image.height, image.width


def read_header(path: str | Path, content: bytes) -> tuple[tuple[int, int], int]:
    """Return what the header of an image, whose file has been read, tells of its size and of how it is shown.

    Returns:
        (height, width) in stored pixels, and the EXIF orientation: from 2 to 8, it is shown mirrored or turned.

    Raises:
        UserError: the file is not an image.
    """
    with _header(path, io.BytesIO(content)) as image:
        # Of a PNG without EXIF before its pixels, Pillow would decode these to look behind them.
        has_exif = image.format != "PNG" or "exif" in image.info
        orientation = image.getexif().get(EXIF_ORIENTATION, 1) if has_exif else 1
        return (image.height, image.width), orientation if orientation in range(1, 9) else 1


@contextmanager
def _header(path: str | Path, source: str | Path | io.BytesIO) -> "Iterator[Image.Image]":
    from PIL import Image  # here, since reading most annotation formats does without it

    Image.MAX_IMAGE_PIXELS = None  # a limit to what is decoded, while nothing but headers is read
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the UserError says it in one line
            with Image.open(source, formats=PILLOW_FORMATS) as image:
                yield image
    except OSError as error:
        reason = f"cannot be read ({error.strerror})" if error.strerror else "is not an image"
        raise UserError(f"{path}: {reason}") from error
    except Exception as error:  # whatever Pillow meets in a damaged header
        raise UserError(f"{path}: is not an image that Pillow can read ({error})") from error


def files_below(folder: str | Path, suffixes: Collection[str]) -> list[str]:
    """Return the sorted paths below a folder, with forward slashes, of the files with one of the suffixes.

    Hidden files and folders are left out, for archives made on a Mac hold a hidden twin of each file. Linked folders
    are not entered.

    Raises:
        UserError: a folder cannot be read.
    """
    names = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(parent, folder).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        names += [
            prefix + name
            for name in files
            if os.path.splitext(name)[1].lower() in suffixes and not name.startswith(".")
        ]
    return sorted(names)


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error

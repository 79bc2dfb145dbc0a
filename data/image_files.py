"""Image files: their names and places."""

import os
import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from data.splits import FIXED
from utils.errors import ImageError, UserError
from utils.files import path_inside
from utils.image_kinds import UNREAD_SUFFIXES, looks_like_image

# Of the formats that OpenCV or Pillow decode here. Only these suffixes are removed from a name, since a name without
# suffix may also have a dot.
IMAGE_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".webp", ".gif"),
    *(".tif", ".tiff", ".avif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".pbm", ".pgm", ".ppm", ".pnm", ".pam"),
    *(".pfm", ".hdr", ".pic", ".sr", ".ras", ".ico", ".tga", ".pcx", ".qoi", ".sgi", ".rgb", ".dds", ".psd"),
}
NOT_IMAGES = {".txt", ".json", ".jsonl", ".xml", ".csv"}  # among which images usually are
MOST_SUFFIXES = 6  # that a sentence names
# What labelling tools call the folders of the images, and of the annotations (in lower case).
IMAGE_FOLDERS = ("images", "JPEGImages", "img")
LABEL_FOLDERS = ("labels", "annotations", "ann")
DETECTIONS_SUFFIX = ".jsonl"
SOMETIMES_IMAGES = "data"  # the name of many folders, so that it is only looked for beside labels
# Folders around label files that may be missing around the images.
WRAPPERS = re.compile("labels|annotations|data|obj|obj_.*_data|train|valid?|validation|test", re.IGNORECASE)

WIDER_TEXT = re.compile(r"wider_face_(.+)_bbx_gt\.txt")


def image_key(name: str) -> str:
    """Return an image's name without its suffix, by which annotations and detection files are matched."""
    stem, suffix = os.path.splitext(name)
    key = stem if suffix.lower() in IMAGE_SUFFIXES else name
    # A path object takes ten times as long, and most names do not need it.
    return str(PurePosixPath(key)) if "//" in key or "./" in key or key.endswith(("/", "/.")) else key


def has_no_suffix(name: str) -> bool:
    """Whether an image's name lacks its suffix, as Laboro TV's IDs do."""
    return os.path.splitext(name)[1].lower() not in IMAGE_SUFFIXES


def find_images(folder: str | Path) -> dict[str, Path]:
    """Return image_key(path below the folder) -> file, in the order of the paths, for all images below a folder.

    Raises:
        UserError: no such folder, or two images with names that differ in the suffix only.
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
        raise UserError(f"{folder}: no such folder of images; name another with --images")
    return folder


def usual_images(annotation: str | Path) -> Path:
    """Return the folder of an annotation's images where the user does not name it: the first that exists of these.

    - One of IMAGE_FOLDERS beside a file, or in a folder of annotations.
    - The same path with one of them in place of the last of LABEL_FOLDERS: `images/x` for the folder `labels/x`. For a
      file `annotations/any_x.json` it is `images/x`, `images` or `x` beside `annotations`.
    - `images` beside a folder.
    - Where these have images: `data` beside a file or its folder of annotations, or in a folder; `train` beside the
      file `train.json`; the folder of the annotations itself. Beside the JSON lines of detect.py are its drawn images,
      which are not meant.

    A cleaned copy without its own images uses those of the original. If none exists, it is `images` beside the
    annotation.
    """
    annotation = Path(annotation)
    absolute = Path(os.path.abspath(annotation))
    is_folder = annotation.is_dir()
    original = absolute.parent / absolute.name.removesuffix(FIXED) if is_folder else absolute.parent
    own = annotation if is_folder else annotation.parent
    places = [folder / name for folder in (own, original) for name in IMAGE_FOLDERS]
    places += [Path(*parts) for parts in _in_place_of_labels(original.parts)] if is_folder else _beside_labels(absolute)
    beside = (absolute if is_folder else annotation).parent / IMAGE_FOLDERS[0]
    if found := next((place for place in (*places, beside) if place.is_dir()), None):
        return found
    beside_labels = [absolute.parents[1]] if not is_folder and absolute.parent.name.lower() in LABEL_FOLDERS else []
    if found := next((each for each in (own, *beside_labels) if has_images(each / SOMETIMES_IMAGES)), None):
        return found / SOMETIMES_IMAGES
    if absolute.suffix == DETECTIONS_SUFFIX:
        return beside
    subset = own / (annotation.stem.rpartition("_")[2] or ".")
    if not is_folder and has_images(subset):
        return subset
    return next((folder for folder in (own, original) if has_images(folder, below=is_folder)), beside)


def _in_place_of_labels(parts: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the parts of a path with a folder of images in place of its last folder of labels."""
    last = next((i for i in reversed(range(len(parts))) if parts[i].lower() in LABEL_FOLDERS), None)
    names = (*IMAGE_FOLDERS, SOMETIMES_IMAGES)
    return [] if last is None else [(*parts[:last], name, *parts[last + 1 :]) for name in names]


def keys_of_image(key: str) -> list[str]:
    """Return the keys that an image may have whose label file has this one, the likeliest first.

    These are the same key; the key with a folder of images in place of the folder of labels; and the key without the
    folders that tools wrap their labels in.
    """
    parts = key.split("/")
    found = [key, *("/".join((*folder, parts[-1])) for folder in _in_place_of_labels(parts[:-1]))]
    for start in range(1, len(parts)):
        if not WRAPPERS.fullmatch(parts[start - 1]):
            break
        found.append("/".join(parts[start:]))
    return found


def label_folder(folder: Path) -> Path:
    """Return the folder of the labels in a dataset's folder: the first of LABEL_FOLDERS in it, else itself."""
    names = {each.name.lower(): each for each in sorted(folder.iterdir()) if each.is_dir()}
    return next((names[name] for name in LABEL_FOLDERS if name in names), folder)


def _beside_labels(file: Path) -> list[Path]:
    """Return the places of the images of an annotation file beside its folder, if that is a folder of labels.

    Beside the folder of WIDER FACE's texts is one for each of them.
    """
    if text := WIDER_TEXT.fullmatch(file.name):
        return [file.parents[1] / f"WIDER_{text[1]}" / IMAGE_FOLDERS[0]]
    if file.parent.name.lower() not in LABEL_FOLDERS:
        return []
    above, subset = file.parents[1], file.stem.rpartition("_")[2]  # "train" of instances_train.json
    return [above / IMAGE_FOLDERS[0] / subset, *(above / name for name in IMAGE_FOLDERS), above / subset]


def refuse_among_images(option: str, out: Path, images: Path, labels: Path | None = None) -> None:
    """Raise UserError where an output lies below a folder of images, unless the label file lies in that folder, too.

    Args:
        option: what the message begins with, such as "--out ".
    """
    is_beside_labels = labels is not None and labels.is_file() and labels.resolve().parent == images.resolve()
    if out.resolve().is_relative_to(images.resolve()) and not is_beside_labels:
        raise UserError(f"{option}{out}: lies below {images}, among the images; choose another place")


def has_images(folder: Path, below: bool = False) -> bool:
    """Whether a folder exists and has an image, or has one in a folder below it, which takes long in a large one."""
    if not folder.is_dir():
        return False
    if below:
        return bool(files_below(folder, IMAGE_SUFFIXES))
    with os.scandir(folder) as entries:
        names = (entry.name for entry in entries)
        return any(os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and name[0] != "." for name in names)


def images_by_name(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the images that a name may refer to: full name -> its index, name without suffix -> all with that name.

    A name that occurs more than once refers to its last image.
    """
    whole = {name: index for index, name in enumerate(names)}
    found = {}
    for name, index in whole.items():
        found.setdefault(image_key(name), []).append(index)
    return found | {name: [index] for name, index in whole.items()}


class ImageFolder:
    """A folder of images, also in sub-folders, that labels name with or without suffix.

    Raises:
        UserError: there is no such folder.
    """

    def __init__(self, path: str | Path):
        self.path = _existing_folder(path)

    def find(self, name: str) -> str:
        """Return the file of an image, by its name with or without suffix, as a normalized path below the folder.

        Raises:
            ImageError: no image, or more than one.
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
        files = files_below(self.path, IMAGE_SUFFIXES)  # slow in a large folder
        return files, images_by_name(files)


def files_below(folder: str | Path, suffixes: Collection[str]) -> list[str]:
    """Return the sorted paths, with forward slashes, of the files below a folder with one of the suffixes.

    Hidden files and folders are skipped, since archives made on a Mac have a hidden twin of each file. Linked folders
    are not entered.

    Raises:
        UserError: a folder cannot be read.
    """
    return sorted(name for name in _all_below(folder) if os.path.splitext(name)[1].lower() in suffixes)


def passed_over(folder: str | Path, suffixes: Collection[str] = IMAGE_SUFFIXES) -> str | None:
    """Return a sentence about the images below a folder that are not read for their suffix, None if there are none.

    These are images of formats that cannot be decoded, and files of other suffixes, or without, whose content is an
    image.

    Args:
        suffixes: of the files that are read.
    """
    ends = Counter()
    for name in _all_below(folder):
        suffix = os.path.splitext(name)[1].lower()
        if suffix in suffixes or suffix in NOT_IMAGES:
            continue
        if suffix in UNREAD_SUFFIXES or looks_like_image(os.path.join(folder, name)):
            ends[suffix or "without suffix"] += 1
    if not ends:
        return None
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in ends.most_common(MOST_SUFFIXES))
    kinds += ", ..." if len(ends) > MOST_SUFFIXES else ""
    files = f"{ends.total():,} image files are" if ends.total() > 1 else "1 image file is"
    advice = "convert them to JPEG or PNG" if UNREAD_SUFFIXES & ends.keys() else "rename them to .jpg or .png"
    return f"{folder}: {files} passed over for the suffix ({kinds}); {advice}"


def _all_below(folder: str | Path) -> Iterator[str]:
    """Yield the path of each file below a folder that `files_below` describes, of any suffix."""
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(parent, folder).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        yield from (prefix + name for name in files if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read ({error.strerror})") from error

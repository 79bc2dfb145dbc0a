"""Search for images by names that another computer has written: paths with drives, URLs, and names of uploads."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from data.annotations.places import clean_name
from data.image_files import IMAGE_SUFFIXES, files_below, image_key
from utils.wording import counted, printable

URL = re.compile(r"file:|[A-Za-z][\w.+-]+:[/\\]")
DRIVE = re.compile(r"[A-Za-z]:")
UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio's beginning of the name of an uploaded file


def names_below(names: Sequence[str], folder: str | Path) -> tuple[list[str], list[str]]:
    """Return the images' paths below their folder, by the names in an annotation.

    A name is taken as it is if it is relative and there is such a file, or no file fits. Otherwise, it stands for the
    file below the folder that has the same name, or the same one but for a suffix that the annotation does not write,
    or for capitals, and the most equal folders before it, if there is only one. Of paths of another computer that fit
    no file, the folders that all of them share are dropped. No result leads outside the folder.

    Returns:
        the paths, and sentences, with counts, on the names that were changed.
    """
    folder, files = Path(folder), None
    found: dict[str, str] = {}
    searched: dict[str, str] = {}  # the results that are not the name itself
    for name in dict.fromkeys(names):
        if _is_relative(name) and (not folder.is_dir() or os.path.isfile(folder / clean_name(name))):
            found[name] = clean_name(name)
            continue
        if files is None:
            files = _Files(folder)
        if file := _search(split_path(name), files):
            searched[name] = file
    claims = Counter([*found.values(), *searched.values()])
    searched = {name: file for name, file in searched.items() if claims[file] == 1}
    rest = [name for name in dict.fromkeys(names) if name not in found and name not in searched]
    found |= searched | {name: clean_name(name) for name in rest if _is_relative(name)}
    moved = _without_shared_folders([name for name in rest if not _is_relative(name)], found.values())
    # Not said: a name that FiftyOne writes, from the file's folder on, and one that only lacks its suffix.
    changed = {
        name: path
        for name, path in (searched | moved).items()
        if name not in (path, image_key(path)) and (name in moved or name != f"{folder.name}/{path}")
    }
    found |= moved
    return [found[name] for name in names], _notes(changed)


def _is_relative(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return not (parts[0] == "" and len(parts) > 1) and ".." not in parts and not (URL.match(name) or DRIVE.match(name))


def split_path(name: str) -> list[str]:
    """Return the parts of a path or URL of any computer, without drive, host, query, "." and ".."."""
    if URL.match(name) or name.startswith("/data/local-files/"):
        with suppress(ValueError):  # a host in one bracket
            url = urlsplit(name.replace("\\", "/"))
            name = parse_qs(url.query).get("d", [None])[0] or unquote(url.path)
    parts = name.replace("\\", "/").split("/")
    return [part for part in parts if part not in ("", ".", "..") and not part.endswith(":")]


class _Files:
    """The image files below a folder, each as the parts of its path, by their names with and without suffix."""

    def __init__(self, folder: Path):
        self._grouped: dict[int, dict[str, list[list[str]]]] = {}  # id of a list of files -> see _by_folder
        self._by_name: dict[str, list[list[str]]] = {}
        self._by_spelling: dict[str, list[list[str]]] = {}  # in which "É.JPG" and "é.jpg" are the same
        for path in files_below(folder, IMAGE_SUFFIXES) if folder.is_dir() else ():
            parts = path.split("/")
            for name in (parts[-1], PurePosixPath(parts[-1]).stem):
                self._by_name.setdefault(name, []).append(parts)
                self._by_spelling.setdefault(_plain(name), []).append(parts)

    def called(self, names: Sequence[str]) -> list[list[str]]:
        """Return the files of the first of some names that has any, as it is or else in another spelling."""
        exact = next((self._by_name[name] for name in names if name in self._by_name), None)
        if exact is not None:
            return exact
        return next((self._by_spelling[name] for name in map(_plain, names) if name in self._by_spelling), [])

    def closest(self, names: Sequence[str], folders: Sequence[str]) -> list[list[str]]:
        """Return those of the files `called` one of the names that have the most of the last folders."""
        files = self.called(names)
        for level, folder in enumerate(reversed(folders), start=2):
            in_folder = self._by_folder(files, level).get(folder) if len(files) > 1 else None
            if in_folder is None:
                break
            files = in_folder
        return files

    def _by_folder(self, files: list[list[str]], level: int) -> dict[str, list[list[str]]]:
        """Return a list of this index by the parts at a level of the paths, counted from the end."""
        groups = self._grouped.get(id(files))
        if groups is None:
            groups = self._grouped[id(files)] = {}
            for parts in files:
                if len(parts) >= level:
                    groups.setdefault(parts[-level], []).append(parts)
        return groups


def _plain(name: str) -> str:
    """Return a name without what computers change in it: capitals, and letters in two parts, as on a Mac."""
    return unicodedata.normalize("NFC", name.casefold())


def _search(parts: list[str], files: _Files) -> str | None:
    """Return the one file that has the name, with the most equal last parts; None: no file, or several."""
    last = parts[-1] if parts else ""
    names = (last, unquote(last), UPLOAD.sub("", last), UPLOAD.sub("", unquote(last)))
    found = files.closest(names, parts[:-1])
    return "/".join(found[0]) if len(found) == 1 else None


def _without_shared_folders(names: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Return each path of another computer -> its parts after the folders that all of them share.

    Where that would give a path that is taken, nothing is dropped.
    """
    parts = {name: split_path(name) or ["image"] for name in names}
    folders = [each[:-1] for each in parts.values()]
    shared = next(
        (level for level, same in enumerate(zip(*folders, strict=False)) if len(set(same)) > 1),
        min(map(len, folders), default=0),
    )
    short = {name: "/".join(each[shared:]) for name, each in parts.items()}
    return {name: "/".join(each) for name, each in parts.items()} if {*short.values()} & {*taken} else short


def _notes(changed: dict[str, str]) -> list[str]:
    """Return sentences on the names that differ from the path in spelling only, and on the others."""
    spelled = {name: path for name, path in changed.items() if _plain(name) == _plain(path)}
    moved = {name: path for name, path in changed.items() if name not in spelled}
    return [
        f"{words}: the names of {counted(len(names), 'image')}, as '{printable(name)}' -> '{printable(path)}'"
        for words, names in (("read in another spelling", spelled), ("read by the last parts of the paths", moved))
        for name, path in islice(names.items(), 1)
    ]

"""Which object classes of an annotation are faces."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from utils.errors import UserError
from utils.wording import counted, printable

MOST_SHOWN = 6  # classes in a sentence; a file may have hundreds
FACE_LIKE = re.compile("face|head")  # in the name of a class that may hold faces, too


@dataclass(frozen=True)
class Classes:
    """The object classes of an annotation.

    Attributes:
        faces: name -> number of objects of each class that is a face.
        others: the same of each other class; these objects are not read.
    """

    faces: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def remarks(self) -> list[str]:
        """Sentences on what is unusual: a class of another name than "face", and the objects that are not read."""
        sentences = []
        if self.faces and list(self.faces) != ["face"]:
            word = "class" if len(self.faces) == 1 else "classes"
            names = " and ".join(f"{_quoted(name)} ({count:,})" for name, count in self.faces.items())
            sentences.append(f"the faces are the objects of {word} {names}")
        if count := sum(self.others.values()):
            names = [f"{number:,} {_quoted(name)}" for name, number in self.others.items() if number]
            sentences.append(f"not read: {counted(count, 'object')} of other classes: {_shortened(names)}")
        return sentences

    @property
    def face_like(self) -> dict[str, int]:
        """name -> number of objects of each class that is not read although it is called like a face, or a head."""
        return {name: count for name, count in self.others.items() if count and FACE_LIKE.search(_plain(name))}


def choose_classes(
    path: Path, counts: Mapping[str, int], wanted: str | None, groups: Mapping[str, str] | None = None
) -> Classes:
    """Return which classes are the faces.

    These are the classes called "face". Capitals, blanks around a name and the width of its letters make no difference,
    since a dataset that several people labelled often has "Face" and "face". If there are none, it is the only class,
    or the only one with objects. A set without any object needs no choice.

    Args:
        path: of the annotation, for the error.
        counts: name of a class -> number of its objects, also 0.
        wanted: the class that the user chose, several separated by commas, or a group of classes; None: no choice.
        groups: name of a class -> that of its group, COCO's supercategory.

    Raises:
        UserError: no class has the wanted name, or it is not clear which class is the face.
    """
    faces = _named(counts, wanted or "face")
    if wanted is None and not faces:
        filled = [name for name, count in counts.items() if count]
        faces = list(counts) if len(counts) == 1 else filled if len(filled) == 1 else []
    elif wanted is not None and not faces:
        faces = [name for each in wanted.split(",") for name in _named(counts, each)]
        faces = faces or [name for name, group in (groups or {}).items() if _plain(group) == _plain(wanted)]
    if not faces and counts and (wanted is not None or any(counts.values())):
        found = "the classes" if wanted is None else f"no class {wanted!r} but"
        names = _shortened([f"{printable(each)} ({number:,})" for each, number in counts.items()])
        raise UserError(f"{path}: has {found} {names}; name that of the faces with --category")
    return Classes(
        {name: counts[name] for name in faces}, {each: number for each, number in counts.items() if each not in faces}
    )


def _named(names: Iterable[str], wanted: str) -> list[str]:
    return [name for name in names if _plain(name) == _plain(wanted)]


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _shortened(names: list[str]) -> str:
    more = [f"{len(names) - MOST_SHOWN} more classes"] if len(names) > MOST_SHOWN else []
    return ", ".join([*names[:MOST_SHOWN], *more])


def _quoted(name: str) -> str:
    return f"'{printable(name)}'"

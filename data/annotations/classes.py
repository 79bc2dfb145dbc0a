"""Which object classes of an annotation are faces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from utils.errors import UserError
from utils.wording import counted, printable

MOST_SHOWN = 6  # classes in a sentence; a file may have hundreds


@dataclass(frozen=True)
class Classes:
    """The object classes of an annotation.

    Attributes:
        faces: the names of the classes that are faces.
        others: name -> number of objects of each other class, which are not read.
    """

    faces: tuple[str, ...] = ()
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def remarks(self) -> list[str]:
        """Sentences on what is unusual: a class of another name than "face", and the objects that are not read."""
        sentences = []
        if self.faces and self.faces != ("face",):
            sentences.append(f"the faces are the objects of class {' and '.join(map(_quoted, self.faces))}")
        if count := sum(self.others.values()):
            names = [f"{number:,} {_quoted(name)}" for name, number in self.others.items() if number]
            if len(names) > MOST_SHOWN:
                names[MOST_SHOWN:] = [f"{len(names) - MOST_SHOWN} more classes"]
            sentences.append(f"not read: {counted(count, 'object')} of other classes: {', '.join(names)}")
        return sentences


def choose_classes(path: Path, counts: Mapping[str, int], wanted: str | None) -> Classes:
    """Return which classes are the faces: those called like the wanted one, else "face", else the only class.

    Capitals make no difference, since a dataset that several people labelled often has "Face" and "face".

    Args:
        path: of the annotation, for the error.
        counts: name of a class -> number of its objects, also 0.
        wanted: the class that the user chose; None: no choice.

    Raises:
        UserError: no class has the wanted name, or it is not clear which class is the face.
    """
    if not counts:
        return Classes()
    name = (wanted or "face").casefold()
    faces = tuple(each for each in counts if each.casefold() == name)
    if not faces and wanted is None and len(counts) == 1:
        faces = tuple(counts)
    if not faces:
        found = "the classes" if wanted is None else f"no class {wanted!r} but"
        names = ", ".join(f"{printable(each)} ({number:,})" for each, number in counts.items())
        raise UserError(f"{path}: has {found} {names}; name that of the faces with --category")
    return Classes(faces, {each: number for each, number in counts.items() if each not in faces})


def _quoted(name: str) -> str:
    return f"'{printable(name)}'"

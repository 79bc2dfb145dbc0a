"""What the user of an image may not expect, collected over many images and said in one line for each kind."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from utils.wording import counted

NAMED = 20  # images that a line names


class ImageNote(NamedTuple):
    """One note.

    Attributes:
        kind: a key of NOTE_KINDS.
        message: what was found in this image, a few words.
    """

    kind: str
    message: str


# Kind -> what images of this kind are.
NOTE_KINDS = {
    "damaged": "damaged and decoded as far as possible",
    "stretched": "scaled to the bits in use",
    "dark": "nearly black, with hardly a value over 15 of 255",
    "frames": "read in the first frame or page only",
}


def count_images(count: int, kind: str) -> str:
    """Return "2 images are damaged ..."."""
    return f"{counted(count, 'image')} {'is' if count == 1 else 'are'} {NOTE_KINDS[kind]}"


@dataclass
class ImageNotes:
    """The notes of many images; memory does not grow with their number.

    Attributes:
        counts: kind -> number of images.
        named: kind -> "path (message)" of the first NAMED images.
    """

    counts: dict[str, int] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: object, notes: Iterable[ImageNote]) -> None:
        """Add the notes of an image."""
        for kind, message in notes:
            self._count(kind, 1, [f"{path} ({message})"])

    def update(self, other: "ImageNotes") -> None:
        """Add those of other images."""
        for kind, count in other.counts.items():
            self._count(kind, count, other.named[kind])

    def _count(self, kind: str, count: int, named: list[str]) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.named[kind] = [*self.named.get(kind, []), *named][:NAMED]

    def lines(self) -> list[str]:
        """Return a line for each kind, with its count and names."""
        lines = []
        for kind in NOTE_KINDS:
            if count := self.counts.get(kind, 0):
                more = count - len(self.named[kind])
                names = ", ".join(self.named[kind]) + (f", and {more} more" if more else "")
                lines.append(f"{count_images(count, kind)}: {names}")
        return lines

"""The names of images, and the places of images and faces in a file, packed: a million take little memory."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def clean_name(name: str) -> str:
    """Return an image's name with forward slashes, without the first slash that WIDER FACE's lists have."""
    return name.replace("\\", "/").lstrip("/")


class PackedNames(Sequence[str]):
    """Packed names of images. Each takes its letters and 16 bytes instead of a Python object.

    Args:
        text: UTF-8 text that holds the names; bytes that are not UTF-8 are surrogates.
        starts, ends: (P,) where each name begins and ends in the text.
    """

    def __init__(self, text: bytes | bytearray, starts: np.ndarray, ends: np.ndarray):
        self.text = np.frombuffer(text, np.uint8)  # forked processes share it: no reference counts are written
        self.starts = starts
        self.ends = ends

    @classmethod
    def pack(cls, names: Iterable[str]) -> "PackedNames":
        text, ends = bytearray(), array("q", [0])
        for name in names:
            text += name.encode("utf-8", "surrogateescape")
            ends.append(len(text))
        return cls(text, np.frombuffer(ends, np.int64)[:-1], np.frombuffer(ends, np.int64)[1:])

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        name = self.text[self.starts[index] : self.ends[index]].tobytes().decode("utf-8", "surrogateescape")
        return clean_name(name.strip())


class Lines(Sequence[str]):
    """Places `file:line` in a text, formatted on demand."""

    def __init__(self, path: Path, numbers: Sequence[int]):
        self.path = path
        self.numbers = np.asarray(numbers, np.int32)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return f"{self.path}:{self.numbers[index]}"


class Chosen(Sequence[str]):
    """Some of the places of a sequence, looked up on demand."""

    def __init__(self, places: Sequence[str], indices: np.ndarray):
        self.places, self.indices = places, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.places[int(self.indices[index])]


@dataclass
class Places:
    """Where each image and face is in its file, for error messages: `file:line`, or another name by the format."""

    images: Sequence[str]  # (P,)
    faces: Sequence[str]  # (F,)

"""What the end of a video file tells, which FFmpeg does not mention: a part that is cut off, or another recording."""

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

TS_PACKETS = (188, 192, 204)  # bytes of a packet of a transport stream: plain, with a time code, with error correction
BOX_HEADER = 8  # bytes: length and type
LARGE_BOX = 1  # instead of the length, which then follows in 8 bytes
MOST_BOXES = 1_000_000  # that are looked at


def notes_on_end(path: Path, file_format: str) -> Iterator[str]:
    """Yield a sentence if a transport stream is cut off, as recordings often are."""
    if file_format == "mpegts" and all(_size(path) % length for length in TS_PACKETS):
        yield "ends in the middle of a packet; frames at its end may be missing"


def missing_in_mp4(path: Path) -> str | None:
    """Return what is missing at the end of an MP4 file, or was not read there."""
    kinds, end = Counter(), 0
    for kind, following in islice(_boxes(path), MOST_BOXES):
        kinds[kind] += 1
        end = following
    if end > _size(path):
        return "ends in the middle of a part; frames at its end may be missing or damaged"
    # FFmpeg goes on reading fragments behind another header.
    if kinds[b"ftyp"] > 1 and kinds[b"moov"] > 1 and not kinds[b"moof"]:
        return f"has {kinds[b'moov']} recordings, one behind the other, and only the first is read; split the file"
    return None


def _size(path: Path) -> int:
    """Return the bytes of a file, 0 if it has been removed meanwhile."""
    return os.path.getsize(path) if os.path.exists(path) else 0


def _boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the type and the end of each box at the top level of an MP4 file (ISO 14496-12, 4.2).

    What is no box ends them.
    """
    with open(path, "rb") as file:
        start, size = 0, _size(path)
        while start + BOX_HEADER <= size:
            file.seek(start)
            header = file.read(2 * BOX_HEADER)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == LARGE_BOX:
                length = int.from_bytes(header[8:16], "big")
            if length < BOX_HEADER or not kind.isalnum():  # a length of 0 means up to the end
                return
            start += length
            yield kind, start

"""What the end of a video file tells, which FFmpeg does not mention: a part that is cut off, or another recording."""

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

TS_PACKET = 188  # bytes of a packet of a transport stream
TS_DISTANCES = (188, 192, 204)  # bytes from packet to packet: without anything, with times, with error correction
TS_SYNC = ord("G")  # the first byte
TS_TAIL = 3 * max(TS_DISTANCES)  # bytes that are looked at
BOX_HEADER = 8  # bytes: length and type
LARGE_BOX = 1  # instead of the length, which then follows in 8 bytes
SEGMENT = b"\x18\x53\x80\x67"  # the element of Matroska that holds all frames, after a header
# At the top level. Other programs append a trailer of their own or text, whose first bytes look like an unknown box.
BOXES = {
    *(b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"meta", b"uuid", b"sidx", b"emsg", b"free", b"skip"),
    *(b"wide", b"udta"),
}
INCOMPLETE = "is incomplete; frames at its end may be missing or damaged"
MOST_BOXES = 1_000_000  # that are looked at


def notes_on_end(path: Path, file_format: str) -> Iterator[str]:
    """Yield a sentence if a transport stream is cut off, as recordings often are."""
    if file_format == "mpegts" and path.is_file():  # it may have been removed meanwhile
        with open(path, "rb") as file:
            tail = _read_at(file, os.path.getsize(path) - TS_TAIL, TS_TAIL)
        if len(tail) == TS_TAIL and _ends_within_packet(tail):
            yield "ends in the middle of a packet; frames at its end may be missing"


def _ends_within_packet(tail: bytes) -> bool:
    """Whether the last of three packets in a row begins too late to be whole; padding may follow it."""
    if TS_SYNC in (tail[-TS_PACKET], tail[-max(TS_DISTANCES)]):
        return False
    return any(
        tail[-rest] == tail[-rest - distance] == tail[-rest - 2 * distance] == TS_SYNC
        for distance in TS_DISTANCES
        for rest in range(1, TS_PACKET)
    )


def describe_missing(path: Path, file_format: str) -> str | None:
    """Return what is missing at the end of an MP4 or Matroska file, or was not read there."""
    formats = file_format.split(",") if path.is_file() else ()
    if "mp4" in formats:
        return _missing_in_mp4(path)
    if "matroska" in formats and _segment_end(path) > os.path.getsize(path):
        return f"its last segment {INCOMPLETE}"
    return None


def _missing_in_mp4(path: Path) -> str | None:
    kinds, size = Counter(), os.path.getsize(path)
    for kind, end in islice(_boxes(path), MOST_BOXES):
        kinds[kind] += 1
        if end > size and kind in BOXES:
            return f"its last box (atom) {INCOMPLETE}"
    # FFmpeg goes on reading fragments after another header.
    if kinds[b"ftyp"] > 1 and kinds[b"moov"] > 1 and not kinds[b"moof"]:
        return f"has {kinds[b'moov']} recordings, one after the other, and only the first is read; split the file"
    return None


def _boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the type and the end of each box at the top level of an MP4 file (ISO 14496-12, 4.2).

    Stops at the first bytes that are not a box.
    """
    with open(path, "rb") as file:
        start, size = 0, os.path.getsize(path)
        while start + BOX_HEADER <= size:
            header = _read_at(file, start, 2 * BOX_HEADER)
            length, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if length == LARGE_BOX:
                length = int.from_bytes(header[8:16], "big")
            if length < BOX_HEADER or not kind.isalnum():  # a length of 0 means up to the end
                return
            start += length
            yield kind, start


def _segment_end(path: Path) -> int:
    """Return the byte at which the first segment of a Matroska file ends (RFC 8794), 0 where it is not told."""
    with open(path, "rb") as file:
        start, length = _element(file, 0)
        header = start + length
        if _read_at(file, header, 4) != SEGMENT:
            return 0
        start, length = _element(file, header)
    is_unknown = length == (1 << 7 * (start - header - 4)) - 1  # as in a live stream
    return 0 if is_unknown else start + length


def _element(file: BinaryIO, position: int) -> tuple[int, int]:
    """Return where the content of an element with an ID of four bytes begins, and its length."""
    size = _read_at(file, position + 4, 8)
    width = 9 - size[0].bit_length() if size else 1  # by the number of leading zeros
    return position + 4 + width, int.from_bytes(size[:width], "big") & ((1 << 7 * width) - 1)


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(max(position, 0))
    return file.read(count)

"""What a file that no decoder takes is, by its first bytes or its suffix, and what to do with it."""

import os
import re
from pathlib import PurePath
from typing import NamedTuple

TO_JPEG = "convert it to JPEG or PNG"
RAW = "raw data of a camera; develop it to JPEG or PNG"
# Image files that are not read. Raw data is often in a TIFF file, of which a decoder would read the thumbnail.
RAW_SUFFIXES = {
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf"),
    *(".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
}
UNREAD_SUFFIXES = RAW_SUFFIXES | {
    *(".ai", ".djvu", ".emf", ".eps", ".exr", ".heic", ".heics", ".heif", ".heifs", ".hif", ".jls", ".jxl", ".jxr"),
    *(".pdf", ".ps", ".svg", ".svgz", ".wdp", ".wmf", ".xcf"),
}
VIDEO = "a video; rename it to a suffix of videos"
# The first brand of the file's first box may be that of any HEIF image.
AVIF = re.compile(rb"....ftyp(?:....){0,16}?avi[fs]", re.DOTALL)
BY_CONTENT = (  # the first that matches the first bytes
    (AVIF.pattern, "an AVIF image, which this OpenCV and Pillow cannot read; install newer ones"),
    (rb"....ftyp(?:hei|hev|mif1|msf1)", f"a HEIF image (HEIC); {TO_JPEG}"),
    (rb"....ftypcrx|FUJIFILM|II\*\0....CR|IIU\0|IIR[OS]", RAW),
    (rb"....(?:ftyp|moov|mdat|free|wide)|RIFF....AVI |\x1a\x45\xdf\xa3|\0\0\x01\xba|FLV\x01|G.{187}G", VIDEO),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", f"a JPEG XL image; {TO_JPEG}"),
    (rb"\x76\x2f\x31\x01", f"an OpenEXR image; {TO_JPEG}"),
    (rb"(?:<\?xml.*?\?>|<!--.*?-->|<!DOCTYPE svg.*?>|\s)*<svg", f"an SVG drawing; {TO_JPEG}"),
    (rb"(?i)\s*<(?:!doctype html|html|head|body)", "a web page; download the file again"),
    (rb"version https://git-lfs", "a pointer of Git LFS; run git lfs pull"),
    (rb"%PDF", "a PDF document; save its pages as JPEG or PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", f"PostScript; {TO_JPEG}"),
    (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf", "an archive; unpack it"),
)
COMMON_IMAGES = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|BM....\0\0\0\0|II\*\0|MM\0\*", re.DOTALL)
RARE_JPEGS = dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "without loss") | dict.fromkeys(
    (0xC9, 0xCA, 0xCD, 0xCE), "with arithmetic coding"
)


class JpegHeader(NamedTuple):
    """What the markers before a JPEG's first scan say.

    Attributes:
        scan: position of the first start-of-scan marker, -1 where the file has none.
        frame: second byte of the start-of-frame marker, which tells the kind of JPEG, 0 where the file has none.
        bits: of a sample.
        size: (height, width) in pixels.
    """

    scan: int
    frame: int = 0
    bits: int = 8
    size: tuple[int, int] = (0, 0)


def jpeg_header(content: bytes) -> JpegHeader:
    """Read the markers of a JPEG."""
    header, position = JpegHeader(-1), 2
    while position + 4 <= len(content):
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        if marker == 0xDA:
            return header._replace(scan=position)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and position + 9 <= len(content):
            height, width = (int.from_bytes(content[at : at + 2], "big") for at in (position + 5, position + 7))
            header = JpegHeader(-1, marker, content[position + 4], (height, width))
        # Any number of fill bytes may precede a marker.
        position += 1 if marker == 0xFF else 2 + length
    return header


def advice(content: bytes) -> str | None:
    """Return what a file that cannot be decoded is and what to do, if its first bytes tell."""
    if not content:
        return "an empty file of 0 bytes; fetch it again"
    if content.startswith(b"\xff\xd8"):
        header = jpeg_header(content)
        kind = RARE_JPEGS.get(header.frame) if header.bits == 8 else f"of {header.bits} bits"
        return kind and f"a JPEG {kind}; save it as a baseline JPEG of 8 bits, or as PNG"
    head = content[:1024]
    return next((text for pattern, text in BY_CONTENT if re.match(pattern, head, re.DOTALL)), None)


def is_raw(path: object) -> bool:
    """Whether a file has raw data of a camera, by its suffix."""
    return PurePath(str(path)).suffix.lower() in RAW_SUFFIXES


def looks_like_image(path: str) -> bool:
    """Whether a file is a JPEG, PNG, GIF, WebP, BMP or TIFF by its first bytes; pipes and devices are not read."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return COMMON_IMAGES.match(file.read(16)) is not None
    except OSError:
        return False

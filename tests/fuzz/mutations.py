"""Hypothesis strategies that change the files of a seed: bytes, words, numbers, lines, JSON values, zip members."""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable

from hypothesis import strategies as st

LARGEST = 1 << 21  # bytes of a changed file
NUMBERS = (
    *(b"0", b"-1", b"-0", b"1e9", b"1000000000001", b"1e308", b"1e999", b"-1e999", b"1e-320", b"nan", b"inf", b"0.5"),
    *(b"2147483648", b"4294967295", b"9223372036854775808", b"1_000", b"0x10", b"1.5.2", b"+3", b"00", b"9" * 5000),
    "\u0663\u00b2".encode(),
)
TOKENS = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\r", b"\n\n", b"\t", b"\x0c"),
    *(b"\xe2\x80\xa8", "\U0001f600".encode(), b"../", b"/etc/passwd", b"C:\\", b"..\\", b"//", b"#", b",", b'"', b"'"),
    *(b"[", b"]", b"{", b"}", b"{}", b"[]", b"null", b"true", b"NaN", b"Infinity", b"<", b">", b"&lt;", b"<!--"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>&b;", b": ", b"- ", b"&a *a", b"<<: *a", b"!!python/object:os.system", b"%"),
)
VALUES = (
    *(None, True, False, 0, -1, 1.5, 1e308, float("nan"), float("inf"), 10**400, "", "face", "0", "a\0b", "\ud800"),
    *([], {}, [[]], [{}], {"": {}}, [0, 0], [1e9] * 4, ["a"] * 4, "x" * 5000, {"name": "face"}, [[0, 0], [1e400, 1]]),
)
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?")
WORD = re.compile(rb"[A-Za-z_][\w-]*")
INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000000)

Change = Callable[[st.DrawFn, bytes], bytes]


def _span(draw: st.DrawFn, content: bytes, most: int = 4096) -> tuple[int, int]:
    start = draw(st.integers(0, len(content)))
    return start, min(len(content), start + draw(st.integers(0, most)))


def _flip(draw: st.DrawFn, content: bytes) -> bytes:
    if not content:
        return draw(st.binary(max_size=16))
    place = draw(st.integers(0, len(content) - 1))
    return content[:place] + bytes([draw(st.integers(0, 255))]) + content[place + 1 :]


def _truncate(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    start, end = _span(draw, content, 256)
    return content[:start] + content[end:]


def _repeat(draw: st.DrawFn, content: bytes) -> bytes:
    start, end = _span(draw, content)
    times = draw(st.sampled_from((2, 2, 2, 2, 20, 20, 20, 20, 1000, 100_000)))
    times = min(times, max(2, (LARGEST - len(content)) // max(1, end - start)))
    return content[:start] + content[start:end] * times + content[end:]


def _insert(draw: st.DrawFn, content: bytes) -> bytes:
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(st.sampled_from(TOKENS + NUMBERS)) + content[place:]


def _integer(draw: st.DrawFn, content: bytes) -> bytes:
    """Replace an integer of a binary file."""
    width, order = draw(st.sampled_from((1, 2, 4, 8))), draw(st.sampled_from(("little", "big")))
    place = draw(st.integers(0, len(content)))
    value = draw(st.sampled_from(INTEGERS)) & ((1 << 8 * width) - 1)
    return content[:place] + value.to_bytes(width, order) + content[place + width :]


def _replace_match(pattern: re.Pattern, draw: st.DrawFn, content: bytes, value: st.SearchStrategy[bytes]) -> bytes:
    matches = list(pattern.finditer(content[:65536]))
    if not matches:
        return _insert(draw, content)
    start, end = draw(st.sampled_from(matches)).span()
    return content[:start] + draw(value) + content[end:]


def _number(draw: st.DrawFn, content: bytes) -> bytes:
    return _replace_match(NUMBER, draw, content, st.sampled_from(NUMBERS))


def _word(draw: st.DrawFn, content: bytes) -> bytes:
    words = sorted(set(WORD.findall(content[:65536]))) or [b""]
    return _replace_match(WORD, draw, content, st.sampled_from((*words, *TOKENS)))


def _lines(draw: st.DrawFn, content: bytes) -> bytes:
    """Move, drop or double a line."""
    lines = content.splitlines(keepends=True)
    if not lines:
        return content
    line = lines.pop(draw(st.integers(0, len(lines) - 1)))
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), line)
    return b"".join(lines)


def _json(draw: st.DrawFn, content: bytes) -> bytes:
    """Replace, drop, rename or double a value of a JSON file."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return _word(draw, content)
    root = {"tree": tree}
    holder, key = root, "tree"
    while isinstance(holder[key], (dict, list)) and holder[key] and draw(st.integers(0, 5)):
        holder = holder[key]
        key = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
    what = draw(st.sampled_from(("value", "value", "drop", "rename", "double", "nest")))
    if what == "drop" and holder is not root:
        del holder[key]
    elif what == "rename" and holder is not root and isinstance(holder, dict):
        holder[draw(st.sampled_from(("", "id", "name", "images", "attributes", "\ud800", "x" * 500)))] = holder.pop(key)
    elif what == "double" and isinstance(holder, list):
        holder += [holder[key]] * draw(st.sampled_from((1, 50, 5000)))
    elif what == "nest":
        for _ in range(draw(st.sampled_from((1, 3, 500)))):
            holder[key] = [holder[key]]
    else:
        holder[key] = draw(st.sampled_from(VALUES))
    try:
        return json.dumps(root["tree"]).encode()[:LARGEST]
    except RecursionError:
        return content


def _zip(draw: st.DrawFn, content: bytes) -> bytes:
    """Change a member of a zip file, with checksums that fit."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (OSError, ValueError, RuntimeError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return _integer(draw, content)
    name = draw(st.sampled_from(sorted(members) or [""]))
    what = draw(st.sampled_from(("content", "content", "content", "drop", "rename")))
    member = members.pop(name, b"")
    if what != "drop":
        name = f"{name}x" if what == "rename" else name
        members[name] = draw(st.sampled_from(BINARY))(draw, member) if what == "content" else member
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return packed.getvalue()


def _checksums(draw: st.DrawFn, content: bytes) -> bytes:
    """Change a PNG and correct the checksums of its chunks."""
    content = draw(st.sampled_from(BINARY))(draw, content)
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    parts, place = [content[:8]], 8
    while place + 8 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        chunk = content[place:end]
        parts.append(chunk + zlib.crc32(chunk[4:]).to_bytes(4, "big"))
        place = end + 4
    return b"".join(parts)


BINARY: tuple[Change, ...] = (_flip, _flip, _integer, _integer, _truncate, _cut, _repeat, _insert)
TEXT: tuple[Change, ...] = (_number, _number, _word, _word, _lines, _insert, _repeat, _cut, _truncate, _flip)


def _changes(content: bytes) -> tuple[Change, ...]:
    if content.startswith(b"PK"):
        return (*BINARY, *[_zip] * 12)
    if content.startswith(b"\x89PNG"):
        return (*BINARY, *[_checksums] * 8)
    if content[:1] in (b"{", b"["):
        return (*TEXT, *[_json] * 10)
    return BINARY if b"\0" in content[:4096] else TEXT


@st.composite
def changed_files(draw: st.DrawFn, files: dict[str, bytes], others: tuple[bytes, ...] = ()) -> dict[str, bytes]:
    """Draw a copy of a seed in which one file, seldom two, is changed.

    Args:
        others: files of other seeds; rarely a part of one of them is inserted.
    """
    files = dict(files)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2)))):
        name = draw(st.sampled_from(sorted(files)))
        content = files[name]
        for _ in range(draw(st.integers(1, 5))):
            content = draw(st.sampled_from(_changes(content)))(draw, content)[:LARGEST]
        if others and not draw(st.integers(0, 15)):
            start, end = _span(draw, other := draw(st.sampled_from(others)))
            place = draw(st.integers(0, len(content)))
            content = content[:place] + other[start:end] + content[place:]
        files[name] = content
    return files

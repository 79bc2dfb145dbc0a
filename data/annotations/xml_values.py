"""XML files: loading, and numbers of an element. Errors name the place."""

import io
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from utils.errors import UserError
from utils.expansion import check_xml
from utils.files import read_bytes

DEEPEST = 100
CHUNK = 1 << 16  # bytes


class _ShallowBuilder(ElementTree.TreeBuilder):
    """Builds the elements, but not without end inside each other, which takes 200 times the memory of the file."""

    def __init__(self):
        super().__init__()
        self.depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> Element:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError(f"has more than {DEEPEST} elements inside each other")
        return super().start(tag, attributes)

    def end(self, tag: str) -> Element:
        self.depth -= 1
        return super().end(tag)


def load_xml(path: Path, root_tag: str) -> Element:
    """Return the root of an XML file.

    Raises:
        UserError: as `iterate_xml`.
    """
    content = _read_plain_xml(path)
    try:
        parser = ElementTree.XMLParser(target=_ShallowBuilder())
        for start in range(0, len(content), CHUNK):  # after an error, the parser goes on to the end of what it is given
            parser.feed(content[start : start + CHUNK])
        root = parser.close()
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # LookupError: an unknown encoding
        raise UserError(f"{path}: is not XML ({error})") from error
    if root.tag != root_tag:
        raise UserError(f"{path}: found <{root.tag[:40]}>; expected <{root_tag}>")
    return root


def iterate_xml(path: Path, root_tag: str, tags: Collection[str]) -> Iterator[Element]:
    """Yield the elements of some tags of an XML file, one after the other, so that their tree is never in memory.

    Raises:
        UserError: it is not XML, has a document type, or another root than <root_tag>, or as `check_xml`.
    """
    content, root, depth = _read_plain_xml(path), None, 0
    try:
        for event, element in ElementTree.iterparse(io.BytesIO(content), ("start", "end")):
            if root is None:
                root = element
                if root.tag != root_tag:
                    raise UserError(f"{path}: found <{root.tag[:40]}>; expected <{root_tag}>")
            depth += 1 if event == "start" else -1
            if depth > DEEPEST:
                raise ValueError(f"has more than {DEEPEST} elements inside each other")
            if event == "end" and element.tag in tags:
                yield element
                root.clear()
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # LookupError: an unknown encoding
        raise UserError(f"{path}: is not XML ({error})") from error


def _read_plain_xml(path: Path) -> bytes:
    """Return the content of an XML file without entities.

    Entities, which need a document type, can expand a few bytes to gigabytes. Zero bytes are refused because UTF-16
    could hide a document type; in all other encodings of the parser, it has these bytes.
    """
    content = read_bytes(path)
    if b"<!DOCTYPE" in content or b"\0" in content:
        raise UserError(f"{path}: found a document type or UTF-16; expected plain XML in UTF-8")
    check_xml(path, content)
    return content


def number_of_attribute(where: str, element: Element, name: str, default: float | None = None) -> float:
    """Return a number that an element has as an attribute.

    Raises:
        UserError: there is none and no default, or it is not finite.
    """
    text = element.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: found {(text or '')[:40]!r} for {name}; expected a number")
    return value

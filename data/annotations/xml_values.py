"""XML files: loading, and numbers of an element. Errors name the place."""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.etree.ElementTree import Element

from utils.errors import UserError
from utils.files import read_bytes


def load_xml(path: Path, tag: str) -> Element:
    """Return the root of an XML file.

    Entities, which need a document type, can expand a few bytes to gigabytes. Zero bytes are refused because UTF-16
    could hide a document type; in all other encodings of the parser, it has these bytes.

    Raises:
        UserError: it is not XML, has a document type, or another root than <tag>.
    """
    content = read_bytes(path)
    if b"<!DOCTYPE" in content or b"\0" in content:
        raise UserError(f"{path}: found a document type or UTF-16; expected plain XML in UTF-8")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # LookupError: an unknown encoding
        raise UserError(f"{path}: is not XML ({error})") from error
    if root.tag != tag:
        raise UserError(f"{path}: found <{root.tag[:40]}>; expected <{tag}>")
    return root


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

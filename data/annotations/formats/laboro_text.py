"""Laboro TV's text: laid out as WIDER FACE's, with other attributes and commas.

An image ID, the number of faces, then a row `x, y, w, h, blur, shakiness, occlusion, pose` for each face.
"""

from data.annotations.format import Capabilities, FileHead, Format
from data.annotations.formats.wider_text import find_row, read_wider_text, starts_with_count, write_wider_text
from data.annotations.text_lines import hash_problem, parse_numbers

LABORO_ATTRIBUTES = ("blur", "shakiness", "occlusion", "pose")


def _recognizes(head: FileHead) -> bool:
    """Decide by the first row of numbers. A text without rows is Laboro TV's only if the user says so."""
    if not starts_with_count(head.lines):
        return False
    row = find_row(head)
    if row is None:
        return head.requested == "laboro"
    return "," in row or len(parse_numbers(row)) == 4 + len(LABORO_ATTRIBUTES)


LABORO = Format(
    name="laboro",
    description="Laboro TV text",
    read=lambda path, options: read_wider_text(path, LABORO_ATTRIBUTES, options.problems),
    write=lambda path, annotations: write_wider_text(path, annotations, LABORO_ATTRIBUTES, separator=", "),
    capabilities=Capabilities(attributes=dict.fromkeys(LABORO_ATTRIBUTES, 0.0), all_attributes=True),
    recognizes=_recognizes,
    name_problem=hash_problem,
)

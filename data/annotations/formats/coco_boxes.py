"""The boxes of COCO's annotations: `bbox` in the forms that tools write, or else around the segmentation."""

from collections.abc import Sequence

from data.annotations.formats.coco_values import Said, read_numbers, to_number
from data.annotations.json_values import is_number, shown
from data.annotations.problems import check_extent
from data.annotations.shapes import rotated
from utils.errors import UserError

OBJECT = ("bbox that is an object, as {{x, y, width, height}}: read for {}", "face")
OUTLINE = ("no bbox, or one without area: the box around the segmentation is read for {}", "face")
ROTATED = ("rotated rectangles: the box around them is read for {}", "face")
# The keys of a bbox that is an object: of x and y, and of the width and height.
SIZE_KEYS = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
CORNER_KEYS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
MOST_DIGITS = 12  # of 5 bits each, in a number of a compressed mask


def read_box(where: str, record: dict, said: Said) -> list[float]:
    """Return x y w h of an annotation.

    Raises:
        UserError: there is no box, or one of negative size or beyond LARGEST.
    """
    box, bbox = None, record.get("bbox")
    if isinstance(bbox, dict):
        box = _from_object(bbox, said)
        said[OBJECT] += 1
    elif isinstance(bbox, list):
        box = read_numbers(bbox, said)
    elif isinstance(bbox, str):
        box = read_numbers(bbox.strip(" []()").replace(",", " ").split(), said)
    if not bbox or (box and len(box) == 4 and None not in box and 0 in box[2:]):
        around = box_around(record.get("segmentation"))
        said[OUTLINE] += around is not None
        box = around or box
    if not box or len(box) != 4 or None in box:
        raise UserError(f"{where}: found {shown(record, 'bbox')}; expected four finite numbers, x y w h")
    if box[2] < 0 or box[3] < 0:
        raise UserError(f"{where}: found {shown(record, 'bbox')}; a face's width and height cannot be negative")
    if degrees := cvat_rotation(record):
        x, y, w, h = box
        box = list(rotated((x, y, w, h), degrees, (x + w / 2, y + h / 2)).box)
        said[ROTATED] += 1
    check_extent(where, box)
    return box


def cvat_rotation(record: dict) -> float | None:
    """Return by how many degrees clockwise a box of CVAT is rotated; None for an annotation that is not of CVAT."""
    attributes = record.get("attributes")
    is_of_cvat = isinstance(attributes, dict) and type(attributes.get("occluded")) is bool
    degrees = attributes.get("rotation") if is_of_cvat else None
    return degrees % 360 if is_number(degrees) else None


def _from_object(bbox: dict, said: Said) -> list[float | None] | None:
    """Return x y w h of a bbox that is an object; None for unknown keys."""
    bbox = {str(key).lower(): value for key, value in bbox.items()}
    for keys in (*SIZE_KEYS, *CORNER_KEYS):
        if all(key in bbox for key in keys):
            values = read_numbers([bbox[key] for key in keys], said)
            if keys in CORNER_KEYS and None not in values:
                return [*values[:2], values[2] - values[0], values[3] - values[1]]
            return values
    return None


def box_around(segmentation: object) -> list[float] | None:
    """Return x y w h around polygons, or around the pixels of a mask; None where there are none.

    Args:
        segmentation: a list of polygons [x, y, x, y, ...], or one of them, or a mask {"size", "counts"} with the
            lengths of its runs as a list or as a compressed text.
    """
    if isinstance(segmentation, dict):
        return _around_mask(segmentation)
    if not isinstance(segmentation, list) or not segmentation:
        return None
    polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
    values = [[to_number(value) for value in polygon] for polygon in polygons if isinstance(polygon, list)]
    if not any(values) or any(None in polygon or len(polygon) % 2 for polygon in values):
        return None
    xs, ys = ([value for polygon in values for value in polygon[start::2]] for start in (0, 1))
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _around_mask(mask: dict) -> list[float] | None:
    """Return x y w h around the pixels of a mask, whose runs of zeros and ones go down its columns."""
    size, counts = mask.get("size"), mask.get("counts")
    counts = _decompressed(counts) if isinstance(counts, str) else counts
    if not _are_whole(size) or len(size) != 2 or not _are_whole(counts) or sum(counts) != size[0] * size[1]:
        return None
    height = size[0]
    left = top = right = bottom = None
    start = 0
    for number, length in enumerate(counts):
        end = start + length
        if number % 2 and length:
            first, last = divmod(start, height), divmod(end - 1, height)  # column and row
            rows = (first[1], last[1]) if first[0] == last[0] else (0, height - 1)
            left, right = (first[0] if left is None else left), last[0]
            top = rows[0] if top is None else min(top, rows[0])
            bottom = rows[1] if bottom is None else max(bottom, rows[1])
        start = end
    return None if left is None else [left, top, right - left + 1, bottom - top + 1]


def _are_whole(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 40 for value in values)


def _decompressed(text: str) -> Sequence[int] | None:
    """Return the lengths of a mask's runs; None where the text is not what COCO's tools write.

    Each letter has five bits of a number, the lowest first, and a sixth that says whether more follow. From the fourth
    on, a number is the difference to the second before it.
    """
    counts: list[int] = []
    value = digits = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or digits == MOST_DIGITS:
            return None
        value |= (bits & 31) << 5 * digits
        digits += 1
        if not bits & 32:
            value -= (1 << 5 * digits) if bits & 16 else 0  # the number is negative
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = digits = 0
    return None if digits else counts

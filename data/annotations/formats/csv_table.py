"""Tables with a row for each object, as TensorFlow, Roboflow, keras-retinanet, VoTT and makesense.ai write them.

The columns are known by the header, or by the content where there is none.
"""

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.formats.label_studio import read_tasks
from data.annotations.formats.via_json import Regions, region_shape
from data.annotations.json_files import OBJECTS, as_object
from data.annotations.objects import ObjectReader, text_value, valid_size
from data.annotations.record import Annotations
from data.annotations.shapes import LARGEST_PART, RECTANGLE, Shape, rectangle
from data.image_files import has_no_suffix
from utils.errors import UserError
from utils.files import read_text
from utils.wording import printable

Rows = Iterator[tuple[str, dict[str, str]]]  # place, and cells by the names of the columns
LONGEST_FIELD = 1 << 27  # bytes; the regions of an image may be one field, and Python's own limit is 128 KiB
SEPARATORS = ",;\t"

# What a column means -> the names that tools give it, in lower case, without blanks and underlines.
NAMES = {
    "image": ("filename", "image", "imagename", "imagepath", "imageid", "nameid", "path", "filepath", "file", "img"),
    "label": ("class", "label", "labelname", "classname", "category"),
    "x1": ("xmin", "x1", "xtl", "left"),
    "y1": ("ymin", "y1", "ytl", "top"),
    "x2": ("xmax", "x2", "xbr", "right"),
    "y2": ("ymax", "y2", "ybr", "bottom"),
    "x": ("x", "bboxx"),
    "y": ("y", "bboxy"),
    "w": ("w", "bboxwidth"),
    "h": ("h", "bboxheight"),
    "width": ("width", "imagewidth", "imgwidth", "imgw"),
    "height": ("height", "imageheight", "imgheight", "imgh"),
    # of Open Images; a box around a group of faces is a region to ignore
    "occluded": ("isoccluded",),
    "truncated": ("istruncated",),
    "crowd": ("isgroupof", "iscrowd"),
}
FROM_0 = {"x0": "x1", "y0": "y1", "x1": "x2", "y1": "y2"}
CORNERS, SIZED = ("x1", "y1", "x2", "y2"), ("x", "y", "w", "h")
# Tables without a header, which have these columns.
KERAS = ("image", *CORNERS, "label")
MAKESENSE = ("label", *SIZED, "image", "width", "height")
VIA_COLUMNS = {"filename", "region_shape_attributes", "region_attributes"}
OPEN_IMAGES_FACE = {"/m/0dzct": "face"}  # the ID of "Human face"
CLASS_NAMES = ("*class-descriptions*.csv", "classes.csv")  # of Open Images: rows of an ID and a name


def read_csv(path: Path, options: ReadOptions) -> Annotations:
    """Read a file. A row without coordinates is an image without faces; further columns become attributes.

    If no coordinate is above LARGEST_PART, they are parts of the image's size.

    Raises:
        UserError: a row that is malformed, named by its line, or columns that are not known.
    """
    text = read_text(path)
    first = next((line for line in text.split("\n", 100) if line.strip()), "")
    columns, has_header = _columns(first)
    reader = ObjectReader(path, options)
    rows = _rows(reader, text, columns, _separator(first), has_header)
    if set(columns) >= VIA_COLUMNS:
        return _read_via(reader, rows)
    if "annotation_id" in columns:
        return _read_label_studio(reader, rows)
    meanings = _meanings(columns)
    coordinates = next((each for each in (CORNERS, SIZED) if {"image", *each} <= set(meanings)), None)
    if coordinates is None:
        raise UserError(
            f"{path}: found the columns {', '.join(map(printable, columns[:12])) or 'none'}; expected a table with"
            " names of images and xmin ymin xmax ymax, or another layout of docs/data.md"
        )
    _read_boxes(reader, rows, dict(zip(columns, meanings, strict=True)), coordinates)
    return reader.annotations()


def _read_boxes(reader: ObjectReader, rows: Rows, meanings: Mapping[str, str], coordinates: Sequence[str]) -> None:
    largest, class_names = 0.0, _class_names(reader.path)
    for where, cells in rows:
        row = {meanings[column]: cell for column, cell in cells.items()}
        with reader.skipping():
            size = valid_size(row.pop("height", None), row.pop("width", None))
            image = reader.image(row.pop("image", ""), where, size)
            texts = [row.pop(name, "") for name in coordinates]
            label = row.pop("label", "")
            if not any(texts):
                continue
            with reader.skipping(image):
                values = _numbers(where, coordinates, texts)
                largest = max(largest, *values)
                shape = rectangle(*values) if coordinates is CORNERS else Shape(RECTANGLE, tuple(values))
                attributes = {name: text_value(text) for name, text in row.items() if text}
                reader.add(image, where, [class_names.get(label, label)], shape, attributes)
    if 0 < largest <= LARGEST_PART:
        reader.set_in_parts()


def _class_names(path: Path) -> dict[str, str]:
    """Return ID -> name of Open Images' classes, from the file that CVAT and FiftyOne write beside the table."""
    names = {}
    for folder in (path.parent, path.parent.parent / "metadata"):
        for file in (file for pattern in CLASS_NAMES for file in sorted(folder.glob(pattern))):
            rows = csv.reader(_lines(read_text(file)))
            names |= {row[0].strip(): row[1].strip() for row in rows if len(row) == 2 and row[0].startswith("/m/")}
    return names | OPEN_IMAGES_FACE


def _read_via(reader: ObjectReader, rows: Rows) -> Annotations:
    regions = Regions(reader)
    for where, row in rows:
        with reader.skipping():
            image = reader.image(row.get("filename"), where)
            shape = _json(where, row.get("region_shape_attributes") or "{}")
            if shape:
                own = _json(where, row.get("region_attributes") or "{}")
                regions.add(image, where, region_shape(where, as_object(where, shape)), as_object(where, own))
    return regions.annotations()


def _read_label_studio(reader: ObjectReader, rows: Rows) -> Annotations:
    """Read rows like the entries of JSON_MIN; the regions are JSON in one of the fields."""
    tasks = []
    for where, row in rows:
        with reader.skipping():
            cells = {name: _json(where, cell) if cell.startswith("[{") else cell for name, cell in row.items()}
            tasks.append((where, cells))
    return read_tasks(reader, tasks)


def _json(where: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: found {text[:60]!r}; expected JSON ({error})") from error


def _rows(reader: ObjectReader, text: str, columns: Sequence[str], separator: str, has_header: bool) -> Rows:
    """Yield the place and the cells of each row, by the names of their columns."""
    csv.field_size_limit(LONGEST_FIELD)
    rows = csv.reader(_lines(text), delimiter=separator)
    try:
        for cells in rows:
            if has_header or not any(cells):
                has_header = has_header and not any(cells)
                continue
            where = f"{reader.path}:{rows.line_num}"
            if any(cells[len(columns) :]):
                with reader.skipping():
                    raise UserError(f"{where}: found {len(cells)} columns; expected {len(columns)}")
                continue
            yield where, dict(zip(columns, map(str.strip, cells), strict=False))
    except csv.Error as error:
        raise UserError(f"{reader.path}:{rows.line_num}: is no table that can be read ({error})") from error


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text one by one, which takes no memory."""
    return (match[0] for match in re.finditer(r"[^\n]*\n|[^\n]+", text))


def _separator(line: str) -> str:
    return max(SEPARATORS, key=line.count)


def _columns(line: str) -> tuple[list[str], bool]:
    """Return the names of the columns by the first line, none if they are not known, and whether it is a header."""
    cells = [cell.strip() for cell in next(csv.reader([line], delimiter=_separator(line)), [])]
    for layout in (KERAS, MAKESENSE):
        row = dict(zip(layout, cells, strict=False))
        numbers = [row.get(name, "") for name in layout if name not in ("image", "label")]
        is_complete = len(cells) == len(layout) and not has_no_suffix(row["image"])
        if is_complete and (not any(numbers) or None not in map(_number, numbers)):
            return list(layout), False
    return [cell.removeprefix("#") for cell in cells], True


def _meanings(columns: Sequence[str]) -> list[str]:
    """Return what each column means; one that is not known is an attribute of its name.

    Corners may be numbered from 0; a first corner without a second one is x y. `width` and `height` are those of the
    image, but those of the box where there are x and y and no other width.
    """
    names = [re.sub(r"[\s_]", "", column.lower()) for column in columns]
    if "x0" in names:
        names = [FROM_0.get(name, name) for name in names]
    for axis, first, second in (("x", "x1", "x2"), ("y", "y1", "y2")):
        if axis not in names and not {*NAMES[second]} & {*names}:
            names = [axis if name in NAMES[first] else name for name in names]
    if "x" in names and "y" in names and not {"w", "bboxwidth"} & set(names):
        names = [{"width": "w", "height": "h"}.get(name, name) for name in names]
    meanings = list(columns)
    for meaning, known in NAMES.items():
        if name := next((name for name in known if name in names), None):
            meanings[names.index(name)] = meaning
    return meanings


def _numbers(where: str, names: Sequence[str], texts: Sequence[str]) -> list[float]:
    values = [_number(text) for text in texts]
    if None in values:
        bad = values.index(None)
        raise UserError(f"{where}: found {texts[bad][:40]!r} for {names[bad]}; expected a number")
    return values


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _recognizes(head: FileHead) -> bool:
    if not head.lines or not any(separator in head.lines[0] for separator in SEPARATORS):
        return False
    columns, _ = _columns(head.lines[0])
    is_known = set(columns) >= VIA_COLUMNS or {"annotation_id", "lead_time"} <= set(columns)
    meanings = set(_meanings(columns))
    return is_known or any({"image", *each} <= meanings for each in (CORNERS, SIZED))


CSV = Format(
    name="csv",
    description="a CSV table",
    read=read_csv,
    capabilities=OBJECTS,
    recognizes=_recognizes,
    files="*.[ct]sv",
    has_classes=True,
)

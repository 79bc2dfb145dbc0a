"""Reader of COCO results: a JSON file with a list of one record per detection, in any order.

    [{"image_id": 139, "category_id": 1, "bbox": [345, 211, 23, 33], "score": 0.9987}, ...]

bbox is x y w h in pixels. All records are faces: a second category_id is an error. Its value and further keys are
ignored.
"""

import gc
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from data.annotations.problems import LARGEST
from utils.errors import UserError
from utils.files import read_text

Row = tuple[float, float, float, float, float]


def read_results(path: str | Path) -> dict[int | str, np.ndarray]:
    """Read a results file.

    Returns:
        image_id -> (N, 5) float64, x1 y1 x2 y2 score with x2 = x + w, in the order of the file.

    Raises:
        UserError: the file cannot be read or is not a list in JSON; a malformed record or a second category, named by
            the number of the record, from 1.
    """
    text = read_text(path)
    with _without_garbage_collection():
        try:
            records = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: is not JSON ({error}); expected a list of detections as COCO results") from error
        if not isinstance(records, list):
            raise UserError(f"{path}: found {repr(records)[:80]}; expected a list of detections as COCO results")
        rows = _group_by_image(path, records)
    return {image_id: np.array(group, np.float64) for image_id, group in rows.items()}


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause garbage collection, which scans the growing list repeatedly and takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _group_by_image(path: str | Path, records: list) -> dict[int | str, list[Row]]:
    """Return the rows of each image_id."""
    rows = defaultdict(list)
    for number, record in enumerate(records, start=1):
        row = _read_record(record)
        if row is None:
            raise UserError(
                f"{path}: record {number}: found {repr(record)[:120]}; expected image_id, a whole number or a name,"
                " bbox, [x, y, w, h] with w and h of 0 or more, and score, up to 1e9"
            )
        category, first = record.get("category_id"), records[0].get("category_id")
        if category != first:
            raise UserError(
                f"{path}: record {number}: found category_id {category!r} after {first!r}; expected one category; write"
                " the faces to a separate file"
            )
        rows[record["image_id"]].append(row)
    return rows


def _read_record(record: object) -> Row | None:
    """Return x1 y1 x2 y2 score, or None if the record is malformed."""
    try:
        x, y, w, h = record["bbox"]
        row = x, y, x + w, y + h, record["score"]
        valid = (
            w >= 0 and h >= 0 and all(abs(value) <= LARGEST for value in row) and type(record["image_id"]) in (int, str)
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return row if valid else None

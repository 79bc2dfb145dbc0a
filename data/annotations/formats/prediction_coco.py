"""Reader of COCO results: a JSON file with a list of one record per detection, in any order.

    [{"image_id": 139, "category_id": 1, "bbox": [345, 211, 23, 33], "score": 0.9987}, ...]

bbox is x y w h in pixels. All records are faces: a second category_id is an error. Its value and further keys are
ignored.
"""

import gc
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from data.annotations.format import Capabilities, Format
from data.annotations.json_values import parse_json
from data.annotations.places import Chosen, Places
from data.annotations.problems import LARGEST
from data.annotations.record import SCORE, Annotations, make_annotations
from data.image_files import IMAGE_SUFFIXES, files_below, image_key
from utils.errors import UserError
from utils.files import read_text
from utils.wording import counted

Row = tuple[float, float, float, float, float]
Size = tuple[int, int]


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
            records = parse_json(path, text)
        except (ValueError, RecursionError) as error:
            of_detect = text.startswith('{"picture"')
            advice = "; the JSON lines of detect.py are not scored: run val_tvface.py" if of_detect else ""
            raise UserError(
                f"{path}: is not JSON ({error}); expected a list of detections as COCO results{advice}"
            ) from error
        if not isinstance(records, list):
            advice = ", as in its annotations" if isinstance(records, dict) and "annotations" in records else ""
            raise UserError(
                f"{path}: found {repr(records)[:80]}; expected a list of detections as COCO results{advice}"
            )
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


def read_results_as_labels(path: Path, images: Path | None = None, ids: Path | None = None) -> Annotations:
    """Read a results file as annotations with the attribute `score`.

    An image_id that is a text is the image's name. A number is looked up among the images of `ids`, which also gives
    the images without detections, or else among the files in `images` that are called by the number, as COCO's are.

    Args:
        images: folder of the images.
        ids: COCO JSON with `images`.

    Raises:
        UserError: as `read_results`, or an id without an image.
    """
    results = read_results(path)
    known = _named_ids(ids) if ids else _numbered_files(images) if images else {}
    notes = []
    if not ids:
        notes.append("COCO results do not name the images without detections; --ids adds those of a COCO JSON")
        known |= {image_id: (image_id, None) for image_id in results if isinstance(image_id, str)}
    unknown = [image_id for image_id in results if image_id not in known]
    if unknown:
        where = f"in {ids}" if ids else "by this number; name the COCO JSON that they refer to with tools.convert --ids"
        raise UserError(
            f"{path}: found image_id {unknown[0]!r} ({len(unknown):,} of {counted(len(results), 'id')} like it);"
            f" expected an image {where}"
        )
    identities = list(known) if ids else list(results)
    groups = [results.get(identity, np.empty((0, 5))) for identity in identities]
    rows, counts = np.concatenate([*groups, np.empty((0, 5))]), [len(group) for group in groups]
    places = [f"{path}: image_id {identity!r}" for identity in identities]
    return make_annotations(
        [known[identity][0] for identity in identities],
        counts,
        np.concatenate([rows[:, :2], rows[:, 2:4] - rows[:, :2]], axis=1),
        attributes={SCORE: rows[:, 4].copy()},
        sizes=[known[identity][1] for identity in identities],
        identities=identities if all(isinstance(identity, int) for identity in identities) else None,
        places=Places(places, Chosen(places, np.repeat(np.arange(len(places)), counts))),
        notes=notes,
    )


def _named_ids(path: Path) -> dict[int | str, tuple[str, Size | None]]:
    """Return id -> name and (height, width) of the images of a COCO JSON."""
    try:
        content = parse_json(path, read_text(path))
        return {
            record["id"]: (record["file_name"], _size(record.get("height"), record.get("width")))
            for record in content["images"]
            if type(record["id"]) in (int, str) and isinstance(record["file_name"], str)
        }
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: has no COCO images with id and file_name; expected COCO JSON for --ids") from error


def _size(height: object, width: object) -> Size | None:
    return (height, width) if type(height) is type(width) is int and 0 < min(height, width) < LARGEST else None


def _numbered_files(images: Path) -> dict[int | str, tuple[str, Size | None]]:
    """Return number -> name of the images that are called by a number: 139 -> 000000000139.jpg."""
    numbered = {}
    for name in files_below(images, IMAGE_SUFFIXES):
        digits = image_key(name).rpartition("/")[2]
        if digits.isdecimal() and len(digits) < 19:
            numbered[int(digits)] = (name, None) if int(digits) not in numbered else None  # ambiguous
    return {number: found for number, found in numbered.items() if found}


COCO_RESULTS = Format(
    name="coco_results",
    description="COCO results",
    read=lambda path, options: read_results_as_labels(path, options.images, options.ids),
    capabilities=Capabilities(attributes={SCORE: 0.0}, ids=True),
    recognizes=lambda head: re.match(r'\s*\[\s*(\]|\{[^{}]*"image_id"\s*:)', head.text) is not None,
    files="*.json",
    is_prediction=True,
)

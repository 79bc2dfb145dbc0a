"""FiftyOne's datasets: samples.json of a FiftyOneDataset, labels.json of a FiftyOneImageDetectionDataset."""

from collections import Counter
from pathlib import Path

from data.annotations.format import FileHead, Format, ReadOptions
from data.annotations.json_files import OBJECTS, as_object
from data.annotations.json_values import is_number, load_json, objects_of, points_of
from data.annotations.objects import LabelledImage, ObjectReader, valid_size
from data.annotations.record import Annotations
from data.annotations.shapes import RECTANGLE, Shape, outline
from utils.errors import UserError
from utils.wording import counted

GROUND_TRUTH = "ground_truth"  # FiftyOne's usual name of the field of labels
LISTS = {"Detections": "detections", "Polylines": "polylines", "Keypoints": "keypoints"}
KINDS = {*LISTS, *(name[:-1] for name in LISTS)}
# The keys of a detection that are no attributes of the object.
NO_ATTRIBUTES = {"_id", "_cls", "id", "label", "bounding_box", "mask", "mask_path", "tags", "attributes", "points"}


def read_fiftyone(path: Path, options: ReadOptions) -> Annotations:
    """Read a file. Coordinates are parts of the image's size, which is read from the image if the file lacks it.

    Raises:
        UserError: a sample that is malformed, or several fields of labels none of which is `ground_truth`.
    """
    reader, content = ObjectReader(path, options), as_object(str(path), load_json(path))
    if "samples" in content:
        _read_samples(reader, objects_of(str(path), content, "samples"))
    else:
        _read_labels(reader, content)
    return reader.annotations()


def _read_samples(reader: ObjectReader, samples: list[dict]) -> None:
    field = _label_field(reader.path, samples)
    for number, sample in enumerate(samples, start=1):
        where = f"{reader.path}: sample number {number}"
        with reader.skipping():
            metadata = sample.get("metadata") if isinstance(sample.get("metadata"), dict) else {}
            size = valid_size(metadata.get("height"), metadata.get("width"))
            image = reader.new_image(sample.get("filepath"), where, size, in_parts=True)
            label = as_object(where, sample.get(field) or {})
            key = LISTS.get(str(label.get("_cls")))
            for index, record in enumerate(objects_of(where, label, key) if key else [label] if label else [], start=1):
                with reader.skipping(image):
                    _add(reader, image, f"{where}: label {index}", record, record.get("label"))


def _label_field(path: Path, samples: list[dict]) -> str | None:
    """Return the name of the field with the labels: `ground_truth`, else the only one with boxes or outlines."""
    counts = Counter(
        name
        for sample in samples
        for name, value in sample.items()
        if isinstance(value, dict) and str(value.get("_cls")) in KINDS
    )
    if len(counts) < 2 or GROUND_TRUTH in counts:
        return GROUND_TRUTH if GROUND_TRUTH in counts else next(iter(counts), None)
    names = ", ".join(f"{name} ({count:,})" for name, count in counts.items())
    raise UserError(f"{path}: has the fields of labels {names}; export the one to read, or call it {GROUND_TRUTH}")


def _read_labels(reader: ObjectReader, content: dict) -> None:
    """Read labels.json, in which null is an image without labels that nobody has looked at."""
    classes = content.get("classes") if isinstance(content.get("classes"), list) else []
    unlabelled = 0
    for name, records in as_object(str(reader.path), content.get("labels")).items():
        where = f"{reader.path}: image {name[:60]}"
        if records is None:
            unlabelled += 1
            continue
        image = reader.new_image(name, where, in_parts=True)
        for index, record in enumerate(objects_of(where, {"labels": records}, "labels"), start=1):
            with reader.skipping(image):
                label = record.get("label")
                is_index = type(label) is int and 0 <= label < len(classes)
                _add(reader, image, f"{where}: label {index}", record, classes[label] if is_index else label)
    if unlabelled:
        reader.notes.append(f"not read: {counted(unlabelled, 'image')} that nobody has labelled")


def _add(reader: ObjectReader, image: LabelledImage, where: str, record: dict, label: object) -> None:
    box = record.get("bounding_box")
    if isinstance(box, list) and len(box) == 4 and all(map(is_number, box)):
        shape = Shape(RECTANGLE, tuple(box))
    elif record.get("_cls") == "Polyline" and isinstance(record.get("points"), list):
        lines = [points_of(where, {"points": line}, "points") for line in record["points"]]
        shape = outline("polygon", [point for line in lines for point in line])
    elif record.get("_cls") == "Keypoint":
        shape = Shape("keypoint", None)
    else:
        raise UserError(f"{where}: found no bounding_box of four numbers; expected parts of the image's size x y w h")
    own = record.get("attributes") if isinstance(record.get("attributes"), dict) else {}
    # An attribute of older versions is an object with its value.
    attributes = {name: value.get("value") if isinstance(value, dict) else value for name, value in own.items()}
    attributes |= {name: value for name, value in record.items() if name not in NO_ATTRIBUTES}
    reader.add(image, where, [label], shape, attributes)


def _recognizes(head: FileHead) -> bool:
    first, second, third = head.keys[:3]
    is_samples = "samples" in first and "filepath" in third
    is_labels = "labels" in first and "bounding_box" in (*second, *third, *head.keys[3]) and "shapes" not in first
    return is_samples or is_labels


FIFTYONE = Format(
    name="fiftyone",
    description="FiftyOne JSON",
    read=read_fiftyone,
    capabilities=OBJECTS,
    recognizes=_recognizes,
    files="*.json",
    companions=("metadata.json",),
    has_classes=True,
)

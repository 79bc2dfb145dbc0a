"""The annotation formats, and which of them a file is in."""

from fnmatch import fnmatch
from pathlib import Path

from data.annotations.format import FileHead, Format
from data.annotations.formats.coco import COCO
from data.annotations.formats.createml import CREATEML
from data.annotations.formats.csv_table import CSV
from data.annotations.formats.cvat_xml import CVAT
from data.annotations.formats.datumaro import DATUMARO
from data.annotations.formats.fiftyone import FIFTYONE
from data.annotations.formats.label_studio import LABEL_STUDIO
from data.annotations.formats.label_text import LABEL
from data.annotations.formats.labelme import LABELME
from data.annotations.formats.laboro_text import LABORO
from data.annotations.formats.name_list import NAME_LIST
from data.annotations.formats.prediction_coco import COCO_RESULTS
from data.annotations.formats.prediction_lines import DETECTIONS
from data.annotations.formats.prediction_text import DETECTION_TEXTS
from data.annotations.formats.scrfd_text import SCRFD
from data.annotations.formats.supervisely import SUPERVISELY
from data.annotations.formats.via_json import VIA
from data.annotations.formats.voc import VOC
from data.annotations.formats.vott import VOTT
from data.annotations.formats.wider_mat import WIDER_MAT
from data.annotations.formats.wider_text import WIDER
from data.annotations.formats.yolo import YOLO
from utils.errors import UserError

# By name. The first format that recognizes a file's content is chosen, so specific formats come before general ones.
EXPORTS = (CSV, CVAT, LABELME, SUPERVISELY, VOTT, VIA, LABEL_STUDIO, CREATEML, DATUMARO, FIFTYONE)
TEXTS = (DETECTION_TEXTS, LABORO, WIDER, WIDER_MAT, YOLO, NAME_LIST)
FORMATS = {each.name: each for each in (SCRFD, LABEL, DETECTIONS, *EXPORTS, COCO_RESULTS, COCO, VOC, *TEXTS)}

# The names of the formats that can be written; the others are only read.
WRITABLE = [name for name, each in FORMATS.items() if each.write is not None]

# Format -> name of a split's annotation in a dataset; the text formats are called as data.splits.LABELS says.
ANNOTATION_NAMES = {name: each.name_in_dataset for name, each in FORMATS.items() if each.name_in_dataset}


def find_format(name: str) -> Format:
    """Return a format by its name.

    Raises:
        UserError: an unknown name.
    """
    if name not in FORMATS:
        raise UserError(f"{name!r}: no such annotation format; expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


def recognize_file(path: Path, requested: str | None = None) -> str | None:
    """Return the name of a file's format by its suffix, else by its content; None where it is unknown.

    Where several formats have the suffix, the content decides between them.

    Args:
        requested: the format that the user asked for; see FileHead.
    """
    fitting = [
        name for name, each in FORMATS.items() if each.suffix != ".txt" and fnmatch(path.name.lower(), each.files)
    ]
    if len(fitting) == 1:
        return fitting[0]
    head = FileHead.read(path, requested)
    if fitting:  # the last one is the most general, whose reader says what is wrong
        return next((name for name in fitting if FORMATS[name].recognizes(head)), fitting[-1])
    return recognize_content(head)


def recognize_content(head: FileHead) -> str | None:
    """Return the name of the format that a file's content is in, None where it is unknown."""
    return next((name for name, each in FORMATS.items() if each.recognizes(head)), None)

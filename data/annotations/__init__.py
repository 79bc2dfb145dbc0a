"""Reading and writing ground truth: one record per image in any format."""

from data.annotations.capabilities import fit_annotations
from data.annotations.finding import find_annotations
from data.annotations.problems import LARGEST
from data.annotations.reading import ImageNames, annotation_images, has_classes, read_annotations
from data.annotations.record import IGNORED_ATTRIBUTES, WIDER_VALUES, Annotation, value_name
from data.annotations.registry import FORMATS, WRITABLE
from data.annotations.writing import write_annotations
from data.image_files import image_key

__all__ = [
    "FORMATS",
    "IGNORED_ATTRIBUTES",
    "LARGEST",
    "WIDER_VALUES",
    "WRITABLE",
    "Annotation",
    "ImageNames",
    "annotation_images",
    "find_annotations",
    "fit_annotations",
    "has_classes",
    "image_key",
    "read_annotations",
    "value_name",
    "write_annotations",
]

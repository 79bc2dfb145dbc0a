"""Reading and writing ground truth: one record per picture, whatever the format of the files."""

from data.annotations.fitting import fit_annotations
from data.annotations.problems import LARGEST
from data.annotations.reading import KINDS, PictureNames, find_annotations, read_annotations
from data.annotations.record import IGNORED_ATTRIBUTES, WIDER_VALUES, Annotation, value_name
from data.annotations.writing import write_annotations
from data.pictures import picture_key

__all__ = [
    "IGNORED_ATTRIBUTES",
    "KINDS",
    "LARGEST",
    "WIDER_VALUES",
    "Annotation",
    "PictureNames",
    "find_annotations",
    "fit_annotations",
    "picture_key",
    "read_annotations",
    "value_name",
    "write_annotations",
]

"""The groups of faces that are scored: subsets of the annotations, face sizes and attribute values.

A group is scored as WIDER FACE scores easy, medium and hard: faces outside the group are ignored, and so are
detections matched with them. An unmatched detection is a false positive of every subset and attribute value, since it
has no attributes; among the sizes, it is a false positive of the size of its own box.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.annotations import IGNORED_ATTRIBUTES, value_name
from data.annotations.attributes import have_type, is_known
from data.annotations.record import box_sides
from evaluation.detection_matching import DetectionMatches
from utils.wording import printable

# The only subset of formats that define none: all faces but the ignored ones.
WHOLE_SET = "all"
# Lower bounds: of the square root of a box's area, in pixels, and of its height relative to the image's height.
SIZES = {"under 16 px": 0, "16 to 32 px": 16, "32 to 96 px": 32, "96 px and over": 96}
HEIGHTS = {"under 5 %": 0, "5 to 10 %": 0.05, "10 to 20 %": 0.1, "20 to 40 %": 0.2, "40 % and over": 0.4}
# An attribute with more distinct values is a measurement, not a class.
MAX_VALUES = 12


@dataclass(frozen=True, eq=False)
class FaceGroup:
    """Some of the F faces of a set with D detections.

    Attributes:
        kind: "subset", "size", "height" or an attribute.
        name: the subset, the range, or the attribute's value.
        members: (F,) bool, the faces of the group; all other faces are ignored.
        eligible: (D,) bool, the detections that are false positives of the group if they are unmatched.
    """

    kind: str
    name: str
    members: np.ndarray
    eligible: np.ndarray


def subset_groups(matches: DetectionMatches) -> list[FaceGroup]:
    """Return the subsets that the annotations define, or "all", which has all faces but the ignored ones."""
    ground_truth = matches.ground_truth
    if ground_truth and ground_truth[0].subsets:
        members = {
            subset: _concatenate([annotation.subsets[subset] for annotation in ground_truth])
            for subset in ground_truth[0].subsets
        }
    else:
        members = {WHOLE_SET: ~_concatenate([annotation.ignored for annotation in ground_truth])}
    outside_crowds = ~matches.in_crowd
    return [FaceGroup("subset", name, faces, outside_crowds) for name, faces in members.items()]


def division_groups(whole: FaceGroup, matches: DetectionMatches) -> list[FaceGroup]:
    """Divide a group by face size, by relative height if all image sizes are known, and by each attribute.

    Attributes are skipped if some faces lack them, if they mix numbers and text, or if they mark ignored faces.
    """
    faces, detections = matches.faces, matches.detections
    groups = _divide_by_range("size", SIZES, whole, box_sides(faces), box_sides(detections))
    if all(annotation.size for annotation in matches.ground_truth):
        image_heights = np.array([annotation.size[0] for annotation in matches.ground_truth], np.float64)
        face_heights = (faces[:, 3] - faces[:, 1]) / image_heights[matches.face_images]
        detection_heights = (detections[:, 3] - detections[:, 1]) / image_heights[matches.detection_images]
        groups += _divide_by_range("height", HEIGHTS, whole, face_heights, detection_heights)
    return groups + _divide_by_attribute(whole, [a.attributes for a in matches.ground_truth if len(a.boxes)])


def _divide_by_attribute(whole: FaceGroup, attributes: Sequence[dict[str, np.ndarray]]) -> list[FaceGroup]:
    shared = [name for name in attributes[0] if all(name in each for each in attributes)] if attributes else []
    groups = []
    for name in shared:
        values = np.concatenate([each[name] for each in attributes])
        if not is_known(values).all() or not (have_type(values, float) or have_type(values, str)):
            continue
        distinct = np.unique(values[whole.members])
        if name not in IGNORED_ATTRIBUTES and len(distinct) <= MAX_VALUES:
            kind = f"{name} (attribute)" if name in ("size", "height") else printable(name)
            groups += [
                FaceGroup(kind, value_name(shared, name, value), whole.members & (values == value), whole.eligible)
                for value in distinct
            ]
    return groups


def _divide_by_range(
    kind: str, lower_bounds: dict[str, float], whole: FaceGroup, face_values: np.ndarray, detection_values: np.ndarray
) -> list[FaceGroup]:
    bounds = list(lower_bounds.values())
    face_range = np.searchsorted(bounds, face_values, side="right") - 1
    detection_range = np.searchsorted(bounds, detection_values, side="right") - 1
    return [
        FaceGroup(kind, name, whole.members & (face_range == index), whole.eligible & (detection_range == index))
        for index, name in enumerate(lower_bounds)
    ]


def _concatenate(masks: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, bool), *masks])

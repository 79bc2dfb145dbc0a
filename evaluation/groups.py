"""The groups of faces that are scored: an annotation's subsets, face sizes, and the values of its attributes.

A group is scored as WIDER FACE scores easy, medium and hard: only its faces count, and a detection on another face
is void. A detection on no face is a false positive of every subset and attribute, since nothing tells to which one it
would belong; of sizes it belongs to that of its own box.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.annotations import IGNORED_ATTRIBUTES, value_name
from data.annotations.attributes import have_type, is_known
from evaluation.detection_matching import Matches
from utils.wording import printable

# The subset of formats that define none: all faces but those that are marked to be ignored.
WHOLE_SET = "all"
# Lower ends. The side is that of the square of a box's area, in pixels; the height is in parts of the image's.
SIZES = {"under 16 px": 0, "16 to 32 px": 16, "32 to 96 px": 32, "96 px and over": 96}
HEIGHTS = {"under 5 %": 0, "5 to 10 %": 0.05, "10 to 20 %": 0.1, "20 to 40 %": 0.2, "40 % and over": 0.4}
# An attribute of more different values is a measurement and no class.
MOST_VALUES = 12


@dataclass(frozen=True, eq=False)
class Group:
    """Some of the F faces of a set with D detections.

    Attributes:
        kind: what they have in common: "subset", "size", "height" or an attribute.
        name: the subset, the range, or the attribute's value.
        counts: (F,) bool, the faces that count.
        proposes: (D,) bool, the detections that are false positives if they are on no face.
    """

    kind: str
    name: str
    counts: np.ndarray
    proposes: np.ndarray


def subsets_of(matches: Matches) -> list[Group]:
    """Return the subsets that the annotations define, or "all": the faces that are not marked to be ignored."""
    ground_truth = matches.ground_truth
    if ground_truth and ground_truth[0].subsets:
        counts = {
            subset: _join([annotation.subsets[subset] for annotation in ground_truth])
            for subset in ground_truth[0].subsets
        }
    else:
        counts = {WHOLE_SET: ~_join([annotation.ignored for annotation in ground_truth])}
    outside_crowds = ~matches.in_crowd
    return [Group("subset", name, faces, outside_crowds) for name, faces in counts.items()]


def divisions_of(whole: Group, matches: Matches) -> list[Group]:
    """Divide a group by size, by height where the sizes of all images are known, and by each attribute.

    Attributes that only some faces have, that are numbers here and texts there, or that mark faces to be ignored,
    divide nothing.
    """
    faces, detections = matches.faces, matches.detections
    groups = _ranges("size", SIZES, whole, sides(faces), sides(detections))
    if all(annotation.size for annotation in matches.ground_truth):
        tall = np.array([annotation.size[0] for annotation in matches.ground_truth], np.float64)
        face_heights = (faces[:, 3] - faces[:, 1]) / tall[matches.face_images]
        detection_heights = (detections[:, 3] - detections[:, 1]) / tall[matches.detection_images]
        groups += _ranges("height", HEIGHTS, whole, face_heights, detection_heights)
    return groups + _values(whole, [a.attributes for a in matches.ground_truth if len(a.boxes)])


def sides(boxes: np.ndarray) -> np.ndarray:
    """Return the (N,) sides in pixels of squares of the same area as (N, 4 or more) boxes x1 y1 x2 y2."""
    width, height = (boxes[:, 2:4] - boxes[:, :2]).clip(0).T  # WIDER FACE has a box of negative size
    return np.sqrt(width * height)


def _values(whole: Group, attributes: Sequence[dict[str, np.ndarray]]) -> list[Group]:
    shared = [name for name in attributes[0] if all(name in each for each in attributes)] if attributes else []
    groups = []
    for name in shared:
        values = np.concatenate([each[name] for each in attributes])
        if not is_known(values).all() or not (have_type(values, float) or have_type(values, str)):
            continue
        different = np.unique(values[whole.counts])
        if name not in IGNORED_ATTRIBUTES and len(different) <= MOST_VALUES:
            kind = f"{name} (attribute)" if name in ("size", "height") else printable(name)
            groups += [
                Group(kind, value_name(shared, name, value), whole.counts & (values == value), whole.proposes)
                for value in different
            ]
    return groups


def _ranges(
    kind: str, lower_ends: dict[str, float], whole: Group, of_faces: np.ndarray, of_detections: np.ndarray
) -> list[Group]:
    ends = list(lower_ends.values())
    face_range = np.searchsorted(ends, of_faces, side="right") - 1
    detection_range = np.searchsorted(ends, of_detections, side="right") - 1
    return [
        Group(kind, name, whole.counts & (face_range == index), whole.proposes & (detection_range == index))
        for index, name in enumerate(lower_ends)
    ]


def _join(flags: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, bool), *flags])

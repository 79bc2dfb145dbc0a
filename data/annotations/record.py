"""The record of an image's faces, and what readers and writers share."""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np

from data.annotations.attributes import have_type
from data.annotations.classes import Classes
from data.annotations.places import Chosen, PackedNames, Places
from data.annotations.problems import LARGEST, check_extent, check_landmarks
from data.annotations.remarks import describe_ignored, describe_repeated, describe_scores
from data.image_header import ImageHeader
from utils.wording import printable

# The marks of an ignored face in WIDER FACE, Pascal VOC and COCO.
IGNORED_ATTRIBUTES = ("invalid", "difficult", "crowd", "ignore")

# WIDER FACE's names of the values 0, 1, 2 of its attributes, in the order of its columns.
WIDER_VALUES = {
    "blur": ("clear", "normal", "heavy"),
    "expression": ("typical", "exaggerated"),
    "illumination": ("normal", "extreme"),
    "invalid": ("valid", "invalid"),
    "occlusion": ("none", "partial", "heavy"),
    "pose": ("typical", "atypical"),
}
SCORE = "score"  # the attribute of a face that a detector found
MOST_WORDS = 12  # listed in a sentence; a file may name thousands


@dataclass
class Annotation:
    """The faces of one image.

    Attributes:
        name: path of the image below its images folder, with forward slashes.
        boxes: (N, 4) float64, x1 y1 x2 y2 in pixels as in the file: not clipped, possibly of zero size.
        landmarks: (N, 5, 2) float64, x y in pixels of left eye, right eye, nose, left and right mouth corner (left and
            right in the image); -1 for a missing landmark.
        attributes: name -> (N,) float64, text, or objects where None is unknown. All images of a file have the same
            attributes.
        subsets: name -> (N,) bool, the faces of a subset of an evaluation; the rest are ignored in it.
        size: (height, width) of the image in pixels; None: not in the annotation.
        identity: the id by which COCO's results refer to the image.
        header: of the image's file; None: it has not been read.
    """

    name: str
    boxes: np.ndarray
    landmarks: np.ndarray
    attributes: dict[str, np.ndarray] = field(default_factory=dict)
    subsets: dict[str, np.ndarray] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    identity: int | str | None = None
    header: ImageHeader | None = None

    @property
    def landmark_mask(self) -> np.ndarray:
        """(N,) bool: the faces with all five landmarks."""
        return have_landmarks(self.landmarks)

    @property
    def ignored(self) -> np.ndarray:
        """(N,) bool: the ignored faces, which have 1 in any of IGNORED_ATTRIBUTES.

        In an evaluation, a detection of an ignored face is neither right nor wrong. In a training, priors on it are
        excluded from the loss.
        """
        return _ignored(self.attributes, len(self.boxes))

    def select(self, mask: np.ndarray) -> "Annotation":
        """Return the annotation with the faces of a mask, (N,) bool."""
        if mask.all():
            return self
        return replace(
            self,
            boxes=self.boxes[mask],
            landmarks=self.landmarks[mask],
            attributes={name: values[mask] for name, values in self.attributes.items()},
            subsets={name: members[mask] for name, members in self.subsets.items()},
        )


def have_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """Return (N,) bool: the faces of (N, 5, 2) landmarks without a missing one."""
    return ~(landmarks == -1).all(axis=2).any(axis=1)


def box_sides(boxes: np.ndarray) -> np.ndarray:
    """Return the (N,) square roots of the areas of (N, 4 or more) boxes x1 y1 x2 y2; 0 for empty boxes."""
    width, height = (boxes[:, 2:4] - boxes[:, :2]).clip(0).T  # WIDER FACE has a box of negative size
    return np.sqrt(width * height)


def _ignored(attributes: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """Return (count,) bool: the faces with 1 in any of IGNORED_ATTRIBUTES."""
    mask = np.zeros(count, bool)
    for name in attributes.keys() & IGNORED_ATTRIBUTES:
        mask |= attributes[name] == 1
    return mask


def value_name(attributes_present: Collection[str], attribute: str, value: float | str) -> str:
    """Return the name of an attribute's value: WIDER FACE's own, else the text or number itself.

    Args:
        attributes_present: the names of all attributes of the file. `expression` distinguishes WIDER FACE from Laboro
            TV, which also has blur, occlusion and pose but does not name their values.
    """
    if isinstance(value, str):
        return printable(value)
    names = WIDER_VALUES.get(attribute, ()) if "expression" in attributes_present else ()
    if value in range(len(names)):
        return names[int(value)]
    return str(int(value)) if float(value).is_integer() else repr(float(value))


class Annotations(Sequence[Annotation]):
    """The records of P images, made on demand from arrays over all F faces.

    A million images take the memory of these arrays only, which forked processes share.

    Attributes:
        names: (P,) names.
        ends: (P,) int64, where each image's faces end among all faces.
        boxes: (F, 4) float64 x1 y1 x2 y2.
        landmarks: (F, 5, 2) float64.
        sizes: (P,) (height, width) of the images; None: the file has none.
        headers: (P,) of the images' files; None: they have not been read.
        places: where the images and faces are in the file; None: not read from a file.
        classes: the object classes of the file.
        notes: sentences of the reader, with counts, on how it understood the file.
        unread: at most one sentence, with counts, on the content of the file that no record holds.
    """

    def __init__(
        self,
        names: PackedNames,
        ends: np.ndarray,
        boxes: np.ndarray,
        landmarks: np.ndarray,
        attributes: Mapping[str, np.ndarray],
        subsets: Mapping[str, np.ndarray],
        sizes: Sequence[tuple[int, int] | None] | None,
        identities: Sequence[int | str] | None,
        places: Places | None,
        classes: Classes,
        notes: Sequence[str],
        unread: Sequence[str],
    ):
        self.classes, self.notes = classes, notes
        self.names, self.ends, self.boxes, self.landmarks, self.places = names, ends, boxes, landmarks, places
        self._attributes, self._subsets, self.sizes, self._identities = attributes, subsets, sizes, identities
        self.headers: Sequence[ImageHeader | None] | None = None
        more = [f"{len(unread) - MOST_WORDS} more"] * (len(unread) > MOST_WORDS)
        self.unread = [f"dropped: {', '.join([*unread[:MOST_WORDS], *more])}"] if unread else []

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ignored(self) -> np.ndarray:
        """(F,) bool: the ignored faces; see Annotation."""
        return _ignored(self._attributes, len(self.boxes))

    @property
    def scores(self) -> np.ndarray | None:
        """(F,) float64: the scores of a detector, nan for a face without; None where no face has one."""
        values = self._attributes.get(SCORE)
        if values is None or not have_type(values, float):
            return None
        return np.array([np.nan if value is None else value for value in values], np.float64)

    def select(self, mask: np.ndarray, note: str) -> "Annotations":
        """Return the annotations with the faces of a mask, (F,) bool, and one more note. All images stay."""
        chosen = copy(self)
        chosen.ends = np.append(0, np.cumsum(mask, dtype=np.int64))[self.ends]
        chosen.boxes, chosen.landmarks = self.boxes[mask], self.landmarks[mask]
        chosen._attributes = {name: values[mask] for name, values in self._attributes.items()}
        chosen._subsets = {name: members[mask] for name, members in self._subsets.items()}
        if self.places is not None:
            chosen.places = Places(self.places.images, Chosen(self.places.faces, np.flatnonzero(mask)))
        chosen.notes = [*self.notes, note]
        return chosen

    @property
    def remarks(self) -> list[str]:
        """Sentences, with counts, that each command that reads the file prints: which objects are faces and which are
        not read, how many faces are ignored, which images are listed twice, and the notes of the reader."""
        scores = np.empty(0) if self.scores is None else self.scores[~np.isnan(self.scores)]
        own = [*describe_scores(scores, len(self.boxes)), *describe_repeated(self.names)]
        return [*self.classes.remarks, *self.ignored_remark, *own, *self.notes]

    @property
    def ignored_remark(self) -> list[str]:
        """At most one sentence on how many faces are ignored, and why."""
        ignored = int(self.ignored.sum())
        marks = [name for name in IGNORED_ATTRIBUTES if np.any(self._attributes.get(name, 0) == 1)]
        return [describe_ignored(len(self.boxes), ignored, marks)] * (ignored > 0)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        faces = slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))
        return Annotation(
            name=self.names[index],
            boxes=self.boxes[faces],
            landmarks=self.landmarks[faces],
            attributes={key: values[faces] for key, values in self._attributes.items()},
            subsets={key: values[faces] for key, values in self._subsets.items()},
            size=self.sizes[index] if self.sizes else None,
            identity=self._identities[index] if self._identities else None,
            header=self.headers[index] if self.headers else None,
        )


def make_annotations(
    names: Sequence[str],
    counts: Sequence[int] | np.ndarray,
    boxes: np.ndarray | Sequence[Sequence[float]],
    landmarks: np.ndarray | None = None,
    attributes: Mapping[str, np.ndarray] | None = None,
    subsets: Mapping[str, np.ndarray] | None = None,
    sizes: Sequence[tuple[int, int] | None] | None = None,
    identities: Sequence[int | str] | None = None,
    places: Places | None = None,
    classes: Classes | None = None,
    notes: Sequence[str] = (),
    unread: Sequence[str] = (),
) -> Annotations:
    """Make the records of P images from arrays over all their F faces.

    Args:
        names: (P,) as in the file.
        counts: (P,) numbers of faces, F in total.
        boxes: (F, 4) x y w h in pixels.
        landmarks: (F, 5, 2); None: no face has any.
        attributes, subsets: name -> (F,).
        sizes, identities: (P,).
        places: of the P images and F faces, for error messages.
        classes: the object classes of the file; None: it has none.
        notes: sentences, with counts, on how the reader understood the file, where the user may expect otherwise.
        unread: words for each kind of content that no record holds.

    Raises:
        UserError: a box or a landmark reaches beyond LARGEST, or is not finite.
    """
    names = names if isinstance(names, PackedNames) else PackedNames.pack(names)
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    with np.errstate(over="ignore"):
        corners[:, 2:] += corners[:, :2]
    ends = np.cumsum(counts, dtype=np.int64)

    def place(face: int) -> str:
        return places.faces[face] if places else repr(names[np.searchsorted(ends, face, side="right")])

    for face in np.flatnonzero(~(np.abs(corners) <= LARGEST).all(axis=1))[:1]:
        check_extent(place(face), np.asarray(boxes, np.float64)[face])
    if landmarks is not None:
        for face in np.flatnonzero(~(np.abs(landmarks) <= LARGEST).all(axis=(1, 2)))[:1]:
            check_landmarks(place(face), landmarks[face].tolist())
    else:
        landmarks = np.broadcast_to(-1.0, (len(corners), 5, 2))  # one number in memory
    attributes, subsets = attributes or {}, subsets or {}
    return Annotations(
        names,
        ends,
        corners,
        landmarks,
        attributes,
        subsets,
        sizes,
        identities,
        places,
        classes or Classes(),
        notes,
        unread,
    )

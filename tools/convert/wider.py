"""WIDER FACE as it is downloaded, made ready to train and to evaluate."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

import numpy as np

from data.annotations import Annotation, image_key, read_annotations
from data.annotations.record import Annotations, have_landmarks
from data.annotations.wider_mat import SUBSETS
from data.image_files import files_below
from data.splits import DEV
from tools.convert.dataset_folder import Part, fit_parts, resolve_images
from utils.errors import UserError

URL = "http://shuoyang1213.me/WIDERFACE/"
LABELS = "wider_face_split"
GROUND_TRUTH = ("wider_face_val.mat", *(f"wider_{subset}_val.mat" for subset in SUBSETS))


def image_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of the images of each split."""
    return {split: folder / f"WIDER_{split}" / "images" for split in ("train", "val")}


def is_wider_download(folder: Path) -> bool:
    """Whether a folder holds what unpacking one of WIDER FACE's archives leaves."""
    return any((folder / name).is_dir() for name in (LABELS, "WIDER_train", "WIDER_val"))


def wider_parts(folder: Path, landmark_file: Path | None) -> tuple[dict[str, Part], Path | None, list[str]]:
    """Return the training and validation part of WIDER FACE.

    Both are WIDER FACE's own text, which holds every attribute, and with it that a face is invalid. With landmarks the
    training part is a label file of the faces in RetinaFace's annotation; of the images that it does not name, those
    that are not marked as invalid.

    Args:
        landmark_file: RetinaFace's label.txt of the training images; None: the train/label.txt below the folder that
            is one, if there is any.

    Returns:
        train and val, the file of the landmarks, and sentences that say what of the annotations is left out.

    Raises:
        UserError: something that is needed is not there, malformed, or does not belong together, or there are several
            files of landmarks.
    """
    images = image_folders(folder)
    found = {split: _read_split(folder, split) for split in images}
    parts, sentences = {}, []
    if landmark_file is None:
        landmark_file, labelled, sentences = find_landmarks(folder, found["train"])
    else:
        labelled = read_annotations(landmark_file, "label")
    if labelled is not None:
        if reason := _why_no_landmarks(landmark_file, labelled, _keys(found["train"])):
            raise UserError(reason)
        found["train"] = with_landmarks(found["train"], labelled)
        sentences += [f"train: {sentence}" for sentence in labelled.unread]
    for split, kind in (("train", "wider" if landmark_file is None else "label"), ("val", "wider")):
        names = dict.fromkeys((annotation.name for annotation in found[split]), split)
        part, said = fit_parts(found[split], names, images[split], kind)
        parts |= part
        sentences += [f"{split}: {sentence}" for sentence in said]
    return parts, landmark_file, sentences


def with_landmarks(annotations: Sequence[Annotation], labelled: Annotations) -> list[Annotation]:
    """Replace the faces of the images that RetinaFace's annotation names by the faces there.

    Raises:
        UserError: it names an image that is not among the annotations, or one twice.
    """
    known, places = _keys(annotations), {}
    result = list(annotations)
    for annotation, place in zip(labelled, labelled.places.images, strict=True):
        index = known.get(image_key(annotation.name))
        if index is None:
            raise UserError(_unknown(annotation.name, place))
        if index in places:
            raise UserError(
                f"{place}: found {annotation.name!r}, which {places[index]} has, too; expected each image once"
            )
        places[index] = place
        # A face of that annotation has no attributes; none of them is marked as invalid.
        count = len(annotation.boxes)
        attributes = {name: np.zeros(count) for name in result[index].attributes}
        result[index] = replace(annotation, name=result[index].name, attributes=attributes)
    return result


def find_landmarks(
    folder: Path, annotations: Sequence[Annotation]
) -> tuple[Path | None, Annotations | None, list[str]]:
    """Look for the train/label.txt below a folder that has landmarks of annotated images.

    Datasets that `write_dataset` made are passed over: what landmarks they have are from another file. So are other
    files, and labels that name no annotated image or have no landmarks.

    Returns:
        it and what it holds, None where there is none, and sentences that say why others are none.

    Raises:
        UserError: there are several, or it is malformed.
    """
    known = _keys(annotations)
    found, sentences = {}, []
    for name in files_below(folder, {".txt"}):
        path = folder / name
        is_made = (path.parent.parent / "val" / DEV.list_name).is_file()
        if not f"/{name}".endswith("/train/label.txt") or is_made:
            continue
        problems = []
        try:
            labelled = read_annotations(path, "label", problems=problems)
            reason = _why_no_landmarks(path, labelled, known)
        except UserError as error:
            reason = str(error)
        else:
            if problems and any(image_key(each) in known for each in labelled.names):
                raise UserError(problems[0].sentence)
        if reason is None:
            found[name] = labelled
        else:
            sentences.append(f"not taken for landmarks: {reason}")
    if len(found) > 1:
        raise UserError(f"{folder}: found {', '.join(found)}; name one of them with --landmarks")
    if not found:
        return None, None, sentences
    name, labelled = found.popitem()
    return folder / name, labelled, sentences


def _keys(annotations: Sequence[Annotation]) -> dict[str, int]:
    """Return image_key(name) -> index."""
    return {image_key(annotation.name): index for index, annotation in enumerate(annotations)}


def _why_no_landmarks(path: Path, labelled: Annotations, known: Collection[str]) -> str | None:
    """Return why labels are not RetinaFace's annotation of the images that are known, None where they are."""
    if not have_landmarks(labelled.landmarks).any():
        return f"{path}: has no landmarks; expected RetinaFace's annotation, rows of 20 columns"
    if not any(image_key(name) in known for name in labelled.names):
        return _unknown(labelled.names[0], labelled.places.images[0])
    return None


def _unknown(name: str, place: str) -> str:
    return f"{place}: found {name!r}; expected an image of WIDER FACE's training set"


def find_ground_truth(folder: Path) -> dict[str, Path]:
    """Return the official evaluation's four files by their names; none where not all of them lie together.

    WIDER FACE's split has a wider_face_val.mat, too, without the lists that tell easy, medium and hard.
    """
    for name in files_below(folder, {".mat"}):
        path = folder / name
        if path.name == GROUND_TRUTH[0] and all(path.with_name(other).is_file() for other in GROUND_TRUTH):
            return {other: path.with_name(other) for other in GROUND_TRUTH}
    return {}


def next_commands(out: Path, has_ground_truth: bool) -> str:
    """Return the commands that train on the dataset, and detect and score its validation images."""
    label, images, val, mat = (
        quote(f"{out}/{name}") for name in ("train/label.txt", "val/images", "val", "val/ground_truth")
    )
    truth = f"{mat} --images {images}" if has_ground_truth else val
    lines = []
    for network, name in (("mobile0.25", "mobilenet0.25"), ("resnet50", "Resnet50")):
        lines += [
            f"python train.py --network {network} --training_dataset {label} --save_folder weights/widerface",
            f"python val_tvface.py --network {network} --trained_model weights/widerface/{name}_Final.pth"
            f" --dataset_folder {images} --save_folder val_dataset_evaluate/widerface_{network}_txt",
            f"python val_dataset_evaluate/eval.py -p val_dataset_evaluate/widerface_{network}_txt -g {truth}"
            f" --result val_dataset_evaluate/widerface_{network}_result",
        ]
    return "\n".join(lines)


def _read_split(folder: Path, split: str) -> list[Annotation]:
    images, labels = image_folders(folder)[split], folder / LABELS / f"wider_face_{split}_bbx_gt.txt"
    if not images.is_dir():
        raise UserError(f"{images}: no such folder; unpack WIDER_{split}.zip of {URL} in {folder}")
    if not labels.is_file():
        raise UserError(f"{labels}: no such file; unpack wider_face_split.zip of {URL} in {folder}")
    try:
        return resolve_images(read_annotations(labels, "wider"), images)
    except UserError as error:
        raise UserError(f"{error} (WIDER FACE as downloaded: {URL})") from error

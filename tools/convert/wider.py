"""Conversion of WIDER FACE as downloaded to a dataset for training and evaluation."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

import numpy as np

from data.annotations import Annotation, image_key, read_annotations
from data.annotations.formats.wider_mat import SUBSETS
from data.annotations.record import Annotations, have_landmarks
from data.config import cfg_mnet, cfg_re50
from data.image_files import files_below
from data.splits import DEV
from tools.convert.dataset_folder import NewSplit, fit_splits, resolve_images
from utils.errors import UserError

URL = "http://shuoyang1213.me/WIDERFACE/"
LABELS = "wider_face_split"
GROUND_TRUTH = ("wider_face_val.mat", *(f"wider_{subset}_val.mat" for subset in SUBSETS))


def image_folders(folder: Path) -> dict[str, Path]:
    """Return split -> folder of its images."""
    return {split: folder / f"WIDER_{split}" / "images" for split in ("train", "val")}


def is_wider_download(folder: Path) -> bool:
    """Whether a folder contains one of WIDER FACE's unpacked archives; CVAT calls its subset `default`."""
    parts = ("WIDER_train", "WIDER_val", f"{LABELS}/wider_face_train_bbx_gt.txt")
    return any((folder / part).exists() for part in parts)


def wider_splits(folder: Path, landmark_file: Path | None) -> tuple[dict[str, NewSplit], Path | None, list[str]]:
    """Return the training and validation splits of WIDER FACE.

    Both are in WIDER FACE's text format, which holds all attributes, including `invalid`. With landmarks, the training
    split is a label file: the faces of RetinaFace's annotation, and those WIDER FACE faces of other images that are not
    invalid.

    Args:
        landmark_file: RetinaFace's label.txt of the training images; None: as `find_landmarks`.

    Returns:
        train and val, the landmark file, and sentences that report what is dropped.

    Raises:
        UserError: a needed file is missing or malformed, files do not match, or there are several landmark files.
    """
    images = image_folders(folder)
    found = {split: _read_split(folder, split) for split in images}
    splits, sentences = {}, []
    if landmark_file is None:
        landmark_file, labelled, sentences = find_landmarks(folder, found["train"])
    else:
        labelled = read_annotations(landmark_file, "label")
    if labelled is not None:
        if reason := _landmark_problem(landmark_file, labelled, _keys(found["train"])):
            raise UserError(reason)
        found["train"] = with_landmarks(found["train"], labelled)
        sentences += [f"train: {sentence}" for sentence in (*labelled.remarks, *labelled.unread)]
    for split, format_name in (("train", "wider" if landmark_file is None else "label"), ("val", "wider")):
        names = dict.fromkeys((annotation.name for annotation in found[split]), split)
        fitted, said = fit_splits(found[split], names, images[split], format_name)
        splits |= fitted
        sentences += [f"{split}: {sentence}" for sentence in said]
    return splits, landmark_file, sentences


def with_landmarks(annotations: Sequence[Annotation], labelled: Annotations) -> list[Annotation]:
    """Replace the faces of all images in RetinaFace's annotation by the faces there.

    Raises:
        UserError: it names an unknown image, or an image twice.
    """
    known, places = _keys(annotations), {}
    result = list(annotations)
    for annotation, place in zip(labelled, labelled.places.images, strict=True):
        index = known.get(image_key(annotation.name))
        if index is None:
            raise UserError(_unknown(annotation.name, place))
        if index in places:
            raise UserError(
                f"{place}: found {annotation.name!r}, which is already at {places[index]}; expected each image once"
            )
        places[index] = place
        # RetinaFace's annotation has no attributes, and no invalid faces.
        count = len(annotation.boxes)
        attributes = {name: np.zeros(count) for name in result[index].attributes}
        result[index] = replace(annotation, name=result[index].name, attributes=attributes)
    return result


def find_landmarks(
    folder: Path, annotations: Sequence[Annotation]
) -> tuple[Path | None, Annotations | None, list[str]]:
    """Find the train/label.txt below a folder that holds landmarks of the annotated images.

    Datasets that `write_dataset` made are skipped, since their landmarks come from another file. So are label files
    that name no annotated image or have no landmarks.

    Returns:
        the file and its contents, or None and None, and sentences that say why other files are skipped.

    Raises:
        UserError: there are several, or the file is malformed.
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
            reason = _landmark_problem(path, labelled, known)
        except UserError as error:
            reason = str(error)
        else:
            if problems and any(image_key(each) in known for each in labelled.names):
                raise UserError(problems[0].sentence)
        if reason is None:
            found[name] = labelled
        else:
            sentences.append(f"skipped as landmark file: {reason}")
    if len(found) > 1:
        raise UserError(f"{folder}: found {', '.join(found)}; name one of them with --landmarks")
    if not found:
        return None, None, sentences
    name, labelled = found.popitem()
    return folder / name, labelled, sentences


def _keys(annotations: Sequence[Annotation]) -> dict[str, int]:
    """Return image_key(name) -> index."""
    return {image_key(annotation.name): index for index, annotation in enumerate(annotations)}


def _landmark_problem(path: Path, labelled: Annotations, known: Collection[str]) -> str | None:
    """Return why labels are not RetinaFace's annotation of the known images, None if they are."""
    if not have_landmarks(labelled.landmarks).any():
        return f"{path}: has no landmarks; expected RetinaFace's annotation, rows of 20 columns"
    if not any(image_key(name) in known for name in labelled.names):
        return _unknown(labelled.names[0], labelled.places.images[0])
    return None


def _unknown(name: str, place: str) -> str:
    return f"{place}: found {name!r}; expected an image of WIDER FACE's training set"


def find_ground_truth(folder: Path) -> dict[str, Path]:
    """Return the official evaluation's four files by name, or nothing if they are not in one folder.

    WIDER FACE's split archive has a wider_face_val.mat, too, but without the files of easy, medium and hard.
    """
    for name in files_below(folder, {".mat"}):
        path = folder / name
        if path.name == GROUND_TRUTH[0] and all(path.with_name(other).is_file() for other in GROUND_TRUTH):
            return {other: path.with_name(other) for other in GROUND_TRUTH}
    return {}


def next_commands(out: Path, has_ground_truth: bool) -> str:
    """Return the commands that train on the dataset, detect faces in its validation images, and score them."""
    label, images, val, mat = (
        quote(f"{out}/{name}") for name in ("train/label.txt", "val/images", "val", "val/ground_truth")
    )
    truth = f"{mat} --images {images}" if has_ground_truth else val
    lines = []
    for network, cfg in (("mobile0.25", cfg_mnet), ("resnet50", cfg_re50)):
        weights = f"weights/widerface/{cfg['name']}_Final.pth"
        lines += [
            f"python train.py --network {network} --training_dataset {label} --save_folder weights/widerface",
            f"python val_tvface.py --trained_model {weights} --dataset_folder {images}"
            f" --save_folder val_dataset_evaluate/widerface_{network}_txt",
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

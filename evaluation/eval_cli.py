"""Command line of val_dataset_evaluate/eval.py and test_dataset_evaluate/eval.py."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from data.annotations import FORMATS, Annotation, annotation_images, image_key
from data.image_files import find_images
from data.image_header import image_size
from data.splits import Split
from evaluation.ground_truth import read_ground_truth
from evaluation.prediction_conventions import convention_warnings
from evaluation.predictions import load_predictions
from evaluation.protocol import check_iou, evaluate
from evaluation.result_files import write_result
from evaluation.score_table import format_score_table
from evaluation.scored_model import ScoredModel
from utils.console import print_notes
from utils.errors import UserError
from utils.flags import resamples
from utils.wording import printable

ROOT = Path(__file__).resolve().parents[1]


def score_split(split: Split) -> None:
    """Parse sys.argv, score the predictions of a split, print the table and write the result folder.

    Raises:
        UserError: there is no ground truth, or an error of `read_annotations`, `load_predictions`, `evaluate` or
            `write_result`.
    """
    args = _parser(split).parse_args()
    check_iou(args.iou)
    paths = args.pred or [ROOT / split.evaluation_folder / "tvface_txt"]
    names = _model_names(paths, args.name)
    place = args.gt or ROOT / split.evaluation_folder
    gt_path, annotations = read_ground_truth(place, split, args.gt_format, args.images, args.category)
    print_notes(gt_path, annotations.remarks)
    images = find_split_images(args.images, args.gt, gt_path, split)
    images = assign_images(images, [annotation.name for annotation in annotations])
    ground_truth = add_image_sizes(annotations, images)
    models = [
        score_predictions(name, path, ground_truth, args.iou, args.bootstrap, args.allow_missing)
        for name, path in zip(names, paths, strict=True)
    ]
    if not models[0].result.evaluated.any():
        print_warning(f"{gt_path}: no face counts, since all are marked to be ignored; AP is undefined")
    print(format_score_table(models), flush=True)  # before the files, which may fail
    written = write_result(args.result, models, gt_path, images, annotations.remarks)
    print("\nwritten:", *written, sep="\n  ")


def find_split_images(images: Path | None, place: Path | None, ground_truth: Path, split: Split) -> dict[str, Path]:
    """Return image_key -> file of the images in a folder, or in the default folder if none is given.

    The images of the split are used only with its own ground truth: names such as 000001 are not unique.

    Args:
        images: the folder that the user names.
        place: the ground truth that the user names; None: the split's own.
        ground_truth: the file or folder that has been read.
    """
    if images:
        return find_images(images)
    defaults = [annotation_images(each) for each in (place, ground_truth) if each]
    defaults += [ROOT / split.images] * (place is None)
    folder = next((folder for folder in defaults if folder.is_dir()), None)
    try:
        return find_images(folder) if folder else {}
    except UserError as error:
        print_warning(f"no images in the report: {error}")
        return {}


def assign_images(images: dict[str, Path], names: Sequence[str]) -> dict[str, Path]:
    """Return the images with the keys of the ground truth, where only the base names are the same and unique."""
    keys = {image_key(name) for name in names}
    by_base = _group_by_base_name(images)
    assigned = dict(images)
    for base, (key, *others) in _group_by_base_name(keys - images.keys()).items():
        found = by_base.get(base, [])
        if not others and len(found) == 1 and found[0] not in keys:
            assigned[key] = assigned.pop(found[0])
    return assigned


def _group_by_base_name(keys: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(key.rpartition("/")[2], []).append(key)
    return groups


def add_image_sizes(ground_truth: Sequence[Annotation], images: dict[str, Path]) -> Sequence[Annotation]:
    """Return the annotations with the sizes of their images, or unchanged if one of the sizes is unknown."""
    paths = [images.get(image_key(annotation.name)) for annotation in ground_truth]
    if images and not any(paths):
        folder = next(iter(images.values())).parent
        print_warning(f"{folder}: has none of the {len(paths):,} images; pass their folder with --images")
    if not all(annotation.size or path for annotation, path in zip(ground_truth, paths, strict=True)):
        return ground_truth
    try:
        return [
            annotation if annotation.size else replace(annotation, size=image_size(path))
            for annotation, path in zip(ground_truth, paths, strict=True)
        ]
    except UserError as error:
        print_warning(f"no AP by relative height: {error}")
        return ground_truth


def score_predictions(
    name: str, path: Path, ground_truth: Sequence[Annotation], iou: float, resamples: int, allow_missing: bool
) -> ScoredModel:
    """Load and score one set of predictions."""
    predictions = load_predictions(path, ground_truth, allow_missing)
    result = evaluate(predictions.detections, ground_truth, iou, resamples)
    scores = result.matches.detections[:, 4]
    if not len(scores):
        print_warning(f"{path}: has no detections")
    elif len(scores) > 1 and scores.min() == scores.max():
        print_warning(f"{path}: all scores are {scores[0]:g}; the curve is a single point")
    for sentence in convention_warnings(result, predictions.rows):
        print_warning(f"{path}: {sentence}")
    return ScoredModel(name, path, predictions.missing, predictions.unknown, result)


def _parser(split: Split) -> argparse.ArgumentParser:
    folder = split.evaluation_folder
    home = ROOT / folder
    parser = argparse.ArgumentParser(
        description=f"Score detections in the {split.name} images by the WIDER FACE protocol. Prints average precision"
        " and further metrics; writes them with curves and a report of missed faces and false positives.",
        epilog=f"Run {split.detection_script} first to write the predictions, and put the ground truth from"
        f" {split.ground_truth_url} into {folder}/groundtruths/."
        " Compare two models: -p A -p B --name first --name second --bootstrap 1000",
    )
    parser.add_argument(
        "-p", "--pred", type=Path, action="append", metavar="PATH",
        help="predictions: a folder with a text file per image (name, count, then 'x y w h score' rows), or a JSON"
        f" file of COCO results; repeat it to compare models (default: {folder}/tvface_txt)",
    )  # fmt: skip
    parser.add_argument(
        "--name", action="append",
        help="name of the predictions, in the order of -p (default: last part of their path)",
    )  # fmt: skip
    formats = [each for each in FORMATS.values() if each.capabilities.boxes and not each.is_prediction]
    parser.add_argument(
        "-g", "--gt", type=Path, metavar="PATH",
        help=f"ground truth, a file or its folder: {', '.join(each.description for each in formats)};"
        f" recognized by content (default: what lies in {folder}/groundtruths/ or another folder beside eval.py, or"
        " beside eval.py itself)",
    )  # fmt: skip
    parser.add_argument(
        "--gt_format", choices=[each.name for each in formats],
        help="format of the ground truth, if its folder holds several (default: recognized by content)",
    )  # fmt: skip
    parser.add_argument(
        "--category", metavar="CLASS",
        help="face class of the ground truth (default: 'face', or the only class)",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER",
        help="the images, for crops in the report and AP by relative height (default: images/ beside the ground"
        f" truth, or {split.images} for the default ground truth)",
    )  # fmt: skip
    parser.add_argument(
        "--iou", type=float, default=0.5,
        help="IoU threshold of a match, greater than 0, at most 1 (default: 0.5)",
    )  # fmt: skip
    parser.add_argument(
        "--bootstrap", type=resamples, default=0, metavar="N",
        help="give 95 %% confidence intervals of AP and AP differences from N resampled sets of images; 1000 is usual"
        " (default: 0, no intervals)",
    )  # fmt: skip
    parser.add_argument(
        "--allow_missing", action="store_true",
        help="score an image without a prediction file as one without detections (default: stop with an error)",
    )  # fmt: skip
    parser.add_argument(
        "--result", type=Path, default=home / "result", metavar="FOLDER",
        help="folder for ap.json, pr_curve.csv, pr_curve.png and report.html"
        f" (default: {folder}/result)",
    )  # fmt: skip
    return parser


def _model_names(paths: Sequence[Path], names: Sequence[str] | None) -> list[str]:
    if names and len(names) != len(paths):
        raise UserError(f"--name: found {len(names)} names for {len(paths)} sets of predictions; name each --pred")
    names = [printable(name) for name in names or [path.resolve().name for path in paths]]
    if len(set(names)) < len(names):
        raise UserError(f"--name: found {', '.join(names)}; give each --pred a unique name")
    return names


def print_warning(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)

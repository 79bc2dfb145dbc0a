"""The command behind val_dataset_evaluate/eval.py and test_dataset_evaluate/eval.py."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data.annotations import FORMATS, Annotation, image_key, read_annotations
from data.image_files import find_images, image_size
from data.splits import Split
from evaluation.model import Model
from evaluation.outputs import format_table, write_csv, write_json
from evaluation.predictions import load_predictions
from evaluation.protocol import check_iou, evaluate
from evaluation.report.page import write_page
from evaluation.report.pr_plots import draw_curves
from utils.errors import UserError
from utils.files import make_folder
from utils.flags import resamples
from utils.wording import printable

ROOT = Path(__file__).resolve().parents[1]


def score_split(split: Split) -> None:
    """Read the flags of sys.argv, score the split's predictions, print the table and write the result folder.

    Raises:
        UserError: no ground truth is in place, or what `read_annotations`, `load_predictions`, `evaluate` and
            the writers raise.
    """
    args = _parser(split).parse_args()
    check_iou(args.iou)
    paths = args.pred or [ROOT / split.evaluation_folder / "tvface_txt"]
    names = _model_names(paths, args.name)
    images = find_split_images(args.images, args.gt, split)
    ground_truth = with_sizes(read_ground_truth(args.gt, split, args.gt_format, args.images, args.category), images)
    models = [
        score_predictions(name, path, ground_truth, args.iou, args.bootstrap, args.allow_missing)
        for name, path in zip(names, paths, strict=True)
    ]
    if not models[0].result.counts.any():
        warn(f"{args.gt}: no face counts, they are all marked to be ignored; AP is not defined")
    print(format_table(models), flush=True)  # even where the files cannot be written
    print("\nwritten:", *write_result(args.result, models, args.gt, images), sep="\n  ")


def read_ground_truth(
    path: Path, split: Split, kind: str | None, images: Path | None, category: str | None
) -> list[Annotation]:
    """Read the annotations; where a folder has none, say what to put there and from where."""
    if path.is_dir() and all(file.name == "README.md" or file.name.startswith(".") for file in path.iterdir()):
        raise UserError(
            f"{path}: no ground truth of the {split.name} images here; put the label file (.txt) or the"
            f" WIDER FACE .mat set from {split.ground_truth_url} into it, or name another place with --gt (the drawn"
            f" sample's is {Path(split.images).parent})"
        )
    annotations = read_annotations(path, kind, images=images, category=category)
    if not any(len(annotation.boxes) for annotation in annotations):
        raise UserError(f"{path}: has no faces: a ground truth needs boxes, and a list of names has none")
    return annotations


def find_split_images(images: Path | None, ground_truth: Path, split: Split) -> dict[str, Path]:
    """Return the files of the images by their keys: in the folder that is named, or else in the first usual one.

    Of the split's own images only where its own ground truth is scored: names such as 000001 are not unique.
    """
    if images:
        return find_images(images)
    usual = [(ground_truth if ground_truth.is_dir() else ground_truth.parent) / "images"]
    if ground_truth == ROOT / split.evaluation_folder / "groundtruths":
        usual.append(ROOT / split.images)
    folder = next((folder for folder in usual if folder.is_dir()), None)
    try:
        return find_images(folder) if folder else {}
    except UserError as error:
        warn(f"no images in the report: {error}")
        return {}


def with_sizes(ground_truth: Sequence[Annotation], images: dict[str, Path]) -> Sequence[Annotation]:
    """Return the annotations with the sizes of their images, if those of all that lack one can be read."""
    paths = [images.get(image_key(annotation.name)) for annotation in ground_truth]
    if images and not any(paths):
        folder = next(iter(images.values())).parent
        warn(f"{folder}: has none of the {len(paths):,} images; name the folder of theirs with --images")
    if not all(annotation.size or path for annotation, path in zip(ground_truth, paths, strict=True)):
        return ground_truth
    try:
        return [
            annotation if annotation.size else replace(annotation, size=image_size(path))
            for annotation, path in zip(ground_truth, paths, strict=True)
        ]
    except UserError as error:
        warn(f"no AP by height in the image: {error}")
        return ground_truth


def score_predictions(
    name: str, path: Path, ground_truth: Sequence[Annotation], iou: float, resamples: int, allow_missing: bool
) -> Model:
    """Read a set of predictions and score it."""
    predictions = load_predictions(path, ground_truth, allow_missing)
    result = evaluate(predictions.detections, ground_truth, iou, resamples)
    scores = result.matches.detections[:, 4]
    if not len(scores):
        warn(f"{path}: has no detections at all")
    elif len(scores) > 1 and scores.min() == scores.max():
        warn(f"{path}: all scores are {scores[0]:g}: the curve is a single point")
    return Model(name, path, predictions.missing, predictions.unknown, result)


def write_result(folder: Path, models: Sequence[Model], ground_truth: Path, images: dict[str, Path]) -> list[Path]:
    """Write ap.json, pr_curve.csv, pr_curve.png and report.html, each whole or not at all, and return their paths.

    Raises:
        UserError: the folder or a file cannot be written.
    """
    make_folder(folder)
    table, curve, plot, page = (folder / name for name in ("ap.json", "pr_curve.csv", "pr_curve.png", "report.html"))
    write_json(table, models, ground_truth)
    write_csv(curve, models)
    draw_curves(plot, models)
    write_page(page, models, ground_truth, images)
    return [table, curve, plot, page]


def _parser(split: Split) -> argparse.ArgumentParser:
    folder = split.evaluation_folder
    home = ROOT / folder
    parser = argparse.ArgumentParser(
        description=f"Score the faces detected in the {split.name} images by the WIDER FACE protocol: print"
        " the average precision with what explains it, and write it with curves and a report that shows what was"
        " missed and what was wrongly found.",
        epilog=f"Run {split.detection_script} first: it writes the predictions. Put the ground truth, from"
        f" {split.ground_truth_url}, into {folder}/groundtruths/."
        " Two detectors are compared with: -p A -p B --name first --name second --bootstrap 1000",
    )
    parser.add_argument(
        "-p", "--pred", type=Path, action="append", metavar="PATH",
        help="predictions: a folder with a text file per image (name, count, then 'x y w h score' rows), or one"
        f" JSON file of COCO results; again for further detectors to compare (default: {folder}/tvface_txt)",
    )  # fmt: skip
    parser.add_argument(
        "--name", action="append",
        help="what to call the predictions, in the order of -p (default: the last part of their path)",
    )  # fmt: skip
    formats = [each for each in FORMATS.values() if each.capabilities.boxes]
    parser.add_argument(
        "-g", "--gt", type=Path, default=home / "groundtruths", metavar="PATH",
        help=f"ground truth, a file or the folder that holds it: {', '.join(each.description for each in formats)};"
        f" recognised by content (default: {folder}/groundtruths)",
    )  # fmt: skip
    parser.add_argument(
        "--gt_format", choices=[each.name for each in formats],
        help="which of these to read, where the folder of the ground truth holds several (default: recognised by"
        " content)",
    )  # fmt: skip
    parser.add_argument(
        "--category", metavar="CLASS",
        help="class of the ground truth that is the face (default: 'face', or the only class)",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER",
        help="the images, for the crops in the report and AP by height in the image (default: images/ beside the"
        f" ground truth, or {split.images} for the default one)",
    )  # fmt: skip
    parser.add_argument(
        "--iou", type=float, default=0.5,
        help="smallest overlap with a face that makes a detection right, over 0 and up to 1 (default: 0.5)",
    )  # fmt: skip
    parser.add_argument(
        "--bootstrap", type=resamples, default=0, metavar="N",
        help="give AP, and the difference of two detectors, with the interval that holds 95 %% of N sets drawn from the"
        " images with replacement; 1000 is usual (default: 0, none)",
    )  # fmt: skip
    parser.add_argument(
        "--allow_missing", action="store_true",
        help="count an image without a prediction file as one where nothing was found, instead of stopping",
    )  # fmt: skip
    parser.add_argument(
        "--result", type=Path, default=home / "result", metavar="FOLDER",
        help="where ap.json, pr_curve.csv, pr_curve.png and report.html are written"
        f" (default: {folder}/result)",
    )  # fmt: skip
    return parser


def _model_names(paths: Sequence[Path], names: Sequence[str] | None) -> list[str]:
    if names and len(names) != len(paths):
        raise UserError(f"--name: found {len(names)} names for {len(paths)} sets of predictions; give each --pred one")
    names = [printable(name) for name in names or [path.resolve().name for path in paths]]
    if len(set(names)) < len(names):
        raise UserError(f"--name: found {', '.join(names)}; give each --pred a name of its own")
    return names


def warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)

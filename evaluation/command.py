"""The command behind val_dataset_evaluate/eval.py and test_dataset_evaluate/eval.py."""

import argparse
from pathlib import Path

from data.annotations import Annotation, read_annotations
from data.splits import Split
from evaluation.predictions import load_predictions
from evaluation.protocol import evaluate
from evaluation.report import Inputs, format_table, write_report
from utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def score_split(split: Split) -> None:
    """Read the flags of sys.argv, score the split's predictions, print the table and write the result folder.

    Raises:
        UserError: no ground truth is in place, or what `read_annotations`, `load_predictions`, `evaluate` and
            `write_report` raise.
    """
    args = _parser(split).parse_args()
    ground_truth = _read_ground_truth(args.gt, split)
    predictions = load_predictions(args.pred, ground_truth, args.allow_missing)
    inputs = Inputs(
        predictions=args.pred,
        ground_truth=args.gt,
        pictures=len(ground_truth),
        missing=len(ground_truth) - len(predictions),
        detections=sum(map(len, predictions.values())),
        iou=args.iou,
    )
    results = evaluate(predictions, ground_truth, args.iou)
    print(format_table(results, inputs), flush=True)  # even where the files cannot be written
    print("\nwritten:", *write_report(args.result, results, inputs), sep="\n  ")


def _parser(split: Split) -> argparse.ArgumentParser:
    folder = split.evaluation_folder
    home = ROOT / folder
    parser = argparse.ArgumentParser(
        description=f"Score the faces detected in the {split.name} pictures by the WIDER FACE protocol: print"
        " the average precision, and write it with the curve of precision over recall.",
        epilog=f"Run {split.detection_script} first: it writes the predictions. Put the ground truth, from"
        f" {split.ground_truth_url}, into {folder}/groundtruths/.",
    )
    parser.add_argument(
        "-p", "--pred", type=Path, default=home / "tvface_txt", metavar="FOLDER",
        help="predictions, a text file per picture: name, count, then 'x y w h score' rows"
        f" (default: {folder}/tvface_txt)",
    )  # fmt: skip
    parser.add_argument(
        "-g", "--gt", type=Path, default=home / "groundtruths", metavar="PATH",
        help="ground truth, a file or the folder that holds it: '# picture' labels, WIDER FACE or Laboro TV"
        " text, or wider_face_val.mat with its easy, medium and hard lists beside it; recognised by content"
        f" (default: {folder}/groundtruths)",
    )  # fmt: skip
    parser.add_argument(
        "--iou", type=float, default=0.5,
        help="smallest overlap with a face that makes a detection right, over 0 and up to 1 (default: 0.5)",
    )  # fmt: skip
    parser.add_argument(
        "--allow_missing", action="store_true",
        help="count a picture without a prediction file as one where nothing was found, instead of stopping",
    )  # fmt: skip
    parser.add_argument(
        "--result", type=Path, default=home / "result", metavar="FOLDER",
        help=f"where ap.json, pr_curve.csv and pr_curve.png are written (default: {folder}/result)",
    )  # fmt: skip
    return parser


def _read_ground_truth(path: Path, split: Split) -> list[Annotation]:
    """Read the annotations; where a folder has none, say what to put there and from where."""
    if path.is_dir() and not any(file.suffix in (".txt", ".mat") for file in path.iterdir()):
        raise UserError(
            f"{path}: no ground truth of the {split.name} pictures here; put the label file (.txt) or the"
            f" WIDER FACE .mat set from {split.ground_truth_url} into it, or name another place with --gt (the drawn"
            f" sample's is {Path(split.images).parent})"
        )
    annotations = read_annotations(path)
    if not any(len(annotation.boxes) for annotation in annotations):
        raise UserError(f"{path}: has no faces: it is a list of names, or in no known annotation format")
    return annotations

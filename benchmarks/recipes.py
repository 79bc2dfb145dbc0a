"""Compare training recipes: recipes x starting points x seeds, trained and scored, as a table.

    python benchmarks/recipes.py --dataset ../shared/faces --detector mobilenet0.25_Final.pth \
        --backbone mobilenetV1X0.25_pretrain.tar --folder recipes_runs --recipes published tuned --seeds 0 1 2
    python benchmarks/recipes.py ... --recipes published tuned "ciou=--recipe tuned --box_loss ciou"

A recipe is a name of --recipe, or NAME=FLAGS with flags of train.py. Each run is trained on train/label.txt, and scored
on val and test at two sizes: scaled to a short side of --target_size ("enlarged"), and at origin size. The weights and
scores are in FOLDER as soon as they are known. A second call continues where the first one was interrupted and repeats
nothing, so that recipes and seeds can be added; a run of that name with other flags is refused. Flags that are unknown
here go to train.py.

The columns are AP in %, as the mean over the seeds and +- their standard deviation: of files with whole pixels, as
published, but for the columns of AP 50-95, which also name that of --decimals 2; of faces under and over 16 px in val
and test together; and the difference of the AP in val and test together from the published recipe, with a 95 %
interval of the paired bootstrap over images and seeds.
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data.annotations import Annotation, read_annotations
from data.annotations.record import box_sides
from data.config import RECIPES
from data.splits import LABELS
from engine.detect.prediction_writer import rounded_rows
from engine.train.config import parse_config
from evaluation.protocol import evaluate
from models.detector import Detections, Detector, Scaling
from utils.console import progress_bar
from utils.devices import keep_freed_memory
from utils.errors import UserError, run
from utils.files import join_inside, make_folder, read_image, write_text

SMALL = 16  # pixels, square root of a face's area
RESAMPLES = 1000
EPOCHS = {"detector": 10, "imagenet": 20}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", type=Path, required=True, metavar="DIR", help="with train/, val/ and, optionally, test/")
    add("--detector", type=Path, metavar="FILE", help="weights of a detector, to start from")
    add("--backbone", type=Path, metavar="FILE", help="ImageNet weights of the backbone, to start from")
    add("--network", default="mobile0.25", help="(default: %(default)s)")
    add("--folder", type=Path, required=True, metavar="DIR", help="for weights and scores")
    add("--recipes", nargs="+", type=named_recipe, default=["published", "tuned"], metavar="NAME[=FLAGS]")
    add("--starts", nargs="+", choices=list(EPOCHS), default=list(EPOCHS))
    add("--epochs", type=int, metavar="N", help="(default: 10 from a detector, 20 from ImageNet)")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--target_size", type=int, default=640, metavar="PX", help="short side of enlarged images")
    add("--max_size", type=int, default=1100, metavar="PX", help="most of their long side")
    args, train_flags = parser.parse_known_args()
    args.recipes = [named_recipe(each) if isinstance(each, str) else each for each in args.recipes]
    weights = {"detector": args.detector, "imagenet": args.backbone}
    for start, flag in (("detector", "--detector"), ("imagenet", "--backbone")):
        if start in args.starts and weights[start] is None:
            parser.error(f"--starts {start}: name its weights with {flag}")
    args.weights = {start: path and path.resolve() for start, path in weights.items()}
    args.dataset, args.folder = args.dataset.resolve(), args.folder.resolve()
    make_folder(args.folder)
    keep_freed_memory()
    scores: dict[tuple[str, str], list[dict]] = {}
    for seed in args.seeds:
        for start in args.starts:
            for name, flags in args.recipes:
                result = score_of(args, start, name, [*flags, *train_flags], seed)
                scores.setdefault((start, name), []).append(result)
    print_table(scores)


def named_recipe(text: str) -> tuple[str, list[str]]:
    """Parse NAME or NAME=FLAGS to a name and flags of train.py."""
    name, given, flags = text.partition("=")
    if not given and name not in RECIPES:
        raise argparse.ArgumentTypeError(f"found {text}; expected one of {', '.join(RECIPES)}, or NAME=FLAGS")
    return name, shlex.split(flags) if given else ["--recipe", name]


def score_of(args: argparse.Namespace, start: str, recipe: str, flags: list[str], seed: int) -> dict:
    """Return the scores of a run; it is trained and scored unless they are known.

    Raises:
        UserError: the folder has a run of this name with other settings.
    """
    name = f"{start}_{recipe}_{seed}"
    file = args.folder / f"{name}.json"
    command = train_command(args, start, flags, seed, args.folder / name)
    options = RECIPES[parse_config("", arguments=flags).recipe]
    settings = {"command": command[1:], "recipe": options, "sizes": [args.target_size, args.max_size]}
    known = json.loads(file.read_text()) if file.exists() else {"settings": settings}
    if known["settings"] != settings:
        raise UserError(f"{file}: is of a run with other flags; name another recipe or --folder, or remove the run")
    if "scores" not in known:
        print(f"{name} ...", flush=True)
        write_text(file, json.dumps(known) + "\n")
        scores = known["scores"] = score(train(command, args.folder / name), args)
        write_text(file, json.dumps(known) + "\n")
        print("   ", *(f"{key} {100 * value:.2f}" for key, value in scores.items() if "samples" not in key), flush=True)
    return known["scores"]


def train_command(args: argparse.Namespace, start: str, flags: list[str], seed: int, folder: Path) -> list[str]:
    epochs = args.epochs or EPOCHS[start]
    source = "--resume_net" if start == "detector" else "--backbone_weights"
    decays = (round(0.76 * epochs), round(0.88 * epochs))  # as 190 and 220 of 250
    command = [
        *(sys.executable, "train.py", "--training_dataset", args.dataset / "train" / LABELS["train"]),
        *("--network", args.network, source, args.weights[start], "--save_folder", folder, "--seed", seed),
        *("--epochs", epochs, "--save_every", epochs, "--tensorboard", "false", "--resume"),
        *(("--decay_epochs", *decays) if parse_config("", arguments=flags).schedule == "steps" else ()),
        *flags,
    ]
    return list(map(str, command))


def train(command: list[str], folder: Path) -> Path:
    """Train a run, from its checkpoint if it was interrupted, and return its final weights."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        status = process.wait()
    except KeyboardInterrupt:  # train.py got it, too, and writes its checkpoint
        process.wait()
        raise
    if status:
        sys.exit(status)
    (weights,) = folder.glob("*_Final.pth")
    return weights


def score(weights: Path, args: argparse.Namespace) -> dict:
    """Return the APs of a detector, 0 to 1, and bootstrap samples of the AP in val and test together."""
    labels = {
        split: read_annotations(args.dataset / split / LABELS[split])
        for split in ("val", "test")
        if (args.dataset / split).is_dir()
    }
    result = {}
    for size, scaling in (("enlarged", Scaling(args.target_size, args.max_size)), ("origin", None)):
        detector = Detector.load(weights, args.network, scaling=scaling)
        found = {
            split: detect(detector, args.dataset / split / "images", annotations)
            for split, annotations in labels.items()
        }
        together, both = {}, []
        for split, annotations in labels.items():
            rows = {name: rounded_rows(detections) for name, detections in found[split].items()}
            whole = evaluate(rows, annotations).subsets["all"]
            fractions = {name: rounded_rows(detections, 2) for name, detections in found[split].items()}
            result[f"{split} {size}"], result[f"{split} {size} 50-95"] = whole.ap, whole.mean_ap
            result[f"{split} {size} 50-95 fractions"] = evaluate(fractions, annotations).subsets["all"].mean_ap
            together |= {f"{split}/{name}": each for name, each in rows.items()}
            both += [renamed(each, split) for each in annotations]
        whole = evaluate(together, both, resamples=RESAMPLES)
        result[f"both {size}"] = whole.subsets["all"].ap
        result[f"samples {size}"] = whole.subsets["all"].samples.round(5).tolist()
        for group, kept in (("under", lambda sides: sides < SMALL), ("over", lambda sides: sides >= SMALL)):
            chosen = [with_subset(each, kept(box_sides(each.boxes))) for each in both]
            result[f"{group} {SMALL} px {size}"] = evaluate(together, chosen).subsets["chosen"].ap
    return result


def detect(detector: Detector, images: Path, annotations: list[Annotation]) -> dict[str, Detections]:
    bar = progress_bar(iterable=annotations, desc="detect", unit="image", leave=False, disable=None)
    return {each.name: detector(read_image(join_inside(images, each.name))) for each in bar}


def renamed(annotation: Annotation, split: str) -> Annotation:
    return Annotation(f"{split}/{annotation.name}", annotation.boxes, annotation.landmarks, annotation.attributes)


def with_subset(annotation: Annotation, mask: np.ndarray) -> Annotation:
    attributes, subsets = annotation.attributes, {"chosen": mask & ~annotation.ignored}
    return Annotation(annotation.name, annotation.boxes, annotation.landmarks, attributes, subsets)


def print_table(scores: Mapping[tuple[str, str], list[dict]]) -> None:
    columns = {
        "val enlarged": "val enlarged",
        "test enlarged": "test enlarged",
        "val origin": "val origin",
        "test origin": "test origin",
        "50-95, val enlarged": "val enlarged 50-95",
        "the same with fractions": "val enlarged 50-95 fractions",
        f"under {SMALL} px, origin": f"under {SMALL} px origin",
        f"over {SMALL} px, origin": f"over {SMALL} px origin",
    }
    columns = {
        title: key for title, key in columns.items() if all(key in run for runs in scores.values() for run in runs)
    }
    print("| from | recipe |", " | ".join(columns), "| difference, enlarged | difference, origin |")
    print("|---" * (len(columns) + 4), end="|\n")
    for (start, recipe), runs in scores.items():
        cells = [spread([100 * each[key] for each in runs]) for key in columns.values()]
        published = scores.get((start, "published"))
        for size in ("enlarged", "origin"):
            cells.append(difference(runs, published, size) if published and recipe != "published" else "")
        print("|", " | ".join([start, recipe, *cells]), "|")


def spread(values: list[float]) -> str:
    return f"{mean(values):.1f}" + (f" ±{stdev(values):.1f}" if len(values) > 1 else "")


def difference(runs: list[dict], published: list[dict], size: str) -> str:
    """Return the mean difference of AP in points, and its 95 % interval of the paired bootstrap.

    Each draw resamples the images, the same for all runs, and the pairs of runs of a seed.
    """
    found = mean(100 * (a[f"both {size}"] - b[f"both {size}"]) for a, b in zip(runs, published, strict=True))
    pairs = zip(runs, published, strict=True)
    samples = 100 * np.array([np.subtract(a[f"samples {size}"], b[f"samples {size}"]) for a, b in pairs])
    seeds = np.random.default_rng(0).integers(len(samples), size=samples.shape)
    low, high = np.nanquantile(np.take_along_axis(samples, seeds, axis=0).mean(axis=0), [0.025, 0.975])
    return f"{found:+.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    run(main)

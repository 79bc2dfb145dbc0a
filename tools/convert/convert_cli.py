"""The command: flags, then calls."""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shlex import quote

from data.annotations import (
    FORMATS,
    Annotation,
    find_annotations,
    fit_annotations,
    read_annotations,
    write_annotations,
)
from data.annotations.record import Annotations
from data.image_files import has_no_suffix, usual_images
from tools.convert.dataset_folder import LISTS, SPLITS, annotation_name, fit_parts, resolve_images, write_dataset
from tools.convert.splitting import find_prefixes, split_by_lists, split_by_ratio
from tools.convert.wider import find_ground_truth, image_folders, is_wider_download, next_commands, wider_parts
from utils.errors import UserError
from utils.files import refuse_existing
from utils.flags import natural_int
from utils.wording import counted

DESCRIPTION = """\
Turn annotations of one format into another, or a heap of images with their annotation into a dataset with splits,
laid out as the training and evaluation expect it. WIDER FACE as downloaded becomes one at once. What the other format
cannot hold is said. Nothing that exists is changed.
"""
EPILOG = """\
  python -m tools.convert labels.json label.txt
  python -m tools.convert label.txt voc_xml --to voc --images my_pictures
  python -m tools.convert laboro.txt data/tvface --images frames --split train=0.8 val=0.1 test=0.1 --by_prefix
  python -m tools.convert WIDER_downloaded data/widerface

The status is 0 when all is written, and 2 with a line that says why nothing is.
"""
FOLDERS = [each.name for each in FORMATS.values() if each.is_folder]
TRAINABLE = [each.name for each in FORMATS.values() if each.capabilities.boxes and not each.is_folder]


def main() -> None:
    args = _parse_flags()
    refuse_existing(args.out)
    if is_wider_download(args.source):
        own = ("to", "from", "category", "images", "faces_only", "split", "split_list", "by_prefix", "seed")
        _refuse_flags(args, own, f"{args.source} is WIDER FACE as downloaded, which has formats and splits of its own")
        _refuse_among(args.out, image_folders(args.source).values())
        convert_wider(args)
        return
    _refuse_among(args.out, [args.images or usual_images(args.source)])
    _refuse_flags(args, ("landmarks",), f"belongs to WIDER FACE as downloaded, which {args.source} is not")
    if args.split or args.split_list:
        write_splits(args)
    else:
        datasets = ("by_prefix", "seed", "copy")
        _refuse_flags(args, datasets, "belongs to datasets with their images; ask for one with --split")
        write_one(args)


def _refuse_among(out: Path, folders: Iterable[Path]) -> None:
    for folder in map(Path.resolve, folders):
        if out.resolve().is_relative_to(folder):
            raise UserError(f"{out}: lies below {folder}, among the images; choose another place")


def _refuse_flags(args: argparse.Namespace, flags: Sequence[str], reason: str) -> None:
    for flag in flags:
        if getattr(args, flag) is not None and getattr(args, flag) is not False:
            raise UserError(f"--{flag}: {reason}")


def convert_wider(args: argparse.Namespace) -> None:
    """Make the dataset of WIDER FACE and print how to go on."""
    ground_truth = find_ground_truth(args.source)
    parts, landmarks, sentences = wider_parts(args.source, args.landmarks)
    write_dataset(args.out, parts, args.copy, {f"val/ground_truth/{name}": path for name, path in ground_truth.items()})
    _report(args.out, {split: part.annotations for split, part in parts.items()}, sentences)
    print(f"landmarks: {landmarks or 'none; --landmarks names the label.txt of RetinaFace, which has them'}")
    if not ground_truth:
        print("easy, medium and hard: not known; unpack eval_tools.zip beside the rest and convert again")
    print(f"\nto train, detect and score:\n{next_commands(args.out, bool(ground_truth))}")


def write_splits(args: argparse.Namespace) -> None:
    """Deal the images out to splits, make the dataset and print how to go on."""
    images = args.images or usual_images(args.source)
    source = _read(args)
    every = resolve_images(source, images)
    annotations = _chosen(every, args)
    if args.split_list:
        _refuse_flags(args, ("by_prefix", "seed"), "belongs to --split; the lists say where each image goes")
        lists = {split: Path(path) for split, path in _pairs("--split_list", args.split_list, tuple(LISTS)).items()}
        splits = split_by_lists([annotation.name for annotation in every], lists, rest="train")
    else:
        names = [annotation.name for annotation in annotations]
        prefixes = None if args.by_prefix is None else find_prefixes(names, args.by_prefix or None)
        splits = split_by_ratio(names, _ratios(args.split), args.seed or 0, prefixes)
        if prefixes is not None:
            groups = Counter(prefixes.values())
            example, count = groups.most_common(1)[0]
            print(f"prefixes of the names: {len(groups):,}, for example {example!r} ({counted(count, 'image')})")
    parts, sentences = fit_parts(annotations, splits, images, args.to or "label")
    write_dataset(args.out, parts, args.copy)
    _report(args.out, {split: part.annotations for split, part in parts.items()}, [*source.unread, *sentences])
    print(f"\nto check it:\npython -m tools.check {quote(str(args.out))}")
    if "train" in parts and (args.to or "label") in TRAINABLE:
        label = args.out / "train" / annotation_name("train", parts["train"].kind)
        print(f"to train on it:\npython train.py --training_dataset {quote(str(label))}")


def write_one(args: argparse.Namespace) -> None:
    """Write all annotations in one other format."""
    kind, images = args.to or "label", args.images or usual_images(args.source)
    source = _read(args)
    annotations = _chosen(resolve_images(source, images) if args.images else source, args)
    annotations, sentences = fit_annotations(annotations, kind, images=images)
    if kind != "wider_mat" and any(has_no_suffix(annotation.name) for annotation in annotations):
        sentences.append("names without suffix, by which a training finds no image; --images FOLDER adds the suffixes")
    write_annotations(annotations, args.out, kind)
    _report(args.out, {kind: annotations}, [*source.unread, *sentences])


def _read(args: argparse.Namespace) -> Annotations:
    kind, path = find_annotations(args.source, getattr(args, "from"))
    if kind == "list" and args.to != "list":
        raise UserError(
            f"{path}: is a list of names, which says nothing about faces; expected an annotation with boxes"
        )
    return read_annotations(args.source, getattr(args, "from"), images=args.images, category=args.category)


def _chosen(annotations: Sequence[Annotation], args: argparse.Namespace) -> Sequence[Annotation]:
    chosen = [each for each in annotations if len(each.boxes)] if args.faces_only else annotations
    if not chosen:
        raise UserError(f"{args.source}: has no images{' with faces' if args.faces_only else ''}")
    return chosen


def _pairs(flag: str, texts: Sequence[str], splits: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        split, equals, value = text.partition("=")
        if split not in splits or not equals or not value or split in pairs:
            raise UserError(f"{flag} {text}: expected SPLIT=VALUE, once for each split, one of {', '.join(splits)}")
        pairs[split] = value
    return pairs


def _ratios(texts: Sequence[str]) -> dict[str, float]:
    pairs = _pairs("--split", texts, SPLITS)
    try:
        return {split: float(pairs[split]) for split in SPLITS if split in pairs}  # in an order of their own
    except ValueError as error:
        raise UserError(f"--split {' '.join(texts)}: expected numbers, as in train=0.8 ({error})") from error


def _report(out: Path, parts: Mapping[str, Sequence[Annotation]], sentences: Sequence[str]) -> None:
    """Print the images and faces of each part, and what was left out."""
    print(f"{out}:")
    for name, annotations in parts.items():
        faces = [len(annotation.boxes) for annotation in annotations]
        print(f"  {name}: {len(faces):,} images, {faces.count(0):,} of them without faces; {sum(faces):,} faces")
    for sentence in sentences:
        print(sentence)


def _parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.convert",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "source", type=Path, metavar="SOURCE",
        help="an annotation file, or a folder that holds one; or the folder in which WIDER FACE's archives were"
        " unpacked, with or without RetinaFace's train/label.txt of landmarks and the official eval_tools",
    )  # fmt: skip
    add("out", type=Path, metavar="OUT", help="the file or folder to write, which must not exist")
    add(
        "--to", choices=list(FORMATS), metavar="KIND",
        help=f"format to write, one of {', '.join(FORMATS)} (default: label); {', '.join(FOLDERS)} are folders",
    )  # fmt: skip
    add(
        "--from",
        choices=list(FORMATS),
        metavar="KIND",
        help="format of the source (default: recognised by its content)",
    )
    add("--category", metavar="CLASS", help="class of the source that is the face (default: 'face', or the only class)")
    add(
        "--images", type=Path, metavar="FOLDER",
        help="the images (default: images/ beside the source). Names get the suffixes of the files; YOLO takes sizes"
        " from them",
    )  # fmt: skip
    add("--faces_only", action="store_true", help="leave images without faces out, as the published TV Face did")
    split = parser.add_mutually_exclusive_group()
    split.add_argument(
        "--split", nargs="+", metavar="SPLIT=PART",
        help="make a dataset with these parts of the images in train, val and test: train=0.8 val=0.1 test=0.1",
    )  # fmt: skip
    split.add_argument(
        "--split_list", nargs="+", metavar="SPLIT=FILE",
        help="make a dataset with the images of these lists in val and test, a name a line, and the rest in train",
    )  # fmt: skip
    add(
        "--by_prefix", nargs="?", const="", metavar="REGEX",
        help="with --split, keep images of the same prefix in one split: what the regular expression, or its group 1,"
        " matches at the start of their names (default: the names, with their folders, up to the last number or time,"
        " as in news_0001, news_00-01-23 or news_12h34m56s, without a size, '(1)' or 'copy' at the end, so that frames"
        " of one programme stay together). What was found is said",
    )  # fmt: skip
    add("--seed", type=natural_int, metavar="N", help="with --split, another seed deals otherwise (default: 0)")
    add("--copy", action="store_true", help="copy images; otherwise they are hard links where that is possible")
    add(
        "--landmarks", type=Path, metavar="FILE",
        help="for WIDER FACE as downloaded: RetinaFace's label.txt of the training images (default: the"
        " train/label.txt below the source that is one)",
    )  # fmt: skip
    return parser.parse_args()

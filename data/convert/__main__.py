"""python -m data.convert: between annotation formats, and to datasets ready for training and evaluation."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from data.annotations import KINDS, Annotation, read_annotations, write_annotations
from data.convert.layout import LISTS, SPLITS, fit_parts, resolve_pictures, write_dataset
from data.convert.splitting import prefix_of, split_by_lists, split_by_ratio
from data.convert.wider import (
    find_ground_truth,
    find_landmarks,
    is_wider_download,
    next_commands,
    wider_parts,
)
from utils.errors import UserError, run
from utils.files import refuse_existing
from utils.flags import natural_int


def main() -> None:
    args = _parse_flags()
    refuse_existing(args.out)
    if is_wider_download(args.source):
        convert_wider(args)
    elif args.landmarks:
        raise UserError(f"--landmarks belongs to WIDER FACE as downloaded, which {args.source} is not")
    else:
        annotations = read_annotations(args.source, args.kind, images=args.images, category=args.category)
        if args.split or args.split_list:
            write_splits(args, annotations)
        else:
            write_one(args, annotations)


def convert_wider(args: argparse.Namespace) -> None:
    """Make the dataset of WIDER FACE and print how to go on."""
    own = {"--to": args.to, "--from": args.kind, "--category": args.category, "--images": args.images}
    own |= _split_flags(args)
    given = [flag for flag, value in own.items() if value is not None]
    if given:
        raise UserError(f"{args.source}: is WIDER FACE as downloaded, with splits of its own; leave {given[0]} out")
    landmarks = args.landmarks or find_landmarks(args.source)
    ground_truth = find_ground_truth(args.source)
    parts, sentences = wider_parts(args.source, landmarks)
    extra = {f"val/ground_truth/{name}": path for name, path in ground_truth.items()}
    write_dataset(args.out, parts, args.copy, extra)
    _say_parts(args.out, {split: part.annotations for split, part in parts.items()}, sentences)
    print(f"landmarks: {landmarks or 'none; --landmarks names the label.txt of RetinaFace that has them'}")
    if not ground_truth:
        print("easy, medium, hard: not known; unpack eval_tools.zip beside the rest before converting")
    print(f"\nto train, detect and score:\n{next_commands(args.out, bool(ground_truth))}")


def write_splits(args: argparse.Namespace, annotations: Sequence[Annotation]) -> None:
    """Deal the pictures out to splits and make the dataset."""
    images = args.images or _usual_images(args.source)
    annotations = resolve_pictures(annotations, images, args.source)
    names = [annotation.name for annotation in annotations]
    if args.faces_only:
        annotations = [annotation for annotation in annotations if len(annotation.boxes)]
    if args.split_list:
        if args.by_prefix is not None or args.seed is not None:
            raise UserError("--split_list says where each picture goes; leave --by_prefix and --seed out")
        lists = {split: Path(path) for split, path in _pairs("--split_list", args.split_list, LISTS).items()}
        splits = split_by_lists(names, lists, rest="train")
    else:
        ratios = _ratios(args.split)
        group = str if args.by_prefix is None else prefix_of(args.by_prefix or None)
        splits = split_by_ratio([annotation.name for annotation in annotations], ratios, args.seed or 0, group)
    parts, sentences = fit_parts(annotations, splits, images, args.to or "label")
    write_dataset(args.out, parts, args.copy)
    _say_parts(args.out, {split: part.annotations for split, part in parts.items()}, sentences)


def write_one(args: argparse.Namespace, annotations: Sequence[Annotation]) -> None:
    """Write all annotations in one other format."""
    useless = {**_split_flags(args), "--copy": args.copy or None}
    given = [flag for flag, value in useless.items() if value is not None and flag != "--faces_only"]
    if given:
        raise UserError(f"{given[0]} belongs to --split, which makes a dataset of the pictures, too")
    images = args.images or _usual_images(args.source)
    if args.images:
        annotations = resolve_pictures(annotations, images, args.source)
    if args.faces_only:
        annotations = [annotation for annotation in annotations if len(annotation.boxes)]
    sentences = write_annotations(annotations, args.out, args.to or "label", images=images)
    _say_parts(args.out, {args.to or "label": annotations}, sentences)


def _usual_images(source: Path) -> Path:
    return (source if source.is_dir() else source.parent) / "images"

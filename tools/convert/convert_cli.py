"""The command line of python -m tools.convert."""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from shlex import quote

from data.annotations import (
    FORMATS,
    WRITABLE,
    Annotation,
    annotation_images,
    find_annotations,
    fit_annotations,
    read_annotations,
    write_annotations,
)
from data.annotations.problems import Problem
from data.annotations.record import Annotations
from data.annotations.scores import DRAFT_SCORE
from data.image_files import has_no_suffix, refuse_among_images
from tools.convert.convert_flags import parse_flags, split_ratios, split_values
from tools.convert.dataset_folder import LISTS, annotation_name, fit_splits, resolve_images, write_dataset
from tools.convert.splitting import find_prefixes, split_by_lists, split_by_ratio
from tools.convert.wider import find_ground_truth, image_folders, is_wider_download, next_commands, wider_splits
from utils.errors import UNREADABLE, UserError
from utils.files import refuse_existing
from utils.wording import count_each, counted

TRAINABLE = [name for name in WRITABLE if FORMATS[name].capabilities.boxes and not FORMATS[name].is_folder]
OF_DATASETS = ("by_prefix", "seed", "copy")


def main() -> None:
    args = parse_flags()
    refuse_existing(args.out)
    if is_wider_download(args.source):
        own = (
            *("to", "from", "category", "images", "faces_only", "split", "split_list", "by_prefix", "seed"),
            *("skip_unreadable", "min_score", "ids", "frames", "video"),
        )
        _refuse_flags(args, own, f"{args.source} is WIDER FACE as downloaded, which has formats and splits of its own")
        for images in image_folders(args.source).values():
            refuse_among_images("", args.out, images)
        convert_wider(args)
        return
    refuse_among_images("", args.out, args.images or annotation_images(args.source, getattr(args, "from")), args.source)
    _refuse_flags(args, ("landmarks",), f"needs WIDER FACE as downloaded, which {args.source} is not")
    if args.frames or args.video:
        write_frames(args)
        return
    if args.split or args.split_list:
        skipped = write_splits(args)
    else:
        _refuse_flags(args, OF_DATASETS, "needs a dataset with images; make one with --split")
        skipped = write_annotation(args)
    if skipped:
        sys.exit(UNREADABLE)


def _refuse_flags(args: argparse.Namespace, flags: Sequence[str], reason: str) -> None:
    for flag in flags:
        if getattr(args, flag) is not None and getattr(args, flag) is not False:
            raise UserError(f"--{flag}: {reason}")


def convert_wider(args: argparse.Namespace) -> None:
    """Write the dataset of WIDER FACE and print the next commands."""
    ground_truth = find_ground_truth(args.source)
    splits, landmarks, sentences = wider_splits(args.source, args.landmarks)
    extra = {f"val/ground_truth/{name}": path for name, path in ground_truth.items()}
    write_dataset(args.out, splits, args.copy, extra)
    _report(args.out, {name: split.annotations for name, split in splits.items()}, sentences)
    print(f"landmarks: {landmarks or 'none; --landmarks takes the label.txt of RetinaFace'}")
    if not ground_truth:
        print("easy, medium and hard: unknown; unpack eval_tools.zip beside the other archives and convert again")
    print(f"\nto train, detect and score:\n{next_commands(args.out, bool(ground_truth))}")


def write_splits(args: argparse.Namespace) -> bool:
    """Assign the images to splits, write the dataset and print the next commands; return whether rows were skipped."""
    format_name, images = args.to or "label", args.images or annotation_images(args.source, getattr(args, "from"))
    source, problems = _read(args)
    resolved = resolve_images(source, images)
    annotations, skipped = without_lost_images(resolved, problems)
    annotations = _choose(annotations, args)
    if args.split_list:
        _refuse_flags(args, ("by_prefix", "seed"), "needs --split; the lists assign the images")
        lists = {
            split: Path(path) for split, path in split_values("--split_list", args.split_list, tuple(LISTS)).items()
        }
        assigned = split_by_lists([annotation.name for annotation in resolved], lists, rest="train")
    else:
        names = [annotation.name for annotation in annotations]
        prefixes = None if args.by_prefix is None else find_prefixes(names, args.by_prefix or None)
        assigned = split_by_ratio(names, split_ratios(args.split), args.seed or 0, prefixes)
        if prefixes is not None:
            groups = Counter(prefixes.values())
            example, count = groups.most_common(1)[0]
            print(f"prefixes of the names: {len(groups):,}, for example {example!r} ({counted(count, 'image')})")
    splits, sentences = fit_splits(annotations, assigned, images, format_name)
    write_dataset(args.out, splits, args.copy)
    sentences = [*skipped, *source.remarks, *source.unread, *sentences]
    _report(args.out, {name: split.annotations for name, split in splits.items()}, sentences)
    print(f"\nto check it:\npython -m tools.check {quote(str(args.out))}")
    if "train" in splits and format_name in TRAINABLE:
        label = args.out / "train" / annotation_name("train", format_name)
        print(f"to train on it:\npython train.py --training_dataset {quote(str(label))}")
    return bool(problems)


def write_annotation(args: argparse.Namespace) -> bool:
    """Write the annotation in another format; return whether rows were skipped."""
    format_name, images = args.to or "label", args.images or annotation_images(args.source, getattr(args, "from"))
    source, problems = _read(args)
    annotations, skipped = without_lost_images(resolve_images(source, images) if args.images else source, problems)
    annotations = _choose(annotations, args)
    annotations, sentences = fit_annotations(annotations, format_name, images=images)
    if format_name != "wider_mat" and any(has_no_suffix(annotation.name) for annotation in annotations):
        sentences.append("names without suffix; training does not find their images; --images FOLDER adds the suffixes")
    write_annotations(annotations, args.out, format_name)
    _report(args.out, {format_name: annotations}, [*skipped, *source.remarks, *source.unread, *sentences])
    return bool(problems)


def write_frames(args: argparse.Namespace) -> None:
    """Write frames of videos as images with draft labels, and print the next commands."""
    from tools.convert.video_frames import find_lines, read_video_labels, write_frames_dataset  # needs FFmpeg

    if not (args.frames and args.video):
        raise UserError("--frames and --video go together: every how many frames of which video become images")
    own = ("from", "category", "images", "ids", "skip_unreadable", "split", "split_list", *OF_DATASETS)
    _refuse_flags(args, own, "does nothing for frames of a video; convert the draft again, when it is corrected")
    format_name, min_score = args.to or "label", DRAFT_SCORE if args.min_score is None else args.min_score
    if not FORMATS[format_name].capabilities.boxes:
        raise UserError(f"--to {format_name}: has no faces; choose another format for draft labels")
    found = find_lines(args.source, args.video)
    labels = [read_video_labels(*pair, args.frames, min_score, args.faces_only) for pair in found.items()]
    written = write_frames_dataset(args.out, labels, args.frames, format_name)
    _report(args.out, {format_name: written.annotations}, written.remarks)
    print(f"\nto look at it:\npython -m tools.show {quote(str(args.out / annotation_name('train', format_name)))}")


def _read(args: argparse.Namespace) -> tuple[Annotations, list[Problem]]:
    """Return the annotations and, with --skip_unreadable, what is left out of them, which stderr names."""
    format_name, path = find_annotations(args.source, getattr(args, "from"))
    if format_name == "list" and args.to != "list":
        raise UserError(f"{path}: is a list of names without faces; expected an annotation with boxes")
    options = {"images": args.images, "category": args.category, "min_score": args.min_score, "ids": args.ids}
    read = partial(read_annotations, args.source, getattr(args, "from"), predictions=True, **options)
    problems: list[Problem] = []
    if not args.skip_unreadable:
        try:
            return read(), []
        except UserError as error:
            with suppress(UserError):
                read(problems=problems)
            if problems:
                count = counted(len(problems), "such place")
                raise UserError(f"{error} ({count}, which --skip_unreadable leaves out)") from error
            raise
    annotations = read(problems=problems)
    for problem in problems:
        print(f"skipped: {problem.sentence}", file=sys.stderr)
    return annotations, problems


def without_lost_images(
    annotations: Sequence[Annotation], problems: Sequence[Problem]
) -> tuple[Sequence[Annotation], list[str]]:
    """Drop the images that lost all their faces because a row of theirs is among the problems.

    They would become background images.

    Returns:
        the rest, and sentences that report what was left out.

    Raises:
        UserError: no face is left.
    """
    if problems and not any(len(each.boxes) for each in annotations):
        raise UserError(f"no face is left without the {counted(len(problems), 'place')} that cannot be read")
    of_images = {problem.record for problem in problems}
    kept = [each for index, each in enumerate(annotations) if len(each.boxes) or index not in of_images]
    sentences = count_each(
        (len(problems), "place", "skipped: {} that cannot be read"),
        (len(annotations) - len(kept), "image", "dropped: {} without a remaining face"),
    )
    return kept if problems else annotations, sentences


def _choose(annotations: Sequence[Annotation], args: argparse.Namespace) -> Sequence[Annotation]:
    chosen = [each for each in annotations if len(each.boxes)] if args.faces_only else annotations
    if not chosen:
        raise UserError(f"{args.source}: has no images{' with faces' if args.faces_only else ''}")
    return chosen


def _report(out: Path, written: Mapping[str, Sequence[Annotation]], sentences: Sequence[str]) -> None:
    """Print the numbers of images and faces, and what was dropped."""
    print(f"{out}:")
    for name, annotations in written.items():
        faces = [len(annotation.boxes) for annotation in annotations]
        print(
            f"  {name}: {counted(len(faces), 'image')} ({faces.count(0):,} background), {counted(sum(faces), 'face')}"
        )
    for sentence in sentences:
        print(sentence)

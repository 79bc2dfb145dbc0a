"""The flags of train.py: what they are, what they default to, and which of them decide the result."""

import argparse
from collections.abc import Mapping
from typing import Any

from data.config import BATCH_SIZE_OF_SEVERAL_CARDS
from models.registry import NETWORKS
from utils.devices import usable_cores
from utils.distributed import Ranks
from utils.errors import UserError
from utils.flags import (
    boolean,
    fraction,
    image_side,
    natural_float,
    natural_int,
    positive_float,
    positive_int,
)

FINETUNE_LR = 1e-5
FACELESS_NEGATIVES = 100
MOMENTUM = 0.9
# A flag alone says true; a resumed run can say false.
SWITCH = {"type": boolean, "nargs": "?", "const": True, "metavar": "BOOL"}
# These say where and how fast a run goes, not where it arrives; the others are named when a resumed run changes them.
WITHOUT_EFFECT = {"num_workers", "save_folder", "save_every", "save_minutes", "log_every", "tensorboard"}
# These belong to the machine and to the command itself, and a resumed run does not take them from its checkpoint.
NOT_KEPT = {"resume", "save_folder", "network", "device", "rank_timeout"}
OF_PHASE_TWO = {"finetune_epochs", "finetune_lr", "finetune_from"}


def parse_flags(description: str, kept: Mapping[str, Any] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        description: what --help says first.
        kept: flags of the run that is resumed, as this function gave them; they count where the command line says
            nothing else.

    Returns:
        The flags, None for what depends on the network or the machine: fill_in knows that.
    """
    parser = _parser(description)
    known = {action.dest for action in parser._actions}
    parser.set_defaults(**{name: value for name, value in (kept or {}).items() if name in known - NOT_KEPT})
    flags = parser.parse_args()
    if (
        kept and kept.get("finetune_epochs") and not flags.finetune_epochs
    ):  # phase two is dropped, and what it was to be
        return parse_flags(description, {name: value for name, value in kept.items() if name not in OF_PHASE_TWO})
    return flags


def fill_in(flags: argparse.Namespace, ranks: Ranks, cards: int) -> argparse.Namespace:
    """Return the flags with a value for each.

    Args:
        cards: number of GPUs that this process has.

    Raises:
        UserError: flags that contradict each other.
    """
    _check(flags)
    cfg = NETWORKS[flags.network].cfg
    several = max(cards, ranks.size) > 1
    own = {
        "batch_size": BATCH_SIZE_OF_SEVERAL_CARDS if several else cfg["batch_size"],
        "image_size": cfg["image_size"],
        "epochs": cfg["epoch"],
        "decay_epochs": [cfg["decay1"], cfg["decay2"]],
        "momentum": MOMENTUM,
        "num_workers": _default_workers(ranks.local_size),
        "finetune_lr": FINETUNE_LR,
        "finetune_from": "best" if flags.val_dataset else str(flags.epochs or cfg["epoch"]),
    }
    given = {name: value for name, value in vars(flags).items() if value is not None}
    filled = argparse.Namespace(**{**vars(flags), **own, **given})
    if flags.resume_epoch >= filled.epochs:
        raise UserError(f"--resume_epoch {flags.resume_epoch}: nothing is left to train of --epochs {filled.epochs}")
    if filled.finetune_epochs and filled.finetune_from != "best":
        start = int(filled.finetune_from)
        if not flags.resume_epoch < start <= filled.epochs:
            raise UserError(
                f"--finetune_from {start}: expected an epoch of this run, {flags.resume_epoch + 1} to {filled.epochs}"
            )
    return filled


def _default_workers(local_ranks: int) -> int:
    return max(1, min(8, usable_cores() // 2 // local_ranks))


def changed(kept: argparse.Namespace, flags: argparse.Namespace) -> list[str]:
    """Return `--flag old -> new` for each flag that decides the result and differs from the checkpoint's.

    Args:
        kept, flags: both filled in.
    """
    ignored = WITHOUT_EFFECT | NOT_KEPT
    if not kept.finetune_epochs and not flags.finetune_epochs:
        ignored |= OF_PHASE_TWO
    return [
        f"--{name} {_shown(getattr(kept, name, None))} -> {_shown(value)}"
        for name, value in vars(flags).items()
        if name not in ignored and getattr(kept, name, None) != value
    ]


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _check(flags: argparse.Namespace) -> None:
    if flags.resume_epoch and not flags.resume_net:
        raise UserError(f"--resume_epoch {flags.resume_epoch}: name the weights of that epoch with --resume_net")
    if flags.optimizer == "adamw" and flags.momentum is not None:
        raise UserError(f"--momentum {flags.momentum}: is SGD's; leave it or --optimizer adamw out")
    if flags.schedule == "cosine" and flags.decay_epochs and not flags.finetune_epochs:
        raise UserError("--decay_epochs: --schedule cosine does without; leave one of them out, or name no epochs")
    if not flags.val_dataset:
        if flags.patience:
            raise UserError(f"--patience {flags.patience}: needs the AP of a dev set; name it with --val_dataset")
        if flags.finetune_from == "best":
            raise UserError("--finetune_from best: needs the AP of a dev set; name it with --val_dataset")
    for name in ("finetune_lr", "finetune_from"):
        if getattr(flags, name) is not None and not flags.finetune_epochs:
            raise UserError(f"--{name} {getattr(flags, name)}: say how long phase two is with --finetune_epochs")
    if flags.patience and flags.finetune_from not in (None, "best"):
        raise UserError(
            f"--finetune_from {flags.finetune_from}: --patience can end phase one before it; phase two can go on"
            " from best"
        )


def _start_of_phase_two(text: str) -> str:
    """Read `best`, or an epoch."""
    return text if text == "best" else str(positive_int(text))


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument_group("data").add_argument
    add(
        "--training_dataset",
        default="data/tvface/train/label.txt",
        metavar="FILE",
        help="labels; the images are in images/ beside it (default: %(default)s)",
    )
    add(
        "--num_workers",
        type=natural_int,
        metavar="N",
        help="processes of each rank that read and augment images; 0 reads in the training process"
        f" (default here: {_default_workers(1)})",
    )
    add(
        "--image_size",
        type=image_side,
        metavar="PX",
        help="side of the square training samples (default: 640 for mobile0.25, 840 for resnet50)",
    )
    add(
        "--batch_size",
        type=positive_int,
        metavar="N",
        help="images in a batch, on all cards together (default: 32; 8 for resnet50 unless it has several cards)",
    )
    add(
        "--negatives",
        metavar="DIR",
        help="folder of further images without faces, which teach what is none; those without rows in the label file"
        " do so, too",
    )
    add(
        "--faceless_negatives",
        type=natural_int,
        default=FACELESS_NEGATIVES,
        metavar="N",
        help="how many of its hardest prior boxes an image without faces teaches, 0: none (default: %(default)s)",
    )
    add(
        "--skip_unreadable",
        **SWITCH,
        default=False,
        help="count images that cannot be read and go on with the others, instead of stopping at the first",
    )

    network = parser.add_argument_group("network")
    add = network.add_argument
    add("--network", choices=list(NETWORKS), default="mobile0.25", help="backbone (default: %(default)s)")
    start = network.add_mutually_exclusive_group()
    add = start.add_argument
    add(
        "--backbone_weights",
        metavar="FILE",
        help="ImageNet weights of the backbone (default: weights/mobilenetV1X0.25_pretrain.tar for mobile0.25,"
        " torchvision's IMAGENET1K_V1, downloaded once, for resnet50)",
    )
    add("--no_pretrain", action="store_true", help="start from random weights")
    add("--resume_net", metavar="FILE", help="start from the weights of a trained detector")
    network.add_argument(
        "--resume_epoch",
        type=natural_int,
        default=0,
        metavar="N",
        help="epochs that --resume_net has behind it: numbering and decays go on from there (default: 0)",
    )

    add = parser.add_argument_group("schedule").add_argument
    add(
        "--epochs",
        type=positive_int,
        metavar="N",
        help="epoch at which phase one ends (default: 250 for mobile0.25, 100 for resnet50)",
    )
    add(
        "--lr",
        type=natural_float,
        metavar="X",
        default=1e-3,
        help="learning rate at the start of this run (default: %(default)s)",
    )
    add(
        "--decay_epochs",
        type=positive_int,
        nargs="*",
        metavar="N",
        help="after these epochs lr is multiplied by gamma (default: 190 220 for mobile0.25, 70 90 for resnet50)",
    )
    add("--gamma", type=natural_float, metavar="X", default=0.1, help="factor of each decay (default: %(default)s)")
    add(
        "--schedule",
        choices=("steps", "cosine"),
        default="steps",
        help="cosine: phase one goes from lr to 0 along half a cosine instead of by --decay_epochs (default:"
        " %(default)s)",
    )
    add(
        "--warmup_epochs",
        type=natural_float,
        metavar="X",
        default=0.0,
        help="lr grows from 0 in the first epochs, or part of one, of phase one (default: no warm-up)",
    )
    add(
        "--finetune_epochs",
        type=natural_int,
        default=0,
        metavar="N",
        help="phase two: go on for so many epochs at --finetune_lr (default: phase one alone)",
    )
    add("--finetune_lr", type=natural_float, metavar="X", help=f"of phase two (default: {FINETUNE_LR:g})")
    add(
        "--finetune_from",
        type=_start_of_phase_two,
        metavar="best|EPOCH",
        help="where phase two starts: the epoch of best dev AP, or this epoch (default: best with --val_dataset,"
        " else the end of phase one)",
    )

    add = parser.add_argument_group("optimizer").add_argument
    add(
        "--optimizer",
        choices=("sgd", "adamw"),
        default="sgd",
        help="sgd is the published one; adamw wants another --lr and --weight_decay (default: %(default)s)",
    )
    add("--momentum", type=natural_float, metavar="X", help=f"of SGD (default: {MOMENTUM})")
    add("--weight_decay", type=natural_float, metavar="X", default=5e-4, help="(default: %(default)s)")
    add(
        "--accumulate",
        type=positive_int,
        metavar="N",
        default=1,
        help="batches in a step of the optimizer: with the memory of one, the gradients of one N times as large"
        " (default: %(default)s)",
    )
    add(
        "--clip_norm",
        type=natural_float,
        metavar="X",
        default=0.0,
        help="scale gradients down to this norm where theirs is larger (default: never)",
    )
    add(
        "--ema",
        type=fraction,
        metavar="DECAY",
        default=0.0,
        help="average the weights over the steps, for example by 0.999, and write and score that (default: off)",
    )

    add = parser.add_argument_group("dev set").add_argument
    add(
        "--val_dataset",
        metavar="FILE",
        help="labels of images, in images/ beside it, that are scored while training; {name}_best.pth has the"
        " highest AP (default: none)",
    )
    add(
        "--val_every",
        type=positive_int,
        default=5,
        metavar="N",
        help="epochs between scores; the last epoch of a phase is always scored (default: %(default)s)",
    )
    add(
        "--patience",
        type=natural_int,
        default=0,
        metavar="N",
        help="end a phase after so many scores without a better one (default: never)",
    )

    add = parser.add_argument_group("hardware").add_argument
    add("--device", metavar="NAME", help="cpu, cuda or cuda:N (default: all visible GPUs, the CPU where there is none)")
    add(
        "--amp",
        choices=("float32", "bf16", "fp16"),
        default="float32",
        help="compute the network in half precision; the loss and the weights stay float32 (default: %(default)s)",
    )
    add(
        "--compile",
        **SWITCH,
        default=False,
        help="let torch.compile build the network's kernels: minutes at the start; meant for GPUs, no faster on a CPU",
    )
    add(
        "--sync_bn",
        **SWITCH,
        default=False,
        help="batch normalisation over the images of all ranks (torchrun, GPUs)",
    )
    add(
        "--rank_timeout",
        type=positive_float,
        default=10.0,
        metavar="MINUTES",
        help="how long a rank waits for one that does not answer (default: %(default)s)",
    )

    add = parser.add_argument_group("run").add_argument
    add(
        "--resume",
        action="store_true",
        help="go on from {name}_last.ckpt in --save_folder, with its flags where none are given; where there is none,"
        " from the start",
    )
    add("--save_folder", default="weights", metavar="DIR", help="where checkpoints go (default: %(default)s)")
    add(
        "--save_every",
        type=positive_int,
        default=5,
        metavar="N",
        help="epochs between checkpoints; the last epoch always gets one (default: %(default)s)",
    )
    add(
        "--save_minutes",
        type=natural_float,
        default=10.0,
        metavar="N",
        help="at most so many minutes of work are lost in a crash: {name}_last.ckpt is written as often (default:"
        " %(default)s)",
    )
    add(
        "--log_every",
        type=positive_int,
        default=20,
        metavar="N",
        help="steps between lines in a log; a terminal shows a bar instead (default: %(default)s)",
    )
    add(
        "--tensorboard",
        **SWITCH,
        default=True,
        help="false: do not write {name}_tensorboard/ beside the weights",
    )
    add(
        "--seed",
        type=natural_int,
        default=0,
        metavar="N",
        help="of new weights, order and augmentation (default: %(default)s)",
    )
    return parser

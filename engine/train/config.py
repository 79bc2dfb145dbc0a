"""The configuration of a training: every option once, with its type, default, and help.

The command line, the checkpoint, and the loop share one dataclass. An option whose default is None depends on the
network or the machine; `resolve` fills it in.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from data.augmentation import CROP_SCALES, MOST_BOX_SHIFT
from data.config import BATCH_SIZE_OF_SEVERAL_GPUS, RECIPES
from engine.train.options import (
    best_or_epoch,
    data_option,
    dev_option,
    hardware_option,
    network_option,
    optimizer_option,
    recipe_option,
    run_option,
    schedule_option,
)
from layers.modules.multibox_loss import BOX_LOSSES
from models.registry import DEFAULT_NETWORK, NETWORKS, Network
from utils.devices import usable_cores
from utils.errors import UserError
from utils.flags import fraction, image_side, natural_float, natural_int, positive_float, positive_int

MAPS = 3  # of a backbone, each after one of its stages


@dataclass(frozen=True)
class TrainConfig:
    """The options of train.py; see the help of each."""

    training_dataset: str = data_option(
        "data/tvface/train/label.txt",
        str,
        "label file, or a folder of labels; the images are in images/ beside it (default: %(default)s)",
    )
    category: str | None = data_option(
        None, str, "face class of the labels and of --val_dataset (default: 'face', or the only class)", metavar="CLASS"
    )
    num_workers: int | None = data_option(
        None,
        natural_int,
        "loader processes of each rank; 0 loads in the training process (default: half of the cores, at most 8)",
        changes_result=False,
    )
    image_size: int | None = data_option(
        None, image_side, "side of the square training samples (default: the network's, see below)"
    )
    batch_size: int | None = data_option(
        None, positive_int, "images in a batch, on all GPUs together (default: the network's; 32 on several GPUs)"
    )
    negatives: str | None = data_option(
        None,
        str,
        "folder of extra background images; images without rows in the label file are background images, too",
        metavar="DIR",
    )
    faceless_negatives: int = data_option(
        100, natural_int, "hardest negatives of a background image that enter the loss (default: %(default)s)"
    )
    skip_unreadable: bool = data_option(
        False, bool, "skip and count unreadable images instead of stopping at the first"
    )

    recipe: str = recipe_option(
        "published", list(RECIPES), "set of defaults, see below and docs/training.md#recipes (default: %(default)s)"
    )
    crop_scales: Sequence[float] | None = recipe_option(
        None,
        positive_float,
        "sides of the random crop, in units of the image's short side; above 1, the image is shrunk in a canvas of the"
        f" mean color (default: {' '.join(map(str, CROP_SCALES))})",
        nargs="+",
    )
    mosaic: float = recipe_option(
        0.0, fraction, "probability that a sample is a grid of four images, each half as large (default: %(default)s)"
    )
    box_shift: float = recipe_option(
        0.0,
        natural_float,
        "move boxes to the right and down by this many pixels of the image; with 0.5 the truncation to whole pixels in"
        " detection files rounds the detector's boxes (default: %(default)s)",
        metavar="PX",
    )
    balance: float = recipe_option(
        0.0,
        fraction,
        "weight of small faces, which few priors match: each of the n priors of a face has the weight (20 / n) to the"
        " power of X (default: %(default)s)",
    )
    box_loss: str = recipe_option("smooth_l1", BOX_LOSSES, "loss of the boxes (default: %(default)s)")
    box_weight: float | None = recipe_option(None, positive_float, "weight of the box loss (default: the network's, 2)")

    network: str | None = network_option(
        None,
        list(NETWORKS),
        f"backbone (default: that of --resume or --resume_net, else {DEFAULT_NETWORK})",
        resumed=False,
    )
    backbone_weights: str | None = network_option(
        None, str, "ImageNet weights of the backbone (default: see weights/README.md)", exclusive="start"
    )
    no_pretrain: bool = network_option(False, bool, "start from random weights", exclusive="start")
    resume_net: str | None = network_option(
        None, str, "start from the weights of a trained detector", exclusive="start"
    )
    resume_epoch: int = network_option(
        0,
        natural_int,
        "epoch of the --resume_net weights; numbering and decays continue from it (default: %(default)s)",
    )

    epochs: int | None = schedule_option(
        None, positive_int, "last epoch of phase one (default: the network's, see below)"
    )
    lr: float = schedule_option(1e-3, natural_float, "learning rate at the start of this run (default: %(default)s)")
    decay_epochs: Sequence[int] | None = schedule_option(
        None,
        positive_int,
        "epochs after which the learning rate is multiplied by gamma (default: the network's, see below)",
        nargs="*",
    )
    gamma: float = schedule_option(0.1, natural_float, "factor of each decay (default: %(default)s)")
    schedule: str = schedule_option(
        "steps",
        ("steps", "cosine"),
        "cosine: phase one follows half a cosine from lr to 0, without --decay_epochs (default: %(default)s)",
    )
    warmup_epochs: float = schedule_option(
        0.0, natural_float, "epochs at the start of phase one in which the learning rate grows from 0 (default: none)"
    )
    finetune_epochs: int = schedule_option(
        0, natural_int, "length of phase two, at --finetune_lr (default: phase one only)"
    )
    finetune_lr: float | None = schedule_option(None, natural_float, "learning rate of phase two (default: 1e-05)")
    finetune_from: str | None = schedule_option(
        None,
        best_or_epoch,
        "weights that phase two starts from: those of the best dev AP, or of this epoch (default: best with"
        " --val_dataset, else the end of phase one)",
        metavar="best|EPOCH",
    )

    optimizer: str = optimizer_option(
        "sgd", ("sgd", "adamw"), "adamw needs another --lr and --weight_decay (default: %(default)s, as published)"
    )
    momentum: float | None = optimizer_option(None, natural_float, "momentum of SGD (default: 0.9)")
    weight_decay: float = optimizer_option(5e-4, natural_float, "weight decay (default: %(default)s)")
    accumulate: int = optimizer_option(
        1,
        positive_int,
        "batches per optimizer step: the gradients of a batch N times as large, with the memory of one (default:"
        " %(default)s)",
    )
    clip_norm: float = optimizer_option(
        0.0, natural_float, "maximum norm of the gradients; larger ones are scaled to it (default: off)"
    )
    ema: float = optimizer_option(
        0.0,
        fraction,
        "decay of an EMA of the weights, for example 0.999; the EMA is what is written and scored (default: off)",
    )
    ema_warmup: bool = optimizer_option(
        False, bool, "let the decay of --ema grow from 0.1, so that the first weights are soon forgotten"
    )
    freeze: int = optimizer_option(
        0,
        natural_int,
        "keep the weights of the first N stages of the backbone; up to 3, the whole backbone (default: %(default)s)",
    )
    freeze_bn: bool = optimizer_option(
        False, bool, "keep the statistics of batch normalization, for small batches or few images"
    )

    val_dataset: str | None = dev_option(
        None, str, "label file of the dev set; {name}_best.pth has the highest AP on it (default: none)"
    )
    val_every: int = dev_option(
        5, positive_int, "epochs between scores; the last epoch of a phase is always scored (default: %(default)s)"
    )
    patience: int = dev_option(0, natural_int, "scores without improvement after which a phase ends (default: never)")

    device: str | None = hardware_option(
        None,
        str,
        "cpu, cuda, or cuda:N (default: all visible GPUs; the CPU if there is none)",
        metavar="NAME",
        resumed=False,
    )
    amp: str = hardware_option(
        "float32",
        ("float32", "bf16", "fp16"),
        "precision of the network; the loss and the weights stay float32; bf16 and fp16 need hardware that has them"
        " (default: %(default)s)",
    )
    compile: bool = hardware_option(False, bool, "use torch.compile (slow start; no faster on a CPU)")
    sync_bn: bool = hardware_option(False, bool, "compute batch statistics over all ranks (torchrun on GPUs)")
    rank_timeout: float = hardware_option(
        10.0,
        positive_float,
        "time after which a rank that does not answer ends the run (default: %(default)s)",
        metavar="MINUTES",
        resumed=False,
    )

    resume: bool = run_option(
        False,
        bool,
        "continue from {name}_last.ckpt in --save_folder with its options, except those given here; without a"
        " checkpoint, start from the beginning",
        resumed=False,
    )
    save_folder: str = run_option(
        "weights", str, "folder of weights and checkpoints (default: %(default)s)", metavar="DIR", resumed=False
    )
    save_every: int = run_option(
        5,
        positive_int,
        "epochs between weight files; the last epoch is always saved (default: %(default)s)",
        changes_result=False,
    )
    save_minutes: float = run_option(
        10.0,
        natural_float,
        "minutes between checkpoints, and so the most work that a crash can lose (default: %(default)s)",
        changes_result=False,
    )
    log_every: int = run_option(
        20,
        positive_int,
        "steps between lines in a log; a terminal shows a bar instead (default: %(default)s)",
        changes_result=False,
    )
    tensorboard: bool = run_option(True, bool, "write {name}_tensorboard/ (default: true)", changes_result=False)
    seed: int = run_option(
        0, natural_int, "seed of new weights, of the order of images, and of augmentation (default: %(default)s)"
    )


def parse_config(
    description: str, saved: Mapping[str, Any] | None = None, arguments: Sequence[str] | None = None
) -> TrainConfig:
    """Parse the command line.

    Args:
        description: text at the top of --help.
        saved: options of the run to resume, as a checkpoint holds them. They replace the defaults. Options that its
            version of the program did not have yet take their defaults.
        arguments: None: those of the process.

    Raises:
        UserError: another recipe than that of the run to resume.
    """
    parser = build_parser(description)
    known = {option.name for option in fields(TrainConfig) if option.metadata["resumed"]}
    saved = {name: value for name, value in (saved or {}).items() if name in known}
    parser.set_defaults(recipe=saved.get("recipe", "published"))
    recipe = parser.parse_known_args(arguments)[0].recipe
    if saved and recipe != saved.get("recipe", "published"):
        raise UserError(f"--recipe {recipe}: the run to resume has another recipe; omit it, or start a new run")
    parser.set_defaults(**saved or RECIPES[recipe])
    config = TrainConfig(**vars(parser.parse_args(arguments)))
    if saved.get("finetune_epochs") and not config.finetune_epochs:  # phase two was dropped, with all its options
        return parse_config(description, {k: v for k, v in saved.items() if not k.startswith("finetune_")}, arguments)
    return config


def build_parser(description: str) -> argparse.ArgumentParser:
    """Build the parser of train.py from the fields of TrainConfig."""
    networks = "\n".join(
        "  {flag:12} {image_size} px, batch {batch_size}, {epoch} epochs, decays after {decay1} and {decay2}".format(
            flag=flag, **entry.cfg
        )
        for flag, entry in NETWORKS.items()
    )
    recipes = "\n".join(
        "  {:12} {}".format(name, " ".join(f"--{option} {_as_text(value)}" for option, value in options.items()))
        for name, options in RECIPES.items()
        if options
    )
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"defaults of each --network:\n{networks}\n\noptions that a --recipe sets, if not given:\n{recipes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    groups: dict[str, Any] = {}
    for each in fields(TrainConfig):
        group, exclusive = each.metadata["group"], each.metadata["exclusive"]
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        if exclusive and exclusive not in groups:
            groups[exclusive] = groups[group].add_mutually_exclusive_group()
        groups[exclusive or group].add_argument(f"--{each.name}", **each.metadata["argparse"])
    return parser


def resolve(config: TrainConfig, chosen: Network, world_size: int, local_world_size: int, gpus: int) -> TrainConfig:
    """Fill in what depends on the network or the machine, and check the whole.

    Args:
        chosen: the registry's entry of the network.
        world_size: number of ranks.
        local_world_size: number of ranks on this machine.
        gpus: number of GPUs of this rank.

    Raises:
        UserError: options that contradict each other.
    """
    _check_given(config)
    cfg = chosen.cfg
    several = max(gpus, world_size) > 1
    epochs = config.epochs or cfg["epoch"]
    defaults = {
        "network": chosen.flag,
        "num_workers": max(1, min(8, usable_cores() // 2 // local_world_size)),
        "image_size": cfg["image_size"],
        "batch_size": BATCH_SIZE_OF_SEVERAL_GPUS if several else cfg["batch_size"],
        "epochs": epochs,
        "decay_epochs": [cfg["decay1"], cfg["decay2"]],
        "finetune_lr": 1e-5,
        "finetune_from": "best" if config.val_dataset else str(epochs),
        "momentum": 0.9,
        "crop_scales": list(CROP_SCALES),
        "box_weight": cfg["loc_weight"],
    }
    missing = {name: value for name, value in defaults.items() if getattr(config, name) is None}
    resolved = replace(config, **missing)
    if resolved.resume_epoch >= epochs:
        raise UserError(f"--resume_epoch {resolved.resume_epoch}: nothing is left to train of --epochs {epochs}")
    if resolved.finetune_epochs and resolved.finetune_from != "best":
        start = int(resolved.finetune_from)
        if not resolved.resume_epoch < start <= epochs:
            expected = f"{resolved.resume_epoch + 1} to {epochs}"
            raise UserError(f"--finetune_from {start}: expected an epoch of this run, {expected}")
    return resolved


def _check_given(config: TrainConfig) -> None:
    """Raise UserError for options that contradict each other before defaults are filled in."""
    if config.resume_epoch and not config.resume_net:
        raise UserError(f"--resume_epoch {config.resume_epoch}: name the weights of that epoch with --resume_net")
    if config.optimizer == "adamw" and config.momentum is not None:
        raise UserError(f"--momentum {config.momentum}: is an option of SGD; omit it, or set --optimizer sgd")
    if config.box_shift > MOST_BOX_SHIFT:
        raise UserError(f"--box_shift {config.box_shift}: expected {MOST_BOX_SHIFT:g} pixels or less")
    if config.freeze > MAPS:
        raise UserError(f"--freeze {config.freeze}: the backbone has {MAPS} stages")
    if config.ema_warmup and not config.ema:
        raise UserError("--ema_warmup: has no effect without --ema; set its decay")
    if config.schedule == "cosine" and config.decay_epochs and not config.finetune_epochs:
        raise UserError("--decay_epochs: has no effect with --schedule cosine; omit it, or set --schedule steps")
    if not config.val_dataset:
        if config.patience:
            raise UserError(f"--patience {config.patience}: needs the AP of a dev set; name one with --val_dataset")
        if config.finetune_from == "best":
            raise UserError("--finetune_from best: needs the AP of a dev set; name one with --val_dataset")
    for name in ("finetune_lr", "finetune_from"):
        if getattr(config, name) is not None and not config.finetune_epochs:
            raise UserError(f"--{name} {getattr(config, name)}: set the length of phase two with --finetune_epochs")
    if config.patience and config.finetune_from not in (None, "best"):
        raise UserError(
            f"--finetune_from {config.finetune_from}: --patience can end phase one before it; use --finetune_from best"
        )


def changed_options(before: TrainConfig, now: TrainConfig) -> list[str]:
    """List the options that change the result, as `--name old -> new`.

    Args:
        before, now: both resolved.
    """
    without_phase_two = not before.finetune_epochs and not now.finetune_epochs
    changes = []
    for each in fields(TrainConfig):
        old, new = getattr(before, each.name), getattr(now, each.name)
        skipped = not each.metadata["changes_result"] or (without_phase_two and each.name.startswith("finetune_"))
        if old != new and not skipped:
            changes.append(f"--{each.name} {_as_text(old)} -> {_as_text(new)}")
    return changes


def from_saved(saved: Mapping[str, Any]) -> TrainConfig:
    """Build the configuration that a checkpoint holds; options newer than the checkpoint take their defaults."""
    known = {each.name for each in fields(TrainConfig)}
    return TrainConfig(**{name: value for name, value in saved.items() if name in known})


def to_saved(config: TrainConfig) -> dict[str, Any]:
    """Return the configuration as the plain values that a checkpoint holds."""
    return asdict(config)


def _as_text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)

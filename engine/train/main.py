"""What train.py does: flags, the run that they describe, and its training."""

import os
import sys
import warnings
from argparse import Namespace

import torch

from data.dataset import FaceDataset
from engine.train.config import changed, fill_in, parse_flags
from engine.train.loop import Training
from engine.train.state import Checkpoint, last_checkpoint, read_last
from engine.train.validate import DevSet
from models.registry import NETWORKS
from models.retinaface import RetinaFace
from models.weights import load_backbone_weights
from utils.checkpoint import load_into, read_state_dict
from utils.console import say
from utils.devices import describe_computer, keep_freed_memory, usable_cores, visible_cards
from utils.distributed import Ranks, device_of_rank, init_distributed
from utils.errors import UserError
from utils.files import make_folder
from utils.signals import stop_request
from utils.version import show_versions


def main(description: str) -> None:
    """Read the flags of sys.argv and train.

    Args:
        description: what --help says first.

    Raises:
        UserError: whatever the user can mend.
        Stop: the run was asked to end, and wrote its checkpoint.
    """
    given = parse_flags(description)
    warnings.filterwarnings("ignore", message="This DataLoader will create")  # more workers than cores: see below
    device = device_of_rank(given.device)
    if device.type == "cpu":
        keep_freed_memory()
    elif device.index is not None:
        torch.cuda.set_device(device)  # else the thread that pins memory would take a part of the first GPU's
    with init_distributed(device, given.rank_timeout, "--rank_timeout") as ranks:
        checkpoint = ranks.run_on_main(lambda: _checkpoint_to_resume(given))
        if checkpoint is not None:
            given = parse_flags(description, kept=checkpoint.flags)
        flags = ranks.raise_together(lambda: _filled_in(given, device, ranks))
        cfg = {**NETWORKS[flags.network].cfg, "image_size": flags.image_size}
        data = ranks.raise_together(lambda: _read_data(flags))
        network = ranks.raise_together(lambda: _build_network(flags, cfg, is_new=checkpoint is None))
        # The size of a batch depends on the number of cards, which may be another when the run goes on.
        kept = {**vars(given), "batch_size": flags.batch_size}
        training = ranks.raise_together(lambda: Training(network, cfg, flags, *data, device, ranks, kept, checkpoint))
        ranks.run_on_main(lambda: _prepare(training, is_new=checkpoint is None))
        if ranks.is_main:
            say(_describe(training))
            if checkpoint is not None:
                _name_changes(checkpoint, training)
            if flags.num_workers * ranks.local_size > usable_cores():
                say(f"warning: --num_workers {flags.num_workers}: {usable_cores()} cores are here to share", sys.stderr)
        with stop_request(quiet=not ranks.is_main) as stop:  # before, there is nothing to save
            final = training.run(stop)
        if ranks.is_main:
            say(f"trained weights: {final}")


def _filled_in(given: Namespace, device: torch.device, ranks: Ranks) -> Namespace:
    cards = len(visible_cards(device))
    flags = fill_in(given, ranks, cards)
    if flags.sync_bn and (ranks.size == 1 or device.type != "cuda"):
        raise UserError("--sync_bn: needs several ranks on GPUs; start them with torchrun, or say --sync_bn false")
    if cards > 1 and (flags.compile or flags.amp == "bf16"):  # DataParallel's copies of a network forget both
        flag = "--compile" if flags.compile else "--amp bf16"
        raise UserError(f"{flag}: needs a process for each GPU; start with: torchrun --nproc_per_node={cards} train.py")
    return flags


def _read_data(flags: Namespace) -> tuple[FaceDataset, DevSet | None]:
    dataset = FaceDataset(flags.training_dataset, flags.image_size, flags.seed, flags.skip_unreadable, flags.negatives)
    return dataset, DevSet.read(flags.val_dataset, flags.skip_unreadable) if flags.val_dataset else None


def _build_network(flags: Namespace, cfg: dict, is_new: bool) -> RetinaFace:
    """Build the network, with the weights that a new run starts from."""
    torch.manual_seed(flags.seed)
    network = RetinaFace(cfg)
    if is_new and flags.resume_net:
        load_into(network, read_state_dict(flags.resume_net), flags.resume_net)
    elif is_new and cfg["pretrain"] and not flags.no_pretrain:
        load_backbone_weights(network, cfg, flags.backbone_weights)
    return network


def _checkpoint_to_resume(given: Namespace) -> Checkpoint | None:
    """Return the run that goes on; None for a new one."""
    name = NETWORKS[given.network].cfg["name"]
    path = last_checkpoint(given.save_folder, name)
    if not given.resume:
        if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)):
            raise UserError("--max_restarts: give train.py --resume, too, or a restarted run begins from the start")
        return None
    if not path.exists():
        for network in NETWORKS.values():
            if last_checkpoint(given.save_folder, network.cfg["name"]).exists():
                raise UserError(f"{path}: no such checkpoint, but one of another network; add --network {network.flag}")
        say(f"{path}: no such checkpoint yet; starting from the beginning, with the flags given here")
        return None
    checkpoint = read_last(path, name)
    for flag in ("resume_net", "resume_epoch"):
        value, kept = getattr(given, flag), checkpoint.flags.get(flag)
        if value and value != kept:
            raise UserError(
                f"{path}: is of a run with --{flag} {kept}, not {value}; leave --resume out to start another, or"
                " --resume_net to go on with this one"
            )
    return checkpoint


def _prepare(training: Training, is_new: bool) -> None:
    """Make the folder, and put an older run's checkpoint aside that a new one would overwrite."""
    name = training.cfg["name"]
    folder = make_folder(training.folder)
    for half_written in folder.glob(f".{name}_*.tmp.*"):  # by a process that was killed
        half_written.unlink(missing_ok=True)
    last = last_checkpoint(folder, name)
    if is_new and last.exists():
        aside = last.with_name(f"{name}_previous.ckpt")
        last.replace(aside)
        say(f"{last}: of another run, kept as {aside.name}; the other files of that run are overwritten")


def _name_changes(checkpoint: Checkpoint, training: Training) -> None:
    """Say what makes this run end elsewhere than it would have without the interruption."""
    cards = len(visible_cards(training.device))
    changes = changed(fill_in(Namespace(**checkpoint.flags), training.ranks, cards), training.flags)
    if checkpoint.dataset != training.fingerprint:
        changes.append("the images or their labels")
    if checkpoint.ranks != training.ranks.size:
        changes.append(f"ranks {checkpoint.ranks} -> {training.ranks.size}")
    computer = describe_computer(training.device)
    if checkpoint.computer != computer:
        changes.append(f"{checkpoint.computer} -> {computer}")
    if changes:
        say(f"warning: changed since the checkpoint, and with it the result: {'; '.join(changes)}", sys.stderr)


def _describe(training: Training) -> str:
    """Return the first lines of a run: what runs where."""
    flags, cfg, ranks, dataset = training.flags, training.cfg, training.ranks, training.dataset
    weights = sum(parameter.numel() for parameter in training.learner.network.parameters())
    faces, background = dataset.count_faces(), dataset.count_background()
    ignored = len(dataset.annotations.boxes) - faces
    others = f" and {ignored} that do not count" if ignored else ""
    others += f", {background} without" if background else ""
    state, phase = training.state, training.phase
    if state.iterations:
        start = f"resumed after epoch {state.epoch}" + (f" and {state.done} images" if state.done else "")
    elif flags.resume_net:
        start = f"from {flags.resume_net}"
    else:
        start = "from random weights" if flags.no_pretrain else "from an ImageNet backbone"
    batch = f"{flags.batch_size}"
    batch += f" x {flags.accumulate} a step" if flags.accumulate > 1 else ""
    batch += f", shared by {ranks.size} ranks" if ranks.size > 1 else ""
    then = ""
    if phase.number == 1 and flags.finetune_epochs:
        source = "the best" if flags.finetune_from == "best" else flags.finetune_from
        then = f"; then {flags.finetune_epochs} more from {source}, lr {flags.finetune_lr:g}"
    dev = f"; dev set {len(training.dev_set.annotations)} images" if training.dev_set else ""
    workers = f"{flags.num_workers} loader worker" + ("" if flags.num_workers == 1 else "s")
    workers += " for each rank" if ranks.size > 1 else ""
    lines = {
        "network": f"{cfg['name']}, {weights:,} weights, {start}",
        "data": f"{len(dataset)} images with {faces} faces{others} at {dataset.image_size} px, batch {batch}{dev}",
        "epochs": f"{phase.start + 1} to {phase.end}, lr {phase.lr:g}{then}, seed {flags.seed}",
        "device": f"{_device_names(training)}, {flags.amp}, {workers}",
        "program": show_versions(),
    }
    return "\n".join(f"{name:8} {line}" for name, line in lines.items())


def _device_names(training: Training) -> str:
    if training.device.type == "cpu":
        names = f"CPU with {torch.get_num_threads()} threads"
    else:
        names = " + ".join(torch.cuda.get_device_name(card) for card in visible_cards(training.device))
    return f"{training.ranks.size} ranks, each on {names}" if training.ranks.size > 1 else names

"""What train.py does: flags, the run that they describe, and its training."""

import sys
from argparse import Namespace

import torch

from data.config import NETWORKS
from data.dataset import FaceDataset
from engine.progress import show_versions
from engine.state import Checkpoint, last_checkpoint, read_last
from engine.stopping import stop_request
from engine.training import Training, phases_of
from engine.training_flags import changed, fill_in, parse_flags
from engine.validation import DevSet
from models.backbones import load_backbone_weights
from models.retinaface import RetinaFace
from utils.checkpoint import load_into, read_state_dict
from utils.devices import choose_device, keep_freed_memory, visible_cards
from utils.errors import UserError
from utils.files import make_folder
from utils.processes import Ranks, joined_ranks, restarted


def main(description: str) -> None:
    """Read the flags of sys.argv and train.

    Args:
        description: what --help says first.

    Raises:
        UserError: whatever the user can mend.
        Stop: the run was asked to end, and wrote its checkpoint.
    """
    flags = parse_flags(description)
    device = _device_of_rank(flags.device)
    if device.type == "cpu":
        keep_freed_memory()
    with stop_request() as stop, joined_ranks(device, flags.rank_timeout) as ranks:
        checkpoint = ranks.from_first(lambda: _checkpoint_to_resume(flags))
        if checkpoint is not None:
            flags = parse_flags(description, kept=checkpoint.flags)
        flags = fill_in(flags, max(len(visible_cards(device)), ranks.size))
        _check_ranks(flags, device, ranks)
        cfg = {**NETWORKS[flags.network], "image_size": flags.image_size}
        dataset = FaceDataset(flags.training_dataset, flags.image_size, flags.seed, flags.skip_unreadable)
        dev_set = DevSet.read(flags.val_dataset) if flags.val_dataset else None
        network = _network(flags, cfg, ranks, with_weights=checkpoint is None)
        ranks.from_first(lambda: _prepare(flags, cfg, checkpoint))

        training = Training(network, cfg, flags, dataset, dev_set, device, ranks, stop, checkpoint)
        if ranks.first:
            print(_describe(training), flush=True)
            if checkpoint is not None:
                _name_changes(checkpoint, training)
        final = training.run()
        if ranks.first:
            print(f"trained weights: {final}")


def _device_of_rank(name: str | None) -> torch.device:
    """Return the device that is asked for; with torchrun and GPUs, each process of a machine has one of its own."""
    device, ranks = choose_device(name), Ranks.of_torchrun()
    if ranks.size > 1 and device.type == "cuda":
        if device.index is not None:
            raise UserError(f"--device {name}: torchrun gives each rank its own GPU; choose by CUDA_VISIBLE_DEVICES")
        return choose_device(f"cuda:{ranks.local_rank}")
    return device


def _checkpoint_to_resume(flags: Namespace) -> Checkpoint | None:
    """Return the run that goes on: with --resume, or because torchrun restarts it; None for a new one."""
    if not (flags.resume or restarted()):
        return None
    name = NETWORKS[flags.network]["name"]
    path = last_checkpoint(flags.save_folder, name)
    if not path.exists():
        print(f"{path}: no such checkpoint yet; starting from the beginning", flush=True)
        return None
    checkpoint = read_last(path, name)
    for flag in ("resume_net", "resume_epoch"):
        given, kept = getattr(flags, flag), checkpoint.flags.get(flag)
        if given and given != kept:
            raise UserError(
                f"{path}: is of a run with --{flag} {kept}, not {given}; leave --resume out to start another, or"
                " --resume_net to go on with this one"
            )
    return checkpoint


def _check_ranks(flags: Namespace, device: torch.device, ranks: Ranks) -> None:
    if flags.sync_bn and (ranks.size == 1 or device.type != "cuda"):
        raise UserError("--sync_bn: needs several ranks on GPUs; start them with torchrun, or leave it out")


def _network(flags: Namespace, cfg: dict, ranks: Ranks, with_weights: bool) -> RetinaFace:
    """Build the network with the weights that a new run starts from, the same on all ranks."""
    torch.manual_seed(flags.seed)
    network = RetinaFace(cfg)

    def load() -> dict[str, torch.Tensor]:
        if flags.resume_net:
            load_into(network, read_state_dict(flags.resume_net), flags.resume_net)
        elif cfg["pretrain"] and not flags.no_pretrain:
            load_backbone_weights(network, cfg, flags.backbone_weights)
        return network.state_dict()

    if with_weights:
        network.load_state_dict(ranks.from_first(load))
    return network


def _prepare(flags: Namespace, cfg: dict, checkpoint: Checkpoint | None) -> None:
    """Make the folder, and put an older run's checkpoint aside that a new one would overwrite."""
    folder = make_folder(flags.save_folder)
    for half_written in folder.glob(f".{cfg['name']}_*.tmp.*"):  # by a process that was killed
        half_written.unlink(missing_ok=True)
    last = last_checkpoint(folder, cfg["name"])
    if checkpoint is None and last.exists():
        aside = last.with_name(f"{cfg['name']}_previous.ckpt")
        last.replace(aside)
        print(f"{last}: of another run, which --resume would go on with; kept as {aside.name}", flush=True)


def _name_changes(checkpoint: Checkpoint, training: Training) -> None:
    """Say what makes this run end elsewhere than it would have without the interruption."""
    changes = changed(checkpoint.flags, training.flags)
    if checkpoint.dataset != training.fingerprint:
        changes.append("the pictures or their labels")
    if checkpoint.ranks != training.ranks.size:
        changes.append(f"ranks {checkpoint.ranks} -> {training.ranks.size}")
    if changes:
        print(f"warning: changed since the checkpoint, and with it the result: {'; '.join(changes)}", file=sys.stderr)


def _describe(training: Training) -> str:
    """Return the first lines of a run: what runs where."""
    flags, cfg, ranks, dataset = training.flags, training.cfg, training.ranks, training.dataset
    weights = sum(parameter.numel() for parameter in training.network.parameters())
    faces = sum(len(annotation.boxes) for annotation in dataset.annotations)
    state, phases = training.state, phases_of(flags, training.state.best_epoch)
    if state.iterations:
        start = f"resumed after {state.done} pictures of epoch {state.epoch + 1}"
    elif flags.resume_net:
        start = f"from {flags.resume_net}"
    else:
        start = "from random weights" if flags.no_pretrain else "from an ImageNet backbone"
    batch = f"{flags.batch_size}"
    batch += f" x {flags.accumulate} a step" if flags.accumulate > 1 else ""
    batch += f", shared by {ranks.size} ranks" if ranks.size > 1 else ""
    dev = f"; dev set {len(training.dev_set.annotations)} pictures" if training.dev_set else ""
    lines = {
        "network": f"{cfg['name']}, {weights:,} weights, {start}",
        "data": f"{len(dataset)} pictures with {faces} faces at {dataset.image_size} px, batch {batch}{dev}",
        "epochs": "; then ".join(f"{each.start + 1} to {each.end}, lr {each.lr:g}" for each in phases)
        + f", seed {flags.seed}",
        "device": f"{_device_names(training)}, {flags.amp or 'float32'}, {flags.num_workers} workers a rank",
        "program": show_versions(),
    }
    return "\n".join(f"{name:8} {line}" for name, line in lines.items())


def _device_names(training: Training) -> str:
    if training.device.type == "cpu":
        names = f"CPU with {torch.get_num_threads()} threads"
    else:
        names = " + ".join(torch.cuda.get_device_name(card) for card in visible_cards(training.device))
    return f"{training.ranks.size} ranks, each on {names}" if training.ranks.size > 1 else names

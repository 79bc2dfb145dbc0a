"""train.py: options, data, network, and the run that they describe."""

import os
import sys
import warnings

import torch

from data.augmentation import AugmentationOptions
from data.config import RECIPES
from data.dataset import FaceDataset
from data.sampler import EpochBatches
from engine.train.checkpoints import Checkpoint, RunFiles, find_last, keep_start, read_last
from engine.train.config import (
    TrainConfig,
    changed_options,
    from_saved,
    parse_config,
    resolve,
    to_saved,
)
from engine.train.loader import MatchedCollate, StepLoader
from engine.train.loop import train
from engine.train.report import Report
from engine.train.state import Run, RunState
from engine.train.torch_errors import explain_torch_errors
from engine.train.validate import DevSet
from layers.functions.prior_box import PriorBox
from layers.modules import MultiBoxLoss
from models.registry import DEFAULT_NETWORK, Network, find_network
from models.retinaface import RetinaFace
from models.weights import load_backbone_weights, read_weights, recognize_network
from utils.checkpoint import load_into
from utils.console import say
from utils.devices import describe_computer, keep_freed_memory, usable_cores, visible_gpus
from utils.distributed import Ranks, device_of_rank, init_distributed
from utils.errors import UserError
from utils.signals import stop_request


def main(description: str) -> None:
    """Parse sys.argv and train.

    Args:
        description: text at the top of --help.

    Raises:
        UserError: a mistake that the user can fix.
        Stop: the run was asked to end; its checkpoint is written.
    """
    given = parse_config(description)
    warnings.filterwarnings(
        "ignore", message="This DataLoader will create"
    )  # warn_about_changes reports it in terms of --num_workers
    device = device_of_rank(given.device)
    if device.type == "cpu":
        keep_freed_memory()
    elif device.index is not None:
        torch.cuda.set_device(device)  # otherwise the thread that pins memory would use the first GPU
    with init_distributed(device, given.rank_timeout, "--rank_timeout") as ranks:
        checkpoint = ranks.run_on_main(lambda: checkpoint_to_resume(given))
        if checkpoint is not None:
            given = parse_config(description, checkpoint.config)
        chosen = ranks.raise_together(lambda: choose_network(given, checkpoint))
        config = ranks.raise_together(lambda: resolve_config(given, chosen, ranks, device))
        ranks.raise_together(lambda: keep_start(config, chosen.cfg["name"]))
        cfg = {**chosen.cfg, "image_size": config.image_size, "loc_weight": config.box_weight}
        dataset, dev_set = ranks.raise_together(lambda: read_data(config))
        network = ranks.raise_together(lambda: build_network(config, cfg, is_new=checkpoint is None))
        if checkpoint is None and ranks.is_main:
            warn_about_start(config, network)
        network.box_shift = config.box_shift
        state = RunState(epoch=config.resume_epoch, start=config.resume_epoch)
        if checkpoint is not None:
            state = RunState.from_dict(checkpoint.state)
        run, criterion, loader = ranks.raise_together(
            lambda: build_run(network, cfg, config, state, dataset, device, ranks)
        )
        # The default batch size depends on the number of GPUs, which may differ when the run is resumed.
        saved = {**to_saved(given), "network": chosen.flag, "batch_size": config.batch_size}
        files = RunFiles(config.save_folder, run.name, saved, dataset.fingerprint(), ranks)
        if checkpoint is not None:
            ranks.raise_together(lambda: files.restore(run, checkpoint))
        ranks.run_on_main(lambda: files.prepare_folder(is_new=checkpoint is None))
        report = Report(files.path, dataset, ranks.is_main)
        try:
            ranks.run_on_main(lambda: report.start(run, dev_set))
            ranks.run_on_main(lambda: warn_about_changes(run, files, checkpoint))
            if run.is_over:
                report.nothing_left(run)
            with stop_request(quiet=not ranks.is_main) as stop, explain_torch_errors():
                final = train(run, criterion, loader, dev_set, files, report, stop)
        finally:
            loader.close()
            report.close()
        report.table(run)
        report.curves(run)
        report.say(f"trained weights: {final}")


def checkpoint_to_resume(given: TrainConfig) -> Checkpoint | None:
    """Read the checkpoint of the run to resume; None for a new run."""
    if not given.resume:
        if int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", 0)):
            raise UserError("--max_restarts: add --resume to train.py, or a restarted run begins from the start")
        return None
    path = find_last(given.save_folder, given.network)
    if path is None:
        say(f"{given.save_folder}: no checkpoint yet; starting from the beginning, with the options given here")
        return None
    checkpoint = read_last(path)
    for name in ("resume_net", "resume_epoch"):
        value, before = getattr(given, name), checkpoint.config.get(name)
        if value and value != before:
            raise UserError(
                f"{path}: is of a run with --{name} {before}, not {value}; omit --resume to start another run, or"
                " --resume_net to continue this one"
            )
    return checkpoint


def choose_network(given: TrainConfig, checkpoint: Checkpoint | None) -> Network:
    """Return the network of --network, of the checkpoint, or of the --resume_net weights."""
    if checkpoint is not None:
        return find_network(checkpoint.name)
    if given.network is None and given.resume_net:
        return recognize_network(read_weights(given.resume_net), given.resume_net)
    return find_network(given.network or DEFAULT_NETWORK)


def resolve_config(given: TrainConfig, chosen: Network, ranks: Ranks, device: torch.device) -> TrainConfig:
    """Fill in the options that depend on the network or the machine, and refuse those that the machine cannot have."""
    gpus = len(visible_gpus(device))
    config = resolve(given, chosen, ranks.size, ranks.local_size, gpus)
    if config.sync_bn and (ranks.size == 1 or device.type != "cuda"):
        raise UserError("--sync_bn: needs several ranks on GPUs; start them with torchrun, or use --sync_bn false")
    if gpus > 1 and (config.compile or config.amp == "bf16"):  # DataParallel's replicas are not compiled, and use fp16
        name = "--compile" if config.compile else "--amp bf16"
        raise UserError(f"{name}: needs a process for each GPU; start with: torchrun --nproc_per_node={gpus} train.py")
    return config


def read_data(config: TrainConfig) -> tuple[FaceDataset, DevSet | None]:
    dataset = FaceDataset(
        config.training_dataset,
        config.image_size,
        config.seed,
        config.skip_unreadable,
        config.negatives,
        config.category,
        AugmentationOptions.of(config),
    )
    if not config.val_dataset:
        return dataset, None
    return dataset, DevSet.read(config.val_dataset, config.skip_unreadable, config.category)


def build_network(config: TrainConfig, cfg: dict, is_new: bool) -> RetinaFace:
    """Build the network, with the weights that a new run starts from."""
    torch.manual_seed(config.seed)
    network = RetinaFace(cfg)
    if is_new and config.resume_net:
        load_into(network, read_weights(config.resume_net), config.resume_net, config.network)
    elif is_new and cfg["pretrain"] and not config.no_pretrain:
        load_backbone_weights(network, cfg, config.backbone_weights)
    return network


def build_run(
    network: RetinaFace,
    cfg: dict,
    config: TrainConfig,
    state: RunState,
    dataset: FaceDataset,
    device: torch.device,
    ranks: Ranks,
) -> tuple[Run, MultiBoxLoss, StepLoader]:
    """Build the run, its loss, and its batches, with the current phase started.

    Raises:
        UserError: more ranks than images.
    """
    sampler = EpochBatches(len(dataset), config.batch_size, dataset.seed, ranks.rank, ranks.size)
    priors = PriorBox(cfg, (dataset.image_size, dataset.image_size)).forward()
    criterion = MultiBoxLoss(
        variances=cfg["variance"],
        background_negatives=config.faceless_negatives,
        box_loss=config.box_loss,
        balance=config.balance,
    )
    collate = MatchedCollate(criterion, priors)
    loader = StepLoader(
        dataset, sampler, collate, accumulate=config.accumulate, num_workers=config.num_workers, device=device
    )
    run = Run(network, cfg, config, state, steps_per_epoch=loader.steps_per_epoch, device=device, ranks=ranks)
    run.start_phase(loader.steps_done(state.images_done))
    return run, criterion, loader


def warn_about_start(config: TrainConfig, network: RetinaFace) -> None:
    """Warn about options of a new run that do not go together, but for which there may be a reason.

    Args:
        network: with the weights that the run starts from.
    """
    recipe = TrainConfig(**RECIPES[config.recipe])
    of_recipe = [name for name in ("lr", "weight_decay") if getattr(config, name) == getattr(recipe, name)]
    if config.optimizer != recipe.optimizer and of_recipe:
        values = " and ".join(f"--{name} {getattr(config, name):g}" for name in of_recipe)
        say(
            f"warning: --optimizer {config.optimizer}: {values} of --recipe {config.recipe} are for {recipe.optimizer};"
            " set your own",
            sys.stderr,
        )
    if config.resume_net and network.box_shift != config.box_shift:
        say(
            f"warning: {config.resume_net}: was trained with --box_shift {network.box_shift:g}, and this run has"
            f" --box_shift {config.box_shift:g}, which moves the boxes",
            sys.stderr,
        )


def warn_about_changes(run: Run, files: RunFiles, checkpoint: Checkpoint | None) -> None:
    """Warn if a resumed run will differ from an uninterrupted one, and about more workers than cores."""
    config, ranks = run.config, run.ranks
    if config.num_workers * ranks.local_size > usable_cores():
        say(f"warning: --num_workers {config.num_workers}: only {usable_cores()} cores are available", sys.stderr)
    if checkpoint is None:
        return
    before = resolve_config(from_saved(checkpoint.config), find_network(run.name), ranks, run.device)
    changes = changed_options(before, config)
    if checkpoint.dataset != files.dataset:
        changes.append("the images or their labels")
    if checkpoint.ranks != ranks.size:
        changes.append(f"ranks {checkpoint.ranks} -> {ranks.size}")
    computer = describe_computer(run.device)
    if checkpoint.computer != computer:
        changes.append(f"{checkpoint.computer} -> {computer}")
    if changes:
        say(f"warning: changed since the checkpoint, and with it the result: {'; '.join(changes)}", sys.stderr)

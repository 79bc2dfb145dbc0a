"""Weight files and `{name}_last.ckpt`, from which a run resumes exactly."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from engine.train.config import TrainConfig
from engine.train.state import Run, RunState
from models.registry import NETWORKS
from models.weights import save_network
from utils.checkpoint import load_into, read_checkpoint, read_state_dict, save_checkpoint
from utils.console import say
from utils.devices import describe_computer
from utils.distributed import Ranks
from utils.errors import UserError
from utils.files import make_folder

FORMAT = 2


@dataclass
class Checkpoint:
    """Content of `{name}_last.ckpt`, as plain values and tensors.

    Attributes:
        name: name of the network's configuration.
        config: options as given to train.py, with the batch size; engine.train.config.to_saved.
        dataset: FaceDataset.fingerprint() of the training images.
        ranks: number of ranks.
        computer: utils.devices.describe_computer.
        state: RunState.to_dict().
        model, optimizer, scaler, ema: state dicts; ema is None without --ema.
    """

    name: str
    config: dict[str, Any]
    dataset: str
    ranks: int
    computer: str
    state: dict[str, Any]
    model: dict
    optimizer: dict
    scaler: dict
    ema: dict | None
    format: int = FORMAT


def upgrade(content: dict) -> dict:
    """Return the content of a checkpoint in today's format. Format 1 was written by versions up to 0.6.0."""
    if content.get("format") != 1:
        return content
    renamed = {**content, "format": FORMAT, "config": content["flags"]}
    del renamed["flags"]
    state = dict(content["state"])
    totals = dict(state["totals"])
    totals |= {"images": totals.pop("pictures"), "data_time": totals.pop("waited")}
    state |= {"images_done": state.pop("done"), "evals_since_best": state.pop("worse_scores"), "totals": totals}
    return {**renamed, "state": state}


def read_last(path: Path) -> Checkpoint:
    """Read a run's checkpoint, of this version of the program or an older one.

    Raises:
        UserError: the file is truncated, holds code, or is not the checkpoint of a run.
    """
    content = read_checkpoint(path)
    if not isinstance(content, dict) or not {"format", "state", "model", "optimizer"} <= content.keys():
        raise UserError(f"{path}: is not the checkpoint of a run; --resume needs one, --resume_net takes weights")
    if content["format"] not in (1, FORMAT):
        raise UserError(f"{path}: has format {content['format']!r}; this version of the program reads 1 to {FORMAT}")
    names = {each.name for each in fields(Checkpoint)}
    if content["format"] == 1:
        names = names - {"config"} | {"flags"}
    if missing := names - content.keys():
        raise UserError(f"{path}: corrupt checkpoint: missing fields {', '.join(sorted(missing))}")
    if unexpected := content.keys() - names:
        raise UserError(f"{path}: corrupt checkpoint: unexpected fields {', '.join(sorted(map(str, unexpected)))}")
    try:
        checkpoint = Checkpoint(**upgrade(content))
        state = RunState.from_dict(checkpoint.state)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: corrupt checkpoint: its state is not that of a run ({error})") from error
    if missing := {each.name for each in fields(RunState)} - checkpoint.state.keys():
        raise UserError(f"{path}: corrupt checkpoint: its state has no {', '.join(sorted(missing))}")
    if path.name != f"{checkpoint.name}_last.ckpt":
        raise UserError(f"{path}: is the checkpoint of {checkpoint.name!r}; rename it to {checkpoint.name}_last.ckpt")
    for name in ("config", "state", "model", "optimizer", "scaler"):
        if not isinstance(getattr(checkpoint, name), dict):
            raise UserError(f"{path}: corrupt checkpoint: {name} is not a dictionary")
    if state.phase not in (1, 2):
        raise UserError(f"{path}: corrupt checkpoint: phase {state.phase!r}; expected 1 or 2")
    return checkpoint


class RunFiles:
    """Writes and reads the files of a run, but does not decide when.

    Args:
        folder: --save_folder.
        name: name of the network's configuration.
        config: options that a checkpoint holds for --resume.
        dataset: fingerprint of the training images.
    """

    def __init__(self, folder: str | Path, name: str, config: dict[str, Any], dataset: str, ranks: Ranks):
        self.folder, self.name, self.config, self.dataset, self.ranks = Path(folder), name, config, dataset, ranks
        self.saved_at = time.monotonic()

    def path(self, what: str) -> Path:
        """Return the path of `{name}_{what}`."""
        return self.folder / f"{self.name}_{what}"

    @property
    def last(self) -> Path:
        return self.path("last.ckpt")

    @property
    def minutes_since_save(self) -> float:
        return (time.monotonic() - self.saved_at) / 60

    def prepare_folder(self, is_new: bool) -> None:
        """Create the folder, and rename the checkpoint of an older run, which a new run would overwrite."""
        make_folder(self.folder)
        for temporary in self.folder.glob(f".{self.name}_*.tmp.*"):  # left by a process that was killed
            temporary.unlink(missing_ok=True)
        if is_new and self.last.exists():
            kept = self.path("previous.ckpt")
            self.last.replace(kept)
            say(f"{self.last}: of another run, kept as {kept.name}; its other files are overwritten")

    def restore(self, run: Run, checkpoint: Checkpoint) -> None:
        """Load the weights and the optimizer of a checkpoint into a run whose phase is started.

        Raises:
            UserError: they do not fit, or phase two needs weights that are gone.
        """
        network = run.config.network
        load_into(run.network, checkpoint.model, self.last, network)
        if run.ema is not None:
            load_into(run.ema.network, checkpoint.ema or checkpoint.model, self.last, network)
        for name, default in (("optimizer", "sgd"), ("freeze", 0)):  # the optimizer's state is of trained weights only
            before = checkpoint.config.get(name, default)
            if before != getattr(run.config, name):
                raise UserError(
                    f"{self.last}: is of a run with --{name} {before}; resume with that, or start from its weights with"
                    " --resume_net"
                )
        try:
            run.restore_optimizer(checkpoint.optimizer, checkpoint.scaler)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"{self.last}: corrupt checkpoint: the optimizer's state does not fit ({error})") from error
        self._check_phase_two_source(run)

    def _check_phase_two_source(self, run: Run) -> None:
        """Raise UserError, before the training starts, if phase two needs weights that this run did not keep."""
        config, state = run.config, run.state
        if state.phase == 2 or not config.finetune_epochs:
            return
        if config.finetune_from == "best":
            if run.phase_is_over and state.best_epoch is None:
                raise UserError("--finetune_from best: no epoch of this run was scored; name an epoch instead")
            return
        path, epoch = self.phase_two_source(config.finetune_from, state)
        is_needed_now = run.phase_is_over or epoch <= state.epoch
        if is_needed_now and run.ranks.is_main and not path.exists():
            raise UserError(f"{path}: no such weights, which --finetune_from needs; name an epoch that was saved")

    def save_checkpoint(self, run: Run) -> None:
        """Write `{name}_last.ckpt`."""

        def write() -> None:
            _check_finite(run)
            checkpoint = Checkpoint(
                name=self.name,
                config=self.config,
                dataset=self.dataset,
                ranks=self.ranks.size,
                computer=describe_computer(run.device),
                state=run.state.to_dict(),
                **run.state_dicts(),
            )
            save_checkpoint(vars(checkpoint), self.last)

        self.ranks.run_on_main(write)
        self.saved_at = time.monotonic()

    def write_weights(self, run: Run, what: str) -> Path:
        """Write the weights of the eval model to `{name}_{what}` and return its path."""

        def write() -> None:
            _check_finite(run)
            save_network(run.eval_model, self.path(what))

        self.ranks.run_on_main(write)
        return self.path(what)

    def phase_two_source(self, start: str, state: RunState) -> tuple[Path, int]:
        """Return the weights that phase two starts from, and their epoch.

        Args:
            start: --finetune_from.
        """
        if start == "best":
            return self.path("best.pth"), state.best_epoch
        return self.path(f"epoch_{start}.pth"), int(start)

    def load_weights(self, run: Run, path: Path) -> None:
        """Load a weight file of this run on all ranks."""
        load_into(run.network, self.ranks.run_on_main(lambda: read_state_dict(path)), path)

    def rename_repeated_epochs(self, epochs: Iterable[int]) -> None:
        """Rename the weights of phase one whose epochs phase two repeats."""

        def rename() -> None:
            for epoch in epochs:
                if self.path(f"epoch_{epoch}.pth").exists():
                    self.path(f"epoch_{epoch}.pth").replace(self.path(f"phase1_epoch_{epoch}.pth"))

        self.ranks.run_on_main(rename)


def keep_start(config: TrainConfig, name: str) -> None:
    """Refuse a run that may overwrite the weights that it starts from.

    Args:
        config: resolved.
        name: name of the network's configuration.

    Raises:
        UserError: --resume_net names a file that the run writes.
    """
    if not config.resume_net:
        return
    start, folder = Path(config.resume_net), Path(config.save_folder)
    epochs = range(config.resume_epoch + 1, config.epochs + config.finetune_epochs + 1)
    written = {"Final.pth", *(f"{phase}epoch_{epoch}.pth" for epoch in epochs for phase in ("", "phase1_"))}
    if config.val_dataset:
        written.add("best.pth")
    is_written = start.name in {f"{name}_{what}" for what in written}
    if is_written and start.exists() and start.parent.resolve() == folder.resolve():
        raise UserError(f"--resume_net {start}: this run may overwrite it; rename it, or name another --save_folder")


def find_last(folder: str | Path, network: str | None) -> Path | None:
    """Find the checkpoint in a folder that --resume continues from; None if there is none yet.

    Args:
        network: --network.

    Raises:
        UserError: the folder has checkpoints of several networks, or of others than --network.
    """
    paths = {flag: Path(folder, f"{entry.cfg['name']}_last.ckpt") for flag, entry in NETWORKS.items()}
    found = {flag: path for flag, path in paths.items() if path.exists()}
    choices = " or ".join(f"--network {flag}" for flag in found)
    if network is not None and found and network not in found:
        raise UserError(
            f"{folder}: has no checkpoint of {network}, but of {' and '.join(found)}; resume with {choices}"
        )
    if network is None and len(found) > 1:
        raise UserError(f"{folder}: has checkpoints of several networks; choose one with {choices}")
    return found.get(network) if network is not None else next(iter(found.values()), None)


def _check_finite(run: Run) -> None:
    if not run.has_finite_weights():
        raise UserError(
            f"the weights are not finite after {run.state.images_done} images of epoch {run.state.epoch + 1}; try a"
            " lower --lr; earlier checkpoints are valid"
        )

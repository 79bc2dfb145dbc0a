"""The training loop: phases of epochs of steps, and everything between them that keeps their work safe."""

import math
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.dataset import FaceDataset, SampleInfo
from data.sampler import EpochBatches
from engine.train.curves import draw_curves, write_log
from engine.train.loader import Batch, MatchedCollate, build_loader, close_loader
from engine.train.optim import Phase
from engine.train.report import Progress, gpu_memory, report_mended, show_losses
from engine.train.state import Checkpoint, EpochTotals, RunState
from engine.train.step import Learner
from engine.train.tensorboard import TensorBoard, draw_sample
from engine.train.torch_errors import explain_torch_errors
from engine.train.validate import DevScore, DevSet, score_dev_set
from layers.functions.prior_box import PriorBox
from layers.modules import MultiBoxLoss
from models.retinaface import RetinaFace
from utils.checkpoint import load_into, read_state_dict, save_checkpoint, save_state_dict
from utils.console import say
from utils.devices import describe_computer
from utils.distributed import Ranks
from utils.errors import UserError
from utils.signals import Stop, StopRequest

SHOWN_SAMPLES = 8


def phase_of(flags: Namespace, number: int, start: int) -> Phase:
    """Return the phase 1 or 2 that the flags of train.py ask for, with `start` epochs before it."""
    decays = tuple(flags.decay_epochs)
    if number == 2:
        return Phase(2, start, start + flags.finetune_epochs, flags.finetune_lr, flags.gamma, decays)
    cosine = flags.schedule == "cosine"
    return Phase(1, start, flags.epochs, flags.lr, flags.gamma, decays, cosine, flags.warmup_epochs)


class Training:
    """A run: the network, its optimizer and how far they are.

    It writes to `flags.save_folder`: `{name}_epoch_{N}.pth`, `{name}_best.pth` and `{name}_Final.pth`, which are plain
    state dicts; `{name}_last.ckpt`, from which the run goes on exactly; and `{name}_log.csv`, `{name}_curves.png` and
    `{name}_tensorboard/`, which tell what happened.

    Args:
        network: a RetinaFace in phase "train", the same on all ranks; trained in place.
        cfg: its configuration, with the image_size of the dataset.
        flags: those of train.py, filled in.
        dev_set: scored while training; None: nothing is.
        device: where this rank computes.
        kept: what --resume is to take from the checkpoint for flags that it is not given.
        checkpoint: of the run that this one continues.

    Raises:
        UserError: more ranks than images, a checkpoint that does not fit, or nothing that phase two could start from.
    """

    def __init__(
        self,
        network: RetinaFace,
        cfg: dict,
        flags: Namespace,
        dataset: FaceDataset,
        dev_set: DevSet | None,
        device: torch.device,
        ranks: Ranks,
        kept: dict[str, Any],
        checkpoint: Checkpoint | None = None,
    ):
        self.cfg, self.flags, self.dataset, self.dev_set = cfg, flags, dataset, dev_set
        self.device, self.ranks, self.kept = device, ranks, kept
        self.folder = Path(flags.save_folder)
        self.fingerprint = dataset.fingerprint()

        self.batches = EpochBatches(len(dataset), flags.batch_size, dataset.seed, ranks.rank, ranks.size)
        self.steps_per_epoch = math.ceil(len(self.batches) / flags.accumulate)
        priors = PriorBox(cfg, (dataset.image_size, dataset.image_size)).forward()
        criterion = MultiBoxLoss(variances=cfg["variance"], faceless_negatives=flags.faceless_negatives)
        self.loader = build_loader(dataset, self.batches, MatchedCollate(criterion, priors), flags.num_workers, device)
        self.learner = Learner(network, criterion, cfg["loc_weight"], flags, device, ranks)

        self.state = RunState(epoch=flags.resume_epoch, start=flags.resume_epoch)
        if checkpoint is not None:
            self.state = RunState.of(checkpoint.state)
        self._begin(phase_of(flags, self.state.phase, self.state.start))
        if checkpoint is not None:
            self.learner.restore(checkpoint, self.path("last.ckpt"))
            self._check_start_of_phase_two()
        self.saved_at = time.monotonic()
        self.stop = StopRequest()  # which nobody makes, until run() is given another
        self.named: set[str] = set()

    def _begin(self, phase: Phase) -> None:
        """Begin a phase where the state says."""
        self.phase = phase
        self.batches.done = self.state.done
        steps = (self.state.epoch - phase.start) * self.steps_per_epoch + self._steps_done()
        self.learner.begin(phase, self.steps_per_epoch, steps)

    def _steps_done(self) -> int:
        """Return the number of steps of the epoch under way that are behind it."""
        return math.ceil(self.batches.first / self.flags.accumulate)

    def _check_start_of_phase_two(self) -> None:
        """Refuse, before anything is trained, a phase two from weights that were not kept."""
        flags, state = self.flags, self.state
        if state.phase == 2 or not flags.finetune_epochs:
            return
        if flags.finetune_from == "best":
            if self._phase_is_over() and state.best_epoch is None:
                raise UserError("--finetune_from best: no epoch of this run was scored; name one instead of best")
            return
        source = self.path(f"epoch_{flags.finetune_from}.pth")
        is_due = self._phase_is_over() or int(flags.finetune_from) <= state.epoch
        if is_due and self.ranks.is_main and not source.exists():
            raise UserError(f"{source}: no such weights, which --finetune_from asks for; name an epoch that was kept")

    def path(self, what: str) -> Path:
        return self.folder / f"{self.cfg['name']}_{what}"

    # ---------------------------------------------------------------- phases

    def run(self, stop: StopRequest) -> Path:
        """Train to the end of the last phase.

        Args:
            stop: asked after each step whether the run is to end.

        Returns:
            The path of the final weights.

        Raises:
            UserError: a loss that is not finite, an unreadable image, a file that cannot be written.
            Stop: somebody asked for the end; the run's checkpoint is written.
        """
        self.stop = stop
        if self._is_over():
            self._print(f"nothing is left to train; {self._what_would_go_on()}")
        else:
            self._train()
        self._write(self.path("Final.pth"))
        if self.ranks.is_main and self.state.history:
            write_log(self.path("log.csv"), self.state.history)
            draw_curves(self.path("curves.png"), self.state.history)
        return self.path("Final.pth")

    def _train(self) -> None:
        board = self.path("tensorboard") if self.flags.tensorboard and self.ranks.is_main else None
        try:
            with TensorBoard(board, self.state.iterations) as self.board, explain_torch_errors():
                self._show_samples()
                while not self._is_over():
                    if self._phase_is_over():
                        self._begin_phase_two()
                    self._run_epoch()
        finally:
            close_loader(self.loader)

    def _is_over(self) -> bool:
        return self._phase_is_over() and (self.phase.number == 2 or not self.flags.finetune_epochs)

    def _phase_is_over(self) -> bool:
        return self._patience_is_over() or self.state.epoch >= self.phase.end

    def _patience_is_over(self) -> bool:
        return bool(self.flags.patience) and self.state.evals_since_best >= self.flags.patience

    def _what_would_go_on(self) -> str:
        if self._patience_is_over():
            return f"--patience {self.flags.patience} ended this phase; with more of it, or 0, the run would go on"
        more = "--finetune_epochs" if self.phase.number == 2 else "--epochs or --finetune_epochs"
        return f"with more {more} it would go on"

    def _begin_phase_two(self) -> None:
        state, best = self.state, self.flags.finetune_from == "best"
        start = state.best_epoch if best else int(self.flags.finetune_from)
        source = self.path("best.pth" if best else f"epoch_{start}.pth")
        load_into(self.learner.network, self.ranks.run_on_main(lambda: read_state_dict(source)), source)
        state.phase, state.start, state.epoch, state.evals_since_best = 2, start, start, 0
        state.done, state.totals = 0, EpochTotals()  # with fewer --epochs, phase one may end in the middle of one
        phase = phase_of(self.flags, 2, start)
        self._begin(phase)
        self.ranks.run_on_main(lambda: self._set_aside(range(phase.start + 1, phase.end + 1)))
        self._save()
        self._print(f"phase two: epochs {phase.start + 1} to {phase.end} at lr {phase.lr:g}, from {source}")

    def _set_aside(self, epochs: Iterable[int]) -> None:
        """Rename phase one's checkpoints of epochs that phase two has too."""
        for epoch in epochs:
            if self.path(f"epoch_{epoch}.pth").exists():
                self.path(f"epoch_{epoch}.pth").replace(self.path(f"phase1_epoch_{epoch}.pth"))

    # ---------------------------------------------------------------- epochs

    def _run_epoch(self) -> None:
        state = self.state
        first_step = (state.epoch - self.phase.start) * self.steps_per_epoch
        lr = self.phase.lr * self.phase.factor(first_step, self.steps_per_epoch)
        title = f"epoch {state.epoch + 1}/{self.phase.end}"
        self.batches.epoch, self.batches.done = state.epoch, state.done
        if len(self.batches):
            self._run_steps(title)

        is_last = state.epoch + 1 == self.phase.end
        score = None
        if self.dev_set is not None and (is_last or (state.epoch + 1) % self.flags.val_every == 0):
            self._save()
            score = self._score()
        self._end_epoch(title, lr, score)

    def _run_steps(self, title: str) -> None:
        """Take the steps of an epoch that are left."""
        state, totals = self.state, self.state.totals
        epochs_after = self.phase.end - state.epoch - 1 + (self.flags.finetune_epochs if self.phase.number == 1 else 0)
        batch = self.batches.first
        progress = Progress(
            title,
            totals,
            steps=self.steps_per_epoch,
            done=self._steps_done(),
            steps_after=epochs_after * self.steps_per_epoch,
            log_every=self.flags.log_every,
            device=self.device,
            quiet=not self.ranks.is_main,
        )
        pending = _Pending()
        # A GPU is asked for its losses only now and then, since it would stand still for the answer.
        steps_between = 1 if self.device.type == "cpu" else self.flags.log_every
        groups = self._groups()
        try:
            while True:
                group = self._next(groups, pending, progress)
                if group is None:
                    break
                counts, stop, late = self._agree(group)
                pending.add(self.learner.step(group, counts), [info for batch in group for info in batch.infos])
                batch += len(group)
                state.iterations += 1
                state.done = int(self.batches.bounds[batch])
                stop = stop or (self.ranks.size == 1 and bool(self.stop))  # asked for in this step
                is_due = (progress.step + len(pending)) % steps_between == 0 or batch == self.batches.total
                if is_due or stop or late:
                    self._settle(pending, progress)
                if stop or late:
                    self._save()
                if stop:
                    self._end()
        finally:
            progress.close()

    def _next(self, groups: Iterator[list[Batch]], pending: "_Pending", progress: Progress) -> list[Batch] | None:
        """Wait for the batches of the next step; None: there is none."""
        begun = time.perf_counter()
        try:
            return next(groups, None)
        except UserError:  # an image that cannot be read; the steps before it are good
            if self.ranks.size == 1:
                if len(pending):
                    self._settle(pending, progress)
                self._save()
            raise
        finally:
            self.state.totals.waited += time.perf_counter() - begun

    def _agree(self, group: list[Batch]) -> tuple[list[float], bool, bool]:
        """Learn from the other ranks, whatever their GPUs do, what all need for the next step.

        Returns:
            The sums of what the step's batches count on all ranks; whether any rank was asked to end; whether a
            checkpoint is due.
        """
        late = self.ranks.is_main and time.monotonic() - self.saved_at >= 60 * self.flags.save_minutes
        counts = torch.stack([batch.matches.counts for batch in group]).sum(dim=0).tolist()
        *counts, stop, late = self.ranks.all_reduce_sum([*counts, float(bool(self.stop)), float(late)])
        return counts, stop > 0, late > 0

    def _groups(self) -> Iterator[list[Batch]]:
        """Yield the batches of each step."""
        batches = iter(self.loader)
        while group := list(islice(batches, self.flags.accumulate)):
            yield group

    # ---------------------------------------------------------------- between steps

    def _settle(self, pending: "_Pending", progress: Progress) -> None:
        """Learn from the device and the other ranks what the last steps gave; the one place that waits for a GPU.

        Raises:
            UserError: a loss that is not finite.
        """
        infos = [info for step in pending.infos for info in step]
        unreadable = {info.path for info in infos if info.unreadable}
        for path in sorted(unreadable - self.named):
            say(f"warning: {path}: cannot be read; left out", sys.stderr)
        self.named |= unreadable

        totals = self.state.totals
        values = pending.losses().flatten().tolist()
        mended = [sum(getattr(info, name) for info in infos) for name in ("clipped", "dropped", "unreadable")]
        *sums, clipped, dropped, left_out = self.ranks.all_reduce_sum([*values, *mended])
        means = [value / self.ranks.size for value in sums]
        losses = [means[i : i + 3] for i in range(0, len(means), 3)]
        bad = next((i for i, row in enumerate(losses) if not all(map(math.isfinite, row))), None)
        if bad is not None:
            self._refuse(progress.step + bad + 1, losses[bad], pending.infos[bad])
        totals.clipped += int(clipped)
        totals.dropped += int(dropped)
        totals.unreadable += int(left_out)
        totals.images = self.state.done - totals.unreadable
        progress.update(losses)
        if progress.step % self.flags.log_every == 0 or progress.step == self.steps_per_epoch:
            self._show_losses(losses[-1], progress.step)
        pending.clear()

    def _refuse(self, step: int, losses: list[float], infos: list[SampleInfo]) -> None:
        paths = self.ranks.gather([info.path for info in infos])
        self.ranks.fail(
            UserError(
                f"the loss is not finite in epoch {self.state.epoch + 1}, step {step} ({show_losses(losses)}); try a"
                " lower --lr; checkpoints written so far are good; images of this batch:"
                f" {', '.join(path for share in paths for path in share)}"
            )
        )

    def _end(self) -> None:
        self._print(
            f"stopped after {self.state.done} of {len(self.dataset)} images of epoch {self.state.epoch + 1};"
            f" go on with --resume: {self.path('last.ckpt')}"
        )
        raise Stop(self.stop.signal or signal.SIGTERM)

    def _score(self) -> DevScore:
        """Score the dev set.

        Raises:
            Stop: somebody asked for the end meanwhile.
        """
        # Each rank has batch statistics of its own from the last step; those of the first are written.
        network = self.learner.product
        self.ranks.broadcast(network.buffers())
        score = score_dev_set(network, self.cfg, self.device, self.dev_set, self.ranks, lambda: bool(self.stop))
        if score is None:
            self._end()
        self.board.images("dev detections", score.drawn, self.state.iterations)
        return score

    def _end_epoch(self, title: str, lr: float, score: DevScore | None) -> None:
        """Write down an epoch whose images are all learnt."""
        state, totals = self.state, self.state.totals
        box, class_, landmark = (total / totals.steps for total in totals.losses)
        row = {
            "epoch": state.epoch + 1,
            "phase": self.phase.number,
            "lr": lr,
            "box": box,
            "class": class_,
            "landmark": landmark,
            "total": self.cfg["loc_weight"] * box + class_ + landmark,
            "pictures_per_s": totals.images / totals.seconds,
            "data_wait": totals.waited / totals.seconds,
            "seconds": totals.seconds,
            "memory_gb": gpu_memory(self.device),
            "unreadable": totals.unreadable,
            "dev_ap": None if score is None else score.ap,
        }
        ap = "" if score is None else f" dev AP {100 * score.ap:.2f} %"
        left_out = f" {totals.unreadable} images left out" if totals.unreadable else ""
        self._print(
            f"{title} mean {show_losses([box, class_, landmark])} lr {lr:g}"
            f" {row['pictures_per_s']:.1f} images/s {totals.seconds:.0f} s{ap}{left_out}"
        )
        if self.ranks.is_main and not state.history:
            report_mended(totals)
        if self.ranks.is_main and box == 0:
            say(
                "warning: no prior box overlaps any face of this epoch, so that none was learnt; what they are like"
                " says: python -m tools.check",
                sys.stderr,
            )

        state.history.append(row)
        state.epoch += 1
        state.done, state.totals = 0, EpochTotals()
        if score is not None:
            self._keep_best(score)
        due = state.epoch % self.flags.save_every == 0 or str(state.epoch) == self.flags.finetune_from
        due = due or self._phase_is_over()
        if due:
            self._write(self.path(f"epoch_{state.epoch}.pth"))
        if self.ranks.is_main:
            write_log(self.path("log.csv"), state.history)
        if due or score is not None:
            self._save()

    def _keep_best(self, score: DevScore) -> None:
        state = self.state
        self.board.scalars({"dev AP": score.ap}, state.iterations)
        if state.best_ap is None or score.ap > state.best_ap:
            state.best_ap, state.best_epoch, state.evals_since_best = score.ap, state.epoch, 0
            self._write(self.path("best.pth"))
        else:
            state.evals_since_best += 1

    # ---------------------------------------------------------------- files and words

    def _check_weights(self) -> None:
        """Refuse to write weights that no run can go on from."""
        if not self.learner.has_finite_weights():
            raise UserError(
                f"the weights are not finite after {self.state.done} of {len(self.dataset)} images of epoch"
                f" {self.state.epoch + 1}; try a lower --lr; checkpoints written so far are good"
            )

    def _write(self, path: Path) -> None:
        """Write the weights that the run is about."""

        def write() -> None:
            self._check_weights()
            save_state_dict(self.learner.product, path)

        self.ranks.run_on_main(write)

    def _save(self) -> None:
        """Write the run's checkpoint."""

        def write() -> None:
            self._check_weights()
            checkpoint = Checkpoint(
                name=self.cfg["name"],
                flags=self.kept,
                dataset=self.fingerprint,
                ranks=self.ranks.size,
                computer=describe_computer(self.device),
                state=asdict(self.state),
                **self.learner.state_dicts(),
            )
            save_checkpoint(vars(checkpoint), self.path("last.ckpt"))

        self.ranks.run_on_main(write)
        self.saved_at = time.monotonic()

    def _print(self, line: str) -> None:
        if self.ranks.is_main:
            say(line)

    def _show_losses(self, losses: list[float], step: int) -> None:
        """Show TensorBoard a step of the epoch under way, counted from 1."""
        totals = self.state.totals
        before = (self.state.epoch - self.phase.start) * self.steps_per_epoch + step - 1
        box, class_, landmark = losses
        values = {
            "loss/box": box,
            "loss/class": class_,
            "loss/landmark": landmark,
            "loss/total": self.cfg["loc_weight"] * box + class_ + landmark,
            "lr": self.phase.lr * self.phase.factor(before, self.steps_per_epoch),
            "speed/images per s": totals.images / totals.seconds,
            "speed/data wait": totals.waited / totals.seconds,
            "speed/GPU memory in GB": gpu_memory(self.device),
        }
        self.board.scalars(values, self.state.iterations)

    def _show_samples(self) -> None:
        """Show TensorBoard some images as the network sees them, with their boxes."""
        if not (self.ranks.is_main and self.flags.tensorboard):
            return
        keys = [(self.state.epoch, index) for index in range(min(SHOWN_SAMPLES, len(self.dataset)))]
        images = [draw_sample(self.dataset[key]) for key in keys]
        self.board.images("training samples", images, self.state.iterations)


class _Pending:
    """Steps whose losses are still on the device, and the images that they learnt."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.rows: list[Tensor] = []
        self.infos: list[list[SampleInfo]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, losses: Tensor, infos: list[SampleInfo]) -> None:
        self.rows.append(losses)
        self.infos.append(infos)

    def losses(self) -> Tensor:
        """Return (steps, 3) box, class and landmark losses."""
        return torch.stack(self.rows)

"""The training loop: phases of epochs of steps, and everything between them that keeps their work safe."""

import math
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from data.dataset import FaceDataset, SampleInfo
from data.sampler import EpochBatches
from engine.loading import Batch, MatchedCollate, build_loader
from engine.log import TensorBoard, draw_curves, write_log
from engine.optimization import Phase, build_average, build_optimizer, build_scheduler, restore_optimizer
from engine.progress import Progress, gpu_memory, report_mended, show_losses
from engine.state import Checkpoint, EpochTotals, RunState, pack
from engine.stopping import Stop, StopRequest
from engine.validation import DevScore, DevSet, score_dev_set
from layers.functions.prior_box import PriorBox
from layers.modules import MultiBoxLoss
from models.retinaface import RetinaFace
from utils.checkpoint import load_into, read_state_dict, save_checkpoint, save_state_dict
from utils.devices import visible_cards
from utils.drawing import draw_boxes
from utils.errors import UserError
from utils.pixels import normalize
from utils.processes import Ranks

HALF_PRECISION = {"bf16": torch.bfloat16, "fp16": torch.float16}
SHOWN_SAMPLES = 8


def phases_of(flags: Namespace, best_epoch: int | None = None) -> list[Phase]:
    """Return the phases that the flags of train.py ask for.

    Args:
        best_epoch: of the highest dev AP so far; None where none is known yet: phase two then starts behind phase one.
    """
    decays = tuple(flags.decay_epochs)
    phases = [
        Phase(
            number=1,
            start=flags.resume_epoch,
            end=flags.epochs,
            lr=flags.lr,
            gamma=flags.gamma,
            decay_epochs=decays,
            cosine=flags.schedule == "cosine",
            warmup_epochs=flags.warmup_epochs,
        )
    ]
    if flags.finetune_epochs:
        start = (best_epoch or flags.epochs) if flags.finetune_from == "best" else int(flags.finetune_from)
        phases.append(Phase(2, start, start + flags.finetune_epochs, flags.finetune_lr, flags.gamma, decays))
    return phases


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
        stop: asked after each step whether the run is to end.
        checkpoint: of the run that this one continues.

    Raises:
        UserError: more ranks than pictures, or a checkpoint that does not fit.
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
        stop: StopRequest,
        checkpoint: Checkpoint | None = None,
    ):
        self.cfg, self.flags, self.dataset, self.dev_set = cfg, flags, dataset, dev_set
        self.device, self.ranks, self.stop = device, ranks, stop
        self.folder = Path(flags.save_folder)
        self.fingerprint = dataset.fingerprint()

        self.batches = EpochBatches(len(dataset), flags.batch_size, dataset.seed, ranks.rank, ranks.size)
        self.steps_per_epoch = math.ceil(len(self.batches) / flags.accumulate)
        priors = PriorBox(cfg, (dataset.image_size, dataset.image_size)).forward()
        self.criterion = MultiBoxLoss(variances=cfg["variance"])
        self.loss_weights = torch.tensor([cfg["loc_weight"], 1.0, 1.0], device=device)
        collate = MatchedCollate(self.criterion, priors)
        self.loader = build_loader(dataset, self.batches, collate, flags.num_workers, device)

        if flags.sync_bn:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self.model = self._spread(torch.compile(self.network) if flags.compile else self.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=flags.amp == "fp16")

        self.state = RunState(epoch=flags.resume_epoch)
        if checkpoint is not None:
            self.state = RunState.of(checkpoint.state)
        self._begin(self._phases()[self.state.phase - 1])
        if checkpoint is not None:
            self._restore(checkpoint)
        self.saved_at = time.monotonic()
        self.last: tuple[int, int, list[float], list[SampleInfo]] = (self.state.epoch + 1, 0, [0.0] * 3, [])
        self.named: set[str] = set()

    def _spread(self, model: nn.Module) -> nn.Module:
        if self.ranks.size > 1:
            return DistributedDataParallel(model)
        # One process with several cards, as the original's command starts it.
        return nn.DataParallel(model) if len(visible_cards(self.device)) > 1 else model

    def _phases(self) -> list[Phase]:
        return phases_of(self.flags, self.state.best_epoch)

    def _begin(self, phase: Phase) -> None:
        """Make a new optimizer, schedule and average for a phase, which start where the state says."""
        flags = self.flags
        self.phase = phase
        self.optimizer = build_optimizer(self.network, flags.optimizer, phase.lr, flags.momentum, flags.weight_decay)
        self.scheduler = build_scheduler(self.optimizer, phase, self.steps_per_epoch, self.state.steps)
        self.average = build_average(self.network, flags.ema) if flags.ema is not None else None

    def _restore(self, checkpoint: Checkpoint) -> None:
        source = self.path("last.ckpt")
        load_into(self.network, checkpoint.model, source)
        if self.average is not None:
            if checkpoint.ema is None:
                self.average.module.load_state_dict(checkpoint.model)
            else:
                load_into(self.average, checkpoint.ema, source)
        try:
            restore_optimizer(self.optimizer, checkpoint.optimizer)
            self.scaler.load_state_dict(checkpoint.scaler if self.scaler.is_enabled() else {})
        except (KeyError, ValueError, RuntimeError) as error:
            raise UserError(f"{source}: what its optimizer remembers does not fit this run ({error})") from error

    @property
    def product(self) -> RetinaFace:
        """The network that is written and scored: the average of the weights where there is one."""
        return self.network if self.average is None else self.average.module

    def path(self, what: str) -> Path:
        return self.folder / f"{self.cfg['name']}_{what}"

    # ---------------------------------------------------------------- phases

    def run(self) -> Path:
        """Train to the end of the last phase.

        Returns:
            The path of the final weights.

        Raises:
            UserError: a loss that is not finite, an unreadable picture, a file that cannot be written.
            Stop: somebody asked for the end; the run's checkpoint is written.
        """
        board = self.path("tensorboard") if self.flags.tensorboard and self.ranks.first else None
        with TensorBoard(board, self.state.iterations) as self.board:
            self._show_samples()
            while True:
                while not self._phase_is_over():
                    self._run_epoch()
                self._write(self.path("Final.pth"))
                if self.phase.number == len(self._phases()):
                    break
                self._begin_phase_two()
            self._save()
        if self.ranks.first and self.state.history:
            draw_curves(self.path("curves.png"), self.state.history)
        return self.path("Final.pth")

    def _phase_is_over(self) -> bool:
        tired = self.flags.patience and self.state.worse_scores >= self.flags.patience
        return bool(tired) or self.state.epoch >= self.phase.end

    def _begin_phase_two(self) -> None:
        phase = self._phases()[1]
        best = self.flags.finetune_from == "best"
        source = self.path("best.pth" if best else f"epoch_{phase.start}.pth")
        load_into(self.network, self.ranks.from_first(lambda: read_state_dict(source)), source)
        self.state.phase, self.state.epoch, self.state.steps, self.state.worse_scores = 2, phase.start, 0, 0
        self._begin(phase)
        self.ranks.from_first(lambda: self._set_aside(range(phase.start + 1, phase.end + 1)))
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
        lr = self.optimizer.param_groups[0]["lr"]
        title = f"epoch {state.epoch + 1}/{self.phase.end}"
        self.batches.epoch, self.batches.done = state.epoch, state.done
        if len(self.batches):
            with _named_failures():
                self._run_steps(title)

        is_last = state.epoch + 1 == self.phase.end
        score = None
        if self.dev_set is not None and (is_last or (state.epoch + 1) % self.flags.val_every == 0):
            self._save()
            score = self._score()
        self._end_epoch(title, lr, score, is_last)

    def _run_steps(self, title: str) -> None:
        """Take the steps of an epoch that are left."""
        state, totals = self.state, self.state.totals
        epochs_after = self.phase.end - state.epoch - 1 + (self.flags.finetune_epochs if self.phase.number == 1 else 0)
        batch = self.batches.first
        progress = Progress(
            title,
            totals,
            steps=self.steps_per_epoch,
            done=math.ceil(batch / self.flags.accumulate),
            steps_after=epochs_after * self.steps_per_epoch,
            log_every=self.flags.log_every,
            device=self.device,
            quiet=not self.ranks.first,
        )
        pending = _Pending()
        # A GPU is asked for its losses only now and then, since it would stand still for the answer.
        steps_between = 1 if self.device.type == "cpu" else self.flags.log_every
        try:
            groups = self._groups()
            while True:
                begun = time.perf_counter()
                group = next(groups, None)
                totals.waited += time.perf_counter() - begun
                if group is None:
                    break
                pending.add(self._step(group), [info for batch in group for info in batch.infos])
                batch += len(group)
                state.steps += 1
                state.iterations += 1
                state.done = int(self.batches.bounds[batch])
                if (progress.step + len(pending)) % steps_between == 0 or batch == self.batches.total:
                    self._settle(pending, progress)
        except UserError:
            # A picture that cannot be read: the steps before it are good.
            if self.ranks.size == 1 and len(pending) == 0:
                self._save()
            raise
        finally:
            progress.close()

    def _groups(self) -> Iterator[list[Batch]]:
        """Yield the batches of each step."""
        batches = iter(self.loader)
        while group := list(islice(batches, self.flags.accumulate)):
            yield group

    def _step(self, group: list[Batch]) -> Tensor:
        """Take one step of the optimizer, with the gradients of one or more batches.

        Its loss is divided by the positives of all batches and all ranks, so that neither matters to the gradients.

        Returns:
            (3,) float32 on the device: box, class and landmark loss; their mean over the ranks is that of the step.
        """
        matches = [batch.matches.to(self.device, non_blocking=True) for batch in group]
        counts = self.ranks.reduce(torch.stack([each.counts for each in matches]).sum(dim=0))
        positives, with_landmarks = counts.clamp(min=1)
        # DistributedDataParallel takes the mean over the ranks, while the gradients of a batch's parts are to be added.
        share = self.ranks.size / torch.stack([positives, positives, with_landmarks])
        losses = torch.zeros(3, device=self.device)
        for i, (batch, match) in enumerate(zip(group, matches, strict=True)):
            images = normalize(batch.images.to(self.device, non_blocking=True))
            is_last = i == len(group) - 1
            # Only the last batch's backward pass adds up the gradients of the ranks.
            with nullcontext() if is_last or self.ranks.size == 1 else self.model.no_sync():
                with torch.autocast(
                    self.device.type, HALF_PRECISION.get(self.flags.amp), enabled=self.flags.amp is not None
                ):
                    predictions = self.model(images)
                parts = torch.stack(self.criterion.sums(predictions, match)) * share
                self.scaler.scale((parts * self.loss_weights).sum()).backward()
            losses += parts.detach()
        if self.flags.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.flags.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.scheduler.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return losses

    # ---------------------------------------------------------------- between steps

    def _settle(self, pending: "_Pending", progress: Progress) -> None:
        """Learn from the device what the last steps gave, and act on it; the one place that waits for a GPU.

        Raises:
            UserError: a loss that is not finite.
            Stop: somebody asked for the end; the run's checkpoint is written.
        """
        infos = [info for step in pending.infos for info in step]
        mended = [sum(info.clipped for info in infos), sum(info.dropped for info in infos)]
        unreadable = [info.path for info in infos if info.unreadable]
        for path in sorted(set(unreadable) - self.named):
            print(f"warning: {path}: cannot be read; left out", file=sys.stderr)
        self.named.update(unreadable)

        sums = torch.tensor([*mended, len(unreadable)], dtype=torch.float32, device=self.device)
        table = self.ranks.reduce(torch.cat([pending.losses(), sums[None]])).tolist()
        losses = [[value / self.ranks.size for value in row] for row in table[:-1]]
        bad = next((i for i, row in enumerate(losses) if not all(map(math.isfinite, row))), None)
        if bad is not None:
            self._fail("the loss is", self.state.epoch + 1, progress.step + bad + 1, losses[bad], pending.infos[bad])

        totals = self.state.totals
        clipped, dropped, left_out = (int(value) for value in table[-1])
        totals.clipped += clipped
        totals.dropped += dropped
        totals.unreadable += left_out
        totals.pictures = self.state.done - totals.unreadable
        progress.update(losses)
        self.last = (self.state.epoch + 1, progress.step, losses[-1], pending.infos[-1])
        if progress.step % self.flags.log_every == 0:
            self._show_losses(losses[-1])
        pending.clear()

        late = time.monotonic() - self.saved_at >= 60 * self.flags.save_minutes
        wishes = torch.tensor([self.stop.signal, late and self.ranks.first], dtype=torch.float32, device=self.device)
        stop, late = (int(value) for value in self.ranks.highest(wishes).tolist())
        if stop or late:
            self._save()
        if stop:
            self._end(stop)

    def _end(self, number: int) -> None:
        self._print(
            f"stopped after {self.state.done} of {len(self.dataset)} pictures of epoch {self.state.epoch + 1};"
            f" go on with --resume: {self.path('last.ckpt')}"
        )
        raise Stop(number)

    def _fail(self, what: str, epoch: int, step: int, losses: list[float], infos: list[SampleInfo]) -> None:
        paths = self.ranks.gather([info.path for info in infos])
        pictures = ", ".join(path for share in paths or [] for path in share)
        self.ranks.fail(
            UserError(
                f"{what} not finite in epoch {epoch}, step {step} ({show_losses(losses)}); try a lower"
                f" --lr; checkpoints written so far are good; pictures of this batch: {pictures}"
            )
        )

    def _score(self) -> DevScore:
        """Score the dev set.

        Raises:
            Stop: somebody asked for the end meanwhile.
        """
        # Each rank has its own batch statistics; those of the first are the ones that are written.
        self.ranks.broadcast(self.product.state_dict().values())
        score = score_dev_set(self.product, self.cfg, self.device, self.dev_set, self.ranks, lambda: bool(self.stop))
        if score is None:
            self._end(self.stop.signal or signal.SIGTERM)
        self.board.pictures("dev detections", score.drawn, self.state.iterations)
        return score

    def _end_epoch(self, title: str, lr: float, score: DevScore | None, is_last: bool) -> None:
        """Write down an epoch whose pictures are all learnt."""
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
            "pictures_per_s": totals.pictures / totals.seconds,
            "data_wait": totals.waited / totals.seconds,
            "seconds": totals.seconds,
            "memory_gb": gpu_memory(self.device),
            "unreadable": totals.unreadable,
            "dev_ap": None if score is None else score.ap,
        }
        ap = "" if score is None else f" dev AP {100 * score.ap:.2f} %"
        left_out = f" {totals.unreadable} pictures left out" if totals.unreadable else ""
        self._print(
            f"{title} mean {show_losses([box, class_, landmark])} lr {lr:g}"
            f" {row['pictures_per_s']:.1f} pictures/s {totals.seconds:.0f} s{ap}{left_out}"
        )
        if self.ranks.first and state.epoch == self.flags.resume_epoch and self.phase.number == 1:
            report_mended(totals)

        state.history.append(row)
        state.epoch += 1
        state.done, state.totals = 0, EpochTotals()
        if score is not None:
            self._keep_best(score)
        due = is_last or state.epoch % self.flags.save_every == 0 or str(state.epoch) == self.flags.finetune_from
        if due:
            self._write(self.path(f"epoch_{state.epoch}.pth"))
        if due or score is not None:
            self._save()
        if self.ranks.first:
            write_log(self.path("log.csv"), state.history)

    def _keep_best(self, score: DevScore) -> None:
        state = self.state
        self.board.scalars({"dev AP": score.ap}, state.iterations)
        if state.best_ap is None or score.ap > state.best_ap:
            state.best_ap, state.best_epoch, state.worse_scores = score.ap, state.epoch, 0
            self._write(self.path("best.pth"))
        else:
            state.worse_scores += 1

    # ---------------------------------------------------------------- files and words

    def _check_weights(self) -> None:
        """Refuse to write weights that no run can go on from."""
        values = [value for value in self.network.state_dict().values() if value.is_floating_point()]
        if not torch.stack([value.isfinite().all() for value in values]).all():
            self._fail("the weights are", *self.last)

    def _write(self, path: Path) -> None:
        self._check_weights()
        self.ranks.from_first(lambda: save_state_dict(self.product, path))

    def _save(self) -> None:
        """Write the run's checkpoint."""
        self._check_weights()
        checkpoint = Checkpoint(
            name=self.cfg["name"],
            flags=vars(self.flags),
            dataset=self.fingerprint,
            ranks=self.ranks.size,
            state=asdict(self.state),
            model=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            ema=None if self.average is None else self.average.state_dict(),
        )
        self.ranks.from_first(lambda: save_checkpoint(pack(checkpoint), self.path("last.ckpt")))
        self.saved_at = time.monotonic()

    def _print(self, line: str) -> None:
        if self.ranks.first:
            print(line, flush=True)

    def _show_losses(self, losses: list[float]) -> None:
        totals = self.state.totals
        box, class_, landmark = losses
        values = {
            "loss/box": box,
            "loss/class": class_,
            "loss/landmark": landmark,
            "loss/total": self.cfg["loc_weight"] * box + class_ + landmark,
            "lr": self.optimizer.param_groups[0]["lr"],
            "speed/pictures per s": totals.pictures / totals.seconds,
            "speed/data wait": totals.waited / totals.seconds,
            "speed/GPU memory in GB": gpu_memory(self.device),
        }
        self.board.scalars(values, self.state.iterations)

    def _show_samples(self) -> None:
        """Show TensorBoard some pictures as the network sees them, with their boxes."""
        if not (self.ranks.first and self.flags.tensorboard):
            return
        size, pictures = self.dataset.image_size, []
        for index in range(min(SHOWN_SAMPLES, len(self.dataset))):
            image, target, _ = self.dataset[(self.state.epoch, index)]
            boxes, landmarks = target[:, :4].numpy() * size, target[:, 4:14].reshape(-1, 5, 2).numpy() * size
            pictures.append(draw_boxes(image.permute(1, 2, 0).numpy(), boxes, landmarks, target[:, 14].numpy() > 0))
        self.board.pictures("training samples", pictures, self.state.iterations)


class _Pending:
    """Steps whose losses are still on the device, and the pictures that they learnt."""

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


@contextmanager
def _named_failures() -> Iterator[None]:
    """Say what to do where a GPU's memory is full or a loader's worker was killed."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(
            "the GPU's memory is full; lower --batch_size (and raise --accumulate) or --image_size"
        ) from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise UserError(
            "a process that reads pictures was killed, usually for want of memory; lower --num_workers, or give the"
            " machine or container more (shared) memory, and go on with --resume"
        ) from error

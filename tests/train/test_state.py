"""When a run scores, saves, and ends, and how its checkpoint restores its state."""

import pytest
import torch

from engine.train.config import TrainConfig, resolve
from engine.train.loader import StepBatches
from engine.train.state import Run, RunState
from models.registry import find_network
from models.retinaface import RetinaFace
from utils.distributed import Ranks

MOBILE = find_network("mobile0.25")


@pytest.fixture(scope="module")
def network() -> RetinaFace:
    return RetinaFace(MOBILE.cfg)


@pytest.fixture
def build(network):
    """Build a run of 10 steps per epoch: build(RunState(), epochs=3) -> Run."""

    def call(state: RunState, **options) -> Run:
        config = resolve(TrainConfig(**options), MOBILE, world_size=1, local_world_size=1, gpus=0)
        settings = {"steps_per_epoch": 10, "device": torch.device("cpu"), "ranks": Ranks()}
        run = Run(network, MOBILE.cfg, config, state, **settings)
        run.start_phase()
        return run

    return call


def test_state_survives_a_checkpoint():
    state = RunState(epoch=2, phase=2, start=1, iterations=21, images_done=8, best_ap=0.5, best_epoch=1)
    state.totals.losses, state.totals.steps = [1.0, 2.0, 3.0], 1
    state.history.append({"epoch": 1})
    assert RunState.from_dict(state.to_dict()) == state


def test_a_better_score_resets_the_count_of_worse_ones():
    state = RunState()
    found = []
    for ap in (0.5, 0.4, 0.5, 0.6):
        state.next_epoch({})
        found.append((state.update_best(ap), state.best_ap, state.best_epoch, state.evals_since_best))
    assert found == [(True, 0.5, 1, 0), (False, 0.5, 1, 1), (False, 0.5, 1, 2), (True, 0.6, 4, 0)]


def test_a_score_of_zero_is_the_best_until_a_higher_one():
    state = RunState()
    assert [state.update_best(ap) for ap in (0.0, 0.0, 0.1)] == [True, False, True]


def test_patience_counts_scores_of_one_phase(build):
    run = build(RunState(epoch=3, evals_since_best=2), epochs=9, val_dataset="dev", patience=2, finetune_epochs=4)
    assert run.patience_is_over and run.phase_is_over and not run.is_over
    run.state.start_phase_two(1)
    run.start_phase()
    assert (run.phase.number, run.phase.start, run.phase.end, run.phase.lr) == (2, 1, 5, 1e-5)
    assert not run.phase_is_over
    run.state.evals_since_best = 2
    assert run.phase_is_over and run.is_over
    assert not build(RunState(evals_since_best=9), epochs=9).patience_is_over  # --patience 0


def test_phase_two_starts_with_a_new_epoch():
    state = RunState(epoch=3, iterations=35, images_done=40, best_ap=0.5, best_epoch=2, evals_since_best=1)
    state.totals.steps = 5
    state.start_phase_two(2)
    assert state == RunState(epoch=2, phase=2, start=2, iterations=35, best_ap=0.5, best_epoch=2)


def test_a_run_is_over_after_its_last_epoch(build):
    assert [build(RunState(epoch=epoch), epochs=3).is_over for epoch in (0, 2, 3, 4)] == [False, False, True, True]


def test_weights_are_kept_at_the_interval_the_start_of_phase_two_and_the_end(build):
    run = build(RunState(), epochs=8, save_every=3, finetune_epochs=1, finetune_from="4")
    due = []
    for epoch in range(1, 9):
        run.state.epoch = epoch
        due += [epoch] * run.is_saving_due
    assert due == [3, 4, 6, 8]


def test_the_dev_set_is_scored_at_the_interval_and_at_the_end_of_a_phase(build):
    run = build(RunState(), epochs=8, val_dataset="dev", val_every=3)
    due = []
    for finished in range(8):  # before the current epoch, whose steps are done
        run.state.epoch = finished
        due += [finished + 1] * run.is_scoring_due
    assert due == [3, 6, 8]


def test_a_step_advances_the_state(build):
    run = build(RunState(iterations=7, images_done=8), epochs=1)
    run.advance(StepBatches([], images_done=16, data_time=0.5, is_last=False))
    assert (run.state.iterations, run.state.images_done, run.state.totals.data_time) == (8, 16, 0.5)


def test_the_learning_rate_of_a_step_equals_that_of_the_optimizer(build):
    run = build(RunState(epoch=1), epochs=4, schedule="cosine", warmup_epochs=1.5)
    for step in range(12):
        assert run.optimizer.param_groups[0]["lr"] == pytest.approx(run.lr(step))
        run.optimizer.step()
        run.scheduler.step()

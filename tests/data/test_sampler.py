"""The batches of an epoch: every image once, in even shares, also in a resumed epoch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.sampler import EpochBatches
from utils.errors import UserError


@st.composite
def cases(draw, ranks: int = 4) -> tuple[int, int, int, int]:
    """Draw (length, batch_size, seed, ranks) that EpochBatches takes."""
    ranks = draw(st.integers(1, ranks))
    return draw(st.integers(ranks, 120)), draw(st.integers(ranks, 40)), draw(st.integers(0, 2**40)), ranks


def epoch_of(length: int, batch_size: int, seed: int, ranks: int = 1, epoch: int = 0, done: int = 0) -> list:
    """Return, for each batch, the list of images of each rank."""
    shares = []
    for rank in range(ranks):
        batches = EpochBatches(length, batch_size, seed, rank, ranks)
        batches.set_epoch(epoch, done)
        mine = list(batches)
        assert len(mine) == len(batches)
        assert {key[0] for batch in mine for key in batch} <= {epoch}
        shares.append([[index for _, index in batch] for batch in mine])
    return list(zip(*shares, strict=True))


def images(batches: list) -> list[int]:
    return [index for batch in batches for share in batch for index in share]


@given(cases())
def test_every_image_is_visited_once_an_epoch_by_one_rank(case):
    assert sorted(images(epoch_of(*case))) == list(range(case[0]))


@given(cases())
def test_batches_are_even_and_at_most_batch_size(case):
    length, batch_size, _, ranks = case
    sizes = [sum(map(len, batch)) for batch in epoch_of(*case)]
    assert max(sizes) - min(sizes) <= 1
    if length >= ranks * -(-length // batch_size):
        assert max(sizes) <= batch_size
        assert len(sizes) == -(-length // batch_size)


@given(cases())
def test_every_rank_has_an_even_share_of_every_batch(case):
    for batch in epoch_of(*case):
        sizes = [len(share) for share in batch]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1


@given(cases())
def test_ranks_together_have_the_batches_of_a_single_process(case):
    length, batch_size, seed, ranks = case
    if length >= ranks * -(-length // batch_size):
        together = [sorted(images([batch])) for batch in epoch_of(*case)]
        assert together == [sorted(images([batch])) for batch in epoch_of(length, batch_size, seed)]


@given(cases(), st.integers(0, 3))
def test_a_resumed_epoch_has_exactly_the_remaining_batches(case, epoch):
    whole = epoch_of(*case, epoch=epoch)
    done = 0
    for number, batch in enumerate(whole):
        assert epoch_of(*case, epoch=epoch, done=done) == whole[number:]
        done += sum(map(len, batch))
    assert epoch_of(*case, epoch=epoch, done=done) == []


@given(cases(), cases(), st.data())
def test_no_image_repeats_when_batch_size_or_ranks_change_within_an_epoch(before, after, data):
    length, _, seed, _ = before
    _, batch_size, _, other_ranks = after
    if length < other_ranks:
        return
    visited = epoch_of(*before)[: data.draw(st.integers(0, 9))]
    done = len(images(visited))
    rest = images(epoch_of(length, batch_size, seed, other_ranks, done=done))
    assert not set(images(visited)) & set(rest)
    assert len(set(rest)) == len(rest)


@given(st.integers(0, 2**40), st.integers(0, 200))
def test_the_order_depends_on_seed_and_epoch_only(seed, epoch):
    order = images(epoch_of(60, 7, seed, epoch=epoch))
    assert order == images(epoch_of(60, 13, seed, epoch=epoch))
    assert order != images(epoch_of(60, 7, seed, epoch=epoch + 1))
    assert order != images(epoch_of(60, 7, seed + 1, epoch=epoch))


@pytest.mark.parametrize(
    ("length", "batch_size", "named"), [(2, 8, "2 images"), (8, 2, "--batch_size 2"), (2, 2, "--batch_size 2")]
)
def test_fewer_images_than_ranks_are_refused(length, batch_size, named):
    with pytest.raises(UserError, match="cannot be shared among 3 ranks; start fewer") as refusal:
        EpochBatches(length, batch_size, seed=0, ranks=3)
    assert str(refusal.value).startswith(named) or (length, batch_size) == (2, 2)

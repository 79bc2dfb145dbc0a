"""Threads keep the order, work only a few items ahead, pass errors on and end with the caller."""

import threading
import time

import pytest

from utils.threads import batch_by_key, map_in_threads, prefetch


@pytest.mark.parametrize("threads", [1, 3])
def test_results_keep_their_order_and_start_only_a_few_ahead(threads):
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.002 * (item % 3))
        return item * item

    results = map_in_threads(work, range(30), threads=threads, ahead=4)
    for expected in range(30):
        assert next(results) == expected * expected
        assert len(begun) <= expected + 1 + 4
    assert next(results, None) is None


def test_threads_run_in_parallel():
    both = threading.Barrier(2, timeout=10)
    assert list(map_in_threads(lambda item: both.wait() >= 0 and item, range(4), threads=2, ahead=2)) == [0, 1, 2, 3]


def test_an_error_is_raised_in_order_and_stops_further_calls():
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ValueError("three")
        return item

    results = map_in_threads(work, range(100), threads=1, ahead=2)
    assert [next(results), next(results), next(results)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(begun) <= 6


def test_a_caller_that_stops_early_leaves_no_thread():
    before = threading.active_count()
    results = map_in_threads(lambda item: item, iter(range(10**9)), threads=2, ahead=3)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before


def test_prefetch_advances_an_iterator_in_one_thread():
    made = []

    def items():
        for item in range(12):
            made.append(threading.get_ident())
            yield item

    ahead = prefetch(items(), 3)
    assert next(ahead) == 0
    deadline = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(made) == 4
    assert list(ahead) == list(range(1, 12))
    assert set(made) != {threading.get_ident()} and len(set(made)) == 1


def test_batches_hold_successive_items_of_one_key():
    assert list(batch_by_key("aaabbaaaa", 2, str)) == [["a", "a"], ["a"], ["b", "b"], ["a", "a"], ["a", "a"]]
    assert list(batch_by_key([], 2, str)) == []

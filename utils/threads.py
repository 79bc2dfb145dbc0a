"""Stages of work that go on at the same time, each in threads of its own, in the order of what goes through them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
END = object()


def overlapped(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int
) -> Iterator[Result]:
    """Give function(item) of each item, in order, computed by threads while the caller uses earlier results.

    The threads run in parallel where the function leaves Python's lock alone, as decoding, tensor operations and
    writing do. What the function raises is raised here. Where the caller ends early, what has begun is finished and
    no more is begun.

    Args:
        threads: that call the function.
        ahead: how many items may be begun, or their results wait, beyond the one that the caller has.
    """
    with ThreadPoolExecutor(threads) as pool:
        begun = deque()
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) > ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def ahead_of_use(items: Iterator[Item], count: int) -> Iterator[Item]:
    """Give the items of an iterator, made by a thread that may be `count` items ahead of the caller."""

    def endless() -> Iterator[None]:
        while True:
            yield None

    for item in overlapped(lambda _: next(items, END), endless(), threads=1, ahead=count):
        if item is END:
            return
        yield item


def batches(items: Iterable[Item], size: int, key: Callable[[Item], object]) -> Iterator[list[Item]]:
    """Give neighbours of the same key together, at most `size` of them."""
    batch = []
    for item in items:
        if batch and (len(batch) == size or key(item) != key(batch[0])):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch

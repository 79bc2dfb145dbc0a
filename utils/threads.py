"""Work in threads that overlaps with the use of its results; the order of the items is kept."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
END = object()


def map_in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int
) -> Iterator[Result]:
    """Yield function(item) for each item, in order, computed while the caller uses earlier results.

    The threads run in parallel where the function releases the GIL, as decoding, tensor operations and writing do.
    An exception of the function is raised here. If the caller stops early, running calls finish and no further call
    starts.

    Args:
        threads: number of threads.
        ahead: largest number of items in work or waiting, beyond the one that the caller has.
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


def prefetch(items: Iterator[Item], count: int) -> Iterator[Item]:
    """Yield the items of an iterator, which a thread advances up to `count` items ahead of the caller."""
    for item in map_in_threads(lambda _: next(items, END), repeat(None), threads=1, ahead=count):
        if item is END:
            return
        yield item


def batch_by_key(items: Iterable[Item], size: int, key: Callable[[Item], object]) -> Iterator[list[Item]]:
    """Yield lists of at most `size` successive items that have the same key."""
    batch = []
    for item in items:
        if batch and (len(batch) == size or key(item) != key(batch[0])):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch

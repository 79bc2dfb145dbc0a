"""Small trainings: their options and datasets, and readers of what they write."""

import csv
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tests.helpers.images import write_dataset

NAME = "mobilenet0.25"
LAST = f"{NAME}_last.ckpt"
FAST = ("--no_pretrain", "--device", "cpu", "--image_size", 64, "--batch_size", 4, "--num_workers", 0)
NOT_REPRODUCIBLE = ("pictures_per_s", "data_wait", "seconds")


def draw_dataset(folder: Path, images: int, first: int = 0) -> Path:
    """Draw a dataset of images with one or two faces, numbered from `first`; return its label.txt."""
    numbers = range(first, first + images)
    return write_dataset(folder, {i: [(8 + 2 * (i % 12), 20, 30, 36), *[(80, 40, 24, 30)] * (i % 2)] for i in numbers})


@contextmanager
def changed_bytes(path: Path, content: bytes) -> Iterator[None]:
    """Replace the content of a file within the block."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def final_weights(folder: Path) -> dict[str, torch.Tensor]:
    return weights(folder / f"{NAME}_Final.pth")


def equal(one: dict, other: dict) -> bool:
    """Return whether two state dicts have the same keys and, bit for bit, the same values."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def history(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a run's table."""
    with (folder / f"{NAME}_log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same_run(folder: Path, expected: Path) -> None:
    """Assert that two runs have the same files, tables (except for times), and weights (bit for bit)."""
    ignored = {"output", f"{NAME}_previous.ckpt", f"{NAME}_curves.png"}
    names = {path.name for path in expected.iterdir()} - ignored
    assert {path.name for path in folder.iterdir()} - ignored == names
    one, other = (
        [{key: row[key] for key in row if key not in NOT_REPRODUCIBLE} for row in history(each)]
        for each in (folder, expected)
    )
    assert one == other
    for name in names:
        if name.endswith(".pth"):
            assert equal(weights(folder / name), weights(expected / name)), name


def events(folder: Path):
    """Read the TensorBoard events of a folder as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    """Return (step, value) of each TensorBoard scalar of a tag."""
    return [(event.step, event.value) for event in events(folder).Scalars(tag)]


def environments(ranks: int) -> list[dict[str, str]]:
    """Return the environment variables that torchrun sets for each rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(ranks)}
    return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]

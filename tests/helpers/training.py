"""Small trainings and what they write."""

import socket

import torch

FAST = ("--no_pretrain", "--device", "cpu", "--image_size", 64, "--batch_size", 4, "--num_workers", 0)


def weights(path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def equal(one: dict, other: dict) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one)


def events(folder):
    """Read what TensorBoard shows of a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def scalars(folder, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars(tag)]


def environments(ranks: int) -> list[dict[str, str]]:
    """Return what torchrun would tell each rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(ranks)}
    return [{**place, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(ranks)]

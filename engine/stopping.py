"""Ending a run in good order: SIGTERM and Ctrl-C let it write a checkpoint first."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from utils.processes import Ranks

GRACE = 30


class Stop(SystemExit):
    """Ends the program with the status that shells give a process of this signal: 128 and its number."""

    def __init__(self, number: int):
        super().__init__(128 + number)


class StopRequest:
    """Whether somebody asked for the end, and by which signal.

    Attributes:
        signal: its number; 0: nobody did.
    """

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            if number == signal.SIGINT:  # a person who does not want to wait, not even for a checkpoint
                raise KeyboardInterrupt
            return  # batch systems send SIGTERM to a process and to its parents, which pass it on
        self.signal = number
        if Ranks.of_torchrun().first:  # written past Python's buffers, which the signal may have interrupted
            os.write(2, f"\n{signal.Signals(number).name}: a checkpoint follows; Ctrl-C ends at once\n".encode())


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catch SIGTERM and SIGINT in the block: the first is only noted, a second SIGINT is a KeyboardInterrupt."""
    request = StopRequest()
    before = {number: signal.signal(number, request.receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def outlive_the_first_signal() -> None:
    """Let a worker of a loader go on when a signal goes to every process of the run: its parent ends it.

    Ctrl-C reaches all processes of a terminal, and batch systems send SIGTERM to all processes of a job. SIGTERM ends
    the worker GRACE seconds later.
    """

    def receive(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.alarm(GRACE)  # whose signal ends a process that does nothing about it

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, receive)

"""Ending a run in good order: SIGTERM, Ctrl-C and the end of its terminal let it write what it has first."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# SIGHUP comes from a terminal that is closed, or whose connection is lost.
STOPPING = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


class Stop(SystemExit):
    """Ends the program with the status that shells give a process of this signal: 128 and its number."""

    def __init__(self, number: int):
        super().__init__(128 + number)


class StopRequest:
    """Whether somebody asked for the end, and by which signal.

    Args:
        quiet: say nothing when it happens, as ranks other than the first.
        follows: what is done before the end.

    Attributes:
        signal: its number; 0: nobody did.
    """

    def __init__(self, quiet: bool = False, follows: str = "a checkpoint follows") -> None:
        self.quiet = quiet
        self.follows = follows
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            if number == signal.SIGINT:  # a person who does not want to wait, not even for a checkpoint
                raise KeyboardInterrupt
            return  # batch systems send SIGTERM to a process and to its parents, which pass it on
        self.signal = number
        if not self.quiet:  # past Python's buffers, which it may have interrupted; Ctrl-C ends a `| tee`, too
            with suppress(OSError):
                os.write(2, f"\n{signal.Signals(number).name}: {self.follows}; Ctrl-C ends at once\n".encode())


@contextmanager
def stop_request(quiet: bool, follows: str = "a checkpoint follows") -> Iterator[StopRequest]:
    """Catch signals in the block: the first is only noted, a second SIGINT is a KeyboardInterrupt."""
    request = StopRequest(quiet, follows)
    before = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in before.items():
        # nohup has SIGHUP ignored. A shell has SIGINT ignored by what it starts with &; people send it all the same.
        if handler is not signal.SIG_IGN or number == signal.SIGINT:
            signal.signal(number, request.receive)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_first_signal() -> None:
    """Let a worker of a loader go on when a signal goes to every process of the run: its parent ends it.

    Ctrl-C reaches all processes of a terminal, and batch systems send SIGTERM to all processes of a job. A second
    SIGTERM ends the worker.
    """

    def receive(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    for number in STOPPING:
        signal.signal(number, receive if number == signal.SIGTERM else signal.SIG_IGN)

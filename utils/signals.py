"""A first SIGTERM, Ctrl-C, or SIGHUP asks a run to end in good order; a second Ctrl-C ends it at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# A terminal that is closed, or whose connection is lost, sends SIGHUP.
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]


class Stop(SystemExit):
    """Ends the program with the exit status of shells for a signal: 128 plus its number."""

    def __init__(self, number: int):
        super().__init__(128 + number)


class StopRequest:
    """Whether the run was asked to end, and by which signal.

    Args:
        quiet: print nothing on a signal, as on ranks other than the main one.
        follows: what the run still does, for the message.

    Attributes:
        signal: number of the signal; 0: none yet.
    """

    def __init__(self, quiet: bool = False, follows: str = "a checkpoint follows") -> None:
        self.quiet = quiet
        self.follows = follows
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.signal:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return  # batch systems send SIGTERM to a process and to its parents, which pass it on
        self.signal = number
        if not self.quiet:  # os.write: the signal may have interrupted a write to Python's buffer, or ended a `| tee`
            with suppress(OSError):
                os.write(2, f"\n{signal.Signals(number).name}: {self.follows}; Ctrl-C ends at once\n".encode())


@contextmanager
def stop_request(quiet: bool, follows: str = "a checkpoint follows") -> Iterator[StopRequest]:
    """Handle signals in the block: the first is recorded, a second SIGINT raises KeyboardInterrupt."""
    request = StopRequest(quiet, follows)
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in before.items():
        # nohup ignores SIGHUP. A shell ignores SIGINT in background jobs, but users still send it to them.
        if handler is not signal.SIG_IGN or number == signal.SIGINT:
            signal.signal(number, request.receive)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_first_signal() -> None:
    """Make a loader worker survive a signal to all processes of the run, since its parent ends it.

    Ctrl-C reaches all processes of a terminal, and batch systems send SIGTERM to all processes of a job. A second
    SIGTERM ends the worker.
    """

    def receive(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    for number in STOP_SIGNALS:
        signal.signal(number, receive if number == signal.SIGTERM else signal.SIG_IGN)

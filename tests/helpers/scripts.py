"""Running the scripts of the repository as a user would."""

import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


SHARED = ROOT.parent / "shared"


@dataclass
class Outcome:
    status: int
    out: str
    err: str

    def refuses(self, *parts: str) -> None:
        """Assert a user's error: status 2 and one line on stderr that has all the parts."""
        assert self.status == 2, self.err
        assert len(self.err.strip().splitlines()) == 1, self.err
        assert self.err.startswith("error: ")
        for part in parts:
            assert str(part) in self.err


def shown_in_terminal(columns: int, script: str, *arguments) -> str:
    """Return what a script shows in a terminal of so many columns; one of 0 does not know its size."""
    import fcntl  # here, since not every system has terminals of this kind
    import pty
    import termios

    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    command = [sys.executable, script, *map(str, arguments)]
    run = subprocess.Popen(command, cwd=ROOT, stdin=end, stdout=end, stderr=end)
    os.close(end)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
    os.close(terminal)
    assert run.wait() == 0, shown
    return shown.decode()

"""The outcome of a script, a terminal to run it in, and what export_onnx.py needs."""

import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.export.exporters import is_pytorch_new_enough

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
NEEDS_EXPORTERS = pytest.mark.skipif(not is_pytorch_new_enough(), reason="needs a newer PyTorch")


@dataclass
class Outcome:
    """Exit status, stdout, and stderr of a script."""

    status: int
    out: str
    err: str

    def refuses(self, *parts: str) -> None:
        """Assert a UserError: status 2 and, besides notes, one line on stderr that contains all parts."""
        assert self.status == 2, self.err
        (line,) = (line for line in self.err.strip().splitlines() if not line.startswith("note: "))
        assert line.startswith("error: ")
        for part in parts:
            assert str(part) in line


def shown_in_terminal(columns: int, script: str, *arguments) -> str:
    """Return what a script prints in a terminal; one of 0 columns does not report its size."""
    import fcntl  # here, since Windows lacks them
    import pty
    import termios

    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    command = [sys.executable, script, *map(str, arguments)]
    run = subprocess.Popen(command, cwd=ROOT, stdin=end, stdout=end, stderr=end)
    os.close(end)
    output = b""
    while True:
        try:
            output += os.read(terminal, 65536)
        except OSError:  # the script has ended
            break
    os.close(terminal)
    assert run.wait() == 0, output
    return output.decode()

"""Run train.py in a process of its own, with faults: tests/helpers/run_with_fault.py."""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import torch

from engine.train import report
from tests.helpers import run_with_fault
from tests.helpers.scripts import ROOT, Outcome

SMALL = ("--no_pretrain", "--device", "cpu", "--image_size", 64, "--batch_size", 8, "--num_workers", 0)
SMALL += ("--tensorboard", "false", "--epochs", 2, "--save_every", 1)

# Processes are forked from one that has imported PyTorch, which saves seconds per run.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["pytest", "matplotlib.figure", "torch.distributed", "engine.train.main"])


class TrainProcess:
    """train.py in a process and session of its own.

    Args:
        folder: --save_folder; the output of the process goes to output/ in it.
        fault: faults of run_with_fault.py.
        arguments: other arguments of train.py.
        env: environment variables to add.
    """

    def __init__(self, folder: Path, fault: str, *arguments: object, env: dict[str, str] | None = None):
        (folder / "output").mkdir(parents=True, exist_ok=True)
        files = [folder / "output" / f"{time.monotonic_ns()}.{name}" for name in ("out", "err")]
        self.out, self.err = (path.open("w+") for path in files)
        command = ["run_with_fault.py", fault, "train.py", "--save_folder", *map(str, (folder, *arguments))]
        settings = (command, *files, env or {}, multiprocessing.get_start_method())
        self.process = context.Process(target=_main, args=settings)
        self.process.start()

    def output(self) -> tuple[str, str]:
        """Return what the process has written to stdout and stderr so far."""
        for file in (self.out, self.err):
            file.seek(0)
        return self.out.read(), self.err.read()

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Wait until the output contains a text."""
        deadline = time.monotonic() + seconds
        while not any(text in output for output in self.output()):
            assert self.process.is_alive() and time.monotonic() < deadline, self.output()
            time.sleep(0.01)

    def send(self, number: int) -> None:
        """Send a signal to the process and its workers."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:  # it has no group of its own yet
            os.kill(self.process.pid, number)

    def end(self, seconds: float = 30) -> Outcome:
        """Wait for the end of the process. A negative status is the number of the signal that killed it."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.send(signal.SIGKILL)
            raise AssertionError(f"still running after {seconds} s: {self.output()}")
        outcome = Outcome(self.process.exitcode, *self.output())
        self.out.close()
        self.err.close()
        return outcome

    def close(self) -> None:
        """Kill the process if it still runs."""
        if self.process.is_alive():
            self.send(signal.SIGKILL)


def _main(command: list[str], out: Path, err: Path, env: dict[str, str], start_method: str) -> None:
    multiprocessing.set_start_method(start_method, force=True)  # for loader workers, as in a process of a shell
    os.setsid()
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    os.environ.update(env)
    os.chdir(ROOT)
    torch.set_num_threads(1)
    report.draw_training_curves = lambda *_: None  # half of the time of a small run
    sys.argv = command
    try:
        run_with_fault.main()
    except SystemExit as end:
        status = end.code
    else:
        status = 0
    sys.exit(status)  # outside the frames of the run, so that its workers end first, as at the end of a script

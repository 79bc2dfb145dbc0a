"""Run a script in which something goes wrong: python tests/helpers/run_with_fault.py FAULTS train.py --flags...

FAULTS are NAME=NUMBER, with commas between them:

    kill_step=3         SIGKILL instead of the third step of the optimizer in this process
    kill_writing=2      SIGKILL when half of the second checkpoint file is written
    kill_renaming=2     SIGKILL after the second file of any kind got its name
    kill_scoring=2      SIGKILL instead of the second image of the dev set
    kill_worker=3       SIGKILL for one of the loader's workers before the third step
    worker_dies_scoring=1  the same, before the first image of the dev set
    full_disk=2         the second checkpoint file meets a full disk
    quota=500           no file may grow beyond so many kB
    truncate=2          half of the training set's third image is gone from the second epoch on
    term_step=3         SIGTERM in the third step
    term_all_step=3     the same, to all processes of the group
    hangup_step=3       SIGHUP in the third step
    term_scoring=1      SIGTERM at the first image of the dev set
    interrupt_step=3    SIGINT in the third step, to all processes of the group, as Ctrl-C sends it
    interrupt_piped=3   the same to a process behind whose pipe nobody listens any more, as Ctrl-C ends `| tee` first
    await_stop=3        the third step waits until somebody asked for the end
    crash_step=3        the third step meets a defect of the program
    crash_collate=3     so does the third batch of a worker
    hang_step=3         the third step never ends
    rising_ap=1         each epoch's AP is higher than the one before
    frozen_bn=1         batch normalisation neither learns nor uses batch statistics
    none=0              nothing

NAME=NUMBER@RANK concerns this rank alone. What torchrun starts anew is without faults.

With SEEN=FILE in the environment, each image that is learnt adds a line `epoch name` to this file.

Tests start a Run, which is forked from a process that has imported PyTorch.
"""

import csv
import errno
import io
import multiprocessing
import os
import resource
import runpy
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from engine.train import loader, loop, report, validate
from tests.helpers.images import draw_image
from tests.helpers.scripts import Outcome
from utils import checkpoint
from utils.distributed import Ranks


def on_call(place: object, name: str, count: int, fault) -> None:
    """Let `fault` take the place of call number `count` of a function, which it gets as its first argument."""
    function, calls = getattr(place, name), 0

    def counted(*arguments, **options):
        nonlocal calls
        calls += 1
        return fault(function, *arguments, **options) if calls == count else function(*arguments, **options)

    setattr(place, name, counted)


def send(number: int, function, *arguments, process: int | None = None, **options):
    """Send a signal, by default to this process, before the call."""
    os.kill(os.getpid() if process is None else process, number)
    return function(*arguments, **options)


kill = partial(send, signal.SIGKILL)


def kill_half_way(write, file: io.BufferedWriter, content) -> None:
    file.write(content[: len(content) // 2])
    file.flush()
    kill(write)


def kill_after(function, *arguments, **options) -> None:
    function(*arguments, **options)
    kill(function)


def kill_worker(function, *arguments, **options):
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    time.sleep(0.1)
    return function(*arguments, **options)


def full_disk(write, file: io.BufferedWriter, content) -> None:
    file.write(content[: len(content) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def truncate(steps, self: loader.StepLoader, *arguments):
    image = self.dataset.path(2)
    os.truncate(image, image.stat().st_size // 2)
    return steps(self, *arguments)


def crash(*_) -> None:
    raise RuntimeError("a defect")


def hang(*_) -> None:
    time.sleep(3600)


def break_pipe(function, *arguments, **options):
    reader, writer = os.pipe()
    os.close(reader)
    for output in (1, 2):
        os.dup2(writer, output)
    return send(signal.SIGINT, function, *arguments, **options)


def await_stop(step, *arguments):
    request = signal.getsignal(signal.SIGTERM).__self__
    while not request:
        time.sleep(0.01)
    return step(*arguments)


PLACES = {
    "step": (loop, "train_step"),
    "collate": (loader.MatchedCollate, "__call__"),
    "epoch": (loader.StepLoader, "steps"),
    "write": (checkpoint, "write_all"),
    "rename": (os, "replace"),
    "image": (validate, "read_image"),
}
FAULTS = {
    "kill_step": ("step", kill),
    "kill_writing": ("write", kill_half_way),
    "kill_renaming": ("rename", kill_after),
    "kill_scoring": ("image", kill),
    "kill_worker": ("step", kill_worker),
    "worker_dies_scoring": ("image", kill_worker),
    "full_disk": ("write", full_disk),
    "truncate": ("epoch", truncate),
    "term_step": ("step", partial(send, signal.SIGTERM)),
    "term_scoring": ("image", partial(send, signal.SIGTERM)),
    "term_all_step": ("step", partial(send, signal.SIGTERM, process=0)),
    "hangup_step": ("step", partial(send, signal.SIGHUP)),
    "interrupt_step": ("step", partial(send, signal.SIGINT, process=0)),
    "interrupt_piped": ("step", break_pipe),
    "await_stop": ("step", await_stop),
    "crash_step": ("step", crash),
    "crash_collate": ("collate", crash),
    "hang_step": ("step", hang),
}


def arrange(name: str, number: int) -> None:
    """Make one fault happen."""
    if name in FAULTS:
        place, fault = FAULTS[name]
        on_call(*PLACES[place], number, fault)
    elif name == "quota":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000 * number, 1000 * number))  # Python ignores its SIGXFSZ
    elif name == "rising_ap":
        score = loop.score_run
        loop.score_run = lambda run, *rest: validate.DevScore((run.state.epoch + 1) / 100, score(run, *rest).drawn)
    elif name == "frozen_bn":
        nn.BatchNorm2d.train = lambda self, mode=True: nn.Module.train(self, False)
    elif name != "none":
        raise ValueError(name)


def note_images(path: str) -> None:
    """Append `epoch image` to a file for each image that is learnt."""
    agree = loop.agree

    def noted(run, step, *rest):
        agreed = agree(run, step, *rest)
        names = [Path(info.path).name for info in step.infos]
        with open(path, "a") as file:
            file.write("".join(f"{run.state.epoch + 1} {name}\n" for name in names))
        return agreed

    loop.agree = noted


def main() -> None:
    if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        for fault in sys.argv[1].split(","):
            name, _, number = fault.partition("=")
            number, _, rank = number.partition("@")
            if not rank or int(rank) == Ranks.of_torchrun().rank:
                arrange(name, int(number))
    if "SEEN" in os.environ:
        note_images(os.environ["SEEN"])
    sys.argv = sys.argv[2:]
    runpy.run_path(str(ROOT / sys.argv[0]), run_name="__main__")


# ---------------------------------------------------------------- for the tests

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["pytest", "matplotlib.figure", "torch.distributed", "engine.train.main"])


class Run:
    """A train.py in a process and session of its own.

    Args:
        folder: its --save_folder; what it says goes to output/ in it.
        fault: as above.
        arguments: further ones of train.py.
        env: what its environment has besides.
    """

    def __init__(self, folder: Path, fault: str, *arguments: object, env: dict[str, str] | None = None):
        (folder / "output").mkdir(parents=True, exist_ok=True)
        files = [folder / "output" / f"{time.monotonic_ns()}.{name}" for name in ("out", "err")]
        self.out, self.err = (path.open("w+") for path in files)
        command = ["run_with_fault.py", fault, "train.py", "--save_folder", *map(str, (folder, *arguments))]
        settings = (command, *files, env or {}, multiprocessing.get_start_method())
        self.process = context.Process(target=_enter, args=settings)
        self.process.start()

    def said(self) -> tuple[str, str]:
        """Return what it wrote to stdout and stderr so far."""
        for file in (self.out, self.err):
            file.seek(0)
        return self.out.read(), self.err.read()

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Wait until it has written a text."""
        deadline = time.monotonic() + seconds
        while not any(text in output for output in self.said()):
            assert self.process.is_alive() and time.monotonic() < deadline, self.said()
            time.sleep(0.01)

    def send(self, number: int) -> None:
        """Send a signal to all its processes."""
        os.killpg(self.process.pid, number)

    def end(self, seconds: float = 30) -> Outcome:
        """Wait for its end. The status is that of Python's subprocess: negative for a signal's number."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.send(signal.SIGKILL)
            raise AssertionError(f"still running after {seconds} s: {self.said()}")
        outcome = Outcome(self.process.exitcode, *self.said())
        self.out.close()
        self.err.close()
        return outcome


def _enter(command: list[str], out: Path, err: Path, env: dict[str, str], start_method: str) -> None:
    multiprocessing.set_start_method(start_method, force=True)  # for the loader's workers, as without the server
    os.setsid()
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    os.environ.update(env)
    os.chdir(ROOT)
    torch.set_num_threads(1)
    report.draw_curves = lambda *_: None  # half of the time of a small run
    sys.argv = command
    try:
        main()
    except SystemExit as end:
        status = end.code
    else:
        status = 0
    sys.exit(status)  # behind the frames of the run, which end its workers: as the interpreter does it


SMALL = ("--no_pretrain", "--device", "cpu", "--image_size", 64, "--batch_size", 8, "--num_workers", 0)
SMALL += ("--tensorboard", "false", "--epochs", 2, "--save_every", 1)
NAME = "mobilenet0.25"


def draw_dataset(folder: Path, images: int, first: int = 0) -> Path:
    """Draw a dataset of images with a face or two; returns its label.txt."""
    lines = []
    for i in range(first, first + images):
        boxes = [(8 + 2 * (i % 12), 20, 30, 36)] + ([(80, 40, 24, 30)] if i % 2 else [])
        draw_image(folder / "images" / f"{i}.jpg", boxes, seed=i)
        lines += [f"# {i}.jpg", *(" ".join(map(str, box)) for box in boxes)]
    (folder / "label.txt").write_text("\n".join(lines) + "\n")
    return folder / "label.txt"


@contextmanager
def changed_bytes(path: Path, content: bytes) -> Iterator[None]:
    """Give a file other content for a while."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def history(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a run's table, without what depends on the machine's speed."""
    with (folder / f"{NAME}_log.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key not in ("pictures_per_s", "data_wait", "seconds")} for row in rows]


def assert_same(folder: Path, expected: Path) -> None:
    """Assert that two runs left the same weights, bit for bit, and the same table, and nothing half written."""
    beside = {"output", f"{NAME}_previous.ckpt", f"{NAME}_curves.png"}
    names = {path.name for path in expected.iterdir()} - beside
    assert {path.name for path in folder.iterdir()} - beside == names
    assert history(folder) == history(expected)
    for name in names:
        if name.endswith(".pth"):
            one, other = weights(folder / name), weights(expected / name)
            assert all(torch.equal(one[key], other[key]) for key in one), name


if __name__ == "__main__":
    main()

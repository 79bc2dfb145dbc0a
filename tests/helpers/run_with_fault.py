"""Run a script with faults: python tests/helpers/run_with_fault.py FAULTS train.py --options...

FAULTS are NAME=NUMBER, separated by commas:

    kill_step=3           SIGKILL at the third optimizer step of this process
    kill_writing=2        SIGKILL when half of the second checkpoint file is written
    kill_renaming=2       SIGKILL after the second file of any kind is renamed
    kill_scoring=2        SIGKILL at the second image of the dev set
    kill_worker=3         SIGKILL to a loader worker before the third step
    kill_worker_scoring=1 SIGKILL to a loader worker before the first image of the dev set
    full_disk=2           the disk is full at the second checkpoint file
    quota=500             no file can grow beyond 500 kB
    truncate=2            the training set's third image is truncated from the second epoch on
    term_step=3           SIGTERM at the third step
    term_all_step=3       SIGTERM at the third step, to all processes of the group
    hangup_step=3         SIGHUP at the third step
    term_scoring=1        SIGTERM at the first image of the dev set
    interrupt_step=3      SIGINT at the third step, to all processes of the group, as Ctrl-C sends it
    interrupt_piped=3     SIGINT at the third step, after the reader of the output has ended, as in `| tee`
    await_stop=3          the third step waits until the run is asked to end
    crash_step=3          the third step raises a RuntimeError
    crash_collate=3       the third batch of a loader worker raises a RuntimeError
    hang_step=3           the third step never ends
    rising_ap=1           the dev AP rises with each epoch
    frozen_bn=1           batch normalization uses fixed statistics
    none=0                no fault

NAME=NUMBER@RANK applies to one rank. Ranks that torchrun restarts have no faults.

With IMAGE_LOG=FILE in the environment, each image that is trained on adds a line `epoch name` to this file.
"""

import errno
import io
import multiprocessing
import os
import resource
import runpy
import signal
import sys
import time
from functools import partial
from pathlib import Path

from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from engine.train import loader, loop, validate
from utils import checkpoint
from utils.distributed import Ranks


def on_call(place: object, name: str, count: int, fault) -> None:
    """Replace call number `count` of a function by `fault`, whose first argument is the function."""
    function, calls = getattr(place, name), 0

    def counted(*arguments, **options):
        nonlocal calls
        calls += 1
        return fault(function, *arguments, **options) if calls == count else function(*arguments, **options)

    setattr(place, name, counted)


def send_signal(number: int, function, *arguments, process: int | None = None, **options):
    """Send a signal, by default to this process, before the call."""
    os.kill(os.getpid() if process is None else process, number)
    return function(*arguments, **options)


kill = partial(send_signal, signal.SIGKILL)


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
    raise RuntimeError("injected")


def hang(*_) -> None:
    time.sleep(3600)


def break_pipe(function, *arguments, **options):
    reader, writer = os.pipe()
    os.close(reader)
    for output in (1, 2):
        os.dup2(writer, output)
    return send_signal(signal.SIGINT, function, *arguments, **options)


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
    "image": (validate, "read_image_with_notes"),
}
FAULTS = {
    "kill_step": ("step", kill),
    "kill_writing": ("write", kill_half_way),
    "kill_renaming": ("rename", kill_after),
    "kill_scoring": ("image", kill),
    "kill_worker": ("step", kill_worker),
    "kill_worker_scoring": ("image", kill_worker),
    "full_disk": ("write", full_disk),
    "truncate": ("epoch", truncate),
    "term_step": ("step", partial(send_signal, signal.SIGTERM)),
    "term_scoring": ("image", partial(send_signal, signal.SIGTERM)),
    "term_all_step": ("step", partial(send_signal, signal.SIGTERM, process=0)),
    "hangup_step": ("step", partial(send_signal, signal.SIGHUP)),
    "interrupt_step": ("step", partial(send_signal, signal.SIGINT, process=0)),
    "interrupt_piped": ("step", break_pipe),
    "await_stop": ("step", await_stop),
    "crash_step": ("step", crash),
    "crash_collate": ("collate", crash),
    "hang_step": ("step", hang),
}


def install(name: str, number: int) -> None:
    """Install one fault."""
    if name in FAULTS:
        place, fault = FAULTS[name]
        on_call(*PLACES[place], number, fault)
    elif name == "quota":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000 * number, 1000 * number))  # Python ignores SIGXFSZ
    elif name == "rising_ap":
        score = loop.score_run
        loop.score_run = lambda run, *rest: validate.DevScore((run.state.epoch + 1) / 100, score(run, *rest).drawn)
    elif name == "frozen_bn":
        nn.BatchNorm2d.train = lambda self, mode=True: nn.Module.train(self, False)
    elif name != "none":
        raise ValueError(name)


def log_images(path: str) -> None:
    """Append `epoch image` to a file for each image that is trained on."""
    agree = loop.agree

    def logged(run, step, *rest):
        agreed = agree(run, step, *rest)
        names = [Path(info.path).name for info in step.infos]
        with open(path, "a") as file:
            file.write("".join(f"{run.state.epoch + 1} {name}\n" for name in names))
        return agreed

    loop.agree = logged


def main() -> None:
    if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
        for fault in sys.argv[1].split(","):
            name, _, number = fault.partition("=")
            number, _, rank = number.partition("@")
            if not rank or int(rank) == Ranks.of_torchrun().rank:
                install(name, int(number))
    if "IMAGE_LOG" in os.environ:
        log_images(os.environ["IMAGE_LOG"])
    sys.argv = sys.argv[2:]
    runpy.run_path(str(ROOT / sys.argv[0]), run_name="__main__")


if __name__ == "__main__":
    main()

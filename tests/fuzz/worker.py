"""A process that runs readers on files from anywhere, and the limits that it must keep to."""

import ctypes
import faulthandler
import gc
import multiprocessing
import os
import resource
import signal
import tempfile
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from utils.errors import UserError

CPU_SECONDS = 20.0  # of one input
WALL_SECONDS = 300.0  # of one input that waits for something
MEMORY_RATIO = 10  # times the size of the input
MEMORY_BASE = 32 << 20  # bytes that any input may take: what libraries load and keep
ADDRESS_SPACE = 4 << 30  # bytes beyond what the process has at its start
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a reader made of an input.

    Attributes:
        kind: read, refused (a UserError), or one of the findings: traceback, memory, hang, crash.
        text: the message of the error, or the traceback.
        place: for a finding, what tells it from others.
        seconds: CPU time.
        memory: bytes by which the process grew at most.
    """

    kind: str
    text: str = ""
    place: str = ""
    seconds: float = 0.0
    memory: int = 0

    @property
    def is_finding(self) -> bool:
        return self.kind not in ("read", "refused")


class Worker:
    """Runs readers in a process of its own, which is started again when an input has ended it."""

    def __init__(self):
        self.process = None

    def run(self, reader: str, folder: Path) -> Outcome:
        """Run a reader on the files in a folder."""
        if self.process is None:
            self._start()
        self.connection.send((reader, str(folder)))
        try:
            if self.connection.poll(WALL_SECONDS):
                return self.connection.recv()
            kind, code = "hang", "waits"
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            kind = "hang" if code == -signal.SIGPROF else "crash"
        stack = Path(self.log.name).read_text(errors="replace")
        self.stop()
        frames = [line.strip() for line in stack.splitlines() if str(ROOT) in line and "/fuzz/" not in line]
        return Outcome(kind, stack, f"{kind} {code} {frames[0] if frames else stack[-200:]}", CPU_SECONDS)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.log.close()
            self.process = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.log = tempfile.NamedTemporaryFile(prefix="fuzz-", suffix=".log")  # noqa: SIM115, closed by stop
        self.process = context.Process(target=_serve, args=(other, self.log.name), daemon=True)
        self.process.start()
        other.close()


def _serve(connection: Connection, log: str) -> None:
    from tests.fuzz.readers import READERS

    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    faulthandler.enable(2)
    faulthandler.register(signal.SIGPROF, 2, chain=True)  # which then ends the process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit = _status("VmSize") + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    while True:
        try:
            name, folder = connection.recv()
        except EOFError:
            return
        os.ftruncate(file, 0)
        connection.send(run_reader(READERS[name], Path(folder)))


def run_reader(reader, folder: Path) -> Outcome:
    """Run a reader in this process and measure it."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > 1 << 16:  # it takes longer than reading a small file
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # gives freed memory back, so that it is not taken again unseen
    before, begun = _reset_peak(), _cpu()
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    kind, text, place, memory = "read", "", "", 0
    try:
        content = reader.read(folder)
        memory = _status("VmHWM") - before
        reader.use(content, folder)
    except UserError as error:
        kind, text = "refused", str(error)
        if "\n" in text.strip():
            kind, place = "traceback", f"a message of several lines: {text[:100]}"
    except BaseException as error:
        kind, text = "traceback", traceback.format_exc()[-6000:]
        frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        own = [frame for frame in frames if str(ROOT) in frame and "/fuzz/" not in frame]
        place = f"{type(error).__name__} at {(own or frames)[-1].removeprefix(f'{ROOT}/')}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    memory = memory or _status("VmHWM") - before
    content = None
    allowed = MEMORY_BASE + MEMORY_RATIO * reader.weight(folder, size)
    if memory > allowed and kind in ("read", "refused"):
        text = f"{memory >> 20} MB for a file of {size:,} bytes; {text}"
        kind, place = "memory", f"memory of {reader.name}: {kind} {text.partition('; ')[2][-60:]}"
    return Outcome(kind, text, place, _cpu() - begun, memory)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _status(key: str) -> int:
    """Return a number of bytes from the status of this process."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(f"{key}:")) << 10


def _reset_peak() -> int:
    """Begin a new peak of the memory, and return its present size."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _status("VmRSS")

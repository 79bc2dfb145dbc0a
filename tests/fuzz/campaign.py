"""A fuzz run: rounds of changed inputs for each reader in turn, and its findings."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st

from tests.fuzz.bombs import BOMBS
from tests.fuzz.mutations import changed_files
from tests.fuzz.readers import READERS
from tests.fuzz.seeds import Seed
from tests.fuzz.worker import Outcome, Worker, run_reader
from utils.files import atomic_path

ROUND_SECONDS = 8.0  # of one reader, before the next has its turn
SHRINK_SECONDS = 10.0
COUNTS_FILE = "counts.json"  # of all runs, in the folder of the findings


class _Enough(BaseException):
    """Ends a round; hypothesis handles every Exception itself."""


class _Found(Exception):
    """A finding, which hypothesis shrinks."""


@dataclass
class Counts:
    """What the inputs of a reader came to, in all runs."""

    inputs: int = 0
    read: int = 0
    refused: int = 0
    findings: list[str] = field(default_factory=list)  # what tells each from others
    seconds: float = 0.0  # of its rounds
    slowest: float = 0.0
    ratio: float = 0.0  # of the memory to the size of the input, for inputs of more than 4 MB

    def add(self, outcome: Outcome, size: int) -> None:
        self.inputs += 1
        self.read += outcome.kind == "read"
        self.refused += outcome.kind == "refused"
        self.slowest = max(self.slowest, outcome.seconds)
        if size > 4 << 20:
            self.ratio = max(self.ratio, outcome.memory / size)
        if outcome.is_finding and outcome.place not in self.findings:
            self.findings.append(outcome.place)


class Campaign:
    """Runs readers on changed seeds.

    Args:
        names: of the readers.
        seed: of the inputs; the same seed draws the same inputs, as far as time allows.
        out: folder of the findings, and of the counts, which go on from run to run.
    """

    def __init__(self, names: list[str], seed: int, out: Path):
        self.names, self.seed, self.out = names, seed, out
        self.worker = Worker()
        self.seeds = {name: list(READERS[name].seeds()) for name in names}
        self.counts = _read_counts(out / COUNTS_FILE)
        self.findings: dict[str, Path] = {}  # what tells a finding from others -> folder of its input
        self.scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))

    def close(self) -> None:
        self.worker.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.print_table()

    def run(self, seconds: float, max_examples: int = 100_000) -> None:
        """Run rounds until the time is over; the first inputs of a reader are its seeds and those of bombs.py."""
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            for name in self.names:
                with self._counted(name):
                    if number == 0:
                        self._try_bombs(name, min(end, time.monotonic() + ROUND_SECONDS))
                    if time.monotonic() < end:
                        self._round(name, number, min(end, time.monotonic() + ROUND_SECONDS), max_examples)
            number += 1
            self.print_table()

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        """Add the time to the reader's counts and write all counts, so that a run may be stopped at any time."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.counts[name].seconds += time.monotonic() - begun
            with atomic_path(self.out / COUNTS_FILE) as path:
                path.write_text(json.dumps({key: asdict(counts) for key, counts in self.counts.items()}, indent=1))

    def _round(self, name: str, number: int, end: float, max_examples: int) -> None:
        others = tuple(content for seed in self.seeds[name] for content in seed.values() if len(content) < 1 << 16)
        inputs = st.sampled_from(self.seeds[name]).flatmap(lambda seed: changed_files(seed, others))
        shrinking: list[float] = []

        def check(files: Seed) -> None:
            if time.monotonic() > (shrinking[0] if shrinking else end):
                raise _Enough
            outcome = self._run(name, files)
            size = sum(map(len, files.values()))
            hypothesis.target(outcome.memory / (size + 1000), label="memory")
            if outcome.is_finding and (outcome.place not in self.findings or outcome.place in shrinking[1:]):
                if not shrinking:
                    shrinking[:] = [time.monotonic() + SHRINK_SECONDS, outcome.place]
                if outcome.place == shrinking[1]:
                    self._keep(name, files, outcome)
                    raise _Found

        settings = hypothesis.settings(
            max_examples=max_examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.target, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            report_multiple_bugs=False,
        )
        test = hypothesis.seed(f"{self.seed} {number} {name}")(settings(hypothesis.given(inputs)(check)))
        with suppress(_Enough, _Found, hypothesis.errors.Flaky):
            test()

    def _try_bombs(self, name: str, end: float) -> None:
        for files in (*self.seeds[name], *BOMBS.get(name, list)()):
            if time.monotonic() > end:
                return
            outcome = self._run(name, files)
            if outcome.is_finding and outcome.place not in self.findings:
                self._keep(name, files, outcome)

    def _run(self, name: str, files: Seed) -> Outcome:
        folder = self.scratch / "input"
        shutil.rmtree(folder, ignore_errors=True)
        write_files(folder, files)
        outcome = self.worker.run(name, folder)
        if outcome.kind == "memory":  # the first input of a kind also loads what the process keeps
            outcome = self.worker.run(name, folder)
        self.counts[name].add(outcome, sum(map(len, files.values())))
        return outcome

    def _keep(self, name: str, files: Seed, outcome: Outcome) -> None:
        """Write the input of a finding, or a smaller one for the same finding."""
        folder = self.findings.get(outcome.place)
        if folder is None:
            numbers = (int(path.name.rpartition("-")[2]) for path in self.out.glob(f"{name}-*"))
            folder = self.out / f"{name}-{max(numbers, default=0) + 1}"
            self.findings[outcome.place] = folder
            print(f"{outcome.kind}: {outcome.place}\n    python -m tests.fuzz --replay {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        write_files(folder / "input", files)
        (folder / "outcome.txt").write_text(f"{outcome.place}\n{outcome.text}\n", errors="backslashreplace")

    def print_table(self) -> None:
        """Print the counts of all runs."""
        columns = ("minutes", "inputs", "read", "refused", "findings", "slowest", "memory")
        print(f"\n{'reader':18}" + "".join(f"{column:>9}" for column in columns))
        for name, each in self.counts.items():
            print(
                f"{name:18}{each.seconds / 60:9.1f}{each.inputs:9,}{each.read:9,}{each.refused:9,}"
                f"{len(each.findings):9,}{each.slowest:8.2f}s{each.ratio:8.1f}x"
            )
        minutes = sum(each.seconds for each in self.counts.values()) / 60
        print(f"{'all':18}{minutes:9.1f}{sum(each.inputs for each in self.counts.values()):9,}", flush=True)


def _read_counts(path: Path) -> dict[str, Counts]:
    """Return the counts of earlier runs, and zeros for readers without any."""
    earlier = json.loads(path.read_text()) if path.is_file() else {}
    return {name: Counts(**earlier.get(name, {})) for name in READERS}


def write_files(folder: Path, files: Seed) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def replay(folder: Path) -> int:
    """Run the input of a finding in this process and print its outcome."""
    name = folder.resolve().name.rpartition("-")[0]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(folder / "input", Path(scratch, "input"))
        outcome = run_reader(READERS[name], Path(scratch, "input"))
    print(f"{name}: {outcome.kind}, {outcome.seconds:.2f} s, {outcome.memory / (1 << 20):.0f} MB\n{outcome.text}")
    return int(outcome.is_finding)

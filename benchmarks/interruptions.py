"""Kill a training at random moments, resume it each time, and compare its weights with an uninterrupted run's.

    python benchmarks/interruptions.py --kills 5 --folder interrupted \
        --training_dataset data/tvface/train/label.txt --epochs 20

All options of train.py but --save_folder, --resume, and --device are taken; both runs train on the CPU. They write to
FOLDER/uninterrupted, which is reused if it holds a finished run, and FOLDER/killed. The moments are drawn uniformly
over the duration of the uninterrupted run.
"""

import argparse
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--kills", type=int, default=5, help="number of kills (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments and of the training (default: 0)")
    parser.add_argument("--folder", type=Path, required=True, help="folder that both runs write to")
    args, of_training = parser.parse_known_args()
    command = [sys.executable, "train.py", "--device", "cpu", "--seed", str(args.seed), *of_training]
    uninterrupted, killed = (args.folder.resolve() / name for name in ("uninterrupted", "killed"))
    log = args.folder.resolve() / "seconds.txt"
    if not list(uninterrupted.glob("*_Final.pth")):
        log.parent.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        subprocess.run([*command, "--save_folder", uninterrupted], cwd=ROOT, check=True)
        log.write_text(str(time.monotonic() - begun))
    seconds = float(log.read_text())

    generator = random.Random(args.seed)
    moments = sorted(generator.uniform(0, seconds) for _ in range(args.kills))
    for wait in [after - before for before, after in zip([0, *moments], moments, strict=False)]:
        run = subprocess.Popen([*command, "--save_folder", killed, "--resume"], cwd=ROOT)
        try:
            run.wait(wait)
            sys.exit("the run ended before it was killed")
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.wait()
            print(f"killed after {wait:.0f} s", flush=True)
    subprocess.run([*command, "--save_folder", killed, "--resume"], cwd=ROOT, check=True)

    files = sorted(path.name for path in uninterrupted.glob("*.pth"))
    unequal = [name for name in files if not equal(uninterrupted / name, killed / name)]
    print(f"{len(files)} weight files, {len(unequal)} differ {unequal or ''}".rstrip())
    sys.exit(bool(unequal))


def equal(one: Path, other: Path) -> bool:
    """Return whether two state dict files are equal bit for bit."""
    first, second = (torch.load(path, weights_only=True) for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


if __name__ == "__main__":
    main()

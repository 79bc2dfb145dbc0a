"""Kill a training at random moments, let it go on, and compare its weights with those of a run left alone.

    python benchmarks/interruptions.py --kills 5 --folder interrupted \
        --training_dataset data/tvface/train/label.txt --epochs 20

All flags of train.py but --save_folder, --resume and --device are taken; both runs compute on the CPU. They write to
FOLDER/whole, which is used as it is where it holds a finished run, and FOLDER/killed. The moments are drawn evenly from
the seconds that the whole run took, each from the start or the last kill on.
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
    parser.add_argument("--kills", type=int, default=5, help="(default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments, and of the training (default: 0)")
    parser.add_argument("--folder", type=Path, required=True, help="where both runs write")
    args, of_training = parser.parse_known_args()
    command = [sys.executable, "train.py", "--device", "cpu", "--seed", str(args.seed), *of_training]
    whole, killed = (args.folder.resolve() / name for name in ("whole", "killed"))
    log = args.folder.resolve() / "seconds.txt"
    if not list(whole.glob("*_Final.pth")):
        log.parent.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        subprocess.run([*command, "--save_folder", whole], cwd=ROOT, check=True)
        log.write_text(str(time.monotonic() - begun))
    seconds = float(log.read_text())

    draw = random.Random(args.seed)
    moments = sorted(draw.uniform(0, seconds) for _ in range(args.kills))
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

    files = sorted(path.name for path in whole.glob("*.pth"))
    unequal = [name for name in files if not equal(whole / name, killed / name)]
    print(f"{len(files)} weight files, {len(unequal)} of them unequal {unequal or ''}")
    sys.exit(bool(unequal))


def equal(one: Path, other: Path) -> bool:
    """Whether two state dicts are the same, bit for bit."""
    first, second = (torch.load(path, weights_only=True) for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


if __name__ == "__main__":
    main()

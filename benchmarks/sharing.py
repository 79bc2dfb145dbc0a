"""Time one training, and two at once on the same cores, by how idle OpenMP threads wait.

    python benchmarks/sharing.py --training_dataset data/tvface/train/label.txt --no_pretrain --image_size 320

All options of train.py but --epochs and --save_folder are taken; all trainings run on the CPU. Idle threads spin for
milliseconds by default of GNU OpenMP, sleep at once with OMP_WAIT_POLICY=PASSIVE, and sleep after a short spin by the
default of train.py (utils/openmp.py).
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {
    "long spin": {"GOMP_SPINCOUNT": "300000"},
    "no spin": {"OMP_WAIT_POLICY": "PASSIVE"},
    "short spin, the default": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--epochs", type=int, default=2, help="the last one is timed (default: %(default)s)")
    args, of_training = parser.parse_known_args()
    command = [sys.executable, "train.py", "--device", "cpu", "--tensorboard", "false", *of_training]
    command += ["--epochs", str(args.epochs)]
    for count in (1, 2):
        for name, setting in SETTINGS.items():
            rates = " and ".join(f"{rate:.1f}" for rate in time_trainings(command, count, setting))
            print(f"{count} at once, {name}: {rates} images/s", flush=True)


def time_trainings(command: list[str], count: int, setting: dict[str, str]) -> list[float]:
    """Return the images/s of the last epoch of each of several trainings that run at the same time."""
    environment = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder, str(number)) for number in range(count)]
        runs = [
            subprocess.Popen(
                [*command, "--save_folder", each], cwd=ROOT, env=environment | setting, stdout=subprocess.DEVNULL
            )
            for each in folders
        ]
        statuses = [run.wait() for run in runs]
        if any(statuses):
            sys.exit("a training failed")
        rates = []
        for each in folders:
            (log,) = each.glob("*_log.csv")
            with log.open(newline="") as file:
                *_, last = csv.DictReader(file)
            rates.append(float(last["pictures_per_s"]))
        return rates


if __name__ == "__main__":
    main()

"""Detect the faces in the tv-dev images; val_dataset_evaluate/eval.py scores what this writes."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before PyTorch loads OpenMP; see docs/benchmarks.md

from data.splits import DEV
from engine.detect.split_cli import detect_split
from utils.errors import run

if __name__ == "__main__":
    run(lambda: detect_split(DEV))

"""Detect the faces in the tv-dev images; val_dataset_evaluate/eval.py scores the prediction files."""

from utils.openmp import configure_openmp

configure_openmp()  # before PyTorch is imported

from data.splits import DEV
from engine.detect.split_cli import detect_split
from utils.errors import run

if __name__ == "__main__":
    run(lambda: detect_split(DEV))

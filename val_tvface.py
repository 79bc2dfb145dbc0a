"""Detect the faces in the tv-dev pictures; val_dataset_evaluate/eval.py scores what this writes."""

from engine.detection_command import Split, detect_split
from utils.errors import run

SPLIT = Split(
    name="tv-dev",
    dataset_folder="data/tvface/val/images",
    list_name="tvval_list.txt",
    save_folder="val_dataset_evaluate/tvface_txt",
)

if __name__ == "__main__":
    run(lambda: detect_split(SPLIT))

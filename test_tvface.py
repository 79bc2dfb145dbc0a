"""Detect the faces in the tv-test pictures; test_dataset_evaluate/eval.py scores what this writes."""

from engine.detection_command import Split, detect_split
from utils.errors import run

SPLIT = Split(
    name="tv-test",
    dataset_folder="data/tvface/test/images",
    list_name="tvtest_list.txt",
    save_folder="test_dataset_evaluate/tvface_txt",
)

if __name__ == "__main__":
    run(lambda: detect_split(SPLIT))

"""The parts of a TV Face dataset: what their files are called, and what the scripts of the evaluated ones differ in."""

from dataclasses import dataclass

LABELS = {"train": "label.txt", "val": "tvval_label.txt", "test": "tvtest_label.txt"}

FIXED = "_fixed"  # what the names of cleaned copies end with; a folder's annotation is the other one


@dataclass(frozen=True)
class Split:
    """One part, with paths below the repository's root.

    Attributes:
        name: what people call it.
        images: folder of the images.
        list_name: the list of the images, beside that folder.
        detection_script: what detects faces in them.
        evaluation_folder: of its eval.py, the ground truth, the detections and the result.
        ground_truth_url: where the ground truth of TV Face is.
    """

    name: str
    images: str
    list_name: str
    detection_script: str
    evaluation_folder: str
    ground_truth_url: str


DEV = Split(
    name="tv-dev",
    images="data/tvface/val/images",
    list_name="tvval_list.txt",
    detection_script="val_tvface.py",
    evaluation_folder="val_dataset_evaluate",
    ground_truth_url="https://drive.google.com/drive/folders/1SnRVaS_l6U4yg6bfPCDdfupAza55mYUH",
)
TEST = Split(
    name="tv-test",
    images="data/tvface/test/images",
    list_name="tvtest_list.txt",
    detection_script="test_tvface.py",
    evaluation_folder="test_dataset_evaluate",
    ground_truth_url="https://drive.google.com/drive/folders/1YA60ZBHgFe3TPcpmNXTsEVWC5Fxm2oGi",
)

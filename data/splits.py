"""The splits of a TV Face dataset and the names of their files."""

from dataclasses import dataclass

LABELS = {"train": "label.txt", "val": "tvval_label.txt", "test": "tvtest_label.txt"}

FIXED = "_fixed"  # end of the names of cleaned copies, which are not read as a folder's annotation


@dataclass(frozen=True)
class Split:
    """A split with detection and evaluation scripts. Paths are below the repository's root.

    Attributes:
        name: its name in messages.
        images: folder of the images.
        list_name: list of the images, beside that folder.
        detection_script: detects faces in the images.
        evaluation_folder: has eval.py, the ground truth, the detections and the result.
        ground_truth_url: where to download the ground truth of TV Face.
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

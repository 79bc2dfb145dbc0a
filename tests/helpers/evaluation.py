"""Small prediction sets and ground truths for the tests of the evaluation."""

import json
from pathlib import Path

import numpy as np
import pytest

from data.annotations import Annotation
from evaluation.predictions import load_predictions
from tests.helpers.scripts import SHARED
from utils.errors import UserError

WIDER = SHARED / "wider_val"
FACE = [0, 0, 9, 9]

LABELS = "# news/one.jpg\n10 10 40 40\n100 10 40 40\n# two.jpg\n# three.jpg\n30 30 20 20\n"
DETECTIONS = {
    "news/one": "one\n3\n10 11 40 40 0.98\n100 10 40 40 0.6\n200 200 9 9 0.3\n",
    "two": "two\n1\n5 5 50 50 0.4\n",
    "three": "three\n0\n",
}
ONE = "one\n2\n10 11 40 40 0.98\n100 10 40 40 0.6\n"


def images(*names: str, ids: tuple[int | str, ...] | None = None) -> list[Annotation]:
    """Return images without faces."""
    ids = ids or (None,) * len(names)
    return [
        Annotation(name, np.empty((0, 4)), np.empty((0, 5, 2)), identity=identity)
        for name, identity in zip(names, ids, strict=True)
    ]


def score_of(name: str) -> float:
    return len(name) + sum(name.encode()) / 65536


def record(image_id: object, score: object = 0.5, box: object = (1, 2, 3, 4), category: object = 1) -> dict:
    return {"image_id": image_id, "category_id": category, "bbox": box, "score": score}


def refusal(path: Path, *arguments) -> str:
    """Return the one line that refuses the predictions."""
    with pytest.raises(UserError) as error:
        load_predictions(path, *arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def summary(folder: Path, name: str = "pred") -> dict:
    return json.loads((folder / "result" / "ap.json").read_text())["models"][name]


def labelled_image(name: str, boxes: list, counts: list[bool] | None = None) -> Annotation:
    """Return an annotation of x1 y1 x2 y2 boxes; faces whose `counts` is False are ignored."""
    attributes = {} if counts is None else {"invalid": 1.0 - np.array(counts, float)}
    landmarks = np.full((len(boxes), 5, 2), -1.0)
    return Annotation(name, np.array(boxes, float).reshape(-1, 4), landmarks, attributes)

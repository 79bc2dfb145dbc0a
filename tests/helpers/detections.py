"""Reading and comparing detections."""

import json
from pathlib import Path

import numpy as np

from models.detector import Detector

DETECT_FLAGS = ("--network", "mobile0.25", "--cpu", "--keep_top_k", 4, "--confidence_threshold", 0.3)


def lines(path: Path) -> list[dict]:
    """Read a detections.jsonl."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_faces(found: list[dict], image: np.ndarray, detector: Detector) -> None:
    """Assert that the faces of a detections.jsonl line are those that the detector finds in the image."""
    expected = detector(image)
    assert len(found) == len(expected.scores) > 0
    np.testing.assert_allclose([face["box"] for face in found], expected.boxes, atol=0.02)
    np.testing.assert_allclose([face["score"] for face in found], expected.scores, atol=1e-3)


def read_detections(path) -> np.ndarray:
    """Return (N, 5) x y w h score of a prediction file."""
    name, count, *rows = path.read_text().splitlines()
    assert name == path.stem
    assert int(count) == len(rows)
    return np.array([row.split() for row in rows], float).reshape(-1, 5)

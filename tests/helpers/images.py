"""Small drawn images and datasets."""

from pathlib import Path

import cv2
import numpy as np


def draw_image(path: Path, boxes: list[tuple[int, int, int, int]], size=(96, 128), seed: int = 0) -> None:
    """Write a noisy image of (height, width) with a bright ellipse in each x y w h box."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 80, (*size, 3), dtype=np.uint8)
    for x, y, w, h in boxes:
        cv2.ellipse(image, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, (150, 180, 220), cv2.FILLED)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_dataset(folder: Path, boxes: dict[int, list[tuple[int, int, int, int]]]) -> Path:
    """Draw an image with x y w h boxes for each number, and return their label.txt."""
    lines = []
    for number, faces in boxes.items():
        draw_image(folder / "images" / f"{number}.jpg", faces, seed=number)
        lines += [f"# {number}.jpg", *(" ".join(map(str, box)) for box in faces)]
    (folder / "label.txt").write_text("\n".join(lines) + "\n")
    return folder / "label.txt"

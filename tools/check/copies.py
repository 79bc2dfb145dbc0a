"""Duplicate images: equal files, and near copies by the correlation of thumbnails."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tools.check.image_checks import ImageChecks

# Correlation of thumbnails of a near copy. Of 300 images, all that were recompressed at quality 10 or scaled by 0.3
# reach it, 98 to 100 % of brightened ones, a third of those cropped by 3 % on each side or with a large logo, and no
# flipped ones. Other images of the same scene stay below, the same people elsewhere below 0.9.
NEAR_COPY = 0.95
MIN_CONTRAST = 4.0  # standard deviation in gray levels; images with less are not compared
BLOCK = 1024


class Copy(NamedTuple):
    """An image, the earlier image that it is a copy of, and their similarity: 1 for equal files."""

    image: int
    earlier: int
    similarity: float


def find_copies(images: Sequence[ImageChecks], listed: Sequence[np.ndarray]) -> list[Copy]:
    """Find for each image the most similar earlier image of each split, if it is a copy.

    Args:
        images: the checks of each split; images are numbered through all splits.
        listed: for each split (P,) bool, its images that have a record; other images are not compared.

    Returns:
        At most one copy for each image and split, in the order of the images.
    """
    ends = np.cumsum([len(split.digests) for split in images]).tolist()
    splits = [range(end - len(split.digests), end) for end, split in zip(ends, images, strict=True)]
    is_listed = np.concatenate(listed)
    vectors = _normalize(np.concatenate([split.thumbnails for split in images])) * is_listed[:, None]
    digests = [digest for split in images for digest in split.digests]
    equal = _equal_files([digest if use else b"" for digest, use in zip(digests, is_listed, strict=True)], splits)
    copies = []
    for start in range(0, len(vectors), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(vectors)))
        for number, split in enumerate(splits):
            similarity, earlier = _most_similar(vectors, rows, split)
            copies += [
                Copy(int(rows[i]), int(earlier[i]), float(min(similarity[i], 0.9999)))  # 1 is for equal files
                for i in np.flatnonzero(similarity >= NEAR_COPY)
                if (int(rows[i]), number) not in equal
            ]
    copies += [Copy(image, earlier, 1.0) for (image, _), earlier in equal.items()]
    return sorted(copies)


def _normalize(thumbnails: np.ndarray) -> np.ndarray:
    """Return (P, S * S) float32 vectors whose dot products are correlations; zero for flat images."""
    vectors = thumbnails.reshape(len(thumbnails), math.prod(thumbnails.shape[1:])).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = norms < MIN_CONTRAST * np.sqrt(vectors.shape[1])
    return np.where(flat, 0, vectors / np.maximum(norms, 1e-9)).astype(np.float32)


def _most_similar(vectors: np.ndarray, rows: np.ndarray, split: range) -> tuple[np.ndarray, np.ndarray]:
    """Find the most similar earlier image of a split for each of R rows.

    Returns:
        (R,) float32 its similarity, -1 if no image is earlier, and (R,) int64 its number.
    """
    best, earlier = np.full(len(rows), -1, np.float32), np.zeros(len(rows), np.int64)
    for start in range(split.start, min(split.stop, rows[-1]), BLOCK * 4):
        columns = np.arange(start, min(start + BLOCK * 4, split.stop, rows[-1]))
        similarity = vectors[rows] @ vectors[columns].T
        similarity[columns >= rows[:, None]] = -1
        at = similarity.argmax(axis=1)
        values = similarity[np.arange(len(rows)), at]
        earlier = np.where(values > best, columns[at], earlier)
        best = np.maximum(best, values)
    return best, earlier


def _equal_files(digests: Sequence[bytes], splits: Sequence[range]) -> dict[tuple[int, int], int]:
    """Return (image, split) -> the first equal file of that split, if it is earlier."""
    equal = {}
    seen: dict[bytes, dict[int, int]] = {}
    for number, split in enumerate(splits):
        for image in split:
            if digests[image]:
                firsts = seen.setdefault(digests[image], {})
                equal |= {(image, earlier_split): earlier for earlier_split, earlier in firsts.items()}
                firsts.setdefault(number, image)
    return equal

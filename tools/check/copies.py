"""Images that are there twice: the same file, or the same view."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tools.check.image_checks import Looks

# Correlation of thumbnails. Of 300 images, all recompressed at quality 10 or scaled to 0.3 reach it, and 98 to 100 %
# of those made brighter; of those with 3 % cut off each side or a large logo put in, a third, and mirrored ones do not.
# Other images of the same scene stay below, and the same people in another place below 0.9.
NEAR = 0.95
FLAT = 4.0  # grey levels of standard deviation, below which an image shows nothing to compare
BLOCK = 1024


class Copy(NamedTuple):
    """An image, an earlier one that it is a copy of, and how alike the two are: 1 for equal files."""

    image: int
    earlier: int
    likeness: float


def find_copies(looks: Sequence[Looks], used: Sequence[np.ndarray]) -> list[Copy]:
    """Return for each image the most alike of the earlier ones in each part, if it is a copy.

    Args:
        looks: what was seen of each part's images, which are numbered through all parts.
        used: for each part (P,) bool, its images that a training or a score would use; the others are no copies.

    Returns:
        At most one copy for an image and a part, in the order of the images.
    """
    ends = np.cumsum([len(part.digests) for part in looks]).tolist()
    parts = [range(end - len(part.digests), end) for end, part in zip(ends, looks, strict=True)]
    is_used = np.concatenate(used)
    vectors = _normalised(np.concatenate([part.thumbnails for part in looks])) * is_used[:, None]
    digests = [digest for part in looks for digest in part.digests]
    same = _same_files([digest if use else b"" for digest, use in zip(digests, is_used, strict=True)], parts)
    copies = []
    for start in range(0, len(vectors), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(vectors)))
        for number, part in enumerate(parts):
            likeness, earlier = _most_alike(vectors, rows, part)
            copies += [
                Copy(int(rows[i]), int(earlier[i]), float(min(likeness[i], 0.9999)))  # 1 is for equal files
                for i in np.flatnonzero(likeness >= NEAR)
                if (int(rows[i]), number) not in same
            ]
    copies += [Copy(image, earlier, 1.0) for (image, _), earlier in same.items()]
    return sorted(copies)


def _normalised(thumbnails: np.ndarray) -> np.ndarray:
    """Return (P, S * S) float32 whose products are correlations; zero for flat images, which match nothing."""
    vectors = thumbnails.reshape(len(thumbnails), math.prod(thumbnails.shape[1:])).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = norms < FLAT * np.sqrt(vectors.shape[1])
    return np.where(flat, 0, vectors / np.maximum(norms, 1e-9)).astype(np.float32)


def _most_alike(vectors: np.ndarray, rows: np.ndarray, part: range) -> tuple[np.ndarray, np.ndarray]:
    """Return (R,) float32 and (R,) int64: of each row's image the likeness to the most alike earlier one of a part.

    Where there is none it is -1.
    """
    best, earlier = np.full(len(rows), -1, np.float32), np.zeros(len(rows), np.int64)
    for start in range(part.start, min(part.stop, rows[-1]), BLOCK * 4):
        columns = np.arange(start, min(start + BLOCK * 4, part.stop, rows[-1]))
        likeness = vectors[rows] @ vectors[columns].T
        likeness[columns >= rows[:, None]] = -1
        at = likeness.argmax(axis=1)
        values = likeness[np.arange(len(rows)), at]
        earlier = np.where(values > best, columns[at], earlier)
        best = np.maximum(best, values)
    return best, earlier


def _same_files(digests: Sequence[bytes], parts: Sequence[range]) -> dict[tuple[int, int], int]:
    """Return (image, part) -> the first image of that part which is an earlier, equal file."""
    same = {}
    seen: dict[bytes, dict[int, int]] = {}
    for number, part in enumerate(parts):
        for image in part:
            if digests[image]:
                firsts = seen.setdefault(digests[image], {})
                same |= {(image, earlier_part): earlier for earlier_part, earlier in firsts.items()}
                firsts.setdefault(number, image)
    return same

"""Scale the values of deep images to 8 bits."""

import numpy as np

BIT_DEPTHS = (8, 10, 12, 14, 16, 20, 24, 32)  # of cameras and of files
DARK = 16  # of 255; an image without such values is nearly black
MOST_BRIGHT = 1e-4  # share of the values of such an image that are larger: broken pixels of a sensor, but no face


def scale_to_bytes(values: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Scale an image of more than 8 bits so that the largest value of its bit depth becomes 255.

    Files of 16 bits often hold the 10, 12 or 14 bits of a camera, and say so nowhere. The bit depth is the smallest of
    BIT_DEPTHS that holds all values. Where all values are multiples of 256, or of 257, a converter has made them of 8
    bits, and the depth is that of the file.

    Args:
        values: any shape, integers or floating-point numbers. 1 is white for the latter, unless there are values over
            2: then it is the largest value of the bit depth that holds them.

    Returns:
        the same shape, uint8; and what was used of the range, or None if the file uses its full depth.
    """
    if values.dtype.kind == "f":
        return _scale_floats(values)
    values, depth = values.clip(0), values.dtype.itemsize * 8
    largest = int(values.max(initial=0))
    bits = next(bits for bits in BIT_DEPTHS if largest < 1 << bits)
    if depth == 16 and largest > 255 and not ((values & 255).any() and (values % 257).any()):
        bits = depth
    used = f"uses {bits} of {depth} bits" if bits < depth and largest else None
    return (values >> (bits - 8)).astype(np.uint8), used


def _scale_floats(values: np.ndarray) -> tuple[np.ndarray, str | None]:
    values = np.nan_to_num(values.astype(np.float32), nan=0, posinf=0, neginf=0)
    largest = float(values.max(initial=0))
    white = 1.0 if largest <= 2 else next((2.0**bits - 1 for bits in BIT_DEPTHS if largest < 1 << bits), largest)
    scaled = np.rint(values * (255 / white)).clip(0, 255).astype(np.uint8)
    return scaled, f"floating-point numbers up to {largest:.4g}; {white:g} is white"

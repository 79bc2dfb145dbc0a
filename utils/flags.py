"""Types of command-line flags that argparse lacks."""

import argparse
import math


def boolean(text: str) -> bool:
    """Read true or false, yes or no, 1 or 0."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected true or false")
    return known[text.lower()]


def positive_int(text: str) -> int:
    """Read a whole number from 1 up."""
    return _int_from(1, text)


def image_side(text: str) -> int:
    """Read a number of pixels from 64 up: in less, the coarsest map has no two cells to normalise over."""
    return _int_from(64, text)


def natural_int(text: str) -> int:
    """Read a whole number from 0 up."""
    return _int_from(0, text)


def resamples(text: str) -> int:
    """Read 0, or a number of bootstrap samples that gives an interval: 100 to 100,000."""
    value = natural_int(text)
    if value and not 100 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"found {value}; expected 0, or 100 to 100000")
    return value


def _int_from(smallest: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number") from error
    if not smallest <= value < 2**63:
        most = ", up to 63 bits" if value >= 2**63 else ""
        raise argparse.ArgumentTypeError(f"found {value}; expected {smallest} or more{most}")
    return value


def natural_float(text: str) -> float:
    """Read a finite number from 0 up."""
    value = _float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"found {text}; expected 0 or more")
    return value


def positive_float(text: str) -> float:
    """Read a finite number over 0."""
    value = _float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"found {text}; expected more than 0")
    return value


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    value = _float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected 0 to 1")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number") from error

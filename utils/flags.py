"""Argument types for argparse."""

import argparse
import math


def boolean(text: str) -> bool:
    """Parse true or false, yes or no, 1 or 0."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected true or false")
    return known[text.lower()]


def positive_int(text: str) -> int:
    """Parse an integer of at least 1."""
    return _int_from(1, text)


def image_side(text: str) -> int:
    """Parse a number of pixels of at least 64: below, the coarsest map is too small for batch normalization."""
    return _int_from(64, text)


def natural_int(text: str) -> int:
    """Parse an integer of at least 0."""
    return _int_from(0, text)


def resamples(text: str) -> int:
    """Parse a number of bootstrap samples: 0, or 100 to 100,000."""
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
    """Parse a finite number of at least 0."""
    value = _float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"found {text}; expected 0 or more")
    return value


def positive_float(text: str) -> float:
    """Parse a finite number greater than 0."""
    value = _float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"found {text}; expected more than 0")
    return value


def fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = _float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected 0 to 1")
    return value


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number") from error

"""Types of command-line flags that argparse lacks."""

import argparse


def boolean(text: str) -> bool:
    """Read true or false, yes or no, 1 or 0."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected true or false")
    return known[text.lower()]


def positive_int(text: str) -> int:
    """Read a whole number from 1 up."""
    return _int_from(1, text)


def natural_int(text: str) -> int:
    """Read a whole number from 0 up."""
    return _int_from(0, text)


def _int_from(smallest: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number") from error
    if value < smallest:
        raise argparse.ArgumentTypeError(f"found {value}; expected {smallest} or more")
    return value


def fraction(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number") from error
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text}; expected 0 to 1")
    return value

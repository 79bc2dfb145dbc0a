"""The compiled modules of the evaluation."""

from types import ModuleType

from utils.compiled import load_compiled


def load_extension(name: str) -> ModuleType | None:
    """Return the compiled module evaluation.`name`, or None if it is not built."""
    return load_compiled(
        f"evaluation.{name}",
        "the compiled scorer is missing, reading and scoring in Python and NumPy instead, which is slower",
    )

"""How OpenMP threads wait for work, which decides how several programs share the cores of a machine."""

import os


def configure_openmp() -> None:
    """Let idle OpenMP threads sleep after a short spin; call this before PyTorch is imported.

    By default GNU OpenMP spins for milliseconds, and two programs on the same cores slow each other down many times
    over. Sleeping at once costs a program that is alone an eighth of its speed, a short spin half of that
    (docs/benchmarks.md). Nothing is changed if the user has set how threads wait.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & os.environ.keys():
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ["GOMP_SPINCOUNT"] = "1000"  # GNU OpenMP; it takes precedence over the policy

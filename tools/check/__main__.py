"""python -m tools.check: find what is wrong with a dataset before a training does."""

from utils.errors import run

if __name__ == "__main__":
    # Here, since the processes that decode images import this file, too, and need nothing of it.
    from tools.check.check_cli import main

    run(main)

"""python -m tools.check: find what is wrong with a dataset before training."""

from utils.errors import run

if __name__ == "__main__":
    # Imported here: the workers that decode images may import this file, too, and need nothing of it.
    from tools.check.check_cli import main

    run(main)

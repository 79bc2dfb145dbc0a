"""python -m data.check: find what is wrong with a dataset before a training does."""

from utils.errors import run

if __name__ == "__main__":
    # Here, since the processes that decode pictures import this file, too, and need nothing of it.
    from data.check.command import main

    run(main)

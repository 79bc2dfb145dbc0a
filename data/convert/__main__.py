"""python -m data.convert: between annotation formats, and to datasets ready for training and evaluation."""

from data.convert.command import main
from utils.errors import run

if __name__ == "__main__":
    run(main)

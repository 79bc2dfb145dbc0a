"""python -m tools.convert: between annotation formats, and to datasets ready for training and evaluation."""

from tools.convert.convert_cli import main
from utils.errors import run

if __name__ == "__main__":
    run(main)

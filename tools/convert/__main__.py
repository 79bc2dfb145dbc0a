"""python -m tools.convert: convert annotations to other formats and to datasets for training and evaluation."""

from tools.convert.convert_cli import main
from utils.errors import run

if __name__ == "__main__":
    run(main)

"""python -m tools.sample: draw a small labelled dataset of television-like images."""

from tools.sample.sample_cli import main
from utils.errors import run

if __name__ == "__main__":
    run(main)

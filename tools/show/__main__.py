"""python -m tools.show: contact sheets of images and training samples, and plots of distributions."""

from tools.show.show_cli import main
from utils.errors import run

if __name__ == "__main__":
    run(main)

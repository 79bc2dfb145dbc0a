"""python -m data.show: contact sheets of pictures and training samples, and plots of distributions."""

from data.show.command import main
from utils.errors import run

if __name__ == "__main__":
    run(main)

"""Score the detections of the tv-test images: from this folder or the root, see --help."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the packages lie at the repository's root

    from data.splits import TEST
    from evaluation.eval_cli import score_split
    from utils.errors import run

    run(lambda: score_split(TEST))

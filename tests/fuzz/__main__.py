"""Run the readers on changed files until the time is over: no traceback, no hang, no more than ten times the memory.

    make fuzz                                              five minutes
    python -m tests.fuzz --minutes 60 --seed 3             longer, with other inputs
    python -m tests.fuzz --only coco video                 some readers
    python -m tests.fuzz --replay fuzz_findings/coco-1     one input again, with its traceback

The input of each finding is written to fuzz_findings/, and so are the counts, which go on from run to run
(counts.json). The exit status is 1 where the run has findings.
"""

import argparse
import sys
from pathlib import Path

from tests.fuzz.campaign import Campaign, replay
from tests.fuzz.readers import READERS


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=float, default=5, metavar="N", help="duration (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="of the inputs (default: %(default)s)")
    names = ", ".join(READERS)
    add("--only", nargs="+", choices=list(READERS), metavar="NAME", help=f"readers (default: all): {names}")
    add("--out", type=Path, default=Path("fuzz_findings"), metavar="DIR", help="findings (default: %(default)s)")
    add("--replay", type=Path, metavar="DIR", help="folder of a finding")
    args = parser.parse_args()
    if args.replay:
        return replay(args.replay)
    campaign = Campaign(args.only or list(READERS), args.seed, args.out)
    try:
        campaign.run(args.minutes * 60)
    finally:
        campaign.close()
    return int(bool(campaign.findings))


if __name__ == "__main__":
    sys.exit(main())

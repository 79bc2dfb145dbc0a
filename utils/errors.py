"""A user's mistake is one line on stderr and exit status 2, never a traceback."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Something that the user can mend. The message names the file, what was found and what to do."""


def run(main: Callable[[], object]) -> None:
    """Call a script's main() and turn its outcome into an exit status.

    0 when it returns, 2 for a UserError or a file that the system refuses, 130 for Ctrl-C. Anything else is a
    defect of this program and keeps its traceback.
    """
    try:
        main()
    except UserError as error:
        # An exception from a DataLoader's worker arrives with the worker's traceback as its message, in which
        # the last line is "module.Class: original message".
        last_line = (str(error).strip().splitlines() or [""])[-1]
        message = last_line.removeprefix(f"{UserError.__module__}.{UserError.__qualname__}: ")
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)

"""A user's mistake is one line on stderr and exit status 2, never a traceback."""

import errno
import os
import sys
from collections.abc import Callable

UNREADABLE = 3  # exit status of a run that did everything but for what could not be read


class UserError(Exception):
    """Something that the user can mend. The message names the file, what was found and what to do."""


class ImageError(UserError):
    """What is wrong with one image, and with no other."""


def run(main: Callable[[], object]) -> None:
    """Call a script's main() and turn its outcome into an exit status.

    0 when it returns, 2 for a UserError or a file that the system refuses, 130 for Ctrl-C. Anything else is a
    defect of this program and keeps its traceback.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may hold letters that the terminal has not
    try:
        main()
    except UserError as error:
        message = str(error)
        if "DataLoader worker" in message:
            # It arrives with the worker's traceback, in which the last line is "module.Class: original message".
            message = message.strip().splitlines()[-1]
            message = message.removeprefix(f"{UserError.__module__}.{UserError.__qualname__}: ")
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC):  # stdout: a file would have a name
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's end fails likewise
            print(f"error: the output cannot be written ({error.strerror})", file=sys.stderr)
            sys.exit(2)
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)

"""Errors that the user can fix: one line on stderr and exit status 2, without a traceback."""

import errno
import os
import sys
from collections.abc import Callable

UNREADABLE = 3  # exit status of a complete run with unreadable images


class UserError(Exception):
    """An error that the user can fix. The message names the file, what was found and what to do."""


class ImageError(UserError):
    """An error of one image, which does not affect other images."""


def run(main: Callable[[], object]) -> None:
    """Call a script's main() and exit with its status.

    The status is 0 when main returns, 2 for a UserError or an OSError of a file, and 130 for Ctrl-C. Any other
    exception is a bug and keeps its traceback.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal may not have all letters of a name
    try:
        main()
    except UserError as error:
        message = str(error)
        if "DataLoader worker" in message:
            # It has the worker's traceback, with "module.Class: original message" in the last line.
            message = message.strip().splitlines()[-1]
            message = message.removeprefix(f"{UserError.__module__}.{UserError.__qualname__}: ")
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC):  # of stdout: files have a name
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else flushing fails again at exit
            print(f"error: the output cannot be written ({error.strerror})", file=sys.stderr)
            sys.exit(2)
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)

"""What image decoders print on stderr, caught, so that a message can name its image."""

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

Result = TypeVar("Result")
STDERR = 2
# The lines of libjpeg, libpng and libtiff.
MESSAGE = re.compile(
    rb"(?:Corrupt JPEG data|Premature end|Invalid \w+ parameters|Inconsistent progression|Unknown Adobe color"
    rb"|Warning: unknown JFIF|Application transferred|libpng (?:warning|error)|\w+Decode\w*: |\w+\.tif: )[^\n]*\n"
)
# Others are about harmless details, such as "libpng warning: iCCP: known incorrect sRGB profile".
DAMAGE = re.compile(r"Corrupt JPEG data|Premature end|Invalid \w+ parameters|Inconsistent progression|CRC error")


class DecoderMessages:
    """Catches what decoders write to the file descriptor of stderr, in all threads of the process.

    While any thread decodes, the descriptor leads to a temporary file. What other threads write meanwhile is passed
    on. If a message arrives while two threads decode, it may be of either image, so an image is decoded again alone.
    """

    def __init__(self):
        self.process = os.getpid()
        self.changed = threading.Condition()
        self.decoding = 0  # threads
        self.is_alone = False
        self.messages: list[str] = []  # since the first of these threads began
        # Open until the process ends; None on Windows, where decoders have a stderr of their own.
        self.file = tempfile.TemporaryFile() if hasattr(os, "pread") else None  # noqa: SIM115
        self.stderr: int | None = None  # a copy of the descriptor, while it is redirected
        self.position = 0

    def catch(self, decode: Callable[[], Result]) -> tuple[Result, str | None]:
        """Return decode()'s result, and the first message that means damage, or None."""
        with self._redirected() as messages:
            result = decode()
        if messages:
            with self._redirected(alone=True) as messages:
                result = decode()
        return result, next(filter(DAMAGE.search, messages), None)

    @contextmanager
    def _redirected(self, alone: bool = False) -> Iterator[list[str]]:
        """Redirect stderr; the yielded list has the messages when the block has ended."""
        found = []
        with self.changed:
            self.changed.wait_for(lambda: not self.is_alone)
            if alone:
                self.is_alone = True
                self.changed.wait_for(lambda: not self.decoding)
            if not self.decoding:
                self._redirect()
            self.decoding += 1
            before = len(self.messages)
        try:
            yield found
        finally:
            with self.changed:
                self._read()
                found += self.messages[before:]
                self.decoding -= 1
                if not self.decoding:
                    self._restore()
                self.is_alone = self.is_alone and not alone
                self.changed.notify_all()

    def _redirect(self) -> None:
        if self.file is not None:
            with suppress(OSError):  # a process without stderr
                self.stderr = os.dup(STDERR)
                os.dup2(self.file.fileno(), STDERR)

    def _read(self) -> None:
        """Read what is new in the file: keep messages, and pass the rest on."""
        if self.stderr is None or not (size := os.fstat(self.file.fileno()).st_size - self.position):
            return
        text = os.pread(self.file.fileno(), size, self.position)
        self.position += len(text)
        self.messages += [message.decode("utf-8", "replace").strip() for message in MESSAGE.findall(text)]
        with suppress(OSError):  # a terminal that was closed
            os.write(self.stderr, MESSAGE.sub(b"", text))

    def _restore(self) -> None:
        self.messages = []
        if self.stderr is None:
            return
        os.dup2(self.stderr, STDERR)
        os.close(self.stderr)
        self.stderr = None
        if self.position:
            os.ftruncate(self.file.fileno(), 0)
            os.lseek(self.file.fileno(), 0, os.SEEK_SET)
            self.position = 0


_starting = threading.Lock()
_current: DecoderMessages | None = None


def catch_damage(decode: Callable[[], Result]) -> tuple[Result, str | None]:
    """Return the result of decode(), and the message of the decoder about damaged data, or None."""
    global _current
    if _current is None or _current.process != os.getpid():
        with _starting:
            if _current is not None and _current.process != os.getpid() and _current.stderr is not None:
                os.dup2(_current.stderr, STDERR)  # a fork, while a thread of the parent was decoding
            if _current is None or _current.process != os.getpid():
                _current = DecoderMessages()
    return _current.catch(decode)

"""What a sweep prints on: a terminal or a pipe, either of which may go away while it runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast


def enduring(stream: IO[str] | None) -> IO[str] | None:
    """Return a stream that goes on in silence once its terminal, or the reader of its pipe, has gone away.

    A sweep of days does not depend on who looks at it. A terminal that is closed sends SIGHUP as well, which ends a
    sweep in good order unless it was started by ``nohup``.

    Args:
        stream: Such as ``sys.stdout``; None, as that is where it was closed from the start, stays None.
    """
    return None if stream is None else cast("IO[str]", _Enduring(stream))


class _Enduring:
    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._unless_gone():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._unless_gone():
            self._stream.flush()

    @contextmanager
    def _unless_gone(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # for what is yet to come, and for the interpreter's last flush
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

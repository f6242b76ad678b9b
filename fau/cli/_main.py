"""What the command-line programs share: errors as one sentence, and exit codes."""

from __future__ import annotations

import errno
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fau
from fau.errors import FauError

EXIT_ERROR = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM

_WAYS_OUT = {
    errno.ENOENT: "no such file or folder can be opened or made there; name another path",
    errno.EEXIST: "something else is in its place; remove it, or name another path",
    errno.ENOTDIR: "a file is where a folder should be; remove it, or name another path",
    errno.EISDIR: "a folder is where a file should be; remove it, or name another path",
    errno.ENOSPC: "make room and give the same command again",
    errno.EDQUOT: "make room and give the same command again",
} | dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change the permissions, or name another path")


def guarded(program: str, body: Callable[[], int]) -> int:
    """Run the body of a program and turn what users can mend into one sentence on stderr.

    Args:
        program: Name to print before the sentence.
        body: The program; returns its exit status.

    Returns:
        The body's status, 2 after a ``FauError`` or a full disk, 130 after Ctrl-C.

    Raises:
        SystemExit: As the body did; after SIGTERM, with status 143, that is said first.
    """
    try:
        return body()
    except FauError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print(f"{program}: interrupted; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    except SystemExit as error:
        if error.code == EXIT_TERMINATED:
            print(f"{program}: terminated; give the same command again", file=sys.stderr)
        raise
    except BrokenPipeError:
        # The reader, such as `head`, went away; there is nobody left to tell.
        sys.stderr.close()
        return EXIT_ERROR
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        way_out = f"; {_WAYS_OUT[error.errno]}" if error.errno in _WAYS_OUT else ""
        print(f"{program}: error: {error.strerror or error}{where}{way_out}", file=sys.stderr)
        return EXIT_ERROR


@contextmanager
def plain_warnings(program: str) -> Iterator[None]:
    """Print the warnings that fau's own code gives as one line each, without file, line and source."""
    before, own = warnings.formatwarning, str(Path(fau.__file__).parent)

    def formatted(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if filename.startswith(own):
            return f"{program}: warning: {message}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = formatted
    try:
        yield
    finally:
        warnings.formatwarning = before

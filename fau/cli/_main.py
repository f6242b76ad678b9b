"""What the command-line programs share: errors as one sentence, and exit codes."""

from __future__ import annotations

import errno
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fau
from fau.cli import _early
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


def guarded(
    program: str,
    body: Callable[[], int],
    again: str = "the same command",
    resumes: bool = True,
    said: set[str] | None = None,
) -> int:
    """Run the body of a program and turn what users can mend into one sentence on stderr.

    Args:
        program: Name to print before the sentence.
        body: The program; returns its exit status.
        again: What goes on where this call was interrupted.
        resumes: Whether it does, or begins anew.
        said: Errors that were printed before and are not printed again; takes this one.

    Returns:
        The body's status, 2 after a ``FauError`` or a full disk, 130 after Ctrl-C.

    Raises:
        SystemExit: As the body did; after SIGTERM, with status 143, that is said first.
    """
    _early.stop_listening()

    def refuse(sentence: str) -> int:
        if said is None or sentence not in said:
            print(f"{program}: error: {sentence}", file=sys.stderr)
        if said is not None:
            said.add(sentence)
        return EXIT_ERROR

    try:
        with _termination_raised():
            return body()
    except FauError as error:
        return refuse(_plain(str(error)))
    except KeyboardInterrupt:
        print(f"{program}: interrupted; {again} {'goes on from here' if resumes else 'begins anew'}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except SystemExit as error:
        if error.code == EXIT_TERMINATED:
            print(f"{program}: terminated; give {again} again", file=sys.stderr)
        raise
    except BrokenPipeError:
        # The reader, such as `head`, went away; there is nobody left to tell.
        sys.stderr.close()
        return EXIT_ERROR
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        way_out = f"; {_WAYS_OUT[error.errno]}" if error.errno in _WAYS_OUT else ""
        return refuse(f"{error.strerror or error}{where}{way_out}")


def refuse_file(folder: Path | None, flag: str = "--out") -> None:
    """Refuse a file, or a link to nothing, where a folder is to be written, before the work that would be lost.

    Raises:
        FauError: If it is one.
    """
    if folder is not None and (folder.exists() or folder.is_symlink()) and not folder.is_dir():
        raise FauError(f"'{folder}' is no folder; choose another one with {flag}, or remove it")


def _plain(text: str) -> str:
    """Return a sentence in one line: what a damaged file put into it moves no cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def _termination_raised() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that it is said and tidied up after, where nobody else takes it."""

    def end(_number: int, _frame: object) -> None:
        if signal.getsignal(signal.SIGTERM) is not end:
            return  # Lightning's handler calls this one, and ends the training in its own time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(EXIT_TERMINATED)

    free = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not free or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


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

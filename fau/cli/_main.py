"""What the command-line programs share: errors as one sentence, and exit codes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from fau.errors import FauError

EXIT_ERROR = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM


def guarded(program: str, body: Callable[[], int]) -> int:
    """Run the body of a program and turn what users can mend into one sentence on stderr.

    Args:
        program: Name to print before the sentence.
        body: The program; returns its exit status.

    Returns:
        The body's status, 2 after a ``FauError`` or a full disk, 130 after Ctrl-C.
    """
    try:
        return body()
    except FauError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print(f"{program}: interrupted; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, went away; there is nobody left to tell.
        sys.stderr.close()
        return EXIT_ERROR
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        print(f"{program}: error: {error.strerror or error}{where}", file=sys.stderr)
        return EXIT_ERROR

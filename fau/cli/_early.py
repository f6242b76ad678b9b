"""Ctrl-C and SIGTERM while a program is still being imported, which takes seconds: one sentence and no traceback.

``guarded`` takes over as soon as the program runs. Nothing has been begun before that, so nothing has to be tidied up.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def _leave(number: int, _frame: object) -> None:
    word = f"{program()}: {_WORDS[signal.Signals(number)]} before it began; give the same command again\n"
    os.write(sys.stderr.fileno(), word.encode())
    os._exit(128 + number)


def program() -> str:
    """Return the name of the running program."""
    return Path(sys.argv[0]).stem


def listen() -> None:
    """Take both signals, if this process is one of our programs and nobody else takes them."""
    if not program().startswith("fau-") or threading.current_thread() is not threading.main_thread():
        return
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is default:
            signal.signal(number, _leave)


def stop_listening() -> None:
    """Hand both signals back."""
    for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is _leave:
            signal.signal(number, default)

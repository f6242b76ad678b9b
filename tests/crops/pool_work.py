"""What the workers of the tests do; they import this file and little else."""

from __future__ import annotations

import errno
import time
from pathlib import Path

from fau.crops.pool import advance, shared, stopped


def work(item: int) -> tuple[int, object, bool]:
    advance(item)
    return item, shared(), stopped()


def work_until_seen(item: str) -> str:
    """Report, and go on until the caller has seen it: it then makes the file of this name."""
    if item:
        advance(5)
        deadline = time.monotonic() + 300
        while not Path(item).exists():
            if time.monotonic() > deadline:
                raise TimeoutError("nobody saw the report")
            time.sleep(0.01)
    return item


def fail(item: int) -> None:
    if item:
        raise OSError(errno.EIO, "Input/output error", "file")
    for _ in range(6000):  # ten minutes, unless it is stopped
        if stopped():
            raise InterruptedError
        time.sleep(0.1)

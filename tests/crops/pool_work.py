"""What the workers of the tests do; they import this file and little else."""

from __future__ import annotations

import errno
import time

from fau.crops.pool import advance, shared, stopped


def work(item: int) -> tuple[int, object, bool]:
    for _ in range(item):
        advance(1)
        time.sleep(0.01)
    return item, shared(), stopped()


def fail(item: int) -> None:
    if item:
        raise OSError(errno.EIO, "Input/output error", "file")
    for _ in range(600):
        if stopped():
            raise InterruptedError
        time.sleep(0.1)

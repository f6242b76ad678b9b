"""A bar for work that takes a while, on stderr where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left.

    Args:
        title: What is done.

    Yields:
        What takes the number of things that are done and of all; the first call draws the bar.
    """
    shown = Progress(
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    task = None

    def track(done: int, total: int) -> None:
        nonlocal task
        if task is None:
            task = shown.add_task("", total=total, completed=done)
            shown.start()
        shown.update(task, completed=done, total=total)

    try:
        yield track
    finally:
        shown.stop()

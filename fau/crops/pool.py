"""Work on several processes: results in order, no process that outlives its parent."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from ctypes import c_bool, c_int64
from multiprocessing import get_context, parent_process, resource_tracker
from typing import Any, TypeVar

import cv2

from fau.errors import FauError

Item = TypeVar("Item")
Result = TypeVar("Result")

_TICK = 0.5  # seconds between looks at how far the workers are


def map_in_order(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    ahead: int = 2,
    given: Any = None,
    tick: Callable[[int], None] | None = None,
) -> Generator[Result]:
    """Yield the results of a function in the order of its items, computed by processes of their own.

    Processes are spawned, not forked, since the caller may hold threads, locks or a CUDA context. They do not see
    Ctrl-C, which reaches the whole group: the caller tidies up by closing this generator. They end with the caller,
    even when it is killed.

    Args:
        function: Of a module, so that it can be sent to another process. Long ones ask ``stopped`` now and then, and
            report by ``advance``.
        items: Its arguments.
        workers: Processes; 0 works in this one.
        ahead: Items that are handed out a worker before their results are fetched; 0 hands out all at once.
        given: Sent to each process once; the function gets it by ``shared``.
        tick: Called about twice a second with the sum of all that was reported by ``advance``.

    Raises:
        FauError: If a worker dies.
    """
    if workers == 0:
        yield from _map_here(function, items, given, tick)
        return
    resource_tracker.ensure_running()  # its first start would lift the block of SIGINT below
    context = get_context("spawn")
    # Neither has a lock, which a worker killed at the wrong moment would keep for ever.
    stop, done = context.RawValue(c_bool, False), context.RawArray(c_int64, max(1, len(items)))
    pool = ProcessPoolExecutor(min(workers, len(items)) or 1, context, initializer=_start, initargs=(stop, done, given))
    waiting: deque[Future[Result]] = deque()
    try:
        for i, item in enumerate(items):
            with _without_interrupt():
                waiting.append(pool.submit(_call, function, item, i))
            if ahead and len(waiting) >= ahead * workers:
                yield _next(waiting, done, tick)
        while waiting:
            yield _next(waiting, done, tick)
    except BrokenProcessPool as error:
        raise FauError("a worker process died, perhaps for want of memory; try with fewer workers") from error
    finally:
        stop.value = True  # by now nobody waits for what is being done
        pool.shutdown(wait=True, cancel_futures=True)


def stopped() -> bool:
    """Tell a worker whether what it does is not wanted any more."""
    return _stop is not None and bool(_stop.value)


def shared() -> Any:
    """Return what was given to all workers."""
    return _shared


def advance(amount: int) -> None:
    """Report that a worker has done some more."""
    _done[_own] += amount


def _map_here(
    function: Callable[[Item], Result], items: Sequence[Item], given: Any, tick: Callable[[int], None] | None
) -> Generator[Result]:
    global _shared
    _shared = given
    before = _done[_own]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for item in items:
            yield function(item)
            if tick is not None:
                tick(_done[_own] - before)
    finally:
        cv2.setNumThreads(threads)
        _shared = None


def _next(waiting: deque[Future[Result]], done: Any, tick: Callable[[int], None] | None) -> Result:
    """Return the next result; raise at once where a later item has failed."""
    if tick is None:
        return waiting.popleft().result()
    first = waiting[0]
    while not first.done():
        tick(sum(done))
        wait([first], _TICK)
        for future in waiting:
            if future.done() and (error := future.exception()) is not None:
                raise error
    return waiting.popleft().result()


@contextmanager
def _without_interrupt() -> Generator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# A worker's own.
_stop: Any = None
_done: Any = [0]
_own = 0
_shared: Any = None


def _start(stop: Any, done: Any, given: Any) -> None:
    global _stop, _done, _shared
    _stop, _done, _shared = stop, done, given
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # a broken picture is told in other words
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _call(function: Callable[[Item], Result], item: Item, index: int) -> Result:
    global _own
    _own = index
    return function(item)


def _end_with_parent() -> None:
    """End a worker whose parent was killed, which otherwise waits for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

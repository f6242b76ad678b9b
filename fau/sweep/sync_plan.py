"""Which logs of offline W&B runs are to be sent, and which are left for later because somebody is at work on them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from fau.errors import FauError
from fau.runs import RunDirectory
from fau.sweep.wandb_log import whole_length

SENDING = "is being sent by another call"
TRAINING = "is being trained; sync again once it has ended"
WRITING = "W&B may still be writing its log; sync again in a moment"
_SETTLED = 10.0  # s without a change after which a log that lacks its end gets none any more


@dataclass
class Plan:
    """What there is to send.

    Attributes:
        waiting: Logs to send, those of a run together and in the order in which they were written.
        sent: Number of logs that were sent before.
        later: Why a run directory is left for later.
        torn: How many bytes to keep of logs whose last record was cut short, by log.
        broken: Why a log cannot be sent, by log.
    """

    waiting: list[list[Path]] = field(default_factory=list)
    sent: int = 0
    later: dict[Path, str] = field(default_factory=dict)
    torn: dict[Path, int] = field(default_factory=dict)
    broken: dict[Path, str] = field(default_factory=dict)

    @property
    def logs(self) -> int:
        """Number of logs to send."""
        return sum(map(len, self.waiting))


def is_sent(log: Path) -> bool:
    """Tell whether a log was sent, by the mark that ``wandb sync`` leaves."""
    return log.with_name(f"{log.name}.synced").exists()


def run_of(log: Path) -> Path:
    """Return the run directory of a log."""
    return log.parents[2]


@contextmanager
def sending(run: Path) -> Iterator[int | None]:
    """Hold the logs of a run directory: sent by two calls at once they would be doubled.

    A folder of runs can be named by many paths and lie in another, so no lock of a folder would do.

    Args:
        run: The run directory.

    Yields:
        The lock's file descriptor, for the client to inherit: where this program is killed, it still sends. None where
        another call holds the logs.

    Raises:
        OSError: If nothing can be written beside the logs, where W&B's client marks what it has sent.
    """
    handle = os.open(run / "wandb" / ".sync.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock: int | None = handle
        except BlockingIOError:
            lock = None
        yield lock
    finally:
        os.close(handle)


def plan(runs: Iterable[RunDirectory]) -> Plan:
    """Find out which logs of some runs are to be sent.

    A run has several where it was interrupted: offline, W&B does not continue a log but begins another.

    Args:
        runs: The run directories.
    """
    found, opened = Plan(), _opened()
    for run in runs:
        # By name is by time. `latest-run` is a link to one of them.
        logs = sorted(run.path.glob("wandb/offline-run-*/run-*.wandb"))
        fresh = [log for log in logs if not is_sent(log)]
        found.sent += len(logs) - len(fresh)
        if not fresh:
            continue
        try:
            reason = _at_work(run, fresh, opened)
        except OSError as error:
            found.broken |= dict.fromkeys(fresh, f"what is sent cannot be marked beside it ({error.strerror})")
            continue
        able = [] if reason else [log for log in fresh if _is_able(log, found)]
        if any(log in found.torn and _is_young(log) for log in able):
            reason = WRITING
        if reason:
            found.later[run.path] = reason
        elif able:
            found.waiting.append(able)
    return found


def _at_work(run: RunDirectory, logs: Sequence[Path], opened: set[Path]) -> str:
    """Say who is at work on a run, as far as that can be told without reading its logs; empty if nobody is."""
    with sending(run.path) as lock:
        if lock is None:
            return SENDING
    if run.is_locked():
        return TRAINING
    # W&B's process keeps a part of what a run logs in memory, even all of a short one, and outlives the training.
    if any(log.resolve() in opened or (_is_young(log) and _is_interrupted(run)) for log in logs):
        return WRITING
    return ""


def _opened() -> set[Path]:
    """Return the logs that processes of this machine have open, where the system tells."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            for link in (process / "fd").iterdir():
                with suppress(OSError):  # closed meanwhile
                    if (target := link.readlink()).suffix == ".wandb":
                        found.add(target)
    return found


def _is_young(log: Path) -> bool:
    """Tell whether a log changed so lately that a process of another machine may be at it."""
    return abs(time.time() - log.stat().st_mtime) < _SETTLED


def _is_interrupted(run: RunDirectory) -> bool:
    try:
        return run.status == "interrupted"
    except FauError:
        return False


def _is_able(log: Path, found: Plan) -> bool:
    try:
        length = whole_length(log)
    except FauError as error:
        found.broken[log] = str(error)
    except OSError as error:
        found.broken[log] = f"it cannot be read ({error.strerror})"
    else:
        if length < log.stat().st_size:
            found.torn[log] = length
        return True
    return False

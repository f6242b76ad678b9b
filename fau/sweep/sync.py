"""Sending the offline W&B runs of run directories, by ``wandb sync``, so that one that is broken stops no other.

What wandb 0.31 does, and why something stands around it: one log that cannot be read ends the sending of all that are
named with it; a log whose end a kill cut off is sent and never marked as sent; a log that is sent twice doubles its
curves; and the exit status is 0 whatever happened, so that the marks alone say what was sent.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from fau.errors import FauError
from fau.runs import RunDirectory
from fau.sweep.wandb_log import whole_length

BATCH = 50  # runs in one call of W&B's client, which takes a second to start
_GIVE_UP = 8  # calls in a row that sent nothing, after which the server is asked no more
_SETTLED = 10.0  # s without a change after which a log that lacks its end gets none any more
_POLL = 0.25  # s between looks at what is sent
_PATIENCE = 60.0  # s that a call gets for the logs that it is sending once this program is to stop
_FAULT = re.compile(r"^wandb: ERROR (.*)", re.MULTILINE)


@dataclass
class Plan:
    """What there is to send.

    Attributes:
        waiting: Logs to send, those of a run together and in the order in which they were written.
        sent: Number of logs that were sent before.
        training: Run directories that a process is at work on: they are left for later.
        torn: How many bytes to keep of logs whose last record was cut short, by log.
        broken: Why a log cannot be sent, by log.
    """

    waiting: list[list[Path]] = field(default_factory=list)
    sent: int = 0
    training: list[Path] = field(default_factory=list)
    torn: dict[Path, int] = field(default_factory=dict)
    broken: dict[Path, str] = field(default_factory=dict)

    @property
    def logs(self) -> int:
        """Number of logs to send."""
        return sum(map(len, self.waiting))


def is_sent(log: Path) -> bool:
    """Tell whether a log was sent, by the mark that ``wandb sync`` leaves."""
    return log.with_name(f"{log.name}.synced").exists()


def plan(runs: Iterable[RunDirectory]) -> Plan:
    """Find out which logs of some runs are to be sent.

    A run has several where it was interrupted: offline, W&B does not continue a log but begins another.

    Args:
        runs: The run directories.
    """
    found = Plan()
    for run in runs:
        # By name is by time. `latest-run` is a link to one of them.
        logs = sorted(run.path.glob("wandb/offline-run-*/run-*.wandb"))
        fresh = [log for log in logs if not is_sent(log)]
        found.sent += len(logs) - len(fresh)
        if fresh and run.is_locked():
            found.training.append(run.path)
            continue
        able = [log for log in fresh if _is_able(log, found)]
        if any(log in found.torn and _is_young(log) for log in able):  # W&B's process outlives a killed training
            found.training.append(run.path)
        elif able:
            found.waiting.append(able)
    return found


def _is_young(log: Path) -> bool:
    return abs(time.time() - log.stat().st_mtime) < _SETTLED


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


@contextmanager
def sending(folder: Path) -> Iterator[int]:
    """Hold the logs of a folder: sent by two at once they would be doubled.

    Yields:
        The lock's file descriptor, for the client to inherit: where this program is killed, it still sends.

    Raises:
        FauError: If another call sends them.
    """
    handle = os.open(folder / ".wandb-sync.lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FauError(f"the W&B runs of '{folder}' are being sent already; wait for that call to end") from None
        yield handle
    finally:
        os.close(handle)


def send(
    found: Plan, lock: int, jobs: int, options: Sequence[str], told: Callable[[int], None], say: Callable[[str], None]
) -> dict[Path, str]:
    """Send what is waiting.

    Args:
        found: From ``plan``.
        lock: From ``sending``.
        jobs: Runs to send side by side.
        options: Further words for ``wandb sync``.
        told: Called with the number of logs sent so far, every so often.
        say: Called with a sentence for the user.

    Returns:
        Why a log was not sent, by log.
    """
    failed: dict[Path, str] = {}
    queue = [found.waiting[start : start + BATCH] for start in range(0, len(found.waiting), BATCH)]
    done = fruitless = 0
    faults: list[str] = []
    while queue:
        batch = queue.pop(0)
        logs = [log for run in batch for log in run]
        if fruitless < _GIVE_UP:
            for log in logs:
                if log in found.torn:  # else it would be sent, and never marked as sent
                    os.truncate(log, found.torn[log])
            with _Call(logs, lock, jobs, options, say) as call:
                while call.runs():
                    told(done + sum(map(is_sent, logs)))
                faults = call.faults()
        left = [log for log in logs if not is_sent(log)]
        done += len(logs) - len(left)
        told(done)
        fruitless = fruitless + 1 if len(left) == len(logs) else 0
        if fruitless and fruitless < _GIVE_UP and len(batch) > 1:
            middle = len(batch) // 2  # one of them may have stopped the others
            queue[:0] = [batch[:middle], batch[middle:]]
        else:
            failed |= {log: _reason(faults, log) for log in left}
    return failed


def _reason(faults: Sequence[str], log: Path) -> str:
    """Return what W&B's client said of a log, or else all that it said."""
    run = log.stem.removeprefix("run-")
    return "; ".join([line for line in faults if run in line] or faults) or "W&B's client does not say why"


class _Call:
    """A call of ``wandb sync``, ended in order when the block is left."""

    def __init__(
        self, logs: Sequence[Path], lock: int, jobs: int, options: Sequence[str], say: Callable[[str], None]
    ) -> None:
        self._folder = TemporaryDirectory()  # its debugging log would make a folder `wandb` where the user stands
        self._output = Path(self._folder.name, "output")
        self._say = say
        environment = {key: value for key, value in os.environ.items() if key not in ("WANDB_MODE", "WANDB_SILENT")}
        environment |= {"WANDB_ERROR_REPORTING": "false", "WANDB_DIR": self._folder.name}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wandb", "sync", "-n", str(jobs), *options, *map(str, logs)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C is this program's to hear: a log cut short would be sent again
            )

    def runs(self) -> bool:
        """Wait a moment, and tell whether the call still runs."""
        try:
            self._process.wait(_POLL)
        except subprocess.TimeoutExpired:
            return True
        return False

    def faults(self) -> list[str]:
        """Return what the call complained of, each complaint once."""
        return list(dict.fromkeys(_FAULT.findall(self._output.read_text(encoding="utf-8", errors="replace"))))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._say("stopping once the runs that are being sent are through; Ctrl-C again stops at once")
            try:
                with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                    self._process.wait(_PATIENCE)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGTERM)
                self._process.wait()
        self._folder.cleanup()

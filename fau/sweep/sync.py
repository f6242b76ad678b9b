"""Sending the offline W&B runs of run directories, by ``wandb sync``, so that one that is broken stops no other.

What wandb 0.31 does, and why something stands around it: one log that cannot be read ends the sending of all that are
named with it; a log whose end a kill cut off is sent and never marked as sent; a log that is sent twice doubles its
curves; and the exit status is 0 whatever happened, so that the marks alone say what was sent.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from fau.sweep.sync_plan import Plan, is_sent, run_of, sending

BATCH = 50  # runs in one call of W&B's client, which takes a second to start
_GIVE_UP = 8  # calls in a row that sent nothing, after which the server is asked no more
_POLL = 0.25  # s between looks at what is sent
_PATIENCE = 60.0  # s that a call gets for the logs that it is sending once this program is to stop
_FAULT = re.compile(r"^wandb: ERROR (.*)", re.MULTILINE)


@dataclass
class Outcome:
    """What became of a plan.

    Attributes:
        sent: Number of logs that were sent.
        failed: Why a log was not sent, by log.
    """

    sent: int = 0
    failed: dict[Path, str] = field(default_factory=dict)


def send(
    found: Plan, jobs: int, options: Sequence[str], told: Callable[[int], None], say: Callable[[str], None]
) -> Outcome:
    """Send what is waiting, less what another call has taken up by then.

    Args:
        found: From ``plan``.
        jobs: Runs to send side by side.
        options: Further words for ``wandb sync``.
        told: Called with the number of logs sent so far, every so often.
        say: Called with a sentence for the user.
    """
    outcome = Outcome()
    queue = [found.waiting[start : start + BATCH] for start in range(0, len(found.waiting), BATCH)]
    fruitless = 0
    faults: list[str] = []
    while queue:
        with ExitStack() as held:
            batch, locks = _take(queue.pop(0), held, outcome)
            logs = [log for run in batch for log in run]
            if not logs:
                continue
            if fruitless < _GIVE_UP:
                for log in logs:
                    if log in found.torn:  # else it would be sent, and never marked as sent
                        os.truncate(log, found.torn[log])
                with _Call(logs, locks, jobs, options, say) as call:
                    while call.runs():
                        told(outcome.sent + sum(map(is_sent, logs)))
                    faults = call.faults()
            left = [log for log in logs if not is_sent(log)]
        outcome.sent += len(logs) - len(left)
        told(outcome.sent)
        fruitless = fruitless + 1 if len(left) == len(logs) else 0
        if fruitless and fruitless < _GIVE_UP and len(batch) > 1:
            middle = len(batch) // 2  # one of them may have stopped the others
            queue[:0] = [batch[:middle], batch[middle:]]
        else:
            outcome.failed |= {log: _reason(faults, log) for log in left}
    return outcome


def _take(batch: Sequence[Sequence[Path]], held: ExitStack, outcome: Outcome) -> tuple[list[list[Path]], list[int]]:
    """Return the logs of a batch that no other call sends or has sent, run by run, and the locks that hold them."""
    taken, locks = [], []
    for logs in batch:
        try:
            lock = held.enter_context(sending(run_of(logs[0])))
        except OSError as error:
            outcome.failed |= dict.fromkeys(logs, f"it went away ({error.strerror})")
            continue
        fresh = [log for log in logs if not is_sent(log)]
        if lock is not None and fresh:
            taken.append(fresh)
            locks.append(lock)
    return taken, locks


def _reason(faults: Sequence[str], log: Path) -> str:
    """Return what W&B's client said of a log, or else all that it said."""
    run = log.stem.removeprefix("run-")
    return "; ".join([line for line in faults if run in line] or faults) or "W&B's client does not say why"


class _Call:
    """A call of ``wandb sync``, ended in order when the block is left."""

    def __init__(
        self, logs: Sequence[Path], locks: Sequence[int], jobs: int, options: Sequence[str], say: Callable[[str], None]
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
                pass_fds=tuple(locks),
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

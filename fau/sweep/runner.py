"""Works through the trials of a sweep on this machine, and can be stopped and started again at any moment."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from fau.atomic import read_json
from fau.runs import RunDirectory
from fau.sweep.client import Client
from fau.sweep.launch import can_fork, full_command
from fau.sweep.progress import Progress, tail
from fau.sweep.resources import Slots, scrubbed_environment, trial_environment
from fau.sweep.spec import Sweep
from fau.sweep.state import SweepState, trial_key
from fau.sweep.streak import Streaks
from fau.sweep.supervisor import GRACE

_POLL = 0.25  # s between looks at signals and at how far trials are
# A trial that an earlier, killed runner left gets this long to end before another of the same run is started.
_LOCK_PATIENCE = GRACE + 10.0
# s after which trials that were killed have surely been reported, unless who reports them stands still.
_DEAF = 10.0


class View(Protocol):
    """Shows a sweep as it goes."""

    def update(self, trials: list[Progress]) -> None:
        """Show where the trials stand; called a few times a second."""

    def say(self, message: str) -> None:
        """Show a line that stays."""


@dataclass(frozen=True)
class Options:
    """How to run a sweep.

    Attributes:
        runs: Folder of all runs, where the user named one.
        rerun: Name of the rerun in progress: what was not yet trained in it is trained again. None if there is none.
        retries: How often to start a failed trial again.
        gpus: GPUs of each trial.
        fork: Fork trials where that is safe; otherwise each is a process of its own.
    """

    runs: Path | None = None
    rerun: str | None = None
    retries: int = 1
    gpus: int = 0
    fork: bool = True


@dataclass
class Outcome:
    """What a call has come to.

    Attributes:
        trials: All trials of the sweep.
        stopped_by: The signal that ended the call early, None if none did.
    """

    trials: list[Progress]
    stopped_by: signal.Signals | None = None

    @property
    def failed(self) -> list[Progress]:
        """The trials that failed for good."""
        return [p for p in self.trials if p.state == "failed"]

    @property
    def run_dirs(self) -> list[Path]:
        """The run directories of the finished trials, each once."""
        return list(dict.fromkeys(p.run_dir for p in self.trials if p.state == "done" and p.run_dir is not None))

    @property
    def shared_runs(self) -> list[tuple[Progress, Progress]]:
        """Trials that turned out to be one and the same run: the later with the earlier."""
        first: dict[Path, Progress] = {}
        pairs = []
        for p in self.trials:
            if p.state == "done" and p.run_dir is not None:
                earlier = first.setdefault(p.run_dir, p)
                if earlier is not p:
                    pairs.append((p, earlier))
        return pairs

    @property
    def exit_code(self) -> int:
        """0 if every trial is done, 1 if some failed, 128 + the signal if the call was stopped."""
        if self.stopped_by is not None:
            return 128 + self.stopped_by
        return 0 if all(p.state == "done" for p in self.trials) else 1


def survey(sweep: Sweep, state: SweepState, rerun: str | None = None) -> list[Progress]:
    """Find out which trials are done, without starting anything.

    Args:
        sweep: The sweep.
        state: What it remembers.
        rerun: Name of the rerun in progress; what was not trained in it is not done.
    """
    journal = state.journal()
    trials = []
    for trial in sweep.trials:
        key = trial_key(trial)
        progress = Progress(trial, key, state.log_file(trial, key))
        found = state.finished(journal.get(key), rerun)
        if found is not None:
            progress.finish(found)
            progress.found = True
        else:
            progress.run_dir = state.last_run(key, journal.get(key))
        trials.append(progress)
    return trials


@dataclass
class _Stop:
    """Signals that have arrived: the first asks trials to end, the second kills them."""

    arrived: list[signal.Signals] = field(default_factory=list)

    def __call__(self, number: int, frame: object) -> None:
        del frame
        self.arrived.append(signal.Signals(number))

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT, SIGTERM and SIGHUP, if this is the main thread; not a hangup that `nohup` has put off."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        earlier = {number: signal.signal(number, self) for number in numbers}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


class Runner:
    """Runs what is left of a sweep.

    Args:
        state: Of the sweep; its lock must be held.
        trials: From ``survey``.
        slots: From ``resources.plan``.
        options: How to run.
        view: Shows it.
    """

    def __init__(self, state: SweepState, trials: list[Progress], slots: Slots, options: Options, view: View) -> None:
        self._state, self._trials, self._slots, self._options, self._view = state, trials, slots, options, view
        self._queue = deque(p for p in trials if p.state != "done")
        self._running: dict[int, tuple[Progress, int]] = {}  # number of the trial -> trial, slot
        self._free = list(range(len(slots)))[::-1]
        self._streaks = Streaks(slots.gpus)
        self._stop = _Stop()
        self._held_since: dict[str, float] = {}

    def run(self) -> Outcome:
        """Run until every trial is done or has failed for good, or a signal arrives."""
        outcome = Outcome(self._trials)
        if not self._queue:
            return outcome
        forks = self._options.fork and any(can_fork(p.trial, self._options.gpus) for p in self._queue)
        base = scrubbed_environment()
        with self._stop.listening():
            with Client(self._state.supervisor_log, base, forks) as client:
                self._loop(client, base, forks)
            for p, _ in self._running.values():  # ended by the client's closing
                p.state = "interrupted"
            if self._stop.arrived:
                outcome.stopped_by = self._stop.arrived[0]
        self._view.update(self._trials)
        return outcome

    def _loop(self, client: Client, base: dict[str, str], forks: bool) -> None:
        asked, deadline, killed = 0, 0.0, math.inf
        while self._queue or self._running:
            signals = len(self._stop.arrived)
            if signals:
                if not self._running:
                    return
                if not asked:
                    self._view.say("stopping: trials are asked to end; the same command goes on from here")
                    client.signal(signal.SIGTERM)
                    deadline = time.monotonic() + GRACE
                now = time.monotonic()
                if math.isinf(killed) and (signals > 1 or now > deadline):
                    client.signal(signal.SIGKILL)
                    killed = now
                if now > killed + _DEAF:
                    self._view.say("the process that starts the trials does not answer: it is killed with them")
                    client.kill()
                    return
                asked = signals
            elif client.ready:
                if forks and not client.can_fork:
                    forks = False
                    self._view.say(
                        f"every trial imports for itself; '{shown_path(self._state.supervisor_log)}' may say why"
                    )
                self._fill(client, base)
                if self._gives_up():
                    return
            for number, code in client.ends(_POLL):
                self._end(number, code)
            for p, _ in self._running.values():
                p.refresh(self._state.record_file(p.key))
            self._view.update(self._trials)

    def _fill(self, client: Client, base: dict[str, str]) -> None:
        """Start trials in the free slots; one whose run is held, or that starts from runs still to come, waits."""
        for _ in range(len(self._queue)):
            if not self._free:
                return
            p = self._queue.popleft()
            slot = self._streaks.slot_for(p.trial.row, self._free)
            if slot is None or self._is_held(p) or self._is_early(p):
                self._queue.append(p)
                continue
            self._free.remove(slot)
            self._start(client, base, p, slot)

    def _gives_up(self) -> bool:
        """Tell whether all trials fail wherever they are started, and say which slots are set aside."""
        rows = [p.trial.row for p in self._queue if not self._is_early(p)]  # who waits for others cannot go on for them
        nowhere, remarks = self._streaks.set_aside(rows, self._free, len(self._queue))
        for remark in remarks:
            self._view.say(remark)
        return nowhere

    def _is_held(self, p: Progress) -> bool:
        if p.run_dir is None or not RunDirectory(p.run_dir).is_locked():
            return False
        if any(other.run_dir == p.run_dir for other, _ in self._running.values()):
            return True  # two trials of this sweep are one run: the later finds it done
        if p.key not in self._held_since:
            self._view.say(
                f"{self._position(p)}: waits for the process that still holds its run '{shown_path(p.run_dir)}'"
            )
        since = self._held_since.setdefault(p.key, time.monotonic())
        return time.monotonic() - since < _LOCK_PATIENCE

    def _is_early(self, p: Progress) -> bool:
        """Tell whether a trial that starts from other runs would come before those that may train them have ended."""
        return p.trial.starts_from_runs and any(
            p.trial.follows(q.trial) for q in self._trials if q.state in ("waiting", "running")
        )

    def _start(self, client: Client, base: dict[str, str], p: Progress, slot: int) -> None:
        trial, options, record = p.trial, self._options, self._state.record_file(p.key)
        argv = full_command(trial, options.runs, options.rerun is not None, options.gpus)
        record.unlink(missing_ok=True)
        p.begin()
        with p.log.open("a", encoding="utf-8") as stream:
            stream.write(f"# {now()} attempt {p.attempts}: {trial.shell_line}\n")
        environment = trial_environment(base, self._slots, slot, record, options.rerun)
        fork = options.fork and can_fork(trial, options.gpus)
        client.start(trial.number, argv, environment, p.log, fork, self._slots.threads)
        self._running[trial.number] = (p, slot)
        again = f", attempt {p.attempts}" if p.attempts > 1 else ""
        self._view.say(f"{self._position(p)}: started{again}")

    def _end(self, number: int, code: int) -> None:
        p, slot = self._running.pop(number)
        self._free.append(slot)
        p.refresh(self._state.record_file(p.key))
        seconds = time.monotonic() - p.started
        p.seconds = seconds
        record = read_json(self._state.record_file(p.key))
        status = read_json(Path(record["run_dir"]) / "run.json").get("status") if record.get("run_dir") else None
        # Exit codes say little: Lightning leaves with 0 after SIGTERM. The run's own record decides.
        if record.get("status") == "done" and status == "done":
            p.finish(Path(record["run_dir"]))
            self._view.say(f"{self._position(p)}: {_done_text(p, seconds)}")
            self._streaks.add(slot, p.trial.row, "", seconds)
        elif self._stop.arrived:
            p.state = "interrupted"
        else:
            p.reason = failure_reason(code, record, p.log)
            self._streaks.add(slot, p.trial.row, p.reason, seconds)
            # fau-train leaves with 2 where a setting is wrong, which a second attempt does not change; a run that is
            # held by another process ("waiting") and a disk that was full ("interrupted") are worth one.
            wrong = p.trial.is_fau_train and code == 2 and record.get("status") not in ("waiting", "interrupted")
            if p.attempts <= self._options.retries and not wrong:
                p.state = "waiting"
                self._queue.append(p)
                self._view.say(f"{self._position(p)}: failed ({p.reason}); it will be tried again")
            else:
                p.state = "failed"
                self._view.say(f"{self._position(p)}: failed ({p.reason}); log: {shown_path(p.log)}")
        entry = {
            "title": p.trial.title,
            "run_dir": record.get("run_dir"),
            "state": p.state,
            "code": code,
            "reason": p.reason,
        }
        self._state.write_end(
            p.key, entry | {"attempt": p.attempts, "seconds": round(seconds, 3), "log": str(p.log), "ended": now()}
        )

    def _position(self, p: Progress) -> str:
        return f"[{p.trial.number}/{len(self._trials)}] {p.trial.title}"


def failure_reason(code: int, record: Mapping[str, str], log: Path) -> str:
    """Say why a trial failed: how it ended, and what it printed last."""
    if code < 0:
        ended = f"killed by {signal.Signals(-code).name}"
    elif code == 0 and not record:
        return "it ended well but left no run record; programs other than fau-train call fau.runs.record_trial"
    else:
        ended = f"exit status {code}"
    last = tail(log)
    return f"{ended}: {last}" if last and not last.startswith("#") else ended


def _done_text(p: Progress, seconds: float) -> str:
    parts = (("val", p.score), ("test", p.test_score))
    scores = [f"{name} {p.score_title} {value:.3f}" for name, value in parts if value is not None]
    return ", ".join([f"done in {seconds:.0f} s", *scores])


def shown_path(path: Path) -> str:
    """Return a path as short as it can be typed from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def now() -> str:
    """Return the time as the journal has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")

"""What a job of a cluster does: one trial, as the local runner would run it, interrupted and resumed by the cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from fau.atomic import read_json
from fau.sweep.progress import State
from fau.sweep.resources import Slots, scrubbed_environment, trial_environment
from fau.sweep.runner import failure_reason, now
from fau.sweep.spec import Trial
from fau.sweep.state import SweepState
from fau.sweep.supervisor import GRACE

_LOCKED_WAIT = 15.0  # s between looks at a run that another job trains
# A cluster that preempts sends SIGTERM and means to take the job away later: one that ended by itself before that would
# count as over and not be queued again. Slurm's GraceTime and KillWait are seconds to minutes.
_PATIENCE = 600.0  # s


class TrialFailedError(Exception):
    """The trial failed; the cluster shows its job as failed."""


@dataclass
class Job:
    """A trial as a callable that can be pickled, sent to a node and called there.

    Attributes:
        trial: The trial.
        key: Its key in the state of the sweep.
        argv: The words to execute.
        state: Of the sweep, in a folder that the nodes see.
        retries: How often to start it again, in the same job, if it fails.
        rerun: Name of the rerun that it is part of.
    """

    trial: Trial
    key: str
    argv: Sequence[str]
    state: SweepState
    retries: int = 1
    rerun: str | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _told_to_end: bool = field(default=False, repr=False)

    def __call__(self) -> None:
        """Run the trial, which resumes by itself if it was begun before.

        Raises:
            TrialFailedError: If it failed for good.
        """
        signal.signal(signal.SIGTERM, self._note)
        self.state.write_end_elsewhere(self.key, None)
        attempt, started = 1, time.monotonic()
        while True:
            code = self._run(attempt)
            record = read_json(self._record_file)
            run_dir = record.get("run_dir")
            status = read_json(Path(run_dir) / "run.json").get("status") if run_dir else None
            entry = {"title": self.trial.title, "run_dir": run_dir, "code": code, "attempt": attempt}
            entry |= {"seconds": round(time.monotonic() - started, 3), "log": str(self._log), "ended": now()}
            if record.get("status") == "done" and status == "done":
                self._end("done", "", entry)
                return
            if self._told_to_end:
                self._end("interrupted", "the cluster told it to end", entry)
                time.sleep(_PATIENCE)
                raise SystemExit(128 + signal.SIGTERM)
            if record.get("status") == "waiting":  # another trial of this sweep is the same run
                time.sleep(_LOCKED_WAIT)
                continue
            reason = failure_reason(code, record, self._log)
            # As the local runner: a wrong setting is not worth a second attempt, a disk that was full is.
            wrong = self.trial.is_fau_train and code == 2 and record.get("status") != "interrupted"
            if attempt > self.retries or wrong:
                self._end("failed", reason, entry)
                raise TrialFailedError(reason)
            attempt += 1

    def stop(self) -> None:
        """End the trial's process, with the time to tidy up; called from a signal handler while ``__call__`` waits."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process = None

    @property
    def _log(self) -> Path:
        return self.state.log_file(self.trial, self.key)

    @property
    def _record_file(self) -> Path:
        return self.state.record_file(self.key)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._told_to_end = True  # the trial's process has the signal from the cluster as well

    def _end(self, state: State, reason: str, entry: dict[str, Any]) -> None:
        self.state.write_end_elsewhere(self.key, entry | {"state": state, "reason": reason})

    def _run(self, attempt: int) -> int:
        """Start the trial's process, wait for it and return its exit status."""
        devices = os.environ.get("CUDA_VISIBLE_DEVICES", "")  # the cluster's choice
        threads = int(os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE") or 1)
        slots = Slots((tuple(word for word in devices.split(",") if word),), threads)
        environment = trial_environment(scrubbed_environment(), slots, 0, self._record_file, self.rerun)
        self._record_file.unlink(missing_ok=True)
        with self._log.open("a", encoding="utf-8") as stream:
            where = f"job {os.environ.get('SLURM_JOB_ID', '?')} on {os.environ.get('SLURMD_NODENAME', '?')}"
            stream.write(f"# {now()} attempt {attempt}, {where}: {self.trial.shell_line}\n")
            stream.flush()
            try:
                self._process = subprocess.Popen(
                    self.argv,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    preexec_fn=_ignore_user_signal,
                )
            except OSError as error:
                stream.write(f"'{self.argv[0]}' cannot be started: {error.strerror}\n")
                return 127
        # Not wait(): it would hold a lock that `stop` needs, which is called from a signal handler meanwhile.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        code = self._process.wait()
        self._process = None
        return code


def _ignore_user_signal() -> None:
    """Leave SIGUSR2, which Slurm sends to every process of a job before its time is over, to the job itself."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)

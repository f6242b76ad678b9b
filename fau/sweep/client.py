"""The runner's end of the supervisor."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fau.errors import FauError
from fau.sweep.supervisor import GRACE, signal_group

# The slow imports of a trial. Not polars, which starts threads when it is imported, and so nothing of fau's that uses
# it: a trial imports the rest itself, in half a second. The last five are what W&B's client imports when a run starts;
# they take 1.6 s. A module that is not installed is passed over.
PRELOADED = (
    *("torch", "lightning.pytorch.cli", "torchmetrics.classification", "timm", "timm.optim"),
    *("albumentations", "cv2", "wandb", "omegaconf", "scipy.stats", "rich.progress"),
    *("wandb.sdk.launch", "psutil", "requests"),
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
)


class Client:
    """Starts a supervisor, sends it trials and hears of their ends; closing it ends them all.

    Args:
        log: File for what the supervisor itself prints, normally nothing.
        environment: Its environment.
        fork: Whether any trial will be forked, so that the imports are worth their time.
    """

    def __init__(self, log: Path, environment: Mapping[str, str], fork: bool) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        own = {
            "OMP_NUM_THREADS": "1",  # no pool of threads may exist when it forks
            "OPENBLAS_NUM_THREADS": "1",
            "NO_ALBUMENTATIONS_UPDATE": "1",  # asks the network at import otherwise
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # counting GPUs otherwise initialises CUDA, which a fork cannot use
        }
        # -P: no module of the current folder may take the place of an installed one.
        command = [sys.executable, "-P", "-m", "fau.sweep.supervisor", str(theirs.fileno())]
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                command + (list(PRELOADED) if fork else []),
                pass_fds=[theirs.fileno()],
                env={**environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,  # Ctrl-C is the runner's to hear
            )
        theirs.close()
        self.ready = False
        self.can_fork = False
        self._log = log
        self._groups: dict[int, int] = {}  # running trial -> its process group

    def start(
        self, trial: int, argv: Sequence[str], environment: Mapping[str, str], log: Path, fork: bool, threads: int
    ) -> None:
        """Start a trial.

        Args:
            trial: The caller's number for it.
            argv: The words to execute.
            environment: Its whole environment.
            log: File that its output is added to.
            fork: Fork it from the supervisor if that is safe, otherwise execute it.
            threads: CPU threads of a forked trial.
        """
        request = {"start": trial, "argv": list(argv), "environment": dict(environment), "log": os.fspath(log)}
        self._send(request | {"fork": fork, "threads": threads})

    def signal(self, number: int) -> None:
        """Send a signal to every process of every trial."""
        self._send({"signal": int(number)})

    def ends(self, timeout: float) -> list[tuple[int, int]]:
        """Return the trials that ended, with their exit statuses, waiting up to so many seconds for the first.

        Raises:
            FauError: If the supervisor died.
        """
        ended: list[tuple[int, int]] = []
        try:
            while self._connection.poll(0 if ended else timeout):
                answer = json.loads(self._connection.recv_bytes())
                if "ready" in answer:
                    self.ready, self.can_fork = True, bool(answer["ready"])
                    break
                if "started" in answer:
                    self._groups[int(answer["started"])] = int(answer["group"])
                    continue
                self._groups.pop(int(answer["ended"]), None)
                ended.append((int(answer["ended"]), int(answer["code"])))
        except (EOFError, OSError) as error:
            raise self._died() from error
        return ended

    def _send(self, request: Mapping[str, Any]) -> None:
        try:
            self._connection.send_bytes(json.dumps(request).encode())
        except OSError as error:
            raise self._died() from error

    def _died(self) -> FauError:
        return FauError(
            f"the process that starts the trials ended by itself, see '{self._log}'; "
            "start the sweep again, finished trials are kept"
        )

    def kill(self) -> None:
        """Kill the supervisor and the trials, where it does not answer."""
        self._process.kill()
        for group in self._groups.values():
            signal_group(group, signal.SIGKILL)

    def close(self) -> None:
        """End all trials and the supervisor; do not return before they are gone."""
        self._connection.close()
        if not self.ready:
            self._process.kill()  # still importing, no trial yet
        try:
            self._process.wait(GRACE + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode < 0:
            self._end_groups()

    def _end_groups(self) -> None:
        """End what a killed supervisor left: the kernel has told the first process of each trial, and no other."""
        deadline = time.monotonic() + GRACE
        left = [group for group in self._groups.values() if signal_group(group, signal.SIGTERM)]
        while left and time.monotonic() < deadline:
            time.sleep(0.05)
            left = [group for group in left if signal_group(group, 0)]
        for group in left:
            signal_group(group, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

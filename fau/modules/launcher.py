"""DDP's processes on one machine: they end together, and one sentence says which of them was lost.

Lightning looks at its processes every five seconds and kills the first one where another has gone, without a word; what
a process says whose partner vanished depends on the backend (gloo raises at once, NCCL waits); and processes whose
first one was killed stay behind. Here the first process looks several times a second, and the kernel ends the others
with it. It hears Ctrl-C and SIGTERM, too, where it waits for the others outside Python, as before they have come or
where one of them stands still: Python would tell it only afterwards.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from lightning.fabric.utilities.distributed import _set_num_threads_if_needed
from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from lightning.pytorch.utilities.exceptions import SIGTERMException

from fau.launched import LAUNCHER

_LOOK = 0.2  # s between two looks at the processes
# s that the others get to end by themselves where one met an error, which may be theirs as well
_OWN_END = 5.0
_SEEN = 2.0  # s after which a process that vanished has surely been seen to
# s after a signal in which Python has surely told the program, unless that waits outside Python; and how that is said.
# Who sends SIGTERM, a sweep or a cluster, often kills half a minute later.
_DEAF = {signal.SIGINT: (10.0, "interrupted"), signal.SIGTERM: (20.0, "terminated")}
_EXIT_LOST = 1


class WatchedLauncher(_SubprocessScriptLauncher):
    """Starts DDP's other processes as Lightning does, and ends all of them when one is lost.

    Args:
        settings: Lightning's own launcher, whose settings are taken over.
        lost: Called in the first process once another was lost, before everything ends.
    """

    def __init__(self, settings: _SubprocessScriptLauncher, lost: Callable[[], None]) -> None:
        super().__init__(settings.cluster_environment, settings.num_processes, settings.num_nodes)
        self._lost = lost
        self._watcher = threading.Thread(target=self._watch, name="processes", daemon=True)
        self._stuck = threading.Event()  # the first process cannot go on, for a reason that it does not know
        self._ending = threading.Event()  # the first process ends for a reason that it knows, and says it
        self._signals: socket.socket | None = None  # gives the number of each signal that reaches the first process

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any) -> Any:
        """Start the other processes, unless that was done, and call a function in this one."""
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            os.environ[LAUNCHER] = str(os.getpid())
            self._call_children_scripts()
            self._listen()
            self._watcher.start()
        _set_num_threads_if_needed(self.num_processes)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if not self.procs and LAUNCHER in os.environ:
                time.sleep(_OWN_END)  # the first process ends this one, unless the error is this one's alone
            elif isinstance(error, RuntimeError):  # such as a connection that its other end has closed
                self._stuck.set()
                time.sleep(_SEEN)  # whoever sees what happened says so, and ends this process too
                if self._watcher.is_alive() and any(process.poll() for process in self.procs):
                    self._watcher.join()  # however late it looks
            self._ending.set()
            raise
        except BaseException:
            self._ending.set()
            raise

    def kill(self, signum: int) -> None:
        """End the other processes, which is no loss then.

        Raises:
            SIGTERMException: If this process was told to end. Lightning would go on to the end of the batch and ask the
                others to do so, which leaves them waiting for each other where the question finds them in an exchange.
        """
        self._ending.set()
        if not self.procs:
            return
        super().kill(signal.SIGKILL)
        if signum == signal.SIGTERM:
            raise SIGTERMException

    def _listen(self) -> None:
        """Have signals written down as they come, which the kernel's part of a handler does wherever the program is."""
        if threading.current_thread() is not threading.main_thread():
            return  # who calls this from another thread has signals of its own to see to
        self._signals, written = socket.socketpair()
        for end in (self._signals, written):
            end.setblocking(False)
        signal.set_wakeup_fd(written.detach(), warn_on_full_buffer=False)

    def _told(self) -> signal.Signals | None:
        """Return the signal that told the first process to end since the last look, None if there was none."""
        if self._signals is None:
            return None
        try:
            numbers = self._signals.recv(64)
        except BlockingIOError:
            return None
        return next((number for number in _DEAF if number in numbers), None)

    def _watch(self) -> None:
        while not self._ending.wait(_LOOK):
            told = self._told()
            if told is not None:
                patience, how = _DEAF[told]
                if not self._ending.wait(patience):
                    self._leave(how, 128 + told)
            codes = [process.poll() for process in self.procs]
            if all(code == 0 for code in codes):
                return
            for rank, code in enumerate(codes, start=1):
                if code:
                    self._end(rank, code)

    def _end(self, rank: int, code: int) -> None:
        """End all processes. What this one is doing cannot be told to stop: it may wait for the lost one for ever."""
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        if code > 0:  # an error that it has said, and that may be this process's as well
            self._stuck.wait(_OWN_END)
        if self._ending.is_set():
            return
        self._leave(f"error: process {rank + 1} of {self.num_processes} {how}", _EXIT_LOST)

    def _leave(self, why: str, status: int) -> None:
        for process in self.procs:
            process.kill()
        try:
            self._lost()
        finally:
            os.write(sys.stderr.fileno(), f"fau-train: {why}; the same command goes on from the last epoch\n".encode())
            os._exit(status)

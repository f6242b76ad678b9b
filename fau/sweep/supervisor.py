"""The process between the runner and its trials: starts them, reports their ends, and leaves none behind.

It starts a trial in one of two ways. A fresh process executes the words of a command. A fork takes the imports that
this process did once, which cost ten seconds, and calls ``fau.cli.train.main``; that is safe because this process has
one thread (it looks, and forks nothing otherwise), runs no torch operation and touches no GPU.

If the runner goes away, however that happens, the trials are terminated; if this process does, the kernel terminates
them.

Only the standard library is imported here until a fork is asked for: ``multiprocessing``'s own fork server gives its
children neither a log, an environment or a process group of their own, nor an end when the runner is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import multiprocessing.util
import os
import random
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

# Seconds between asking a trial to end and killing it, as in W&B's agent (KILL_DELAY).
GRACE = 30.0
# Seconds that what a trial leaves in its process group gets to end, W&B's service for one.
_LEFTOVER_GRACE = 5.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_EXIT_CANNOT_START = 127  # as shells have it
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE)


class Supervisor:
    """Serves requests from a connection until it closes.

    Requests are JSON: ``{"start": id, "argv": [...], "environment": {...}, "log": path, "fork": bool, "threads": n}``
    and ``{"signal": number}`` for all trials. Answers are ``{"ready": whether forks are safe}`` once, then
    ``{"started": id, "group": process group}`` and ``{"ended": id, "code": exit status}``, negative for a signal.

    Args:
        connection: To the runner.
        modules: What forks are to find imported; none if no fork will be asked for.
    """

    def __init__(self, connection: Connection, modules: Sequence[str]) -> None:
        self._connection = connection
        self._modules = list(modules)
        self._can_fork = False
        self._trials: dict[int, int] = {}  # process id -> trial id
        self._leftovers: dict[int, float] = {}  # process group -> when to kill it
        self._wakeup, signal_end = socket.socketpair()
        self._wakeup.setblocking(False)
        signal_end.setblocking(False)
        self._signal_end = signal_end
        self._pid = os.getpid()

    def serve(self) -> None:
        """Work until the runner closes the connection, then end all trials."""
        signal.set_wakeup_fd(self._signal_end.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler at all, for the wake-up
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the runner decides
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # as if the runner had gone
        _control(_PR_SET_CHILD_SUBREAPER, 1)  # what trials orphan is ours to reap
        try:
            self._can_fork = bool(self._modules) and self._preload()
            self._send({"ready": self._can_fork})
            while True:
                ready = wait([self._connection, self._wakeup], timeout=1.0 if self._leftovers else None)
                self._drain()
                self._reap()
                if self._connection in ready:
                    self._answer(json.loads(self._connection.recv_bytes()))
        except (EOFError, ConnectionError):
            pass
        finally:
            self._end_all()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wakeup.recv(4096):
                pass

    def _answer(self, request: Mapping[str, Any]) -> None:
        if "signal" in request:
            for pid in list(self._trials):
                signal_group(pid, request["signal"])
            return
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:  # too many processes, or too little memory for one more: the other trials go on
            with contextlib.suppress(OSError), Path(request["log"]).open("a", encoding="utf-8") as log:
                log.write(f"fau-sweep: no process can be started: {error.strerror}\n")
            self._send({"ended": request["start"], "code": _EXIT_CANNOT_START})
            return
        if pid == 0:
            self._become_trial(request)
        with contextlib.suppress(PermissionError, ProcessLookupError):  # the child may have been faster
            os.setpgid(pid, pid)
        self._trials[pid] = request["start"]
        self._leftovers.pop(pid, None)  # a number that is used again
        self._send({"started": request["start"], "group": pid})

    def _preload(self) -> bool:
        """Import what trials need and tell whether forking is safe afterwards."""
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)  # busy importing it would not hear that the runner has gone
        if self._connection.poll():  # nothing is asked yet: it went before the line above
            raise EOFError
        try:
            for name in self._modules:
                with contextlib.suppress(ModuleNotFoundError):
                    importlib.import_module(name)
        except Exception:  # noqa: BLE001  a trial of its own meets it too, and says it in its log
            traceback.print_exc()
            return False
        finally:
            _control(_PR_SET_PDEATHSIG, 0)
        gc.collect()
        gc.freeze()  # keeps the collector of each fork from touching, and so copying, these pages
        return _thread_count() == 1

    def _become_trial(self, request: Mapping[str, Any]) -> None:
        """In the child: become the trial. Never returns."""
        code = _EXIT_CANNOT_START
        try:
            self._leave_supervisor()
            log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(source, target)
            for descriptor in (
                log,
                nothing,
                self._connection.fileno(),
                self._wakeup.fileno(),
                self._signal_end.fileno(),
            ):
                os.close(descriptor)
            argv, environment = request["argv"], request["environment"]
            if request["fork"] and self._can_fork and not _gpu_touched():
                code = _run_forked(argv, environment, request["threads"])
            else:
                _execute(argv, environment)
        except BaseException:  # noqa: BLE001  nothing of the supervisor's may run in the child
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _leave_supervisor(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setpgid(0, 0)
        _control(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != self._pid:  # died before the line above
            os._exit(128 + signal.SIGTERM)

    def _send(self, answer: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the runner may be gone already
            self._connection.send_bytes(json.dumps(answer).encode())

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid in self._trials:
                trial = self._trials.pop(pid)
                if signal_group(pid, signal.SIGTERM):
                    self._leftovers[pid] = time.monotonic() + _LEFTOVER_GRACE
                self._send({"ended": trial, "code": os.waitstatus_to_exitcode(status)})
        for group, deadline in list(self._leftovers.items()):
            if not signal_group(group, 0):
                del self._leftovers[group]
            elif time.monotonic() > deadline:
                signal_group(group, signal.SIGKILL)
                del self._leftovers[group]

    def _end_all(self) -> None:
        for pid in list(self._trials):
            signal_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while (self._trials or self._leftovers) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)
        for group in [*self._trials, *self._leftovers]:
            signal_group(group, signal.SIGKILL)


def _control(option: int, value: int) -> None:
    """Set an attribute of this process, where the kernel is Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, int(value), 0, 0, 0)


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; tell whether any process of it is there."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _thread_count() -> int:
    tasks = Path("/proc/self/task")
    if tasks.is_dir():
        return len(list(tasks.iterdir()))
    return threading.active_count()


def _gpu_touched() -> bool:
    """Tell whether CUDA refuses to work in a fork because the parent had touched it."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda._is_in_bad_fork())


def _execute(argv: Sequence[str], environment: Mapping[str, str]) -> None:
    for number in _HANDLED:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], list(argv), dict(environment))
    except OSError as error:
        print(f"fau-sweep: cannot start '{argv[0]}': {error.strerror}", file=sys.stderr)  # noqa: T201


def _run_forked(argv: Sequence[str], environment: Mapping[str, str], threads: int) -> int:
    """Call fau-train's main in this process and return its exit status."""
    atexit._clear()  # what the supervisor's imports registered is the supervisor's
    atexit.register(multiprocessing.util._exit_function)  # type: ignore[attr-defined]
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(argv)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    random.seed()  # else all trials would share the supervisor's state
    torch = sys.modules["torch"]
    torch.set_num_threads(threads)  # the environment variable was read when torch was imported
    try:
        status = importlib.import_module("fau.cli.train").main(argv[1:])
        return status if isinstance(status, int) else 0
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)  # noqa: T201
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception:  # noqa: BLE001  as the interpreter itself would
        traceback.print_exc()
        return 1
    finally:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does
        atexit._run_exitfuncs()


if __name__ == "__main__":
    Supervisor(Connection(int(sys.argv[1])), sys.argv[2:]).serve()
    os._exit(0)  # taking the imports down takes time, and some of them complain

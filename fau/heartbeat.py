"""A folder that one process holds, on this machine and on all others that see it.

On one machine the operating system's lock says who holds a folder, and lets go of it when a process ends, however it
ends. Between machines that share a file system it may say nothing (NFS with local locks, for one). So the holder also
keeps a file there, ``.heartbeat``, in which a counter moves. Clocks of machines differ, so no times are compared: who
wants the folder watches the counter and takes the holder for dead once it has stood still for ``MISSED`` beats of the
watcher's own clock. A process that ends well removes the file; a killed one leaves it, and the next comer finds out.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fau.errors import FauError

BEAT = 15.0  # s between two beats
# NFS shows a file as it was up to 60 s ago (acregmax); twice that, so that no living holder is taken for dead.
MISSED = 8
SETTLE = 2.0  # s after which one of two machines that take over at the same moment sees the other's name
FILES = (".lock", ".heartbeat")
_LENGTH = 512  # bytes; written in place, because NFS finds a replaced file later than changed content


def machine() -> str:
    """Return what tells this machine, while it runs, from all others; containers share their machine's kernel."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()


class Hold:
    """The right to work in a folder.

    Args:
        folder: The folder; must exist when it is taken.
        doing: Begins the sentence that refuses, such as ``run 'runs/a/b' is being trained``.
        who: What holds it, such as ``process``.
    """

    def __init__(self, folder: Path, doing: str, who: str) -> None:
        self._folder, self._doing, self._who = folder, doing, who
        self._file = folder / ".heartbeat"
        self._lock = FileLock(folder / ".lock")
        self._name = ""
        self._lost_to: str | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds the folder, or another does as far as can be told without waiting.

        A process killed on another machine counts until somebody asks for the folder and waits its heartbeat out.
        """
        if self._lock.is_locked:
            return True
        if not self._folder.exists():
            return False
        probe = FileLock(self._folder / ".lock")
        try:
            probe.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # a read-only copy: nobody works there
            return False
        probe.release()
        return _is_elsewhere(self._read())

    @contextlib.contextmanager
    def taken(self, timeout: float) -> Iterator[None]:
        """Hold the folder.

        Args:
            timeout: Seconds to wait for a process of this machine.

        Raises:
            FauError: If another process holds it, or if another machine took it over while this process stood still.
        """
        try:
            self._lock.acquire(timeout=timeout)
        except Timeout:
            raise FauError(f"{self._doing} by another {self._who}; wait for it or stop it") from None
        try:
            self._claim()
            with self._beating():
                yield
        finally:
            self._lock.release()

    def _claim(self) -> None:
        """Write the first beat, unless another machine's heart beats."""
        self._name, self._lost_to = secrets.token_hex(8), None
        while not self._create():
            found = self._read()
            if not found:  # it ended in between
                continue
            if not _is_elsewhere(found):  # this machine's lock says that its process is gone
                self._write(0)
                return
            if self._stands_still(found):
                self._write(0)
                time.sleep(SETTLE)
                found = self._read()
                if _entry(found).get("name") == self._name:
                    return
                raise self._busy(found)

    def _stands_still(self, found: bytes) -> bool:
        """Watch another machine's heartbeat; False if the file goes away.

        Raises:
            FauError: If it beats.
        """
        patience, host = BEAT * MISSED, _entry(found).get("host", "?")
        warnings.warn(
            f"{self._doing} on machine '{host}', or that was lost; waiting up to {patience:.0f} s for a sign of life",
            stacklevel=2,
        )
        wait, stood, looked = min(1.0, BEAT / 4), 0.0, time.monotonic()
        while stood < patience:
            time.sleep(wait)
            now = self._read()
            if not now:
                return False
            if now != found:
                raise self._busy(now)
            before, looked = looked, time.monotonic()
            # A file system that did not answer for minutes let no heart beat either: such a look counts as a short one.
            stood += min(looked - before, 2 * wait)
        return True

    def _busy(self, found: bytes) -> FauError:
        host = _entry(found).get("host", "?")
        return FauError(f"{self._doing} by another {self._who}, on machine '{host}'; wait for it or stop it")

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        stop = threading.Event()
        heart = threading.Thread(target=self._beat, args=(stop,), name="heartbeat", daemon=True)
        heart.start()
        try:
            yield
        except BaseException as error:
            if self._lost_to is not None:
                raise self._lost() from error
            raise
        finally:
            stop.set()
            heart.join()
            with contextlib.suppress(OSError):
                if _entry(self._read()).get("name") == self._name:
                    self._file.unlink()
        if self._lost_to is not None:
            raise self._lost()

    def _beat(self, stop: threading.Event) -> None:
        count = 0
        while not stop.wait(BEAT):
            count += 1
            with contextlib.suppress(OSError):  # a full or absent disk; the next beat may find it again
                found = self._read()
                other = _entry(found)
                if other and other.get("name") != self._name:
                    self._lost_to = str(other.get("host", "?"))
                    os.kill(os.getpid(), signal.SIGTERM)  # ends as if it had been asked to
                    return
                if not found and self._create():
                    continue
                self._write(count)

    def _lost(self) -> FauError:
        return FauError(
            f"{self._doing} on machine '{self._lost_to}', which took it over while this process stood still; "
            "it goes on there"
        )

    def _create(self) -> bool:
        """Write the first beat where there is no file, and tell whether that was so: of two machines one succeeds."""
        try:
            os.close(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            return False
        try:
            self._write(0)
        except OSError:  # a full disk: an empty file would be taken for another machine's
            self._file.unlink(missing_ok=True)
            raise
        return True

    def _write(self, count: int) -> None:
        entry = {"machine": machine(), "host": socket.gethostname(), "name": self._name, "beat": count}
        handle = os.open(self._file, os.O_WRONLY)
        try:
            os.pwrite(handle, json.dumps(entry).encode()[: _LENGTH - 1].ljust(_LENGTH - 1) + b"\n", 0)
        finally:
            os.close(handle)

    def _read(self) -> bytes:
        """Return the file, opened anew, as NFS then asks its server; empty if there is none."""
        try:
            return self._file.read_bytes() or b"?"
        except FileNotFoundError:
            return b""


def _entry(found: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(found)
    except ValueError:  # none, or half written
        return {}
    return entry if isinstance(entry, dict) else {}


def _is_elsewhere(found: bytes) -> bool:
    """Tell whether a heartbeat is another machine's, or nobody can say whose."""
    return bool(found) and _entry(found).get("machine") != machine()

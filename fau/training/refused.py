"""What a run directory held before a training, to be put back where its settings turn out to be refused."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from fau import heartbeat
from fau.atomic import write_atomically
from fau.runs import RunDirectory
from fau.training.record import CONFIG, RECORD

ASIDE = ".before"  # folder in a run directory that keeps what a rerun is to replace
_MARK = "~"  # ends the names in there, so that nobody takes the record for a run's


class Before:
    """A run directory as it is now.

    Settings that Lightning, the network or the optimiser refuse are found out only once a run has begun. Its id is that
    of the wrong settings, so no later run would ever take its place.

    What a rerun replaces is moved aside until an epoch of it has ended. Killed at any moment, the next call finds it.

    Args:
        run: The run directory; locked.
        fresh: Whether the training begins anew although there is something.
    """

    def __init__(self, run: RunDirectory, fresh: bool = False) -> None:
        self._run = run
        self._aside = run.path / ASIDE
        record = run.path / RECORD
        if self._aside.exists() and record.exists():  # a rerun was killed
            if self._stamp() is not None:
                shutil.rmtree(self._aside)
            elif fresh:
                clear_held(run)
        if fresh or (self._aside.exists() and not record.exists()):  # the latter: killed while it moved
            self._move_aside()
        files = {name: run.path / name for name in (RECORD, CONFIG)}
        self._files = {name: file.read_bytes() if file.exists() else None for name, file in files.items()}
        self._last = self._stamp()
        self._gone = False

    def put_back(self) -> bool:
        """Put it back, unless an epoch has ended meanwhile; tell whether."""
        if self._stamp() != self._last:
            return False
        if self._aside.exists():
            clear_held(self._run)
            # The record comes last: it says that the rest is there.
            for entry in sorted(self._aside.iterdir(), key=lambda entry: entry.name == RECORD + _MARK):
                entry.rename(self._run.path / entry.name.removesuffix(_MARK))
            self._aside.rmdir()
            return True
        if self._files[RECORD] is None:
            clear_held(self._run)
            self._gone = True
        for name, content in self._files.items():
            if content is not None:
                write_atomically(self._run.path / name, content)
        return True

    def forget(self) -> None:
        """Remove what was moved aside, once an epoch has ended that takes its place."""
        with contextlib.suppress(OSError):  # a lost file system was told already
            if self._stamp() != self._last:
                shutil.rmtree(self._aside)

    def remove_if_new(self) -> None:
        """Remove the empty folder of a run that there was none of, once the lock is given back."""
        if self._gone:
            shutil.rmtree(self._run.path, ignore_errors=True)
            with contextlib.suppress(OSError):  # other runs of the experiment
                self._run.path.parent.rmdir()

    def _move_aside(self) -> None:
        held = sorted(_held(self._run), key=lambda entry: entry.name != RECORD)  # from then on it is no finished run
        if held:
            self._aside.mkdir(exist_ok=True)
        for entry in held:
            entry.rename(self._aside / f"{entry.name}{_MARK}")

    def _stamp(self) -> tuple[int, int] | None:
        last = self._run.checkpoints / "last.ckpt"
        return (last.stat().st_mtime_ns, last.stat().st_size) if last.exists() else None


def clear_held(run: RunDirectory) -> None:
    """Remove what a run directory holds, the lock, which the caller has, and what was moved aside apart."""
    for entry in _held(run):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _held(run: RunDirectory) -> Iterator[Path]:
    return (entry for entry in list(run.path.iterdir()) if entry.name not in (*heartbeat.FILES, ASIDE))

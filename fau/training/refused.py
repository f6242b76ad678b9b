"""What a run directory held before a training, to be put back where its settings turn out to be refused."""

from __future__ import annotations

import contextlib
import shutil

from fau import heartbeat
from fau.runs import RunDirectory, write_atomically
from fau.training.record import CONFIG, RECORD


class Before:
    """A run directory as it is now.

    Settings that Lightning, the network or the optimiser refuse are found out only once a run has begun. Its id is that
    of the wrong settings, so no later run would ever take its place.

    Args:
        run: The run directory; locked.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        files = {name: run.path / name for name in (RECORD, CONFIG)}
        self._files = {name: file.read_bytes() if file.exists() else None for name, file in files.items()}
        self._last = self._stamp()
        self._gone = False

    def put_back(self) -> bool:
        """Put it back, unless an epoch has ended meanwhile; tell whether."""
        if self._stamp() != self._last:
            return False
        if self._files[RECORD] is None:
            clear_held(self._run)
            self._gone = True
        for name, content in self._files.items():
            if content is not None:
                write_atomically(self._run.path / name, content)
        return True

    def remove_if_new(self) -> None:
        """Remove the empty folder of a run that there was none of, once the lock is given back."""
        if self._gone:
            shutil.rmtree(self._run.path, ignore_errors=True)
            with contextlib.suppress(OSError):  # other runs of the experiment
                self._run.path.parent.rmdir()

    def _stamp(self) -> tuple[int, int] | None:
        last = self._run.checkpoints / "last.ckpt"
        return (last.stat().st_mtime_ns, last.stat().st_size) if last.exists() else None


def clear_held(run: RunDirectory) -> None:
    """Remove what a run directory holds, the lock apart, which the caller has."""
    for entry in run.path.iterdir():
        if entry.name in heartbeat.FILES:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()

"""Run directories: ``runs/<experiment>/<run id>/``, their id, lock, record and predictions.

A run's id hashes what decides its result and nothing else, so the same run asked for twice is found and not run twice.
Every file is written whole or not at all. A run that says ``running`` while nobody holds its lock was interrupted.
No torch here: a report opens without it.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import fau.interrupts  # noqa: F401
from fau.atomic import write_atomically
from fau.errors import FauError
from fau.heartbeat import Hold
from fau.npz import read_npz

RUN_FORMAT = 1
_GROUPS_LISTED = 1000  # in run.json, which a person may read; 300,000 single-image groups are megabytes
# What readers of a record count on, and its type: of a finished run all, of another run what there is.
_RECORD_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("run_id", "name", "status", "selection"), (str,)),
    **dict.fromkeys(("fold", "folds", "epochs", "best_epoch"), (int,)),
    **{"wall_s": (int, float), "labels": (list,), "metrics": (dict,), "crop_set": (dict,)},
}


def run_id(deciding: Mapping[str, Any]) -> str:
    """Hash what decides a run's result.

    Args:
        deciding: Plain JSON values; the order of keys does not matter.

    Returns:
        Twelve hexadecimal digits.
    """
    text = json.dumps(deciding, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class RunDirectory:
    """One run on disk.

    Args:
        path: ``runs/<experiment>/<run id>``; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _hold(self) -> Hold:
        return Hold(self.path, f"run '{self.path}' is being trained", "process")

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints ``last.ckpt`` and ``best.ckpt``."""
        return self.path / "checkpoints"

    def read(self) -> dict[str, Any]:
        """Return the record, ``run.json``.

        Raises:
            FauError: If the file cannot be read, lacks what a record has, or is from a newer format.
        """
        file = self.path / "run.json"
        try:
            record: dict[str, Any] = json.loads(file.read_bytes())
            newer = int(record["format"]) > RUN_FORMAT
            fault = "" if newer else _record_fault(record)
        except KeyError as error:
            fault = f"no {error}"
        except (OSError, ValueError, TypeError, OverflowError) as error:
            fault = str(error)
        if fault:
            raise FauError(f"'{file}' cannot be read ({fault}); train the run again with --rerun")
        if newer:
            raise FauError(f"'{file}' has format {record['format']}, this fau reads up to {RUN_FORMAT}; update fau")
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Write the record, ``run.json``."""
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"format": RUN_FORMAT} | dict(record), indent=1, allow_nan=False)
        write_atomically(self.path / "run.json", text.encode() + b"\n")

    @property
    def status(self) -> str:
        """``new``, ``running``, ``interrupted``, ``failed`` or ``done``."""
        return self.status_of(self.read()) if (self.path / "run.json").exists() else "new"

    def status_of(self, record: Mapping[str, Any]) -> str:
        """Return the status that a record says, which whoever has read it already need not read again."""
        status = str(record["status"])
        return "interrupted" if status == "running" and not self.is_locked() else status

    def is_locked(self) -> bool:
        """Tell whether some process, this one included, is at work on the run, here or on another machine."""
        return self._hold.is_held

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run, against processes of this machine and of others that see the folder.

        Raises:
            FauError: If another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self._hold.taken(timeout=1):  # who only asks whether it is held, holds it for a moment
            yield

    def keep_groups(self, parts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        """Keep the names of the groups of each part: in the record, or beside it where they are more than a thousand.

        Args:
            parts: Names by part, such as ``train``.

        Returns:
            What the record says of them: ``groups``, the lists themselves where they are short, and ``group_counts``.
        """
        counts = {part: len(names) for part, names in parts.items()}
        file = self.path / "groups.json.gz"
        if sum(counts.values()) <= _GROUPS_LISTED:
            file.unlink(missing_ok=True)
            return {"group_counts": counts, "groups": {part: list(names) for part, names in parts.items()}}
        text = json.dumps({part: list(names) for part, names in parts.items()})
        write_atomically(file, gzip.compress(text.encode(), compresslevel=5, mtime=0))
        return {"group_counts": counts}

    def groups(self) -> dict[str, list[str]]:
        """Return the names of the groups of each part, in manifest order.

        Raises:
            FauError: If the record does not say, or what it says cannot be read.
        """
        record, file = self.read(), self.path / "groups.json.gz"
        try:
            groups = record["groups"] if "groups" in record else json.loads(gzip.decompress(file.read_bytes()))
            return {str(part): list(map(str, names)) for part, names in groups.items()}
        except (OSError, ValueError, EOFError, AttributeError, TypeError, zlib.error) as error:
            where = self.path / "run.json" if "groups" in record else file
            raise FauError(
                f"'{where}' cannot be read ({error}), so the run's groups are not known; train it again with --rerun"
            ) from error

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write ``predictions.npz`` or ``counts.npz``; keys may hold slashes.

        Raises:
            ValueError: If an array would need pickle.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_atomically(self.path / name, buffer.getvalue())

    def arrays(
        self, name: str, chosen: Callable[[Sequence[str]], Iterable[str]] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Read ``predictions.npz`` or ``counts.npz``.

        Args:
            name: Of the file.
            chosen: Picks the arrays to read by their names; all if None.

        Raises:
            FauError: If the file is missing or damaged.
        """
        file = self.path / name
        try:
            return read_npz(file, chosen)
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise FauError(f"'{file}' cannot be read ({error}); train the run again with --rerun") from error

    def metrics(self) -> pl.DataFrame:
        """Return the epochs so far, one row each; no rows before the first epoch ended.

        Raises:
            FauError: If the file is damaged.
        """
        file = self.path / "metrics.csv"
        if not file.exists():
            return pl.DataFrame()
        try:
            epochs = pl.read_csv(file, infer_schema_length=None, glob=False)
            if not epochs.schema.get("epoch", pl.String()).is_integer():
                raise ValueError("no column 'epoch' of whole numbers")
            if not epochs.schema.get("time_s", pl.Float64()).is_numeric():
                raise ValueError("column 'time_s' holds no numbers")
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            reason = str(error).partition("\n")[0]
            raise FauError(f"'{file}' cannot be read ({reason}); train the run again with --rerun") from error
        return epochs

    def epoch_columns(self, chosen: Callable[[str], bool]) -> dict[str, list[float | None]]:
        """Return columns of ``metrics.csv`` that hold numbers, as a report of a thousand runs needs them: quickly.

        Args:
            chosen: Picks columns by their names.

        Raises:
            FauError: If the file is damaged.
        """
        try:
            text = (self.path / "metrics.csv").read_bytes().decode()
            names, *rows = csv.reader(text.splitlines(), strict=True)
            cells = dict(zip(names, zip(*rows, strict=True), strict=True))
            if not all(map(str.isdecimal, cells["epoch"])):
                raise ValueError("no whole numbers")
            columns = {name: [float(cell) if cell else None for cell in cells[name]] for name in names if chosen(name)}
        except (OSError, ValueError, KeyError, csv.Error):  # no file, words in a column, or damaged: Polars can tell
            table = self.metrics()
            numeric = [name for name, kind in table.schema.items() if kind.is_numeric()]
            return {name: table[name].to_list() for name in numeric if chosen(name)}
        return {name: column for name, column in columns.items() if any(value is not None for value in column)}

    def log_epoch(self, row: Mapping[str, float | int | None]) -> None:
        """Add an epoch to ``metrics.csv``, in place of the rows that a resumed run does again.

        Args:
            row: Must hold ``epoch``, counted from 0.
        """
        epochs = self.metrics()
        if len(epochs):
            epochs = epochs.filter(pl.col("epoch") < row["epoch"])
        epochs = pl.concat([epochs, pl.DataFrame([dict(row)])], how="diagonal_relaxed")
        write_atomically(self.path / "metrics.csv", epochs.write_csv().encode())


def _record_fault(record: Mapping[str, Any]) -> str:
    """Say what a record lacks, or holds of another type; empty if nothing."""
    if "status" not in record:
        return "no 'status'"
    for key, types in _RECORD_TYPES.items():
        if key not in record:
            if record["status"] == "done":
                return f"no '{key}'"
        elif not isinstance(record[key], types):
            return f"'{key}' is {json.dumps(record[key])[:40]}"
    for name, value in record.get("metrics", {}).items():
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            return f"'{name}' in 'metrics' is {json.dumps(value)[:40]}"
    return "" if "name" in record.get("crop_set", {"name": ""}) else "no name in 'crop_set'"


def ledger(root: Path) -> list[RunDirectory]:
    """Find every run under a folder: all runs, one experiment's, or a single one.

    Raises:
        FauError: If the folder does not exist.
    """
    if not root.is_dir():
        raise FauError(f"'{root}' is not a folder; give the folder that the runs were written to")
    patterns = ("run.json", "*/run.json", "*/*/run.json")
    files = sorted(file for pattern in patterns for file in root.glob(pattern))
    return [RunDirectory(file.parent) for file in files]


def record_trial(run: RunDirectory, status: str) -> None:
    """Tell a sweep runner, if one started this process, which run directory its trial became."""
    target = os.environ.get("FAU_TRIAL_RECORD")
    if target:
        content = {"run_dir": str(run.path.absolute()), "status": status}
        write_atomically(Path(target), json.dumps(content).encode())

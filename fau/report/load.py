"""Read finished runs from their directories, and say what was found of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError
from fau.report.ranking import Ranking, rank
from fau.runs import RunDirectory, ledger


@dataclass(frozen=True)
class Run:
    """One run as a report sees it.

    Attributes:
        path: Its directory.
        record: ``run.json``.
        status: ``done``, ``running``, ``interrupted`` or ``failed``.
        groups: Names of the groups in its test part; empty unless done.
        labels: Names of the labels.
        counts: ``(groups, labels, 4)`` TP, FP, FN, TN.
        ranking: Threshold-free scores; None where no predictions were kept.
        epochs: ``metrics.csv`` as columns.
        fault: What of it cannot be read, and what is therefore left out; empty if all can.
    """

    path: Path
    record: dict[str, Any]
    status: str
    groups: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0, 4), np.int64))
    ranking: Ranking | None = None
    epochs: dict[str, list[float | None]] = field(default_factory=dict)
    fault: str = ""

    @property
    def experiment(self) -> str:
        """Experiment that the run belongs to."""
        return str(self.record.get("experiment") or self.path.parent.name)

    @property
    def name(self) -> str:
        """Row that the run belongs to."""
        return str(self.record.get("name") or self.path.name)

    @property
    def fold(self) -> int:
        """Fold, counted from 1."""
        return int(self.record.get("fold") or 1)

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return int(self.record.get("seed") or 0)

    @property
    def started(self) -> str:
        """When the run was started, as ISO 8601 text that sorts."""
        text = str(self.record.get("started") or "")
        try:
            return datetime.fromisoformat(text).astimezone().isoformat()
        except ValueError:
            return text

    def __getitem__(self, key: str) -> Any:
        """Return a key of the record, None where it is absent."""
        return self.record.get(key)


def load_runs(root: Path, experiments: tuple[str, ...] = ()) -> list[Run]:
    """Read every run under a folder.

    Args:
        root: Folder of runs, of one experiment, or one run.
        experiments: Names to keep; all if empty.

    Raises:
        FauError: If the folder is missing or holds no run (of these experiments).
    """
    runs = [_load(directory) for directory in ledger(root)]
    if not runs:
        raise FauError(f"'{root}' holds no run; train one with fau-train or fau-sweep, or name the folder of the runs")
    if experiments:
        known = sorted({run.experiment for run in runs})
        for name in experiments:
            if name not in known:
                raise FauError(f"'{root}' holds no experiment '{name}'; it holds {', '.join(known)}")
        runs = [run for run in runs if run.experiment in experiments]
    return runs


def _load(directory: RunDirectory) -> Run:
    try:
        record, status = directory.read(), directory.status
    except FauError as error:
        return Run(directory.path, {}, "unreadable", fault=f"{error}; the run is left out")
    epochs, fault = _epochs(directory)
    if status != "done":
        return Run(directory.path, record, status, epochs=epochs)
    try:
        stored = directory.arrays("counts.npz")
        counts = np.stack([stored[key].astype(np.int64) for key in ("tp", "fp", "fn", "tn")], -1)
        groups, labels = tuple(map(str, stored["groups"])), tuple(map(str, stored["labels"]))
        if counts.shape[:2] != (len(groups), len(labels)) or not groups or not labels:
            raise ValueError(f"{counts.shape[:2]} counts for {len(groups)} groups and {len(labels)} labels")
    except (FauError, KeyError, ValueError) as error:
        reason = str(error) if isinstance(error, FauError) else f"'{directory.path / 'counts.npz'}': {error}"
        return Run(directory.path, record, "unreadable", epochs=epochs, fault=f"{reason}; the run is left out")
    ranking, ranking_fault = _ranking(directory, labels, str(record.get("task", "au")))
    fault = "; ".join(filter(None, (fault, ranking_fault)))
    return Run(directory.path, record, status, groups, labels, counts, ranking, epochs, fault)


def _ranking(directory: RunDirectory, labels: tuple[str, ...], task: str) -> tuple[Ranking | None, str]:
    """Return the threshold-free scores, None without whole predictions, and what is wrong with these."""
    file = directory.path / "predictions.npz"
    if not file.exists():
        return None, ""
    try:
        stored = directory.arrays("predictions.npz")
        if f"test/{task}/score" not in stored:
            return None, ""
        if f"labels/{task}" in stored and tuple(map(str, stored[f"labels/{task}"])) != labels:
            raise FauError(f"'{file}' and 'counts.npz' name different labels; train the run again with --rerun")
        return rank(*(stored[f"test/{task}/{name}"] for name in ("score", "label", "mask"))), ""
    except (FauError, KeyError, ValueError, IndexError, TypeError) as error:
        reason = str(error) if isinstance(error, FauError) else f"'{file}': {error}"
        return None, f"{reason}; ROC-AUC and average precision of its row are left out"


def _epochs(directory: RunDirectory) -> tuple[dict[str, list[float | None]], str]:
    try:
        table = directory.metrics()
    except FauError as error:  # learning curves are an extra: said and skipped
        return {}, f"{error}; its learning curve is left out"
    numeric = [name for name, kind in table.schema.items() if kind.is_numeric()]
    return {name: table[name].to_list() for name in numeric}, ""

"""Read finished runs from their directories, and say what was found of the others."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError
from fau.metrics.ranking import Ranking, kept_ranking, rank
from fau.report.scores.classes import ClassCounts, count_classes
from fau.report.scores.holdout import count_holdout
from fau.report.scores.landmarks import count_landmarks
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
        ranking: Threshold-free scores; None where neither they nor predictions were kept.
        classes: Calls class by class; None where each label is a task, or no predictions were kept.
        holdout: Counts on the hold-out set; None where there is none.
        landmarks: ``(groups, 3)`` faces, sum of landmark errors, failures; None where the run has no landmarks.
        epochs: ``metrics.csv`` as columns, without those of single labels.
        fault: What of it cannot be read, and what is therefore left out; empty if all can.
    """

    path: Path
    record: dict[str, Any]
    status: str
    groups: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0, 4), np.int64))
    ranking: Ranking | None = None
    classes: ClassCounts | None = None
    holdout: dict[str, NDArray[Any]] | None = None
    landmarks: NDArray[np.float64] | None = None
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
        record = directory.read()
        status = directory.status_of(record)
    except FauError as error:
        return Run(directory.path, {}, "unreadable", fault=f"{error}; the run is left out")
    epochs, fault = _epochs(directory, set(map(str, record.get("labels", ()))))
    run = Run(directory.path, record, status, epochs=epochs, fault=fault)
    task = str(record.get("task", "au"))
    if status != "done" or task == "va" or "+" in task:  # numbers have moments; of several tasks there is a view each
        return run
    try:
        return load_task(run, directory.arrays("counts.npz"))
    except FauError as error:
        return replace(run, status="unreadable", fault=f"{error}; the run is left out")


def load_task(run: Run, stored: dict[str, NDArray[Any]]) -> Run:
    """Return a run with the counts of its one task, and with what its predictions hold beyond them."""
    try:
        counts = np.stack([stored[key].astype(np.int64) for key in ("tp", "fp", "fn", "tn")], -1)
        groups, labels = tuple(map(str, stored["groups"])), tuple(map(str, stored["labels"]))
        if counts.shape[:2] != (len(groups), len(labels)) or not groups or not labels:
            raise ValueError(f"{counts.shape[:2]} counts for {len(groups)} groups and {len(labels)} labels")
    except (KeyError, ValueError) as error:
        return replace(run, status="unreadable", fault=f"'{run.path / 'counts.npz'}': {error}; the run is left out")
    scores, fault_of_scores = _scores(run, groups, labels, str(run["task"] or "au"), stored)
    fault = "; ".join(filter(None, (run.fault, fault_of_scores)))
    return replace(run, groups=groups, labels=labels, counts=counts, fault=fault, **scores)


def _scores(
    run: Run, groups: tuple[str, ...], labels: tuple[str, ...], task: str, counted: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], str]:
    """Return what is kept beyond hits and misses, or follows from whole predictions, and what is wrong with these."""
    file = run.path / "counts.npz"
    try:
        found: dict[str, Any] = {"ranking": kept_ranking(counted, len(labels))}
        file = run.path / "predictions.npz"
        if not file.exists():
            return found, ""
        ranked = found["ranking"] is not None
        stored = RunDirectory(run.path).arrays(file.name, lambda names: _needed(names, task, ranked))
        if f"labels/{task}" in stored and tuple(map(str, stored[f"labels/{task}"])) != labels:
            raise FauError(f"'{file}' and 'counts.npz' name different labels; train the run again with --rerun")
        if not ranked and f"test/{task}/score" in stored:
            found["ranking"] = rank(*(stored[f"test/{task}/{name}"] for name in ("score", "label", "mask")))
        found["classes"] = count_classes(stored, groups, task) if task == "expression" else None
        found["holdout"] = count_holdout(stored, task, run["threshold"])
        found["landmarks"] = count_landmarks(stored, groups, task)
        return found, ""
    except (FauError, KeyError, ValueError, IndexError, TypeError) as error:
        reason = str(error) if isinstance(error, FauError) else f"'{file}': {error}"
        return {}, f"{reason}; ROC-AUC and average precision of its row are left out"


def _needed(names: Sequence[str], task: str, ranked: bool) -> list[str]:
    """Choose what to read of the predictions: of a thousand runs their scores alone are gigabytes."""
    scores = {f"test/{task}/{part}" for part in ("score", "label", "mask")}
    by_group = {f"test/{task}/landmark_error"} & set(names)
    needed = by_group if ranked and task != "expression" else by_group | scores
    if by_group or task == "expression":
        needed.add("test/group")
    return [name for name in names if name in needed or name.startswith(("labels/", "holdout/"))]


def _epochs(directory: RunDirectory, labels: Container[str]) -> tuple[dict[str, list[float | None]], str]:
    """Return the columns of ``metrics.csv`` but those of single labels, of which no curve is drawn."""
    try:
        return directory.epoch_columns(lambda name: name.rpartition("/")[2] not in labels), ""
    except FauError as error:  # learning curves are an extra: said and skipped
        return {}, f"{error}; its learning curve is left out"

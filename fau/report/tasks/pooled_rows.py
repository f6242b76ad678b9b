"""Rows of which a run is an array of sums by group: built, and compared with the first row of their experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError
from fau.report.load import Run
from fau.report.tasks.pooling import Pooled, pool
from fau.stats import holm

Array = NDArray[np.float64]
Columns = TypeVar("Columns")


@dataclass(kw_only=True)
class PooledRow:
    """One configuration: its finished runs over folds and seeds, pooled.

    Attributes:
        name: The configuration.
        pooled: Its runs.
        fold_mean: The score of each run, averaged.
        p: p of the score's difference to the reference's, adjusted over the rows (Holm); NaN where nothing can be
            compared.
    """

    name: str
    pooled: Pooled
    fold_mean: float
    p: float = float("nan")

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups that every seed tested, sorted."""
        return self.pooled.groups

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that are used."""
        return self.pooled.seeds

    @property
    def folds(self) -> int:
        """Number of folds of each seed."""
        return self.pooled.folds


AnyRow = TypeVar("AnyRow", bound=PooledRow)


@dataclass
class PooledExperiment(Generic[AnyRow]):
    """An experiment with such rows.

    Attributes:
        name: Of the experiment.
        rows: The reference first.
        warnings: What was left out, or makes rows incomparable.
    """

    name: str
    rows: list[AnyRow]
    warnings: list[str] = field(default_factory=list)


def build_experiments(
    runs: Sequence[Run],
    reference: str | None,
    build: Callable[[str, list[Run], list[str]], AnyRow | None],
    compare: Callable[[AnyRow, AnyRow, list[str]], bool],
) -> list[PooledExperiment[AnyRow]]:
    """Build the rows of finished runs and compare those of an experiment with its first.

    Args:
        runs: All of the kind.
        reference: Row to compare with; by default the row that was started first.
        build: Makes a row of its name and its runs, in the order of their starts; may add warnings, or return None.
        compare: Fills in a row's difference to the reference and its p; may add warnings, or return False where
            nothing can be compared.

    Returns:
        One entry an experiment that has a row, by name.
    """
    experiments = []
    for name in sorted({run.experiment for run in runs}):
        members: dict[str, list[Run]] = {}
        for run in sorted(runs, key=lambda run: (run.started, run.fold)):
            if run.experiment == name:
                members.setdefault(run.name, []).append(run)
        warnings: list[str] = []
        built = [build(row, group, warnings) for row, group in members.items()]
        rows = sorted((row for row in built if row is not None), key=lambda row: row.name != (reference or row.name))
        compared = [row for row in rows[1:] if compare(row, rows[0], warnings)]
        for row, p in zip(compared, holm([row.p for row in compared]), strict=True):
            row.p = float(p)
        if rows:
            experiments.append(PooledExperiment(name, rows, warnings))
    return experiments


def pool_runs(
    name: str,
    runs: Sequence[Run],
    read: Callable[[Run], tuple[Columns, tuple[str, ...], Array]],
    warnings: list[str],
) -> tuple[Columns, Pooled] | None:
    """Read and pool the runs of a row; None where nothing can be.

    Args:
        name: Of the row.
        runs: In the order of their starts: of the same seed and fold the last counts.
        read: Returns what a run's sums are of, its groups, and its sums ``(groups, ...)``.
        warnings: Gets a sentence for what is left out or missing.
    """
    kept: dict[tuple[int, int], tuple[tuple[str, ...], Array]] = {}
    columns: Columns | None = None
    for run in runs:
        try:
            own, groups, sums = read(run)
        except FauError as error:
            warnings.append(f"row '{name}': {error}; the run is left out")
            continue
        if columns is not None and own != columns:
            warnings.append(f"row '{name}' mixes label sets; give each a name of its own: the row is left out")
            return None
        columns, kept[run.seed, run.fold] = own, (groups, sums)
    pooled = pool(name, kept, max(int(run["folds"] or run.fold) for run in runs), warnings)
    return None if pooled is None or columns is None else (columns, pooled)

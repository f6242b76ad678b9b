"""Valence and arousal in a report: rows of pooled CCC and RMSE, compared with the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError
from fau.metrics import moment_scores
from fau.report.load import Run
from fau.report.tasks.pooled_rows import PooledExperiment, PooledRow, build_experiments, pool_runs
from fau.report.tasks.pooling import common
from fau.runs import RunDirectory
from fau.stats import Estimate, macro_mean
from fau.stats.ccc import ccc_difference, ccc_intervals, ccc_swap_test, rmse_intervals

Array = NDArray[np.float64]


@dataclass(kw_only=True)
class AffectRow(PooledRow):
    """One configuration; its runs are ``(seeds, groups, labels, 7)`` of ``fau.metrics.group_moments``.

    Attributes:
        labels: Valence and arousal.
        ccc: Pooled CCC with intervals.
        rmse: Pooled RMSE with intervals.
        pearson: Pooled Pearson's r of each label, NaN where it is not defined.
        sagr: Share of frames whose signs agree, of each label.
        difference: CCC less the reference's; None for the reference and where nothing can be compared.
        compared: Number of groups that both tested.
    """

    labels: tuple[str, ...]
    ccc: Estimate
    rmse: Estimate
    pearson: tuple[float, ...]
    sagr: tuple[float, ...]
    difference: Estimate | None = None
    compared: int = 0


AffectExperiment: TypeAlias = PooledExperiment[AffectRow]


def has_affect(run: Run) -> bool:
    """Tell whether a run, or a view of it, is one of valence and arousal."""
    return str(run["task"]) == "va"


def unfinished(runs: Sequence[Run], finished: Sequence[AffectExperiment]) -> list[str]:
    """Say which experiments of valence and arousal have no finished run."""
    known = {experiment.name for experiment in finished}
    names = sorted({run.experiment for run in runs if has_affect(run)} - known)
    return [f"experiment '{name}' has no finished run of valence and arousal" for name in names]


def build_affect(
    runs: Sequence[Run], reference: str | None = None, resamples: int = 9999, level: float = 0.95
) -> list[AffectExperiment]:
    """Pool and compare the runs that trained valence and arousal.

    Args:
        runs: Runs of any kind, those of several tasks as views; those of other tasks are left out.
        reference: Row to compare with; by default the row that was started first.
        resamples: Random swaps a comparison.
        level: Confidence level of the intervals.

    Returns:
        One entry an experiment that has a finished run, by name.
    """
    own = [run for run in runs if has_affect(run) and run["status"] == "done"]
    build, compare = partial(_row, level=level), partial(_compare, resamples=resamples, level=level)
    return build_experiments(own, reference, build, compare)


def _moments(run: Run) -> tuple[tuple[str, ...], tuple[str, ...], Array]:
    """Return labels, groups and moments of a run.

    Raises:
        FauError: If its counts cannot be read.
    """
    stored = RunDirectory(run.path).arrays("counts.npz")
    prefix = "va/" if "va/moments" in stored else ""
    try:
        groups, labels = (tuple(map(str, stored[f"{prefix}{key}"])) for key in ("groups", "labels"))
        moments = stored[f"{prefix}moments"].astype(np.float64)
    except KeyError as error:
        raise FauError(f"'{run.path / 'counts.npz'}' lacks {error}; train the run again with --rerun") from error
    if moments.shape != (len(groups), len(labels), 7):
        raise FauError(f"'{run.path / 'counts.npz'}' holds moments {moments.shape}; train the run again with --rerun")
    return labels, groups, moments


def _row(name: str, runs: list[Run], warnings: list[str], level: float) -> AffectRow | None:
    found = pool_runs(name, runs, _moments, warnings)
    if found is None:
        return None
    labels, pooled = found
    scores = {key: tuple(map(float, value.mean(0))) for key, value in moment_scores(pooled.sums.sum(1)).items()}
    of_runs = [float(macro_mean(moment_scores(moments.sum(0))["ccc"])) for moments in pooled.used.values()]
    return AffectRow(
        name=name,
        labels=labels,
        pooled=pooled,
        ccc=ccc_intervals(pooled.sums, level),
        rmse=rmse_intervals(pooled.sums, level),
        pearson=scores["pearson"],
        sagr=scores["sagr"],
        fold_mean=float(np.nanmean(of_runs)) if not np.isnan(of_runs).all() else float("nan"),
    )


def _compare(row: AffectRow, reference: AffectRow, warnings: list[str], resamples: int, level: float) -> bool:
    """Compare a row with the reference, over the groups and seeds that both tested."""
    both = common(row.pooled, reference.pooled) if row.labels == reference.labels else None
    if both is None:
        warnings.append(f"row '{row.name}' shares no subject, seed or label with the reference")
        return False
    own, other = both
    row.compared = own.shape[1]
    if row.compared < max(len(row.groups), len(reference.groups)):
        warnings.append(f"row '{row.name}' is compared over the {row.compared} subjects that both tested")
    if not np.array_equal(own[..., [0, 2]], other[..., [0, 2]]):
        warnings.append(f"row '{row.name}' was scored on other frames than the reference")
    row.difference = ccc_difference(own, other, level)
    row.p = ccc_swap_test(own, other, resamples).macro
    return True

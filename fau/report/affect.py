"""Valence and arousal in a report: rows of pooled CCC and RMSE, compared with the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fau.concordance import moment_scores
from fau.errors import FauError
from fau.report.affect_stats import ccc_difference, ccc_intervals, ccc_swap_test, rmse_intervals
from fau.report.load import Run
from fau.report.pooling import Pooled, common, pool
from fau.runs import RunDirectory
from fau.stats import Estimate, holm, macro_mean

Array = NDArray[np.float64]


@dataclass
class AffectRow:
    """One configuration: its finished runs over folds and seeds, pooled.

    Attributes:
        name: The configuration.
        labels: Valence and arousal.
        pooled: Its runs, ``(seeds, groups, labels, 7)`` of ``fau.concordance.group_moments``.
        ccc: Pooled CCC with intervals.
        rmse: Pooled RMSE with intervals.
        pearson: Pooled Pearson's r of each label, NaN where it is not defined.
        sagr: Share of frames whose signs agree, of each label.
        fold_mean: Mean CCC of each run, averaged.
        difference: CCC less the reference's; None for the reference and where nothing can be compared.
        p: p of the mean difference, adjusted over the rows (Holm).
        compared: Number of groups that both tested.
    """

    name: str
    labels: tuple[str, ...]
    pooled: Pooled
    ccc: Estimate
    rmse: Estimate
    pearson: tuple[float, ...]
    sagr: tuple[float, ...]
    fold_mean: float
    difference: Estimate | None = None
    p: float = float("nan")
    compared: int = 0

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


@dataclass
class AffectExperiment:
    """An experiment that trains valence and arousal, alone or beside other tasks.

    Attributes:
        name: Of the experiment.
        rows: The reference first.
        warnings: What was left out, or makes rows incomparable.
    """

    name: str
    rows: list[AffectRow]
    warnings: list[str] = field(default_factory=list)


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
    experiments = []
    for name in sorted({run.experiment for run in runs if has_affect(run)}):
        found = AffectExperiment(name, [])
        members: dict[str, list[Run]] = {}
        for run in sorted(runs, key=lambda run: (run.started, run.fold)):
            if has_affect(run) and run.experiment == name and run["status"] == "done":
                members.setdefault(run.name, []).append(run)
        built = [_row(row, group, found.warnings, level) for row, group in members.items()]
        found.rows = [row for row in built if row is not None]
        found.rows.sort(key=lambda row: row.name != reference if reference is not None else False)
        _compare(found, resamples, level)
        if found.rows:
            experiments.append(found)
    return experiments


def _moments(run: Run) -> tuple[tuple[str, ...], tuple[str, ...], Array]:
    """Return groups, labels and moments of a run.

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
    return groups, labels, moments


def _row(name: str, runs: list[Run], warnings: list[str], level: float) -> AffectRow | None:
    kept: dict[tuple[int, int], tuple[tuple[str, ...], Array]] = {}
    labels: tuple[str, ...] = ()
    for run in runs:  # in order of their starts: of the same seed and fold the last counts
        try:
            groups, labels, moments = _moments(run)
            kept[run.seed, run.fold] = groups, moments
        except FauError as error:
            warnings.append(f"row '{name}': {error}; the run is left out")
    pooled = pool(name, kept, max(int(run["folds"] or run.fold) for run in runs), warnings)
    if pooled is None:
        return None
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


def _compare(experiment: AffectExperiment, resamples: int, level: float) -> None:
    """Fill in each row's difference to the first, over the groups and seeds that both tested."""
    compared = []
    for row in experiment.rows[1:]:
        reference = experiment.rows[0]
        both = common(row.pooled, reference.pooled) if row.labels == reference.labels else None
        if both is None:
            experiment.warnings.append(f"row '{row.name}' shares no subject, seed or label with the reference")
            continue
        own, other = both
        row.compared = own.shape[1]
        if row.compared < max(len(row.groups), len(reference.groups)):
            experiment.warnings.append(
                f"row '{row.name}' is compared over the {row.compared} subjects that both tested"
            )
        if not np.array_equal(own[..., [0, 2]], other[..., [0, 2]]):
            experiment.warnings.append(f"row '{row.name}' was scored on other frames than the reference")
        row.difference = ccc_difference(own, other, level)
        row.p = ccc_swap_test(own, other, resamples).macro
        compared.append(row)
    for row, p in zip(compared, holm([row.p for row in compared]), strict=True):
        row.p = float(p)

"""The score of several tasks in one network: the sum of their scores, pooled and compared with the first row's.

F1 of action units, F1 of expressions and the mean CCC of valence and arousal, or what of them there is; with all three
it is P_MTL of the ABAW challenges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError
from fau.report.load import Run
from fau.report.multitask_stats import (
    Part,
    present,
    score_difference,
    score_interval,
    score_swap_test,
    total_score,
)
from fau.report.pooling import Pooled, common, pool
from fau.runs import RunDirectory
from fau.stats import Interval, holm

Array = NDArray[np.float64]


@dataclass
class MultiTaskRow:
    """One configuration: its finished runs over folds and seeds, pooled.

    Attributes:
        name: The configuration.
        parts: Its tasks.
        pooled: Its runs.
        score: The sum of the tasks' scores.
        tasks: Score of each task.
        fold_mean: The score of each run, averaged.
        difference: The score less the reference's; None for the reference and where nothing can be compared.
        p: p of the difference, adjusted over the rows (Holm).
    """

    name: str
    parts: tuple[Part, ...]
    pooled: Pooled
    score: Interval
    tasks: tuple[float, ...]
    fold_mean: float
    difference: Interval | None = None
    p: float = float("nan")


@dataclass
class MultiTaskExperiment:
    """An experiment that trains several tasks in one network.

    Attributes:
        name: Of the experiment.
        rows: The reference first.
        warnings: What was left out, or makes rows incomparable.
    """

    name: str
    rows: list[MultiTaskRow]
    warnings: list[str] = field(default_factory=list)


def build_multitask(
    runs: Sequence[Run], reference: str | None = None, resamples: int = 9999, level: float = 0.95
) -> list[MultiTaskExperiment]:
    """Pool and compare the runs that trained several tasks.

    Args:
        runs: Runs of any kind, as they were loaded; those of one task are left out.
        reference: Row to compare with; by default the row that was started first.
        resamples: Random swaps a comparison.
        level: Confidence level of the intervals.

    Returns:
        One entry an experiment that has a finished run, by name.
    """
    several = [run for run in runs if "+" in str(run["task"] or "") and run.status == "done"]
    experiments = []
    for name in sorted({run.experiment for run in several}):
        found = MultiTaskExperiment(name, [])
        members: dict[str, list[Run]] = {}
        for run in sorted(several, key=lambda run: (run.started, run.fold)):
            if run.experiment == name:
                members.setdefault(run.name, []).append(run)
        built = [_row(row, group, found.warnings, level) for row, group in members.items()]
        found.rows = [row for row in built if row is not None]
        found.rows.sort(key=lambda row: row.name != reference if reference is not None else False)
        _compare(found, resamples, level)
        if found.rows:
            experiments.append(found)
    return experiments


def _row(name: str, runs: list[Run], warnings: list[str], level: float) -> MultiTaskRow | None:
    kept: dict[tuple[int, int], tuple[tuple[str, ...], Array]] = {}
    parts: tuple[Part, ...] = ()
    for run in runs:  # in order of their starts: of the same seed and fold the last counts
        try:
            own, groups, sums = _sums(run)
        except FauError as error:
            warnings.append(f"row '{name}': {error}; the run is left out")
            continue
        if parts and own != parts:
            warnings.append(f"row '{name}' mixes label sets; give each a name of its own: the row is left out")
            return None
        parts, kept[run.seed, run.fold] = own, (groups, sums)
    pooled = pool(name, kept, max(int(run["folds"] or run.fold) for run in runs), warnings)
    if pooled is None:
        return None
    of_runs = [total_score(parts, sums.sum(0), sums.sum(0)) for sums in pooled.used.values()]
    tasks = [float(part.score(pooled.sums.sum(1), present(part, pooled.sums)).mean()) for part in parts]
    score = score_interval(parts, pooled.sums, level)
    return MultiTaskRow(name, parts, pooled, score, tuple(tasks), float(np.mean(of_runs)))


def _sums(run: Run) -> tuple[tuple[Part, ...], tuple[str, ...], Array]:
    """Return a run's tasks, its groups and their sums ``(groups, columns)``.

    Raises:
        FauError: If its counts cannot be read.
    """
    stored = RunDirectory(run.path).arrays("counts.npz")
    parts: list[Part] = []
    arrays: list[tuple[tuple[str, ...], Array]] = []
    try:
        for task in str(run["task"]).split("+"):
            groups = tuple(map(str, stored[f"{task}/groups"]))
            if task == "va":
                own = stored["va/moments"].astype(np.float64)
            else:
                own = np.stack([stored[f"{task}/{key}"].astype(np.float64) for key in ("tp", "fp", "fn")], -1)
            start = parts[-1].columns.stop if parts else 0
            flat = own.reshape(len(groups), -1)
            parts.append(Part(task, len(stored[f"{task}/labels"]), slice(start, start + flat.shape[1])))
            arrays.append((groups, flat))
    except (KeyError, ValueError) as error:
        raise FauError(f"'{run.path / 'counts.npz'}': {error}; train the run again with --rerun") from error
    everyone = tuple(sorted({group for groups, _ in arrays for group in groups}))
    sums = np.zeros((len(everyone), parts[-1].columns.stop))
    for part, (groups, flat) in zip(parts, arrays, strict=True):
        sums[np.searchsorted(np.array(everyone), groups), part.columns] = flat
    return tuple(parts), everyone, sums


def _compare(experiment: MultiTaskExperiment, resamples: int, level: float) -> None:
    """Fill in each row's difference to the first, over the groups and seeds that both tested."""
    compared = []
    for row in experiment.rows[1:]:
        reference = experiment.rows[0]
        both = common(row.pooled, reference.pooled) if row.parts == reference.parts else None
        if both is None:
            experiment.warnings.append(f"row '{row.name}' shares no subject, seed or tasks with the reference")
            continue
        row.difference = score_difference(row.parts, *both, level)
        row.p = score_swap_test(row.parts, *both, resamples)
        compared.append(row)
    for row, p in zip(compared, holm([row.p for row in compared]), strict=True):
        row.p = float(p)

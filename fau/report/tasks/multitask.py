"""The score of several tasks in one network: the sum of their scores, pooled and compared with the first row's.

F1 of action units, F1 of expressions and the mean CCC of valence and arousal, or what of them there is; with all three
it is P_MTL of the ABAW challenges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fau.errors import FauError
from fau.report.load import Run
from fau.report.tasks.pooled_rows import PooledExperiment, PooledRow, build_experiments, pool_runs
from fau.report.tasks.pooling import common
from fau.runs import RunDirectory
from fau.stats import Interval
from fau.stats.tasks import Part, present, score_difference, score_interval, score_swap_test, total_score

Array = NDArray[np.float64]


@dataclass(kw_only=True)
class MultiTaskRow(PooledRow):
    """One configuration that trains several tasks in one network.

    Attributes:
        parts: Its tasks.
        score: The sum of the tasks' scores.
        tasks: Score of each task.
        difference: The score less the reference's; None for the reference and where nothing can be compared.
    """

    parts: tuple[Part, ...]
    score: Interval
    tasks: tuple[float, ...]
    difference: Interval | None = None


MultiTaskExperiment: TypeAlias = PooledExperiment[MultiTaskRow]


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
    build, compare = partial(_row, level=level), partial(_compare, resamples=resamples, level=level)
    return build_experiments(several, reference, build, compare)


def _row(name: str, runs: list[Run], warnings: list[str], level: float) -> MultiTaskRow | None:
    found = pool_runs(name, runs, _sums, warnings)
    if found is None:
        return None
    parts, pooled = found
    of_runs = [total_score(parts, sums.sum(0), sums.sum(0)) for sums in pooled.used.values()]
    return MultiTaskRow(
        name=name,
        parts=parts,
        pooled=pooled,
        score=score_interval(parts, pooled.sums, level),
        tasks=tuple(float(part.score(pooled.sums.sum(1), present(part, pooled.sums)).mean()) for part in parts),
        fold_mean=float(np.mean(of_runs)),
    )


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


def _compare(row: MultiTaskRow, reference: MultiTaskRow, warnings: list[str], resamples: int, level: float) -> bool:
    """Compare a row with the reference, over the groups and seeds that both tested."""
    both = common(row.pooled, reference.pooled) if row.parts == reference.parts else None
    if both is None:
        warnings.append(f"row '{row.name}' shares no subject, seed or tasks with the reference")
        return False
    row.difference = score_difference(row.parts, *both, level)
    row.p = score_swap_test(row.parts, *both, resamples)
    return True

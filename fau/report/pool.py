"""From the runs of one configuration, over folds and seeds, to a row: counts are pooled first, and then scored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.metrics.ranking import average
from fau.report.load import Run
from fau.report.rows import Row
from fau.report.scores.classes import ClassScores, class_scores
from fau.report.scores.holdout import holdout_scores
from fau.report.scores.landmarks import LandmarkScores, landmark_scores
from fau.stats import Estimate, accuracy, f1_intervals, f1_scores, macro_mean


def build_row(name: str, all_runs: list[Run], notes: list[str], level: float = 0.95) -> Row | None:
    """Pool the finished runs of one configuration.

    Seeds with fewer finished folds than the others are left out, since their F1 is over other subjects.

    Args:
        name: Of the row.
        all_runs: Its runs, finished or not.
        notes: Receives remarks on what was left out.
        level: Confidence level of the intervals.

    Returns:
        The row, or None if no run is finished.
    """
    done = _latest(name, [run for run in all_runs if run.status == "done"], notes)
    done = _same_labels(name, done, notes)
    if not done:
        return None
    folds_of: dict[int, set[int]] = {}
    for run in done:
        folds_of.setdefault(run.seed, set()).add(run.fold)
    most = max(folds_of.values(), key=len)
    seeds = tuple(sorted(seed for seed, folds in folds_of.items() if folds == most))
    short = sorted(set(folds_of) - set(seeds))
    if short:
        notes.append(f"row '{name}': seed {_listed(short)} left out, its finished folds are not those of the others")
    runs = sorted((run for run in done if run.seed in seeds), key=lambda run: (run.seed, run.fold))
    counts, groups = _pool(name, runs, seeds, notes)
    if len(counts) < len(seeds):
        seeds, runs = seeds[:1], [run for run in runs if run.seed == seeds[0]]
    estimate = f1_intervals(counts[..., :3], level)
    scores = [f1_scores(run.counts.sum(0)[:, :3]) for run in runs]
    values = tuple(float(macro_mean(score)) for score in scores)
    label_mean = tuple(float(macro_mean(column)) for column in np.array(scores).T)
    kept = [run.ranking for run in runs if run.ranking is not None]
    row = Row(
        name=name,
        runs=runs,
        all_runs=all_runs,
        labels=runs[0].labels,
        groups=groups,
        seeds=seeds,
        folds=tuple(sorted(most)),
        expected_folds=max(int(run["folds"] or run.fold) for run in done),
        counts=counts,
        estimate=estimate,
        fold_mean=float(np.nanmean(values)) if not np.all(np.isnan(values)) else float("nan"),
        label_fold_mean=label_mean,
        accuracy=_accuracy(counts, estimate, runs[0]["task"] == "expression"),
        label_accuracy=tuple(map(float, accuracy(counts.sum(1)).mean(0))),
        ranking=average(kept) if len(kept) == len(runs) else None,
        classes=_classes(runs, seeds, groups, level),
        holdout=holdout_scores([run.holdout for run in runs], runs[0]["task"] == "expression", level),
        landmarks=_landmarks(runs, seeds, groups, level),
    )
    if any(run["selection"] == "test" for run in runs):
        row.marks.add("†")
    if any(run["selection"] == "rotating" for run in runs):
        row.marks.add("◊")
    if any(_enlarged(run) for run in runs):
        row.marks.add("‡")
    if len(row.folds) < row.expected_folds or short:
        row.marks.add("¶")
    noted: dict[str, list[str]] = {}
    for label, interval in zip(row.labels, estimate.labels, strict=True):
        if interval.note and not np.isnan(interval.value):
            noted.setdefault(interval.note, []).append(label)
    row.notes += [f"{', '.join(labels)}: {note}" for note, labels in noted.items()]
    return row


def _accuracy(counts: NDArray[np.int64], estimate: Estimate, single: bool) -> float:
    """Pooled accuracy: of a single-label task the share of right samples, else the mean of macro F1's labels."""
    if single:
        hits, samples = counts[..., 0].sum(), counts[..., 0].sum() + counts[..., 2].sum()
        return float(hits / samples) if samples else float("nan")
    present = ~np.isnan([label.value for label in estimate.labels])
    return float(macro_mean(accuracy(counts.sum(1)).mean(0)[present])) if present.any() else float("nan")


def _classes(runs: list[Run], seeds: tuple[int, ...], groups: tuple[str, ...], level: float) -> ClassScores | None:
    """Scores class by class of the groups that every seed tested, pooled over folds."""
    parts = [(seeds.index(run.seed), run.groups, run.classes) for run in runs if run.classes is not None]
    return class_scores(parts, len(seeds), groups, level) if len(parts) == len(runs) else None


def _landmarks(runs: list[Run], seeds: tuple[int, ...], groups: tuple[str, ...], level: float) -> LandmarkScores | None:
    """Landmark scores of the groups that every seed tested, summed over folds."""
    position = {group: index for index, group in enumerate(groups)}
    sums = np.zeros((len(seeds), len(groups), 3))
    for run in runs:
        if run.landmarks is None:
            return None
        for group, values in zip(run.groups, run.landmarks, strict=True):
            if group in position:
                sums[seeds.index(run.seed), position[group]] += values
    return landmark_scores(sums, level)


def _latest(name: str, runs: list[Run], notes: list[str]) -> list[Run]:
    """Keep one run per seed and fold, the one started last."""
    kept: dict[tuple[int, int], Run] = {}
    for run in sorted(runs, key=lambda run: run.started):
        kept[run.seed, run.fold] = run
    if len(kept) < len(runs):
        number = len(runs) - len(kept)
        notes.append(
            f"row '{name}': {number} run{'s' if number > 1 else ''} of the same seed and fold left out, the last one "
            "started counts; give changed configurations another name"
        )
    return list(kept.values())


def _same_labels(name: str, runs: list[Run], notes: list[str]) -> list[Run]:
    kinds = {run.labels for run in runs}
    if len(kinds) < 2:
        return runs
    first = max(sorted(kinds), key=lambda kind: sum(run.labels == kind for run in runs))
    notes.append(f"row '{name}': runs of other labels than {', '.join(first)} left out")
    return [run for run in runs if run.labels == first]


def _pool(
    name: str, runs: list[Run], seeds: tuple[int, ...], notes: list[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Sum counts over folds: ``(seeds, groups, labels, 4)`` of the groups that every seed tested."""
    tested: list[dict[str, NDArray[np.int64]]] = []
    repeated = False
    for seed in seeds:
        sums: dict[str, NDArray[np.int64]] = {}
        for run in runs:
            if run.seed == seed:
                repeated = repeated or bool(sums.keys() & set(run.groups))
                for group, count in zip(run.groups, run.counts, strict=True):
                    sums[group] = sums[group] + count if group in sums else count
        tested.append(sums)
    if repeated:
        notes.append(f"row '{name}': some subjects are in the test part of several folds, their counts are summed")
    groups = sorted(set.intersection(*(set(sums) for sums in tested)))
    if not groups:
        notes.append(f"row '{name}': its seeds have no test subject in common; seed {seeds[0]} alone counts")
        return _pool(name, runs, seeds[:1], notes)
    if any(len(sums) > len(groups) for sums in tested):
        notes.append(f"row '{name}': its seeds tested different subjects; the {len(groups)} common ones count")
    return np.stack([np.stack([sums[group] for group in groups]) for sums in tested]), tuple(groups)


def _enlarged(run: Run) -> bool:
    """Tell whether images were enlarged: where it is allowed, and not known to have been needless."""
    found: dict[str, list[Any]] = {"allow_upsample": [], "input_size": []}
    _settings(run["config"], found)
    if True not in found["allow_upsample"]:
        return False
    stored = (run["crop_set"] or {}).get("size")
    asked = [size for size in found["input_size"] if isinstance(size, int)]
    return not (isinstance(stored, int) and asked and stored >= max(asked))


def _settings(config: Any, found: dict[str, list[Any]]) -> None:
    """Add every value that a configuration gives some keys, at whatever depth."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key in found:
                found[key].append(value)
            if isinstance(value, dict | list):
                _settings(value, found)
    elif isinstance(config, list):
        for value in config:
            if isinstance(value, dict | list):
                _settings(value, found)


def _listed(values: list[int]) -> str:
    return ", ".join(map(str, values))

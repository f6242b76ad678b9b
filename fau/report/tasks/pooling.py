"""The runs of a row put together over folds and seeds, where a run is an array of sums by group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """What the runs of a row come to.

    Attributes:
        groups: Groups that every seed tested, sorted.
        seeds: Seeds that are used: those with the most folds.
        folds: Number of folds of each.
        sums: ``(seeds, groups, ...)``, over folds.
        used: The arrays of the runs that are used, by seed and fold.
    """

    groups: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: int
    sums: Array
    used: Mapping[tuple[int, int], Array]


def pool(
    name: str, runs: Mapping[tuple[int, int], tuple[tuple[str, ...], Array]], expected: int, warnings: list[str]
) -> Pooled | None:
    """Add up a row's runs group by group; None where nothing can be.

    Args:
        name: Of the row.
        runs: Groups and sums ``(groups, ...)`` of each run, by seed and fold.
        expected: Number of folds that the protocol has.
        warnings: Gets a sentence for what is left out or missing.
    """
    if not runs:
        return None
    folds = {seed: {fold for other, fold in runs if other == seed} for seed, _ in runs}
    most = max(folds.values(), key=len)
    seeds = tuple(sorted(seed for seed in folds if folds[seed] == most))
    if left := sorted(set(folds) - set(seeds)):
        warnings.append(f"row '{name}': seeds {left} left out, their finished folds are not those of the others")
    if len(most) < expected:
        warnings.append(f"row '{name}': {len(most)} of {expected} folds are finished")
    used = {key: value for key, value in runs.items() if key[0] in seeds}
    totals: dict[int, dict[str, Array]] = {seed: {} for seed in seeds}
    for (seed, _), (tested, sums) in used.items():
        for group, own in zip(tested, sums, strict=True):
            totals[seed][group] = totals[seed][group] + own if group in totals[seed] else own
    groups = tuple(sorted(set.intersection(*(set(of) for of in totals.values()))))
    if not groups:
        warnings.append(f"row '{name}': its seeds have no test subject in common; it is left out")
        return None
    stacked = np.stack([np.stack([totals[seed][group] for group in groups]) for seed in seeds])
    return Pooled(groups, seeds, len(most), stacked, {key: sums for key, (_, sums) in used.items()})


def common(first: Pooled, second: Pooled) -> tuple[Array, Array] | None:
    """Return the sums of both over the groups and seeds that both have; None without any."""
    groups = sorted(set(first.groups) & set(second.groups))
    seeds = sorted(set(first.seeds) & set(second.seeds))
    if not groups or not seeds:
        return None
    own, other = (
        one.sums[[one.seeds.index(seed) for seed in seeds]][:, np.searchsorted(np.array(one.groups), groups)]
        for one in (first, second)
    )
    return own, other

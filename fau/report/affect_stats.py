"""Intervals and tests over groups (subjects) for pooled CCC and RMSE, from sums of moments.

As with F1 (``fau.stats``): sums of all test folds first, then the score of each column, then the mean over columns; a
subject is the unit of chance; several seeds are scored each and averaged. Moments are ``(seeds, groups, labels, 7)``,
as ``fau.concordance.group_moments`` gives them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fau.concordance import moment_scores
from fau.stats import EXACT_SWAPS, ONE_GROUP, Estimate, Interval, Scale, SwapTest, jackknife_bounds, macro_mean

Array = NDArray[np.float64]

UNDEFINED = "not defined: fewer than two samples, or neither predictions nor labels vary"
_EDGE = 1 - 1e-6  # Fisher's z is infinite at 1
_CHUNK = 2_000_000  # numbers held at once by the swap test


def ccc_intervals(moments: Array, level: float = 0.95) -> Estimate:
    """Estimate pooled CCC of each column and their mean, with intervals over groups.

    Delete-one-group jackknife on Fisher's z, with Student quantiles at the effective number of groups (Kish's, by coded
    samples) less one. One group gives the logical bounds -1 and 1.

    Args:
        moments: ``(seeds, groups, labels, 7)``.
        level: Confidence level in (0, 1).
    """
    values, left_out = _of("ccc", moments), _left_out("ccc", moments)
    labels, mean = _all_intervals(moments, values, left_out, level, _fisher, np.tanh, (-1.0, 1.0))
    seeds = tuple(map(float, macro_mean(_of_seeds("ccc", moments))))
    return Estimate(mean, labels, moments.shape[1], _effective(moments.sum(2)[..., 0]), seeds)


def rmse_intervals(moments: Array, level: float = 0.95) -> Estimate:
    """Estimate pooled RMSE of each column and their mean, as ``ccc_intervals`` does, on a logarithmic scale."""
    values, left_out = _of("rmse", moments), _left_out("rmse", moments)
    labels, mean = _all_intervals(moments, values, left_out, level, _log, np.exp, (0.0, np.inf))
    seeds = tuple(map(float, macro_mean(_of_seeds("rmse", moments))))
    return Estimate(mean, labels, moments.shape[1], _effective(moments.sum(2)[..., 0]), seeds)


def ccc_difference(system: Array, reference: Array, level: float = 0.95) -> Estimate:
    """Estimate the difference of pooled CCC, system less reference, with paired jackknife intervals over groups.

    Args:
        system: ``(seeds, groups, labels, 7)``.
        reference: The same shape, groups and labels in the same order.
        level: Confidence level in (0, 1).
    """
    values = _of("ccc", system) - _of("ccc", reference)
    left_out = _left_out("ccc", system) - _left_out("ccc", reference)
    labels, mean = _all_intervals(system, values, left_out, level, np.asarray, np.asarray, (-2.0, 2.0))
    seeds = macro_mean(_of_seeds("ccc", system) - _of_seeds("ccc", reference))
    effective = _effective(system.sum(2)[..., 0])
    return Estimate(mean, labels, system.shape[1], effective, tuple(map(float, seeds)))


def ccc_swap_test(system: Array, reference: Array, resamples: int = 9999, seed: int = 0) -> SwapTest:
    """Test whether two systems differ in CCC, by swapping their moments group by group; see ``fau.stats.swap_test``.

    Args:
        system: ``(seeds, groups, labels, 7)``; a group is swapped in all seeds at once.
        reference: The same shape, groups and labels in the same order.
        resamples: Number of random swaps where there are too many to enumerate.
        seed: Of the random swaps.
    """
    seeds, groups, labels, width = system.shape
    moved = np.moveaxis(reference - system, 0, 1).reshape(groups, -1)
    totals = system.sum(1), reference.sum(1)
    observed = (moment_scores(totals[0])["ccc"] - moment_scores(totals[1])["ccc"]).mean(0)
    exact = 2**groups <= EXACT_SWAPS
    draws = 2 ** (groups - 1) if exact else resamples
    generator = np.random.default_rng(seed)
    hits = np.zeros(labels + 1)
    bar = np.abs(np.append(observed, macro_mean(observed))) - 1e-9  # sums in another order must not miss a tie
    step = max(1, _CHUNK // max(seeds * labels * width, groups))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        if exact:  # the last group stays: to swap all groups only turns the sign
            swaps = (np.arange(start, start + size)[:, None] >> np.arange(groups) & 1).astype(np.float64)
        else:
            swaps = generator.integers(0, 2, (size, groups)).astype(np.float64)
        shift = (swaps @ moved).reshape(size, seeds, labels, width)
        first, second = (moment_scores(total)["ccc"] for total in (totals[0] + shift, totals[1] - shift))
        difference = (first - second).mean(1)
        hits += (np.abs(np.column_stack([difference, macro_mean(difference)])) >= bar).sum(0)
    p = hits / draws if exact else (1 + hits) / (1 + draws)
    p[np.isnan(bar)] = np.nan
    return SwapTest(float(p[-1]), tuple(map(float, p[:-1])), draws, exact)


def _of_seeds(metric: str, moments: Array) -> Array:
    """Return the pooled score ``(seeds, labels)``."""
    return moment_scores(moments.sum(1))[metric]


def _of(metric: str, moments: Array) -> Array:
    """Return the pooled score, averaged over seeds, ``(labels,)``."""
    mean: Array = _of_seeds(metric, moments).mean(0)
    return mean


def _left_out(metric: str, moments: Array) -> Array:
    """Return the score with each group left out, averaged over seeds, ``(groups, labels)``."""
    mean: Array = moment_scores(moments.sum(1, keepdims=True) - moments)[metric].mean(0)
    return mean


def _all_intervals(
    moments: Array, values: Array, left_out: Array, level: float, forth: Scale, back: Scale, bounds: tuple[float, float]
) -> tuple[tuple[Interval, ...], Interval]:
    """Return the intervals of all columns, and that of the mean over the columns that are defined."""
    number = moments[..., 0]
    labels = []
    for index, value in enumerate(map(float, values)):
        freedom = _effective(number[..., index]) - 1
        labels.append(_interval(value, left_out[:, index], freedom, level, forth, back, bounds))
    defined = ~np.isnan(values)
    mean, means = float(macro_mean(values)), macro_mean(np.where(defined, left_out, np.nan))
    return tuple(labels), _interval(mean, means, _effective(number.sum(-1)) - 1, level, forth, back, bounds)


def _interval(
    value: float, left_out: Array, freedom: float, level: float, forth: Scale, back: Scale, bounds: tuple[float, float]
) -> Interval:
    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan, UNDEFINED)
    if len(left_out) == 1 or np.isnan(left_out).any():  # what hangs on one group has no spread to be estimated from
        return Interval(value, *bounds, ONE_GROUP)
    low, high = jackknife_bounds(value, left_out, freedom, level, forth, back)
    return Interval(value, max(low, bounds[0]), min(high, bounds[1]))


def _effective(number: Array) -> float:
    """Return Kish's effective number of groups from their samples, ``(seeds, groups)``."""
    total = number.mean(0)
    return float(total.sum() ** 2 / max((total**2).sum(), 1.0))


def _fisher(value: Array) -> Array:
    return np.asarray(np.arctanh(np.clip(value, -_EDGE, _EDGE)))


def _log(value: Array) -> Array:
    return np.asarray(np.log(np.maximum(value, 1e-6)))

"""Pooled CCC and RMSE, from sums of moments: the score of each column over all groups, then the mean over columns.

Moments are ``(seeds, groups, labels, 7)``, as ``fau.metrics.group_moments`` gives them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fau.metrics import moment_scores
from fau.stats.estimate import ONE_GROUP, Estimate, Interval, macro_mean
from fau.stats.jackknife import Scale, jackknife_bounds
from fau.stats.swap import SwapTest, paired_swap_test

Array = NDArray[np.float64]

UNDEFINED = "not defined: fewer than two samples, or neither predictions nor labels vary"
_EDGE = 1 - 1e-6  # Fisher's z is infinite at 1


def ccc_intervals(moments: Array, level: float = 0.95) -> Estimate:
    """Estimate pooled CCC of each column and their mean, with intervals over groups.

    Delete-one-group jackknife on Fisher's z, with Student quantiles at the effective number of groups (Kish's, by coded
    samples) less one. One group gives the logical bounds -1 and 1.

    Args:
        moments: ``(seeds, groups, labels, 7)``.
        level: Confidence level in (0, 1).
    """
    values, left_out, seeds = _of("ccc", moments), _left_out("ccc", moments), _of_seeds("ccc", moments)
    return _estimate(moments, values, left_out, seeds, level, _fisher, np.tanh, (-1.0, 1.0))


def rmse_intervals(moments: Array, level: float = 0.95) -> Estimate:
    """Estimate pooled RMSE of each column and their mean, as ``ccc_intervals`` does, on a logarithmic scale.

    Args:
        moments: ``(seeds, groups, labels, 7)``.
        level: Confidence level in (0, 1).
    """
    values, left_out, seeds = _of("rmse", moments), _left_out("rmse", moments), _of_seeds("rmse", moments)
    return _estimate(moments, values, left_out, seeds, level, _log, np.exp, (0.0, np.inf))


def ccc_difference(system: Array, reference: Array, level: float = 0.95) -> Estimate:
    """Estimate the difference of pooled CCC, system less reference, with paired jackknife intervals over groups.

    Args:
        system: ``(seeds, groups, labels, 7)``.
        reference: The same shape, groups and labels in the same order.
        level: Confidence level in (0, 1).
    """
    values = _of("ccc", system) - _of("ccc", reference)
    left_out = _left_out("ccc", system) - _left_out("ccc", reference)
    seeds = _of_seeds("ccc", system) - _of_seeds("ccc", reference)
    return _estimate(system, values, left_out, seeds, level, np.asarray, np.asarray, (-2.0, 2.0))


def ccc_swap_test(system: Array, reference: Array, resamples: int = 9999) -> SwapTest:
    """Test whether two systems differ in CCC, by swapping their moments group by group; see ``fau.stats.swap``.

    Args:
        system: ``(seeds, groups, labels, 7)``; a group is swapped in all seeds at once.
        reference: The same shape, groups and labels in the same order.
        resamples: Number of random swaps where there are too many to enumerate.
    """
    observed = (_of_seeds("ccc", system) - _of_seeds("ccc", reference)).mean(0)

    def difference(own: Array, other: Array) -> Array:
        labels = (moment_scores(own)["ccc"] - moment_scores(other)["ccc"]).mean(1)
        return np.column_stack([labels, macro_mean(labels)])

    observed = np.append(observed, macro_mean(observed))
    return paired_swap_test(system, reference, observed, difference, resamples)


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


def _estimate(
    moments: Array,
    values: Array,
    left_out: Array,
    seeds: Array,
    level: float,
    forth: Scale,
    back: Scale,
    bounds: tuple[float, float],
) -> Estimate:
    """Return the values of all columns and their mean over those that are defined, with intervals.

    Args:
        moments: ``(seeds, groups, labels, 7)``.
        values: ``(labels,)``.
        left_out: ``(groups, labels)``, the values with each group left out.
        seeds: ``(seeds, labels)``, the values of each seed.
        level: Confidence level.
        forth: To the scale on which errors are taken as symmetric.
        back: From there.
        bounds: Logical bounds.
    """
    number = moments[..., 0]
    labels = []
    for index, value in enumerate(map(float, values)):
        freedom = _effective(number[..., index]) - 1
        labels.append(_interval(value, left_out[:, index], freedom, level, forth, back, bounds))
    defined = ~np.isnan(values)
    mean, means = float(macro_mean(values)), macro_mean(np.where(defined, left_out, np.nan))
    effective = _effective(number.sum(-1))
    macro = _interval(mean, means, effective - 1, level, forth, back, bounds)
    return Estimate(macro, tuple(labels), moments.shape[1], effective, tuple(map(float, macro_mean(seeds))))


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

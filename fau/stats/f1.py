"""Pooled F1: the F1 of each label from TP, FP and FN pooled over all groups, then the plain mean over labels.

Counts are arrays ``(groups, labels, 3)`` or, with several seeds, ``(seeds, groups, labels, 3)``; the last axis is
TP, FP, FN.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from fau.stats.estimate import (
    ABSENT,
    ALL_RIGHT,
    ALL_WRONG,
    ONE_GROUP,
    ONE_POSITIVE_GROUP,
    ONE_SIDED,
    Estimate,
    Interval,
    macro_mean,
)
from fau.stats.jackknife import jackknife_error, student_quantile
from fau.stats.swap import SwapTest, paired_swap_test

Array = NDArray[np.float64]


def f1_scores(totals: ArrayLike) -> Array:
    """Compute F1 per label; NaN where no positive was coded.

    Args:
        totals: ``(..., labels, 3)`` TP, FP, FN.

    Returns:
        ``(..., labels)`` in [0, 1].
    """
    counts = np.asarray(totals, np.float64)
    tp, fp, fn = counts[..., 0], counts[..., 1], counts[..., 2]
    present = tp + fn > 0
    return np.where(present, 2 * tp / np.where(present, 2 * tp + fp + fn, 1), np.nan)


def effective_groups(counts: ArrayLike) -> tuple[Array, float]:
    """Tell how many equally large groups the positives amount to (Kish's effective number).

    Forty subjects of whom two hold nearly all positives of an action unit say about as much as two.

    Args:
        counts: ``(groups, labels, 3)`` or ``(seeds, groups, labels, 3)``.

    Returns:
        The number per label, 0 for absent labels; and that of the macro mean, in which each present label weighs alike.
    """
    seeds = _with_seeds(counts)
    positives = (seeds[..., 0] + seeds[..., 2]).mean(0)
    total = positives.sum(0)
    present = total > 0
    shares = positives / np.where(present, total, 1)
    per_label = np.where(present, 1 / np.where(present, (shares**2).sum(0), 1), 0)
    if not present.any():
        return per_label, 0.0
    joint = shares[:, present].mean(1)
    return per_label, float(1 / (joint**2).sum())


def f1_intervals(counts: ArrayLike, level: float = 0.95) -> Estimate:
    """Estimate pooled F1 per label and macro F1 with intervals over groups.

    Delete-one-group jackknife on the logit scale, with Student quantiles at the effective number of groups less one.
    Defined edges (each is noted in the interval): an absent label is NaN and left out of the mean; one group, or
    positives in one group, give the logical bounds 0 and 1; at F1 = 0 the upper bound is the F1 that would follow if
    the share u of positives had been found, where u is the upper Clopper-Pearson bound for none of the groups with
    positives; at F1 = 1 the lower bound is its mirror image.

    Args:
        counts: ``(groups, labels, 3)`` or ``(seeds, groups, labels, 3)``.
        level: Confidence level in (0, 1).
    """
    seeds = _with_seeds(counts)
    groups = seeds.shape[1]
    totals = seeds.sum(1)
    scores = f1_scores(totals)
    per_label = scores.mean(0)
    present = ~np.isnan(per_label)
    left_out = _left_out_scores(seeds, totals, present)
    effective, effective_macro = effective_groups(seeds)
    positive_groups = ((seeds[..., 0] + seeds[..., 2]) > 0).any(0).sum(0)
    margin = 0.5 / (np.where(present, (2 * totals[..., 0] + totals[..., 1] + totals[..., 2]).mean(0), 1) + 1)
    quantile = student_quantile(effective - 1, level)
    low, high = _logit_bounds(per_label, left_out.mean(0), margin, quantile)
    labels = []
    for index, value in enumerate(per_label):
        if not present[index]:
            labels.append(Interval(np.nan, np.nan, np.nan, ABSENT))
        elif groups == 1 or positive_groups[index] == 1:
            labels.append(Interval(float(value), 0.0, 1.0, ONE_GROUP if groups == 1 else ONE_POSITIVE_GROUP))
        elif value in (0.0, 1.0):
            labels.append(_edge_interval(float(value), totals.mean(0)[index], int(positive_groups[index]), level))
        else:
            labels.append(Interval(float(value), float(low[index]), float(high[index])))
    macro_value = float(macro_mean(per_label))
    if not present.any():
        macro = Interval(np.nan, np.nan, np.nan, ABSENT)
    elif groups == 1:
        macro = Interval(macro_value, 0.0, 1.0, ONE_GROUP)
    elif macro_value in (0.0, 1.0):
        kept = [label for label in labels if label.note != ABSENT]
        ends = float(np.mean([label.low for label in kept])), float(np.mean([label.high for label in kept]))
        macro = Interval(macro_value, *ends, ALL_WRONG if macro_value == 0 else ALL_RIGHT)
    else:
        bounds = _logit_bounds(
            np.array([macro_value]),
            macro_mean(left_out).mean(0)[:, None],
            margin[present].mean(keepdims=True),
            student_quantile(np.array([effective_macro - 1]), level),
        )
        macro = Interval(macro_value, float(bounds[0][0]), float(bounds[1][0]))
    return Estimate(macro, tuple(labels), groups, effective_macro, tuple(map(float, macro_mean(scores))))


def recall_intervals(hits: ArrayLike, cases: ArrayLike, level: float = 0.95) -> Estimate:
    """Estimate the share of hits among each label's cases, and the mean of these shares, with intervals over groups.

    The method is that of ``f1_intervals``: F1 with as many false positives as misses is that share.

    Args:
        hits: ``(groups, labels)`` or ``(seeds, groups, labels)``.
        cases: The same shape; a label without a case is absent.
        level: Confidence level in (0, 1).
    """
    right, number = np.asarray(hits, np.float64), np.asarray(cases, np.float64)
    misses = number - right
    estimate = f1_intervals(np.stack([right, misses, misses], -1), level)

    def without_false_positives(interval: Interval) -> Interval:
        """At 0 the bound lets a share u of the cases be hits and leaves the misses, which here would be fewer."""
        if interval.note != ALL_WRONG:
            return interval
        return replace(interval, high=2 * interval.high / (2 - interval.high))

    labels = tuple(map(without_false_positives, estimate.labels))
    macro = estimate.macro
    if macro.note == ALL_WRONG:
        macro = replace(macro, high=float(macro_mean([label.high for label in labels])))
    return replace(estimate, macro=macro, labels=labels)


def difference_intervals(system: ArrayLike, reference: ArrayLike, level: float = 0.95) -> Estimate:
    """Estimate the difference of pooled F1, system less reference, with paired jackknife intervals over groups.

    The macro difference is the mean over the labels that are present in both. Edges as in ``f1_intervals``, with the
    logical bounds -1 and 1.

    Args:
        system: ``(groups, labels, 3)`` or ``(seeds, groups, labels, 3)``.
        reference: The same shape, groups and labels in the same order.
        level: Confidence level in (0, 1).

    Raises:
        ValueError: If the shapes differ.
    """
    first, second = _paired(system, reference)
    groups = first.shape[1]
    score = f1_scores(first.sum(1)).mean(0), f1_scores(second.sum(1)).mean(0)
    value = score[0] - score[1]
    present = ~np.isnan(value)
    left_out = [_left_out_scores(counts, counts.sum(1), present).mean(0) for counts in (first, second)]
    difference = left_out[0] - left_out[1]
    both = np.where(present[:, None], np.concatenate([first, second]), 0)
    effective, effective_macro = effective_groups(both)
    half = student_quantile(effective - 1, level) * jackknife_error(difference)
    positive_groups = ((both[..., 0] + both[..., 2]) > 0).any(0).sum(0)
    labels = []
    for index, delta in enumerate(map(float, value)):
        if not present[index]:
            labels.append(Interval(np.nan, np.nan, np.nan, ABSENT))
        elif groups == 1 or positive_groups[index] == 1:
            labels.append(Interval(delta, -1.0, 1.0, ONE_GROUP if groups == 1 else ONE_POSITIVE_GROUP))
        else:
            edge = {float(score[0][index]), float(score[1][index])} & {0.0, 1.0}
            ends = max(delta - half[index], -1.0), min(delta + half[index], 1.0)
            labels.append(Interval(delta, float(ends[0]), float(ends[1]), ONE_SIDED if edge else ""))
    delta = float(macro_mean(value))
    if not present.any():
        macro = Interval(np.nan, np.nan, np.nan, ABSENT)
    elif groups == 1:
        macro = Interval(delta, -1.0, 1.0, ONE_GROUP)
    else:
        error = jackknife_error(macro_mean(difference)[:, None])[0] * float(
            student_quantile(np.array(effective_macro - 1), level)
        )
        macro = Interval(delta, max(delta - error, -1.0), min(delta + error, 1.0))
    per_seed = macro_mean(f1_scores(first.sum(1)) - f1_scores(second.sum(1)))
    return Estimate(macro, tuple(labels), groups, effective_macro, tuple(map(float, per_seed)))


def swap_test(system: ArrayLike, reference: ArrayLike, resamples: int = 9999, seed: int = 0) -> SwapTest:
    """Test whether two systems differ, by swapping their counts group by group.

    See ``fau.stats.swap``.

    Args:
        system: ``(groups, labels, 3)`` or ``(seeds, groups, labels, 3)``; a group is swapped in all seeds at once.
        reference: The same shape, groups and labels in the same order.
        resamples: Number of random swaps when there are too many to enumerate.
        seed: Of the random swaps.

    Raises:
        ValueError: If the shapes differ or ``resamples`` is not positive.
    """
    first, second = _paired(system, reference)
    observed = (f1_scores(first.sum(1)) - f1_scores(second.sum(1))).mean(0)
    present = ~np.isnan(observed)

    def difference(own: Array, other: Array) -> Array:
        labels = (_quotient(own) - _quotient(other)).mean(1).T
        return np.vstack([labels, labels[present].sum(0) / max(present.sum(), 1)]).T

    # F1 is one sum over groups divided by another.
    own, other = (np.stack([2 * counts[..., 0], _denominator(counts)], -2) for counts in (first, second))
    observed = np.append(observed, macro_mean(observed))
    return paired_swap_test(own, other, observed, difference, resamples, seed)


def accuracy(counts: ArrayLike) -> Array:
    """Compute accuracy per label from pooled counts; NaN where nothing was coded.

    Args:
        counts: ``(..., labels, 4)`` TP, FP, FN, TN.
    """
    totals = np.asarray(counts, np.float64)
    number = totals.sum(-1)
    return np.where(number > 0, (totals[..., 0] + totals[..., 3]) / np.where(number > 0, number, 1), np.nan)


def _with_seeds(counts: ArrayLike) -> Array:
    """Return counts as ``(seeds, groups, labels, 3)``."""
    array = np.asarray(counts, np.float64)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[-1] != 3 or 0 in array.shape[:3]:
        raise ValueError(f"counts must be (seeds, groups, labels, 3) and not empty, got {np.shape(counts)}")
    return array


def _paired(system: ArrayLike, reference: ArrayLike) -> tuple[Array, Array]:
    first, second = _with_seeds(system), _with_seeds(reference)
    if first.shape != second.shape:
        raise ValueError(f"the two systems must have the same shape, got {first.shape} and {second.shape}")
    return first, second


def _denominator(totals: Array) -> Array:
    denominator: Array = 2 * totals[..., 0] + totals[..., 1] + totals[..., 2]
    return denominator


def _quotient(sums: Array) -> Array:
    """F1 of ``(..., 2, labels)`` 2 TP and 2 TP + FP + FN, in which a label without positives counts 0."""
    quotient: Array = sums[..., 0, :] / np.maximum(sums[..., 1, :], 1)
    return quotient


def _score(totals: Array) -> Array:
    """F1 in which a label without positives counts 0: in a resample the label is part of the mean."""
    return 2 * totals[..., 0] / np.maximum(_denominator(totals), 1)


def _left_out_scores(counts: Array, totals: Array, present: NDArray[np.bool_]) -> Array:
    """F1 with each group left out, ``(seeds, groups, labels)``; NaN for labels absent from the whole."""
    scores = _score(totals[:, None] - counts)
    scores[..., ~present] = np.nan
    return scores


def _logit_bounds(value: Array, left_out: Array, margin: Array, quantile: Array) -> tuple[Array, Array]:
    """Bounds of ``value`` from its jackknife on the logit scale; ``margin`` keeps 0 and 1 finite.

    Of few samples the margin may be above a value near 0, and the bounds of what was clipped would leave it out.
    """
    centre = logit(np.clip(value, margin, 1 - margin))
    half = quantile * jackknife_error(logit(np.clip(left_out, margin, 1 - margin)))
    return np.minimum(expit(centre - half), value), np.maximum(expit(centre + half), value)


def _edge_interval(value: float, totals: Array, positive_groups: int, level: float) -> Interval:
    """Interval of an F1 of exactly 0 or 1, where the jackknife sees no spread."""
    share = 1 - ((1 - level) / 2) ** (1 / positive_groups)
    if value == 1:
        return Interval(1.0, 1 - share, 1.0, ALL_RIGHT)
    positives, false_positives = totals[0] + totals[2], totals[1]
    high = 2 * share * positives / (share * positives + positives + false_positives)
    return Interval(0.0, 0.0, float(high), ALL_WRONG)

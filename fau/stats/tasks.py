"""The sum of several tasks' scores, from sums of counts and moments.

The sum's interval is its own and not put together from those of its parts, whose errors come from the same subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fau.metrics import moment_scores
from fau.stats.estimate import ONE_GROUP, Interval, macro_mean
from fau.stats.jackknife import jackknife_bounds
from fau.stats.swap import paired_swap_test

Array = NDArray[np.float64]

NOT_DEFINED = "not defined: a task has no score"
_EDGE = 1 - 1e-6  # Fisher's z is infinite at 1


@dataclass(frozen=True)
class Part:
    """A task's columns in the sums of a group: ``labels`` times TP, FP, FN, or times the seven moments.

    Attributes:
        task: ``au``, ``expression`` or ``va``.
        labels: Number of its labels.
        columns: Where its sums are.
    """

    task: str
    labels: int
    columns: slice

    @property
    def low(self) -> float:
        """Least value of its score; the highest is 1."""
        return -1.0 if self.task == "va" else 0.0

    def of(self, sums: Array) -> Array:
        """Return its sums ``(..., labels, 3 or 7)`` of ``(..., columns)``."""
        own = sums[..., self.columns]
        return own.reshape(*own.shape[:-1], self.labels, -1)

    def score(self, sums: Array, kept: NDArray[np.bool_]) -> Array:
        """Return its score ``(...)``: the mean over the labels that are present in the whole."""
        own = self.of(sums)
        if self.task == "va":
            values = moment_scores(own)["ccc"]
        else:
            tp, fp, fn = np.moveaxis(own, -1, 0)
            values = 2 * tp / np.maximum(2 * tp + fp + fn, 1)  # 0 where leaving a group out leaves no positive
        return macro_mean(np.where(kept, values, np.nan))

    def weight(self, sums: Array) -> Array:
        """Return what each label is scored on: its positives, or of numbers its coded samples."""
        own = self.of(sums)
        return own[..., 0] if self.task == "va" else own[..., 0] + own[..., 2]


def score_interval(parts: Sequence[Part], sums: Array, level: float = 0.95) -> Interval:
    """Estimate the sum of the tasks' scores with an interval over groups.

    Delete-one-group jackknife on Fisher's z of the score, brought to -1..1 by its bounds, with Student quantiles at the
    effective number of groups less one. One group gives the logical bounds.

    Args:
        parts: The tasks.
        sums: ``(seeds, groups, columns)``.
        level: Confidence level in (0, 1).
    """
    low, high = sum(part.low for part in parts), float(len(parts))
    value = float(total_score(parts, sums.sum(1), sums).mean())
    left_out = _left_out(parts, sums)
    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan, NOT_DEFINED)
    if sums.shape[1] == 1 or np.isnan(left_out).any():
        return Interval(value, low, high, ONE_GROUP)

    def forth(score: Array) -> Array:
        return np.asarray(np.arctanh(np.clip((2 * score - low - high) / (high - low), -_EDGE, _EDGE)))

    def back(scaled: Array) -> Array:
        return np.asarray((low + high + (high - low) * np.tanh(scaled)) / 2)

    return Interval(value, *jackknife_bounds(value, left_out, _freedom(parts, sums), level, forth, back))


def score_difference(parts: Sequence[Part], system: Array, reference: Array, level: float = 0.95) -> Interval:
    """Estimate the difference of the scores, system less reference, with a paired jackknife interval over groups.

    Args:
        parts: The tasks.
        system: ``(seeds, groups, columns)``.
        reference: The same shape, groups in the same order.
        level: Confidence level in (0, 1).
    """
    span = len(parts) - sum(part.low for part in parts)
    value = float((total_score(parts, system.sum(1), system) - total_score(parts, reference.sum(1), reference)).mean())
    left_out = _left_out(parts, system) - _left_out(parts, reference)
    if np.isnan(value):
        return Interval(np.nan, np.nan, np.nan, NOT_DEFINED)
    if system.shape[1] == 1 or np.isnan(left_out).any():
        return Interval(value, -span, span, ONE_GROUP)
    bounds = jackknife_bounds(value, left_out, _freedom(parts, system), level)
    return Interval(value, max(bounds[0], -span), min(bounds[1], span))


def score_swap_test(parts: Sequence[Part], system: Array, reference: Array, resamples: int = 9999) -> float:
    """Return p of the paired swap test of two systems' scores; see ``fau.stats.swap``.

    Args:
        parts: The tasks.
        system: ``(seeds, groups, columns)``; a group is swapped in all seeds at once.
        reference: The same shape, groups in the same order.
        resamples: Number of random swaps where there are too many to enumerate.
    """
    observed = (total_score(parts, system.sum(1), system) - total_score(parts, reference.sum(1), reference)).mean()

    def difference(own: Array, other: Array) -> Array:
        scores = total_score(parts, own, system) - total_score(parts, other, reference)
        return np.asarray(scores.mean(1, keepdims=True))

    return paired_swap_test(system, reference, np.array([observed]), difference, resamples).macro


def present(part: Part, sums: Array) -> NDArray[np.bool_]:
    """Tell which labels of a task have anything to be scored on, in sums over any axes but the last."""
    weight = part.weight(sums)
    return np.asarray(weight.reshape(-1, part.labels).sum(0) > 0)


def total_score(parts: Sequence[Part], sums: Array, whole: Array) -> Array:
    """Return the sum of the tasks' scores ``(...)`` of ``(..., columns)``, over the labels present in the whole.

    Args:
        parts: The tasks.
        sums: ``(..., columns)``, of any groups.
        whole: ``(seeds, groups, columns)``, which decides what labels are present.
    """
    return np.asarray(sum(part.score(sums, present(part, whole)) for part in parts))


def _left_out(parts: Sequence[Part], sums: Array) -> Array:
    """Return the score with each group left out, averaged over seeds, ``(groups,)``."""
    return np.asarray(total_score(parts, sums.sum(1, keepdims=True) - sums, sums).mean(0))


def _freedom(parts: Sequence[Part], sums: Array) -> float:
    """Return Kish's effective number of groups, less one; tasks weigh alike, and so do labels."""
    shares = []
    for part in parts:
        weight = part.weight(sums).mean(0)  # (groups, labels)
        total = weight.sum(0)
        shares.append((weight / np.maximum(total, 1e-12))[:, total > 0].mean(1))
    joint = np.mean(shares, 0)
    return 1 / float((joint**2).sum()) - 1

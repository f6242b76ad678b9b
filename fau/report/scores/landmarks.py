"""Landmark errors of a run by group, and what rows make of them: mean error and failure rate with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from fau.landmarks import FAILURE
from fau.stats import ONE_GROUP, Interval, Scale, jackknife_bounds

Array = NDArray[np.float64]

ALL_FAILURES = "every face fails: the lower bound supposes that other groups may hold better ones"
LEAST = 1e-9  # of the distance of the eyes: keeps the logarithm finite
NO_FAILURE = "no failure: the upper bound supposes that other groups may hold some"


@dataclass(frozen=True)
class LandmarkScores:
    """What a row's landmarks come to, pooled over the test folds.

    Attributes:
        error: Mean over faces of the mean distance of a face's points, in distances of its eyes.
        failures: Share of faces whose error is above 0.1.
        faces: Number of faces with landmarks, in one seed.
    """

    error: Interval
    failures: Interval
    faces: int


def count_landmarks(stored: Mapping[str, NDArray[Any]], groups: tuple[str, ...], task: str) -> Array | None:
    """Sum a run's landmark errors by group.

    Args:
        stored: Its ``predictions.npz``.
        groups: Names of the groups, in the order of the result.
        task: First part of the names of its arrays.

    Returns:
        ``(groups, 3)`` faces, sum of errors, failures; None where the run has no landmarks, or is too old to say which
        group a sample is of.
    """
    if f"test/{task}/landmark_error" not in stored or "test/group" not in stored:
        return None
    error = stored[f"test/{task}/landmark_error"].astype(np.float64)
    known = ~np.isnan(error)
    position = {name: index for index, name in enumerate(groups)}
    index = np.array([position[name] for name in map(str, stored["test/group"][known])], np.int64)
    columns = (np.ones(len(index)), error[known], error[known] > FAILURE)
    return np.stack([np.bincount(index, column, len(groups)) for column in columns], 1)


def landmark_scores(sums: Array, level: float) -> LandmarkScores | None:
    """Pool a row's landmark errors.

    Args:
        sums: ``(seeds, groups, 3)`` as from ``count_landmarks``.
        level: Confidence level of the intervals over groups.

    Returns:
        None where no face has landmarks.
    """
    sums = sums[:, (sums[..., 0] > 0).any(0)]
    if not sums.size:
        return None
    margin = 0.5 / (sums[..., 0].sum(1).mean() + 1)  # half a face keeps the scale finite

    def to_log(value: Array) -> Array:
        return np.asarray(np.log(np.maximum(value, LEAST)))

    def to_logit(value: Array) -> Array:
        return np.asarray(logit(np.clip(value, margin, 1 - margin)))

    error = _interval(sums[..., 1], sums[..., 0], level, to_log, np.exp)
    groups = sums.shape[1]
    share = float(1 - ((1 - level) / 2) ** (1 / groups))  # Clopper and Pearson's bound for none of so many groups
    if groups > 1 and not sums[..., 2].any():
        failures = Interval(0.0, 0.0, share, NO_FAILURE)
    elif groups > 1 and (sums[..., 2] == sums[..., 0]).all():
        failures = Interval(1.0, 1 - share, 1.0, ALL_FAILURES)
    else:
        failures = _interval(sums[..., 2], sums[..., 0], level, to_logit, expit)
    return LandmarkScores(error, failures, int(sums[0, :, 0].sum()))


def _interval(part: Array, whole: Array, level: float, forth: Scale, back: Scale) -> Interval:
    """Ratio of sums with its jackknife interval over groups, on a scale of its own.

    Args:
        part: ``(seeds, groups)``.
        whole: ``(seeds, groups)``.
        level: Confidence level.
        forth: To the scale on which errors are taken as symmetric.
        back: From there.
    """
    value = (part.sum(1) / whole.sum(1)).mean()
    groups = part.shape[1]
    if groups == 1:
        return Interval(float(value), 0.0, 1.0, ONE_GROUP)
    left_out = ((part.sum(1, keepdims=True) - part) / (whole.sum(1, keepdims=True) - whole)).mean(0)
    share = whole.mean(0) / whole.mean(0).sum()
    freedom = 1 / (share**2).sum() - 1  # Kish's effective number of groups, less one
    low, high = jackknife_bounds(float(value), left_out, freedom, level, forth, back)
    return Interval(float(value), min(low, float(value)), max(high, float(value)))  # rounding, and what was kept finite

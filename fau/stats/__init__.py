"""Intervals and tests over groups (subjects), in NumPy alone.

Frames of one subject resemble each other, so whatever is said about chance is said over groups, never over frames.
Trained models count as fixed: the intervals and tests speak of other subjects, not of other trainings. Sums of all test
folds come first, then the score of each label, then the plain mean over labels; with several seeds each statistic is
computed per seed and averaged over them. ``docs/statistics.md`` gives the reasons and the simulated coverage.
"""

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
    spread,
)
from fau.stats.f1 import (
    accuracy,
    difference_intervals,
    effective_groups,
    f1_intervals,
    f1_scores,
    recall_intervals,
    swap_test,
)
from fau.stats.jackknife import Scale, jackknife_bounds, jackknife_error, student_quantile
from fau.stats.swap import SwapTest, holm, paired_swap_test

__all__ = [
    "ABSENT",
    "ALL_RIGHT",
    "ALL_WRONG",
    "ONE_GROUP",
    "ONE_POSITIVE_GROUP",
    "ONE_SIDED",
    "Estimate",
    "Interval",
    "Scale",
    "SwapTest",
    "accuracy",
    "difference_intervals",
    "effective_groups",
    "f1_intervals",
    "f1_scores",
    "holm",
    "jackknife_bounds",
    "jackknife_error",
    "macro_mean",
    "paired_swap_test",
    "recall_intervals",
    "spread",
    "student_quantile",
    "swap_test",
]

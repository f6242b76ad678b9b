"""What an estimate is: a value with its interval, of each label and of their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

ONE_GROUP = "one group only: no interval can be estimated, the bounds are the logical ones"
ONE_POSITIVE_GROUP = "positives in one group only: no interval can be estimated, the bounds are the logical ones"
ABSENT = "no positive was coded: left out of the mean"
ALL_WRONG = "F1 is 0: the upper bound supposes that positives of other groups may be found"
ALL_RIGHT = "F1 is 1: the lower bound supposes that other groups may hold errors"
ONE_SIDED = "an F1 of 0 or 1 has no spread: the interval shows the other system's alone"


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes:
        value: The estimate; NaN only where ``note`` says that the label is absent.
        low: Lower bound.
        high: Upper bound.
        note: Why the interval is not the usual one; empty if it is.
    """

    value: float
    low: float
    high: float
    note: str = ""

    @property
    def estimable(self) -> bool:
        """Whether the bounds were estimated, rather than being the logical ones."""
        return self.note not in (ONE_GROUP, ONE_POSITIVE_GROUP, ABSENT)


@dataclass(frozen=True)
class Estimate:
    """A macro value and the values of the labels behind it, each with its interval.

    Attributes:
        macro: Mean over the labels that are present.
        labels: One interval a label, in the order of the counts.
        groups: Number of groups that were tested.
        effective_groups: What the number of groups amounts to when their positives are unevenly spread.
        seeds: The macro value of each seed.
    """

    macro: Interval
    labels: tuple[Interval, ...]
    groups: int
    effective_groups: float
    seeds: tuple[float, ...]


def macro_mean(scores: ArrayLike) -> Array:
    """Average over labels, leaving NaN (absent) out; NaN if all are absent.

    Args:
        scores: ``(..., labels)``.
    """
    values = np.asarray(scores, np.float64)
    present = ~np.isnan(values)
    number = present.sum(-1)
    return np.where(number > 0, np.where(present, values, 0).sum(-1) / np.maximum(number, 1), np.nan)


def spread(values: Sequence[float]) -> float:
    """Compute the standard deviation of a sample (n - 1); NaN for fewer than two values."""
    return float(np.std(np.asarray(values, np.float64), ddof=1)) if len(values) > 1 else float("nan")

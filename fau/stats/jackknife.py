"""The delete-one-group jackknife, with Student quantiles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]
Scale = Callable[[Array], Array]


def jackknife_bounds(
    value: float, left_out: Array, freedom: float, level: float, forth: Scale = np.asarray, back: Scale = np.asarray
) -> tuple[float, float]:
    """Return the bounds of a score.

    Args:
        value: The score.
        left_out: ``(groups,)``, the score with each group left out.
        freedom: Degrees of freedom, such as Kish's effective number of groups, less one.
        level: Confidence level.
        forth: To the scale on which errors are taken as symmetric.
        back: From there.
    """
    centre, half = forth(np.asarray(value)), student_quantile(freedom, level) * jackknife_error(forth(left_out))
    return float(back(centre - half)), float(back(centre + half))


def jackknife_error(left_out: Array) -> Array:
    """Return the standard error from the values with each group left out, ``(groups, ...)``."""
    groups = len(left_out)
    if groups < 2:
        return np.full(left_out.shape[1:], np.nan)
    deviation = left_out - left_out.mean(0)
    error: Array = np.sqrt((groups - 1) / groups * (deviation**2).sum(0))
    return error


def student_quantile(freedom: ArrayLike, level: float) -> Array:
    """Return the two-sided quantile of Student's t; less than one degree of freedom counts as one.

    Args:
        freedom: Degrees of freedom, any shape.
        level: Confidence level in (0, 1).

    Returns:
        Of the shape of ``freedom``, in standard errors.
    """
    quantile: Array = stdtrit(np.maximum(freedom, 1), (1 + level) / 2)
    return quantile

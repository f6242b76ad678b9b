"""Scores of valence and arousal on whole epochs, from sums over groups: CCC, RMSE, Pearson's r and SAGR.

Sums are in float64 and in the order of the samples, which is the manifest's whatever number of processes they came
through. NumPy alone, so that reports can use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fau.errors import FauError

MOMENTS = ("n", "score", "label", "score^2", "label^2", "score label", "agreements")


def group_moments(
    score: npt.NDArray[np.floating],
    label: npt.NDArray[np.floating],
    mask: npt.NDArray[np.bool_],
    groups: Sequence[str] | npt.NDArray[np.str_],
) -> dict[str, npt.NDArray[Any]]:
    """Sum up every column of numbers within every group: what CCC, RMSE, Pearson's r and SAGR need.

    Args:
        score: (N, L) predictions.
        label: (N, L) numbers where coded.
        mask: (N, L), True where coded.
        groups: (N,) name of each sample's group, such as its subject.

    Returns:
        ``groups``: (G,) names, sorted; ``moments``: (G, L, 7) float64, sums over the coded samples of 1, the score, the
        label, their squares, their product, and 1 where their signs agree (0 has a sign of its own).

    Raises:
        FauError: If shapes differ, or a coded label or its score is not finite.
    """
    if not (score.ndim == 2 and score.shape == label.shape == mask.shape):
        raise FauError(f"scores {score.shape}, labels {label.shape} and mask {mask.shape} must be of one shape (N, L)")
    x, y = score.astype(np.float64), label.astype(np.float64)
    if not np.isfinite(x[mask]).all():
        raise FauError("scores of coded labels are not finite: training has diverged; lower the learning rate")
    if not np.isfinite(y[mask]).all():
        raise FauError("coded labels must be finite: mask the others")
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, np.sign(x) == np.sign(y)], axis=-1)
    names, place = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    moments = np.zeros((len(names), *terms.shape[1:]))
    np.add.at(moments, place, np.where(mask[..., None], terms, 0.0))
    return {"groups": names, "moments": moments}


def moment_scores(moments: npt.ArrayLike) -> dict[str, npt.NDArray[np.float64]]:
    """Return CCC, RMSE, Pearson's r and SAGR of summed moments, NaN where they are not defined.

    CCC = 2 cov / (var + var + (difference of means)^2), its moments divided by n (Lin, 1989). It is 0 where only the
    scores or only the labels vary, and not defined where neither does, or with fewer than two samples. SAGR is the
    share of samples whose signs agree (AffectNet).

    Args:
        moments: (..., 7) of ``group_moments``, summed over any groups.

    Returns:
        ``ccc``, ``rmse``, ``pearson`` and ``sagr``, arrays of shape (...).
    """
    sums = np.asarray(moments, np.float64)
    n = sums[..., 0]
    x, y, xx, yy, xy, agree = np.moveaxis(sums[..., 1:] / np.maximum(n, 1)[..., None], -1, 0)
    # Rounding leaves a variance of 0 about 1e-16 beside it.
    var_x, var_y = (np.where(v - m * m > 1e-12, v - m * m, 0.0) for v, m in ((xx, x), (yy, y)))
    cov = np.where((var_x > 0) & (var_y > 0), xy - x * y, 0.0)
    spread = var_x + var_y + (x - y) ** 2
    product = np.sqrt(var_x * var_y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "ccc": np.where((n > 1) & (var_x + var_y > 0), 2 * cov / spread, np.nan),
            "rmse": np.where(n > 0, np.sqrt(np.maximum(xx + yy - 2 * xy, 0.0)), np.nan),
            "pearson": np.where(product > 0, cov / product, np.nan),
            "sagr": np.where(n > 0, agree, np.nan),
        }


def affect_metrics(
    score: npt.NDArray[np.floating], label: npt.NDArray[np.floating], mask: npt.NDArray[np.bool_], labels: Sequence[str]
) -> dict[str, float]:
    """Score valence and arousal over all samples, each by itself, and average over the two.

    Args:
        score: (N, L) predictions.
        label: (N, L), -1..1 where coded.
        mask: (N, L), True where coded.
        labels: (L,) names of the columns.

    Returns:
        ``ccc_mean``, ``rmse_mean``, ``pearson_mean`` and ``sagr_mean``, NaN where no column defines them; then
        ``ccc/valence`` and so on, without the values that are undefined.
    """
    moments = group_moments(score, label, mask, np.full(len(score), ""))["moments"].sum(0)
    values = moment_scores(moments if moments.size else np.zeros((score.shape[1], len(MOMENTS))))
    result: dict[str, float] = {}
    for metric, of_label in values.items():
        there = of_label[~np.isnan(of_label)]
        result[f"{metric}_mean"] = float(there.mean()) if len(there) else float("nan")
    for metric, of_label in values.items():
        result |= {f"{metric}/{n}": float(v) for n, v in zip(labels, of_label, strict=True) if not np.isnan(v)}
    return result

"""ROC-AUC and average precision of a label, from true and false positives at every threshold.

Integer counts until one last float64 division: neither the order of the samples nor ties change a digit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


def ranking_curve(score: npt.NDArray[np.floating], truth: npt.NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """Count true and false positives at every distinct score as threshold, from the highest score down.

    Args:
        score: (N,) scores of the coded samples.
        truth: (N,), True where positive.

    Returns:
        Two (T,) arrays, T distinct scores: samples at or above each, positive ones and negative ones.
    """
    distinct, place = np.unique(score, return_inverse=True)
    size = len(distinct)
    true_positives = np.bincount(place[truth], minlength=size)[::-1].cumsum()
    false_positives = np.bincount(place[~truth], minlength=size)[::-1].cumsum()
    return true_positives.astype(np.int64), false_positives.astype(np.int64)


def roc_auc(true_positives: Counts, false_positives: Counts) -> float:
    """Return the share of (positive, negative) pairs in the right order, ties counting half.

    Args:
        true_positives: (T,) of ``ranking_curve``, ending above 0.
        false_positives: (T,), ending above 0.
    """
    above = np.concatenate(([0], true_positives[:-1]))
    new_negatives = np.diff(false_positives, prepend=0)
    twice = int((new_negatives * (above + true_positives)).sum())  # int64 holds 2e9 positives by 2e9 negatives
    return twice / (2 * int(true_positives[-1]) * int(false_positives[-1]))


def average_precision(true_positives: Counts, false_positives: Counts) -> float:
    """Return the mean over positives of the precision at their score, without interpolation.

    Args:
        true_positives: (T,) of ``ranking_curve``, ending above 0.
        false_positives: (T,).
    """
    new_positives = np.diff(true_positives, prepend=0)
    precision = true_positives / (true_positives + false_positives)
    return float((new_positives * precision).sum() / true_positives[-1])

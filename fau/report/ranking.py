"""Threshold-free scores of one run: ROC-AUC, average precision and the precision-recall curve.

Scores of different trained models are not on one scale, so a row averages these over its runs and never pools scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fau.metrics import average_precision, ranking_curve, roc_auc

Array = NDArray[np.float64]

RECALL_GRID = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Ranking:
    """Threshold-free scores per label; NaN where a class is missing.

    Attributes:
        roc_auc: ``(labels,)``.
        average_precision: ``(labels,)``.
        precision: ``(labels, 101)`` at ``RECALL_GRID``.
    """

    roc_auc: Array
    average_precision: Array
    precision: Array


def rank(score: NDArray[np.floating], label: NDArray[np.integer], mask: NDArray[np.bool_]) -> Ranking:
    """Score every label of one run.

    Args:
        score: ``(samples, labels)``, higher means present.
        label: ``(samples, labels)`` 0 or 1.
        mask: ``(samples, labels)``, true where coded.
    """
    columns = [_rank_one(score[kept, i], label[kept, i] > 0) for i, kept in enumerate(mask.T)]
    auc, precision_mean, curves = zip(*columns, strict=True)
    return Ranking(np.array(auc), np.array(precision_mean), np.array(curves))


def average(rankings: list[Ranking]) -> Ranking:
    """Average over runs, leaving runs out in which a label has one class only."""
    fields = ("roc_auc", "average_precision", "precision")
    return Ranking(*(_nanmean(np.stack([getattr(r, field) for r in rankings])) for field in fields))


def _nanmean(values: Array) -> Array:
    valid = ~np.isnan(values)
    number = valid.sum(0)
    return np.where(number > 0, np.where(valid, values, 0).sum(0) / np.maximum(number, 1), np.nan)


def _rank_one(score: NDArray[np.floating], positive: NDArray[np.bool_]) -> tuple[float, float, Array]:
    """ROC-AUC, average precision and precision at the recall grid, by the rules of ``fau.metrics``."""
    if not positive.any():
        return np.nan, np.nan, np.full(len(RECALL_GRID), np.nan)
    tp, fp = ranking_curve(score, positive)
    recall = tp / tp[-1]
    # The first threshold that reaches a recall; no smoothing by later, higher precision.
    at = np.searchsorted(recall, RECALL_GRID - 1e-12)
    auc = roc_auc(tp, fp) if fp[-1] else np.nan
    return auc, average_precision(tp, fp), (tp / (tp + fp))[at]

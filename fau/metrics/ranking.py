"""Threshold-free scores of one run: ROC-AUC, average precision and the precision-recall curve.

A run keeps them beside its counts, so that a report over many runs need not sort all scores again. Scores of different
trained models are not on one scale, so a row averages these over its runs and never pools scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.metrics.curves import average_precision, ranking_curve, roc_auc

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

    def arrays(self) -> dict[str, Array]:
        """Return what ``counts.npz`` keeps of them."""
        return {name: getattr(self, name) for name in _NAMES}


_NAMES = ("roc_auc", "average_precision", "precision")


def kept_ranking(stored: Mapping[str, NDArray[Any]], labels: int) -> Ranking | None:
    """Return the scores that a run keeps beside its counts; None where it is older than they are.

    Args:
        stored: Its ``counts.npz``.
        labels: Number of its labels.

    Raises:
        ValueError: If they are of other labels, or at other recalls.
    """
    if not set(_NAMES) <= set(stored):
        return None
    ranking = Ranking(*(stored[name].astype(np.float64) for name in _NAMES))
    shapes = [getattr(ranking, name).shape for name in _NAMES]
    if shapes != [(labels,), (labels,), (labels, len(RECALL_GRID))]:
        raise ValueError(f"ranking scores of shapes {shapes} for {labels} labels")
    return ranking


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
    return Ranking(*(_nanmean(np.stack([getattr(r, name) for r in rankings])) for name in _NAMES))


def _nanmean(values: Array) -> Array:
    valid = ~np.isnan(values)
    number = valid.sum(0)
    return np.where(number > 0, np.where(valid, values, 0).sum(0) / np.maximum(number, 1), np.nan)


def _rank_one(score: NDArray[np.floating], positive: NDArray[np.bool_]) -> tuple[float, float, Array]:
    """ROC-AUC, average precision and precision at the recall grid, by the rules of ``fau.metrics.labels``."""
    if not positive.any():
        return np.nan, np.nan, np.full(len(RECALL_GRID), np.nan)
    tp, fp = ranking_curve(score, positive)
    recall = tp / tp[-1]
    # The first threshold that reaches a recall; no smoothing by later, higher precision.
    at = np.searchsorted(recall, RECALL_GRID - 1e-12)
    auc = roc_auc(tp, fp) if fp[-1] else np.nan
    return auc, average_precision(tp, fp), (tp / (tp + fp))[at]

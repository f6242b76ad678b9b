"""Scores on whole epochs: of labels, of valence and arousal, and the counts and sums behind them. NumPy alone.

Nothing depends on the order of the samples' batches, nor on how many processes or threads they came through.
"""

from fau.metrics.concordance import affect_metrics, group_moments, moment_scores
from fau.metrics.labels import MONITOR, au_metrics, expression_metrics, group_counts
from fau.metrics.ranking import rank
from fau.metrics.samples import unique_samples

__all__ = [
    "MONITOR",
    "affect_metrics",
    "au_metrics",
    "expression_metrics",
    "group_counts",
    "group_moments",
    "moment_scores",
    "rank",
    "unique_samples",
]

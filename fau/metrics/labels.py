"""Scores of labels on whole epochs: per label, their macro means, and the counts behind them.

Rules, the same everywhere:

- An action unit's score at the threshold counts as positive (``score >= threshold``); of expressions the one with the
  highest score does, the first of equal ones.
- A label that is not coded is in no count.
- A label without a coded positive is *absent*: it has no F1, no ROC-AUC and no average precision, and is in no macro
  mean, that of accuracy included. (Scoring it 0 would punish the data; scoring it 1 would reward it.)
- A present label that is never absent in the coded samples has no ROC-AUC, and is left out of that mean alone.

Everything is integer counts until one last float64 division, so the values depend neither on the order of the samples
nor on how many processes or threads they came through. (torchmetrics' exact curves divide and sum in float32; the
tests compare with them.) NumPy alone, so that reports can use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fau.errors import FauError
from fau.metrics.curves import average_precision, ranking_curve, roc_auc

MONITOR = "val/f1_macro"  # what chooses a checkpoint and stops early

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Counts64 = npt.NDArray[np.int64]

METRICS = ("f1", "accuracy", "roc_auc", "average_precision")


def group_counts(
    score: Floats,
    label: Ints,
    mask: Bools,
    groups: Sequence[str] | npt.NDArray[np.str_],
    threshold: float | None = 0.5,
) -> dict[str, npt.NDArray[Any]]:
    """Count hits and misses of every label within every group.

    Args:
        score: (N, L) probabilities.
        label: (N, L) 0 or 1 where coded.
        mask: (N, L), True where coded.
        groups: (N,) name of each sample's group, such as its subject.
        threshold: The least score that is positive; None takes each sample's highest.

    Returns:
        ``groups``: (G,) names, sorted; ``tp``, ``fp``, ``fn``, ``tn``: (G, L) int64.
    """
    positive = _positive(_checked(score, label, mask), threshold)
    names, place = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True)
    truth = label == 1

    def count(cells: Bools) -> Counts64:
        total = np.zeros((len(names), score.shape[1]), dtype=np.int64)
        np.add.at(total, place, cells & mask)
        return total

    return {
        "groups": names,
        "tp": count(positive & truth),
        "fp": count(positive & ~truth),
        "fn": count(~positive & truth),
        "tn": count(~positive & ~truth),
    }


def absent_labels(label: Ints, mask: Bools, labels: Sequence[str]) -> list[str]:
    """Return the names of the labels without one coded positive: those that no macro mean includes."""
    present = ((label == 1) & mask).any(axis=0)
    return [name for name, there in zip(labels, present, strict=True) if not there]


def au_metrics(
    score: Floats, label: Ints, mask: Bools, labels: Sequence[str], threshold: float | None = 0.5
) -> dict[str, float]:
    """Score every label by itself and average over labels.

    Args:
        score: (N, L) probabilities.
        label: (N, L) 0 or 1 where coded.
        mask: (N, L), True where coded.
        labels: (L,) names, such as ``AU1``.
        threshold: The least score that is positive, for F1 and accuracy; None takes each sample's highest.

    Returns:
        ``f1_macro``, ``accuracy_macro``, ``roc_auc_macro`` and ``average_precision_macro``, NaN where no label
        defines them; then ``f1/AU1`` and so on, without the values that are undefined.
    """
    checked = _checked(score, label, mask)
    decided = _positive(checked, threshold)
    absent = set(absent_labels(label, mask, labels))
    values: dict[str, dict[str, float]] = {metric: {} for metric in METRICS}
    for column, name in enumerate(labels):
        coded = mask[:, column]
        if not coded.any():
            continue
        own_score, truth = checked[coded, column], label[coded, column] == 1
        positive = decided[coded, column]
        values["accuracy"][name] = np.count_nonzero(positive == truth) / len(truth)
        if name in absent:
            continue
        hits = np.count_nonzero(positive & truth)
        values["f1"][name] = 2 * hits / (np.count_nonzero(positive) + np.count_nonzero(truth))
        true_positives, false_positives = ranking_curve(own_score, truth)
        values["average_precision"][name] = average_precision(true_positives, false_positives)
        if not truth.all():
            values["roc_auc"][name] = roc_auc(true_positives, false_positives)
    result: dict[str, float] = {}
    for metric, of_label in values.items():
        present = [value for name, value in of_label.items() if name not in absent]
        result[f"{metric}_macro"] = float(np.mean(present)) if present else float("nan")
    for metric, of_label in values.items():
        result |= {f"{metric}/{name}": float(value) for name, value in of_label.items()}
    return result


def expression_metrics(score: Floats, label: Ints, mask: Bools, labels: Sequence[str]) -> dict[str, float]:
    """Score a single-label task.

    Args:
        score: (N, K) probabilities.
        label: (N, K) one-hot where coded.
        mask: (N, K), a row True where the sample has a class.
        labels: (K,) names of the classes.

    Returns:
        What ``au_metrics`` gives of each class against the rest, but for accuracy; ``accuracy`` over all samples;
        ``recall/anger`` and so on of the classes that occur, and their mean ``recall_macro`` (also called balanced
        accuracy, or UAR).
    """
    metrics = au_metrics(score, label, mask, labels, threshold=None)
    metrics = {name: value for name, value in metrics.items() if not name.startswith("accuracy")}
    coded = mask.any(axis=1)
    right = (_positive(_checked(score, label, mask), None) & (label == 1)).any(axis=1)[coded]
    shown = (label == 1)[coded]
    recall = {name: float(right[of].mean()) for name, of in zip(labels, shown.T, strict=True) if of.any()}
    metrics["accuracy"] = float(right.mean()) if len(right) else float("nan")
    metrics["recall_macro"] = float(np.mean(list(recall.values()))) if recall else float("nan")
    return metrics | {f"recall/{name}": value for name, value in recall.items()}


def _positive(score: npt.NDArray[np.float64], threshold: float | None) -> Bools:
    """Return (N, L), True where a label is called present."""
    if threshold is not None:
        return score >= threshold
    positive = np.zeros(score.shape, dtype=bool)
    positive[np.arange(len(score)), score.argmax(axis=1)] = True
    return positive


def _checked(score: Floats, label: Ints, mask: Bools) -> npt.NDArray[np.float64]:
    """Return the scores in float64 after checking that the arrays belong together."""
    if not (score.ndim == 2 and score.shape == label.shape == mask.shape):
        raise FauError(f"scores {score.shape}, labels {label.shape} and mask {mask.shape} must be of one shape (N, L)")
    wide = score.astype(np.float64)
    coded = label[mask]
    if ((coded != 0) & (coded != 1)).any():
        raise FauError("coded labels must be 0 or 1: mask the others")
    if np.isnan(wide[mask]).any():
        raise FauError("scores of coded labels are NaN: training has diverged; lower the learning rate")
    return wide

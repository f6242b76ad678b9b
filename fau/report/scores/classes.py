"""What the runs of a single-label task come to, class by class: top-1, top-2, confusion and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.stats import Estimate, recall_intervals

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

BINS = 15  # of confidence, equally wide: Guo et al. (ICML 2017), who brought the measure to networks


@dataclass(frozen=True)
class ClassCounts:
    """Counts of one run, or of several with their groups one after another.

    Attributes:
        confusion: ``(groups, classes, classes)`` frames by their class and the class called.
        second: ``(groups, classes)`` frames by their class, which was among the two called most likely.
        calibration: ``(groups, bins, 3)`` frames by the score of the class called: their number, the sum of these
            scores, and how many are right.
    """

    confusion: Counts
    second: Counts
    calibration: Array


@dataclass(frozen=True)
class ClassScores:
    """What a row's classes come to, pooled over the test folds, averaged over seeds.

    Attributes:
        top1: Share of each class's frames that are called so; the macro value is their mean, the balanced accuracy.
        top2: Share of each class's frames whose class is among the two most likely; None where there are two classes.
        top1_variance: Of the classes' top-1 shares about their mean (divided by their number), as text 001 has it.
        top2_variance: Of their top-2 shares; NaN without them.
        calibration_error: Expected calibration error: mean over frames of the distance between the score of the class
            called and the share of right calls among frames with like scores (15 bins).
        confusion: ``(classes, classes)`` shares of each class's frames by the class called; NaN for absent classes.
    """

    top1: Estimate
    top2: Estimate | None
    top1_variance: float
    top2_variance: float
    calibration_error: float
    confusion: Array


def count_classes(
    stored: Mapping[str, NDArray[Any]], groups: tuple[str, ...], task: str = "expression"
) -> ClassCounts | None:
    """Count a run's test frames by group.

    Ties are called as ``argmax`` does, for the class that comes first.

    Args:
        stored: Its ``predictions.npz``.
        groups: Names of the groups, in the order of the result.
        task: First part of the names of its arrays.

    Returns:
        None where predictions are missing, or too old to say which group a sample is of.
    """
    names = {key: f"test/{task}/{key}" for key in ("score", "label", "mask")}
    if "test/group" not in stored or not set(names.values()) <= set(stored):
        return None
    coded = stored[names["mask"]].any(1)
    score, truth = stored[names["score"]][coded].astype(np.float64), stored[names["label"]][coded].argmax(1)
    position = {name: index for index, name in enumerate(groups)}
    group = np.array([position[name] for name in map(str, stored["test/group"][coded])], np.int64)
    classes = score.shape[1]
    order = np.argsort(-score, axis=1, kind="stable")
    called = order[:, 0]
    second = (order[:, :2] == truth[:, None]).any(1)
    confidence = score[np.arange(len(score)), called]
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)

    def by_group(cell: NDArray[np.int64], cells: int, weight: Array | None = None) -> Array:
        counted = np.bincount(group * cells + cell, weight, len(groups) * cells)
        return counted.astype(np.float64).reshape(len(groups), cells)

    confusion = by_group(truth * classes + called, classes * classes).astype(np.int64)
    weights = (None, confidence, (called == truth).astype(np.float64))
    return ClassCounts(
        confusion.reshape(-1, classes, classes),
        by_group(truth, classes, second.astype(np.float64)).astype(np.int64),
        np.stack([by_group(place, BINS, weight) for weight in weights], 2),
    )


def class_scores(
    parts: Sequence[tuple[int, tuple[str, ...], ClassCounts]], seeds: int, groups: tuple[str, ...], level: float
) -> ClassScores:
    """Pool a row's runs.

    Args:
        parts: Of each run its seed's place among the row's, its groups and its counts.
        seeds: Number of seeds.
        groups: Groups of the row; others of a run are left out.
        level: Confidence level of the intervals over groups.
    """
    pooled = ClassCounts(*(_pool(parts, name, seeds, groups) for name in ("confusion", "second", "calibration")))
    confusion = pooled.confusion  # (seeds, groups, classes, classes), as the others with seeds in front
    cases, hits = confusion.sum(3), np.diagonal(confusion, axis1=2, axis2=3)
    top1 = recall_intervals(hits, cases, level)
    top2 = recall_intervals(pooled.second, cases, level) if confusion.shape[3] > 2 else None
    error = np.mean([_calibration_error(bins) for bins in pooled.calibration.sum(1)])
    totals = confusion.sum(1).astype(np.float64)
    with np.errstate(invalid="ignore"):
        shares = (totals / totals.sum(2, keepdims=True)).mean(0)
    return ClassScores(top1, top2, _variance(top1), _variance(top2), float(error), shares)


def _pool(
    parts: Sequence[tuple[int, tuple[str, ...], ClassCounts]], name: str, seeds: int, groups: tuple[str, ...]
) -> NDArray[Any]:
    """Sum one of the counts over runs: ``(seeds, groups, ...)``."""
    position = {group: index for index, group in enumerate(groups)}
    first = getattr(parts[0][2], name)
    pooled = np.zeros((seeds, len(groups), *first.shape[1:]), first.dtype)
    for seed, own, counts in parts:
        for group, values in zip(own, getattr(counts, name), strict=True):
            if group in position:
                pooled[seed, position[group]] += values
    return pooled


def _variance(estimate: Estimate | None) -> float:
    if estimate is None:
        return float("nan")
    values = np.array([label.value for label in estimate.labels])
    return float(np.nanvar(values)) if not np.isnan(values).all() else float("nan")


def _calibration_error(bins: Array) -> float:
    """Expected calibration error of ``(bins, 3)`` number, sum of scores, right calls; NaN without a frame."""
    total = bins[:, 0].sum()
    return float(np.abs(bins[:, 1] - bins[:, 2]).sum() / total) if total else float("nan")

"""The fixed hold-out set, which no model has seen: what each fold's model scores on it, averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.metrics import group_counts
from fau.stats import Estimate, accuracy, f1_intervals, macro_mean, recall_intervals

Counts = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class HoldoutScores:
    """What a row's models score on the hold-out set, averaged over them.

    Attributes:
        f1: F1 per label and its mean.
        recall: Of a single-label task, the share of each class's frames that are called so, and the mean; else None.
        accuracy: Share of right frames (classes) or of right calls (action units).
        models: Number of models.
    """

    f1: Estimate
    recall: Estimate | None
    accuracy: float
    models: int


def count_holdout(stored: Mapping[str, NDArray[Any]], task: str, threshold: float | None) -> Counts | None:
    """Count a run's hits and misses on the hold-out set by group.

    Args:
        stored: Its ``predictions.npz``.
        task: First part of the names of its arrays.
        threshold: Least score that counts as present; None takes each sample's highest.

    Returns:
        As ``group_counts`` gives them; None where there is no hold-out set.
    """
    names = {key: f"holdout/{task}/{key}" for key in ("score", "label", "mask")}
    if "holdout/group" not in stored or not set(names.values()) <= set(stored):
        return None
    arrays = {key: stored[name] for key, name in names.items()}
    return group_counts(**arrays, groups=stored["holdout/group"], threshold=threshold)


def holdout_scores(counts: list[Counts | None], single: bool, level: float) -> HoldoutScores | None:
    """Average a row's models over the hold-out set that they share.

    Args:
        counts: Of each run.
        single: Whether each frame has one label at most.
        level: Confidence level of the intervals over groups.

    Returns:
        None where not every run has one, or not the same.
    """
    known = [found for found in counts if found is not None]
    if not known or len(known) < len(counts):
        return None
    if any(not np.array_equal(found["groups"], known[0]["groups"]) for found in known):
        return None
    cells = np.stack([np.stack([found[key] for key in ("tp", "fp", "fn", "tn")], -1) for found in known])
    f1 = f1_intervals(cells[..., :3], level)
    if not single:
        return HoldoutScores(f1, None, float(macro_mean(accuracy(cells.sum(1)).mean(0))), len(known))
    hits, cases = cells[..., 0], cells[..., 0] + cells[..., 2]
    return HoldoutScores(f1, recall_intervals(hits, cases, level), float(hits.sum() / max(cases.sum(), 1)), len(known))

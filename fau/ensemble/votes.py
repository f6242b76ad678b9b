"""How members vote: the weights of their scores, the weighted mean, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.ensemble.members import Member
from fau.errors import FauError
from fau.metrics import affect_metrics, au_metrics, expression_metrics, group_counts, group_moments, rank

Array = NDArray[np.float64]

RULES = {
    "uniform": "every member alike",
    "validation": "each member by its accuracy on the validation subjects",
    "class": "each member's score of a class by its accuracy on that class on the validation subjects",
    "class-training": "the same on the training subjects, as in text 001; says little where they are known by heart",
}


def vote_weights(group: Sequence[Member], rule: str) -> Array:
    """Return how much each member's score of each label counts.

    Args:
        group: The members of a fold, of one task.
        rule: A key of ``RULES``.

    Returns:
        (M, L), each label's summing to 1. An accuracy is the share of right frames of that class, for expressions, of
        right calls of that label, for action units, and for valence and arousal CCC, 0 where it is negative; a label
        that no frame shows weighs by the mean of the others.

    Raises:
        FauError: If a member lacks the scores that the rule needs.
    """
    labels = len(group[0].record["labels"])
    if rule == "uniform":
        return np.full((len(group), labels), 1 / len(group))
    part = "training" if rule == "class-training" else "val"
    weights = np.empty((len(group), labels))
    for row, member in zip(weights, group, strict=True):
        if not member.has(part):
            way_out = "--score_training true" if part == "training" else "a validation part (data.validation)"
            raise FauError(
                f"run '{member.run.path}' has no scores of its {'training' if part == 'training' else 'validation'} "
                f"subjects, by which '{rule}' weighs; train it with {way_out}, or choose uniform"
            )
        row[:] = _accuracy(member, part)
    if rule == "validation":
        weights = np.repeat(weights.mean(axis=1, keepdims=True), labels, axis=1)
    total = weights.sum(axis=0)
    even = np.full_like(weights, 1 / len(group))
    shares: Array = np.divide(weights, total, out=even, where=total > 0)  # a class that no member ever gets: all alike
    return shares


def _accuracy(member: Member, part: str) -> Array:
    """Return a member's accuracy on each label of a part."""
    score, label, mask = (member.part(part, name) for name in ("score", "label", "mask"))
    if member.task == "expression":
        metrics = expression_metrics(score, label, mask, member.record["labels"])
        values = [metrics.get(f"recall/{name}", np.nan) for name in member.record["labels"]]
    elif member.task == "va":
        metrics = affect_metrics(score, label, mask, member.record["labels"])
        values = [np.maximum(metrics.get(f"ccc/{name}", np.nan), 0.0) for name in member.record["labels"]]
    else:
        metrics = au_metrics(score, label, mask, member.record["labels"], threshold(member))
        values = [metrics.get(f"accuracy/{name}", np.nan) for name in member.record["labels"]]
    found = np.array(values, np.float64)
    if np.isnan(found).all():
        raise FauError(f"run '{member.run.path}' has no coded label on its subjects to weigh by; choose uniform")
    return np.where(np.isnan(found), np.nanmean(found), found)


def threshold(member: Member) -> float | None:
    """Return the least score that counts as present; None where the highest of a sample does, or it is a number."""
    value = member.record.get("threshold")
    return None if value is None else float(value)


def combine(group: Sequence[Member], weights: Array, part: str) -> NDArray[np.float32]:
    """Return the weighted mean of the members' scores of a part, (N, L); of expressions they sum to 1.

    Args:
        group: M members, each of one task.
        weights: (M, L) of ``vote_weights``, which sum to 1 over the members.
        part: ``val``, ``training``, ``test`` or ``holdout``.
    """
    total = sum(member.part(part, "score").astype(np.float64) * row for member, row in zip(group, weights, strict=True))
    scores = np.asarray(total)
    if group[0].task == "expression":
        scores = scores / scores.sum(axis=1, keepdims=True)
    return scores.astype(np.float32)


def score_metrics(member: Member, part: str, score: NDArray[np.float32]) -> dict[str, float]:
    """Return the metrics of scores of a part, whose labels are the member's.

    Args:
        member: Of one task.
        part: ``val``, ``training``, ``test`` or ``holdout``.
        score: (N, L), in the order of the member's.
    """
    label, mask, labels = member.part(part, "label"), member.part(part, "mask"), member.record["labels"]
    if member.task == "expression":
        return expression_metrics(score, label, mask, labels)
    if member.task == "va":
        return affect_metrics(score, label, mask, labels)
    return au_metrics(score, label, mask, labels, threshold(member))


def score_counts(member: Member, score: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return what reports pool over folds, by group, of scores of the test part.

    Args:
        member: Of one task.
        score: (N, L), in the order of the member's.
    """
    label, mask = member.part("test", "label"), member.part("test", "mask")
    groups, labels = member.arrays["test/group"], np.array(member.record["labels"], np.str_)
    if member.task == "va":
        return group_moments(score, label, mask, groups) | {"labels": labels}
    counts = group_counts(score, label, mask, groups, threshold(member)) | {"labels": labels}
    return counts | rank(score, label, mask).arrays()

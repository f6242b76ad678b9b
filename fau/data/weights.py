"""Weights against imbalance, from coded labels only."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weights = Literal["none", "balanced", "inverse", "effective"]


def balanced_weights(positives: NDArray[np.float64], coded: NDArray[np.float64], parts: int = 2) -> NDArray[np.float32]:
    """Return the usual balanced class weight of each label, N / (parts N_pos).

    Args:
        positives: Shape (L,), coded positives of each label, above 0; may be expected counts.
        coded: Shape (L,), coded samples of each label.
        parts: Classes that share the samples: 2 for an action unit (present, absent), L for expressions.
    """
    return (coded / (parts * positives)).astype(np.float32)


def inverse_weights(positives: NDArray[np.float64], coded: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return weights in inverse proportion to each label's rate that sum to the number of labels (JAA-Net, ME-GraphAU).

    Args:
        positives: Shape (L,), coded positives of each label, above 0; may be expected counts.
        coded: Shape (L,), coded samples of each label.
    """
    inverse = coded / positives
    return np.asarray(inverse * (len(inverse) / inverse.sum()), dtype=np.float32)


def effective_weights(positives: NDArray[np.float64], beta: float) -> NDArray[np.float32]:
    """Return weights in inverse proportion to each label's effective number of samples, (1 - beta^n) / (1 - beta).

    They sum to the number of labels (Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
    equation 6). With beta 0 every label weighs 1; as beta goes to 1 they become the inverse counts.

    Args:
        positives: Shape (L,), coded positives of each label, above 0; may be expected counts.
        beta: 0 or more and less than 1.
    """
    effective = -np.expm1(positives * np.log(beta)) / (1 - beta) if beta else np.ones_like(positives)
    return np.asarray(len(effective) / (effective * (1 / effective).sum()), dtype=np.float32)

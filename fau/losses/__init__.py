"""Losses as pure functions of a mask: a label that is not coded has no part in the value or in the gradient.

Most functions return a ``MaskedSum``: the sum over what is coded, and its number. One process takes ``.mean()``. Under
DDP, which averages the gradients of its processes, the mean over the global batch is
``.mean(over=all_reduce(count) / world_size)``: then every coded label weighs the same, whatever process it fell to.
"""

from fau.losses.affect import concordance_loss, masked_squared_error
from fau.losses.classes import (
    adjusted_logits,
    edge_cross_entropy,
    masked_cross_entropy,
    masked_focal,
    masked_soft_cross_entropy,
)
from fau.losses.landmarks import landmark_loss, refinement_loss, squared_interocular
from fau.losses.masked import MaskedSum
from fau.losses.occurrence import clamped_cross_entropy, masked_bce, weighted_asymmetric, weighted_dice

__all__ = [
    "MaskedSum",
    "adjusted_logits",
    "clamped_cross_entropy",
    "concordance_loss",
    "edge_cross_entropy",
    "landmark_loss",
    "masked_bce",
    "masked_cross_entropy",
    "masked_focal",
    "masked_soft_cross_entropy",
    "masked_squared_error",
    "refinement_loss",
    "squared_interocular",
    "weighted_asymmetric",
    "weighted_dice",
]

"""Losses of valence and arousal: squared error and CCC."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fau.losses.masked import MaskedSum, full_precision


def masked_squared_error(prediction: Tensor, target: Tensor, mask: Tensor) -> MaskedSum:
    """Squared errors of what is coded, computed in float32 at least.

    Args:
        prediction: (B, L).
        target: (B, L); any value where not coded, NaN too.
        mask: (B, L) bool, True where coded.
    """
    prediction = torch.where(mask, full_precision(prediction), 0.0)
    error = prediction - torch.where(mask, target.to(prediction.dtype), 0.0)
    return MaskedSum(error.square().sum(), mask.sum().to(error.dtype))


def concordance_loss(
    prediction: Tensor, target: Tensor, mask: Tensor, union: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Return 1 - CCC of the batch, averaged over the columns in which two samples or more are coded; 0 without any.

    CCC = 2 cov(x, y) / (var x + var y + (mean x - mean y)^2) with moments that divide by n (Lin, 1989), of the coded
    samples of each column, computed in float32 at least. It is a property of a batch and no mean over samples, so that
    processes cannot average theirs: ``union`` adds the sums up, and the loss is that of the union batch.

    Args:
        prediction: (B, L).
        target: (B, L); any value where not coded, NaN too.
        mask: (B, L) bool, True where coded.
        union: Adds a tensor up over all processes. Its gradient is to be the local one, times the number of processes
            where gradients are averaged over them. None where there is one process.
    """

    def add(sums: Tensor) -> Tensor:
        return sums if union is None else union(sums)

    prediction = torch.where(mask, full_precision(prediction), 0.0)
    target = torch.where(mask, target.to(prediction.dtype), 0.0)
    with torch.no_grad():  # squares are summed about the means, else float32 would lose small variances
        number, total, wanted = add(torch.stack([mask.sum(0).to(prediction), prediction.sum(0), target.sum(0)]))
        centre, target_mean = total / number.clamp(min=1), wanted / number.clamp(min=1)
    x, y = torch.where(mask, prediction - centre, 0.0), torch.where(mask, target - target_mean, 0.0)
    sums = torch.stack([x.sum(0), x.square().sum(0), (x * y).sum(0), y.square().sum(0)])
    shift, square, covariance, target_variance = add(sums) / number.clamp(min=1)
    distance = centre + shift - target_mean
    spread = square - shift.square() + target_variance + distance.square()
    # Where neither predictions nor targets vary and both are one number, 0 / 0: the loss is 1, without a gradient.
    loss = 1 - 2 * covariance / spread.clamp(min=1e-8)
    coded = number >= 2
    mean: Tensor = torch.where(coded, loss, 0.0).sum() / coded.sum().clamp(min=1)
    return mean

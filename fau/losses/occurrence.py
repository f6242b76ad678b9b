"""Losses of action units' occurrence, one label at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from fau.losses.masked import MaskedSum, full_precision


def masked_bce(
    logits: Tensor,
    target: Tensor,
    mask: Tensor,
    positive_weight: Tensor | None = None,
    label_weight: Tensor | None = None,
) -> MaskedSum:
    """Binary cross-entropy of the coded labels, computed in float32 at least.

    With everything coded, the mean is the mean over samples of equation 2 of Le Hoai et al. (ABAW 2022). With gaps, it
    is over all coded labels of the batch rather than first over each sample's, so that a label of a sparsely coded
    sample weighs no more than another.

    Args:
        logits: (B, L), before the sigmoid.
        target: (B, L), 0 or 1 (or between) where coded; any value elsewhere, NaN too.
        mask: (B, L) bool, True where coded.
        positive_weight: (L,) factors of the positive terms alone (their equations 3 and 4).
        label_weight: (L,) factors of a label's whole term, as in ME-GraphAU, where they sum to L. They do not enter
            ``count``.
    """
    logits = torch.where(mask, full_precision(logits), 0.0)
    target = torch.where(mask, target.to(logits.dtype), 0.0)
    # functional.binary_cross_entropy_with_logits asks for weights of the logits' type and device
    if positive_weight is not None:
        positive_weight = positive_weight.to(logits)
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=positive_weight)
    return MaskedSum.of(loss, mask, label_weight)


def weighted_asymmetric(
    probability: Tensor,
    target: Tensor,
    mask: Tensor,
    label_weight: Tensor | None = None,
    stop_gradient: bool = True,
    eps: float = 1e-8,
) -> MaskedSum:
    """ME-GraphAU's weighted asymmetric loss of the coded labels, computed in float32 at least: 1e-8 is 0 in half.

    -w [y log p + (1 - y) p log(1 - p)]: a negative that scores low counts little. The factor p is a constant to the
    gradient in the authors' code, and not in their formula.

    Args:
        probability: (B, L), 0..1 but for rounding.
        target: (B, L), 0 or 1 (or between) where coded; any value elsewhere, NaN too.
        mask: (B, L) bool, True where coded.
        label_weight: (L,) factors w of a label's whole term. They do not enter ``count``.
        stop_gradient: Whether the factor p is held constant.
        eps: Least argument of a logarithm.
    """
    probability = torch.where(mask, full_precision(probability), 0.5)
    target = torch.where(mask, target.to(probability.dtype), 0.0)
    focus = probability.detach() if stop_gradient else probability
    present = target * probability.clamp(min=eps).log()
    absent = (1 - target) * focus * (1 - probability).clamp(min=eps).log()
    loss = -(present + absent)
    return MaskedSum.of(loss, mask, label_weight)


def clamped_cross_entropy(
    probability: Tensor,
    target: Tensor,
    mask: Tensor,
    positive_weight: Tensor | None = None,
    label_weight: Tensor | None = None,
    margin: float = 0.05,
) -> MaskedSum:
    """EAC-Net's cross-entropy of the coded labels, whose terms are bounded, computed in float32 at least.

    -[y log((p + m) / (1 + m)) + (1 - y) log((1 + m - p) / (1 + m))] (Li et al., FG 2017), 0 where right and surely so,
    log((1 + m) / m) = 3.04 where surely wrong. A later text prints the first argument as p / 1.05 + 0.5: with that, a
    sure hit would have the loss -log 1.45, and a sure miss no more than log 2.

    Args:
        probability: (B, L), 0..1 but for rounding.
        target: (B, L), 0 or 1 (or between) where coded; any value elsewhere, NaN too.
        mask: (B, L) bool, True where coded.
        positive_weight: (L,) factors of the positive terms alone.
        label_weight: (L,) factors of a label's whole term. They do not enter ``count``.
        margin: m, above 0.
    """
    probability = torch.where(mask, full_precision(probability), 0.5).clamp(0, 1)
    target = torch.where(mask, target.to(probability.dtype), 0.0)
    present = target * ((probability + margin) / (1 + margin)).log()
    if positive_weight is not None:
        present = present * positive_weight.to(present)
    loss = -(present + (1 - target) * ((1 + margin - probability) / (1 + margin)).log())
    return MaskedSum.of(loss, mask, label_weight)


def weighted_dice(
    probability: Tensor,
    target: Tensor,
    mask: Tensor,
    label_weight: Tensor | None = None,
    over_batch: bool = False,
    smooth: float = 1.0,
    union: Callable[[Tensor], Tensor] | None = None,
) -> MaskedSum:
    """JAA-Net's Dice loss of the coded labels, computed in float32 at least.

    1 - (2 p y + s) / (p^2 + y^2 + s) of each coded label, as in the paper and the authors' Caffe layer. Their PyTorch
    code sums p y, p^2 and y^2 over the batch first and divides the ratio, not the loss, by its B samples: its gradient
    is about B times weaker.

    Args:
        probability: (B, L), 0..1.
        target: (B, L), 0 or 1 where coded; any value elsewhere, NaN too.
        mask: (B, L) bool, True where coded.
        label_weight: (L,) factors of a label's whole term. They do not enter ``count``.
        over_batch: Follow the PyTorch code. A term is then a label's, and ``count`` that of the labels coded at all.
        smooth: s.
        union: As in ``concordance_loss``, for the ratios of ``over_batch``, which are those of the union batch; total
            and count then are too, on every process.
    """
    probability = torch.where(mask, full_precision(probability), 0.0)
    target = torch.where(mask, target.to(probability.dtype), 0.0)
    overlap, squares = 2 * probability * target, probability.square() + target.square()
    if over_batch:
        sums = torch.stack([overlap.sum(dim=0), squares.sum(dim=0), mask.sum(dim=0).to(overlap)])
        overlap, squares, number = sums if union is None else union(sums)
        ratio = (overlap + smooth) / (squares + smooth)
        loss, coded = 1 - ratio / number.clamp(min=1), number > 0
    else:
        loss, coded = 1 - (overlap + smooth) / (squares + smooth), mask
    return MaskedSum.of(loss, coded, label_weight)

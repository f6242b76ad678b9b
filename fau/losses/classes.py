"""Losses of single-label tasks: one of several classes a sample, or a pair of labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fau.losses.masked import MaskedSum, full_precision

NO_CLASS = -1  # the class of a sample that has none


def masked_cross_entropy(
    logits: Tensor, target: Tensor, class_weight: Tensor | None = None, smoothing: float = 0.0
) -> MaskedSum:
    """Cross-entropy of the coded samples of a single-label task, computed in float32 at least.

    Args:
        logits: (B, K), before the softmax.
        target: (B,) int64, a class, or -1 where not coded.
        class_weight: (K,) factors of the classes. ``count`` is then the sum of the coded samples' factors, as torch's
            own mean divides.
        smoothing: Share of the target that is spread evenly over all classes, 0..1.
    """
    coded = target != NO_CLASS
    logits = torch.where(coded.unsqueeze(1), full_precision(logits), 0.0)
    weight = None if class_weight is None else class_weight.to(logits)
    total = functional.cross_entropy(
        logits, target, weight, ignore_index=NO_CLASS, reduction="sum", label_smoothing=smoothing
    )
    if weight is None:
        return MaskedSum(total, coded.sum().to(total.dtype))
    return MaskedSum(total, torch.where(coded, weight[target.clamp(min=0)], 0.0).sum())


def masked_soft_cross_entropy(
    logits: Tensor, share: Tensor, coded: Tensor, class_weight: Tensor | None = None, smoothing: float = 0.0
) -> MaskedSum:
    """Cross-entropy of the coded samples with shares of the classes in place of one, float32 at least.

    -sum_c w_c q_c log p_c of a sample, q being its shares. Where one class has all of it, that is
    ``masked_cross_entropy``.

    Args:
        logits: (B, K), before the softmax.
        share: (B, K), 0..1, rows that sum to 1 where coded; any value elsewhere, NaN too.
        coded: (B,) bool.
        class_weight: (K,) factors of the classes. ``count`` is then the sum of the coded samples' factors, each
            class's by its share.
        smoothing: Part of the target that is spread evenly over all classes, 0..1.
    """
    mask = coded.unsqueeze(1)
    logits = torch.where(mask, full_precision(logits), 0.0)
    share = torch.where(mask, share.to(logits.dtype), 0.0)
    weight = None if class_weight is None else class_weight.to(logits)
    loss = functional.cross_entropy(logits, share, weight, reduction="none", label_smoothing=smoothing)
    factors = share if weight is None else share * weight
    return MaskedSum(torch.where(coded, loss, 0.0).sum(), factors.sum())


def masked_focal(logits: Tensor, target: Tensor, gamma: float, class_weight: Tensor | None = None) -> MaskedSum:
    """Focal loss of the coded samples of a single-label task, computed in float32 at least.

    -w (1 - p)^gamma log p, p the probability of the sample's class: the softmax form of Lin et al. ("Focal Loss for
    Dense Object Detection", ICCV 2017), who write it for two classes. The factor carries a gradient. With gamma 0 it is
    the cross-entropy, and divides as that does.

    Args:
        logits: (B, K), before the softmax.
        target: (B,) int64, a class, or -1 where not coded.
        gamma: 0 or more; 2 is the paper's.
        class_weight: (K,) factors of the classes, the paper's alpha.
    """
    coded = target != NO_CLASS
    logits = torch.where(coded.unsqueeze(1), full_precision(logits), 0.0)
    place = target.clamp(min=0)
    log_p = logits.log_softmax(dim=1).gather(1, place.unsqueeze(1)).squeeze(1)
    # 1 - p by expm1, and off 0, where the power of a gamma below 1 has no gradient
    focus = (-torch.expm1(log_p)).clamp(min=torch.finfo(logits.dtype).tiny) ** gamma
    weight = torch.ones_like(log_p) if class_weight is None else class_weight.to(logits)[place]
    total = torch.where(coded, -weight * focus * log_p, 0.0).sum()
    return MaskedSum(total, torch.where(coded, weight, 0.0).sum())


def adjusted_logits(logits: Tensor, prior: Tensor, tau: float) -> Tensor:
    """Return the logits that training compares where it adjusts for the prior, float32 at least; scoring leaves it out.

    logits + tau log prior (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021, equation 10): with tau 1
    what is learned without it suits equally frequent classes.

    Args:
        logits: (B, K), before the softmax.
        prior: (K,), the classes' shares in training, above 0.
        tau: The adjustment's strength; 0 is plain cross-entropy.
    """
    wide = full_precision(logits)
    return wide + tau * prior.to(wide).log()


def edge_cross_entropy(logits: Tensor, target: Tensor, mask: Tensor) -> MaskedSum:
    """ME-GraphAU's edge loss: cross-entropy over what an ordered pair of labels is, of pairs coded both.

    Args:
        logits: (B, L * L, 4); the pair of labels i and j is at i * L + j, its class 2 y_i + y_j.
        target: (B, L), 0 or 1 where coded; any value elsewhere.
        mask: (B, L) bool, True where coded.
    """
    label = torch.where(mask, target, 0).long()
    pair = 2 * label.unsqueeze(2) + label.unsqueeze(1)
    coded = mask.unsqueeze(2) & mask.unsqueeze(1)
    return masked_cross_entropy(logits.flatten(0, 1), torch.where(coded, pair, NO_CLASS).flatten())

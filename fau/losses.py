"""Losses as pure functions of a mask: a label that is not coded has no part in the value or in the gradient.

Most functions return a ``MaskedSum``: the sum over what is coded, and its number. One process takes ``.mean()``. Under
DDP, which averages the gradients of its processes, the mean over the global batch is
``.mean(over=all_reduce(count) / world_size)``: then every coded label weighs the same, whatever process it fell to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

NO_CLASS = -1  # the class of a sample that has none


@dataclass(frozen=True)
class MaskedSum:
    """A loss before its division.

    Attributes:
        total: Scalar, the sum over the coded labels; connected to the logits even where nothing is coded, so that the
            gradient is then zero and no process of a DDP group goes without one.
        count: Scalar, the number of coded labels.
    """

    total: Tensor
    count: Tensor

    def mean(self, over: Tensor | None = None) -> Tensor:
        """Return the mean over the coded labels, 0 where there are none.

        Args:
            over: Divide by this instead of ``count``, such as its mean over all processes.
        """
        return self.total / (self.count if over is None else over).clamp(min=torch.finfo(self.total.dtype).tiny)


def _full_precision(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


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
    logits = torch.where(mask, _full_precision(logits), 0.0)
    target = torch.where(mask, target.to(logits.dtype), 0.0)
    # functional.binary_cross_entropy_with_logits asks for weights of the logits' type and device
    if positive_weight is not None:
        positive_weight = positive_weight.to(logits)
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=positive_weight)
    if label_weight is not None:
        loss = loss * label_weight.to(logits)
    return MaskedSum(torch.where(mask, loss, 0.0).sum(), mask.sum().to(loss.dtype))


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
    logits = torch.where(coded.unsqueeze(1), _full_precision(logits), 0.0)
    weight = None if class_weight is None else class_weight.to(logits)
    total = functional.cross_entropy(
        logits, target, weight, ignore_index=NO_CLASS, reduction="sum", label_smoothing=smoothing
    )
    if weight is None:
        return MaskedSum(total, coded.sum().to(total.dtype))
    return MaskedSum(total, torch.where(coded, weight[target.clamp(min=0)], 0.0).sum())


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
    logits = torch.where(coded.unsqueeze(1), _full_precision(logits), 0.0)
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
    wide = _full_precision(logits)
    return wide + tau * prior.to(wide).log()


def masked_squared_error(prediction: Tensor, target: Tensor, mask: Tensor) -> MaskedSum:
    """Squared errors of what is coded, computed in float32 at least.

    Args:
        prediction: (B, L).
        target: (B, L); any value where not coded, NaN too.
        mask: (B, L) bool, True where coded.
    """
    prediction = torch.where(mask, _full_precision(prediction), 0.0)
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

    prediction = torch.where(mask, _full_precision(prediction), 0.0)
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
    probability = torch.where(mask, _full_precision(probability), 0.5)
    target = torch.where(mask, target.to(probability.dtype), 0.0)
    focus = probability.detach() if stop_gradient else probability
    present = target * probability.clamp(min=eps).log()
    absent = (1 - target) * focus * (1 - probability).clamp(min=eps).log()
    loss = -(present + absent)
    if label_weight is not None:
        loss = loss * label_weight.to(loss)
    return MaskedSum(torch.where(mask, loss, 0.0).sum(), mask.sum().to(loss.dtype))


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
    probability = torch.where(mask, _full_precision(probability), 0.0)
    target = torch.where(mask, target.to(probability.dtype), 0.0)
    overlap, squares = 2 * probability * target, probability.square() + target.square()
    if over_batch:
        sums = torch.stack([overlap.sum(dim=0), squares.sum(dim=0), mask.sum(dim=0).to(overlap)])
        overlap, squares, number = sums if union is None else union(sums)
        ratio = (overlap + smooth) / (squares + smooth)
        loss, coded = 1 - ratio / number.clamp(min=1), number > 0
    else:
        loss, coded = 1 - (overlap + smooth) / (squares + smooth), mask
    if label_weight is not None:
        loss = loss * label_weight.to(loss)
    return MaskedSum(torch.where(coded, loss, 0.0).sum(), coded.sum().to(loss.dtype))


def squared_interocular(landmarks: Tensor) -> Tensor:
    """Return the squared distance (B,) of the eyes' centres of 49 landmarks (B, 49, 2), each the mean of six points.

    It is what the authors of JAA-Net call biocular.
    """
    right, left = landmarks[:, 19:25].mean(dim=1), landmarks[:, 25:31].mean(dim=1)
    return (right - left).square().sum(dim=1)


def landmark_loss(
    points: Tensor, target: Tensor, squared_distance: Tensor | None = None, mask: Tensor | None = None
) -> MaskedSum:
    """JAA-Net's landmark loss: a face's squared errors over twice the squared distance of its eyes, float32 at least.

    Args:
        points: (B, 49, 2), predicted, in pixels.
        target: (B, 49, 2), in the same pixels. A point that is not finite has no part.
        squared_distance: (B,) of the eyes' centres; None takes ``squared_interocular`` of the target. A face whose
            distance is not finite or below one pixel has no part.
        mask: (B,) bool, True for faces that have landmarks at all; None for all.
    """
    points = _full_precision(points)
    target = target.to(points.dtype)
    distance = (squared_interocular(target) if squared_distance is None else squared_distance).to(points.dtype)
    coded = torch.isfinite(distance) & (distance >= 1)
    there = torch.isfinite(target).all(dim=-1)
    coded = coded & there.any(dim=1)
    if mask is not None:
        coded = coded & mask
    there = there & coded.unsqueeze(1)
    error = torch.where(there.unsqueeze(-1), points - torch.where(there.unsqueeze(-1), target, 0.0), 0.0)
    loss = error.square().sum(dim=(1, 2)) / (2 * torch.where(coded, distance, 1.0))
    return MaskedSum(loss.sum(), coded.sum().to(loss.dtype))


def refinement_loss(maps: Tensor, initial: Tensor, mask: Tensor | None = None) -> MaskedSum:
    """Loss of JAA-Net, version 1: cross-entropy of refined maps against the initial, mean over cells, sum over AUs.

    Args:
        maps: (B, N, M, M), 0..1.
        initial: (B, N, K, K), resized to M by nearest cells.
        mask: (B,) bool, True for faces that count; None for all.
    """
    maps, initial = _full_precision(maps), _full_precision(initial)
    wanted = functional.interpolate(initial, size=maps.shape[-2:])
    with torch.autocast(maps.device.type, enabled=False):
        loss = functional.binary_cross_entropy(maps, wanted.to(maps.dtype), reduction="none").mean(dim=(2, 3)).sum(1)
    coded = torch.ones_like(loss, dtype=torch.bool) if mask is None else mask
    return MaskedSum(torch.where(coded, loss, 0.0).sum(), coded.sum().to(loss.dtype))


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
    probability = torch.where(mask, _full_precision(probability), 0.5).clamp(0, 1)
    target = torch.where(mask, target.to(probability.dtype), 0.0)
    present = target * ((probability + margin) / (1 + margin)).log()
    if positive_weight is not None:
        present = present * positive_weight.to(present)
    loss = -(present + (1 - target) * ((1 + margin - probability) / (1 + margin)).log())
    if label_weight is not None:
        loss = loss * label_weight.to(loss)
    return MaskedSum(torch.where(mask, loss, 0.0).sum(), mask.sum().to(loss.dtype))

"""JAA-Net's losses of landmarks and of the attention maps that are laid around them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fau.losses.masked import MaskedSum, full_precision


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
    points = full_precision(points)
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
    maps, initial = full_precision(maps), full_precision(initial)
    wanted = functional.interpolate(initial, size=maps.shape[-2:])
    with torch.autocast(maps.device.type, enabled=False):
        loss = functional.binary_cross_entropy(maps, wanted.to(maps.dtype), reduction="none").mean(dim=(2, 3)).sum(1)
    coded = torch.ones_like(loss, dtype=torch.bool) if mask is None else mask
    return MaskedSum.of(loss, coded)

"""JAA-Net's losses of landmarks and attention maps, and what is missing of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fau.losses import landmark_loss, refinement_loss, squared_interocular


def _face(batch: int) -> Tensor:
    torch.manual_seed(0)
    points = 100 + 20 * torch.randn(batch, 49, 2, dtype=torch.float64)
    points[:, 25:31] += torch.tensor([60.0, 0.0])
    return points


def test_the_landmark_loss_is_over_the_squared_distance_of_the_eyes() -> None:
    """One point of a face is 3 px off to the right and 4 down, its eyes are 50 px apart: 25 / (2 * 2500)."""
    target = torch.zeros(2, 49, 2)
    target[:, 19:25], target[:, 25:31] = torch.tensor([30.0, 60.0]), torch.tensor([80.0, 60.0])
    points = target.clone()
    points[0, 3] += torch.tensor([3.0, 4.0])
    assert squared_interocular(target).tolist() == [2500.0, 2500.0]
    loss = landmark_loss(points, target)
    assert loss.total.item() == pytest.approx(0.005)
    assert loss.count.item() == 2
    assert landmark_loss(points, target, torch.full((2,), 100.0)).mean().item() == pytest.approx(25 / 200 / 2)


@pytest.mark.parametrize("missing", [float("nan"), float("inf")])
def test_points_and_faces_that_are_missing_have_no_part(missing: float) -> None:
    target = _face(5)
    points = (target + torch.randn_like(target)).requires_grad_()
    faulty = target.clone()
    faulty[0, 0] = missing  # a brow's point
    faulty[1] = missing  # all
    faulty[2, 20, 1] = missing  # an eye's, so that the distance is unknown
    faulty[3, 19:31] = 50.0  # both eyes in one place
    loss = landmark_loss(points, faulty)
    loss.mean().backward()
    assert loss.count.item() == 2
    distance = squared_interocular(target)
    errors = (points.detach() - target).square().sum(dim=2)
    expected = errors[0, 1:].sum() / (2 * distance[0]) + errors[4].sum() / (2 * distance[4])
    assert loss.total.item() == pytest.approx(expected.item())
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
    assert (points.grad[[1, 2, 3]] == 0).all()
    assert (points.grad[0, 0] == 0).all()
    assert (points.grad[4] != 0).all()
    nobody = landmark_loss(points, target, mask=torch.zeros(5, dtype=torch.bool))
    assert nobody.mean().item() == 0


def test_the_refinement_loss_sums_over_aus_and_averages_over_cells() -> None:
    initial = torch.rand(3, 2, 6, 6, dtype=torch.float64)
    maps = torch.rand(3, 2, 4, 4, dtype=torch.float64)
    nearest = initial[:, :, [0, 1, 3, 4]][..., [0, 1, 3, 4]]  # cell i of 4 is cell floor(1.5 i) of 6
    entropy = -(nearest * maps.log() + (1 - nearest) * (1 - maps).log())
    assert refinement_loss(maps, initial).mean().item() == pytest.approx(entropy.mean(dim=(0, 2, 3)).sum().item())
    some = torch.tensor([True, False, True])
    expected = entropy[some].mean(dim=(0, 2, 3)).sum().item()
    assert refinement_loss(maps, initial, some).mean().item() == pytest.approx(expected)

"""Squared error and CCC loss: formulas, masks, and the union batch of processes."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fau.losses import concordance_loss, masked_squared_error
from fau.metrics import affect_metrics

SEEDS = st.integers(0, 2**32 - 1)


def _problem(seed: int, batch: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    prediction = torch.rand(batch, 2, generator=generator) * 2 - 1
    target = torch.rand(batch, 2, generator=generator) * 2 - 1
    return prediction, target, torch.rand(batch, 2, generator=generator) < 0.6


@settings(deadline=None)
@given(SEEDS, st.integers(2, 30))
def test_the_ccc_loss_is_one_less_the_metric(seed: int, batch: int) -> None:
    prediction, target, mask = _problem(seed, batch)
    loss = concordance_loss(prediction, torch.where(mask, target, torch.nan), mask)
    metrics = affect_metrics(prediction.numpy(), target.numpy(), mask.numpy(), ["valence", "arousal"])
    expected = 1 - metrics["ccc_mean"]
    assert loss.item() == pytest.approx(0.0 if np.isnan(expected) else expected, abs=1e-5)


def test_the_ccc_loss_keeps_small_spreads_in_single_precision() -> None:
    torch.manual_seed(0)
    target = 0.7 + 1e-3 * torch.randn(64, 1)
    prediction = target + 5e-4 * torch.randn(64, 1)
    exact = concordance_loss(prediction.double(), target.double(), torch.ones(64, 1, dtype=torch.bool))
    single = concordance_loss(prediction, target, torch.ones(64, 1, dtype=torch.bool))
    assert single.item() == pytest.approx(exact.item(), abs=1e-3)


@pytest.mark.parametrize("coded", [0, 1])
def test_a_batch_too_small_for_ccc_has_no_gradient(coded: int) -> None:
    prediction = torch.zeros(4, 2, requires_grad=True)
    mask = torch.zeros(4, 2, dtype=torch.bool)
    mask[:coded] = True
    loss = concordance_loss(prediction.tanh(), torch.full((4, 2), torch.nan).where(~mask, 0.3), mask)
    loss.backward()
    assert loss == 0 and prediction.grad is not None and (prediction.grad == 0).all()


def test_constants_leave_the_ccc_loss_finite() -> None:
    mask = torch.ones(8, 2, dtype=torch.bool)
    for value in (0.3, -0.1):
        prediction = torch.full((8, 2), 0.3, requires_grad=True)
        loss = concordance_loss(prediction, torch.full((8, 2), value), mask)
        loss.backward()
        assert loss == 1 and prediction.grad is not None and prediction.grad.abs().max() < 1e-3


class _Union:
    """What DDP's processes do, by threads: sums over all of them, gradients of one's own part times their number."""

    def __init__(self, world: int) -> None:
        self._world, self._barrier = world, threading.Barrier(world)
        self._parts: dict[int, Tensor] = {}

    def of(self, rank: int) -> Callable[[Tensor], Tensor]:
        def add(local: Tensor) -> Tensor:
            self._parts[rank] = local.detach()
            self._barrier.wait()
            total = torch.stack([self._parts[r] for r in range(self._world)]).sum(0)
            self._barrier.wait()
            return total + self._world * (local - local.detach())

        return add


@settings(deadline=None, max_examples=20)
@given(SEEDS, st.integers(2, 4))
def test_the_ccc_loss_of_processes_is_that_of_one(seed: int, world: int) -> None:
    prediction, target, mask = _problem(seed, 6 * world)
    whole = prediction.clone().requires_grad_()
    expected = concordance_loss(whole, target, mask)
    expected.backward()
    union = _Union(world)
    results: dict[int, tuple[float, Tensor]] = {}

    def process(rank: int) -> None:
        part = slice(6 * rank, 6 * rank + 6)
        own = prediction[part].clone().requires_grad_()
        loss = concordance_loss(own, target[part], mask[part], union.of(rank))
        loss.backward()
        assert own.grad is not None
        results[rank] = (loss.item(), own.grad / world)  # DDP averages

    threads = [threading.Thread(target=process, args=(rank,)) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert [results[rank][0] for rank in range(world)] == pytest.approx([expected.item()] * world, abs=1e-5)
    assert whole.grad is not None
    torch.testing.assert_close(torch.cat([results[r][1] for r in range(world)]), whole.grad, atol=1e-5, rtol=1e-4)


def test_squared_error_is_over_what_is_coded() -> None:
    prediction = torch.tensor([[0.5, 1.0], [0.0, 0.0]], requires_grad=True)
    target = torch.tensor([[0.0, torch.nan], [torch.nan, 1.0]])
    loss = masked_squared_error(prediction, target, torch.isfinite(target)).mean()
    loss.backward()
    assert loss.item() == pytest.approx((0.25 + 1) / 2)
    torch.testing.assert_close(prediction.grad, torch.tensor([[0.5, 0.0], [0.0, -1.0]]))


SEEDS = st.integers(0, 2**32 - 1)

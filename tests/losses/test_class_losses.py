"""Cross-entropy, focal loss and logit adjustment: formulas, gradients, and samples without a class."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fau.losses import adjusted_logits, masked_cross_entropy, masked_focal, masked_soft_cross_entropy

SEEDS = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(2, 8))
def test_cross_entropy_is_the_formula(seed: int, batch: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    logits, target = rng.normal(0, 3, (batch, classes)), rng.integers(-1, classes, batch)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = shifted / shifted.sum(axis=1, keepdims=True)
    losses = [-np.log(p[b, target[b]]) for b in range(batch) if target[b] >= 0]
    leaf = torch.from_numpy(logits).requires_grad_()
    loss = masked_cross_entropy(leaf, torch.from_numpy(target))
    assert loss.count.item() == len(losses)
    assert loss.mean().item() == pytest.approx(np.mean(losses) if losses else 0, abs=1e-12)
    loss.mean().backward()
    assert leaf.grad is not None
    assert not leaf.grad[target == -1].any()
    assert torch.isfinite(leaf.grad).all()


def test_cross_entropy_ignores_what_the_missing_logits_hold() -> None:
    logits = torch.tensor([[0.0, 1.0], [float("nan"), 0.0]], requires_grad=True)
    loss = masked_cross_entropy(logits, torch.tensor([1, -1])).mean()
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.equal(logits.grad[1], torch.zeros(2))


@settings(deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.5, 2.0]))
def test_focal_is_the_formula(seed: int, gamma: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(12, 4, generator=generator, dtype=torch.float64)
    target = torch.randint(-1, 4, (12,), generator=generator)
    weight = torch.rand(4, generator=generator) + 0.5
    loss = masked_focal(logits, target, gamma, class_weight=weight)
    p = logits.softmax(1).numpy()
    terms = [-weight[t] * (1 - p[i, t]) ** gamma * np.log(p[i, t]) for i, t in enumerate(target.tolist()) if t >= 0]
    assert loss.total.item() == pytest.approx(float(sum(terms)), rel=1e-6, abs=1e-9)
    assert loss.count.item() == pytest.approx(sum(weight[t].item() for t in target.tolist() if t >= 0), rel=1e-6)


def test_soft_cross_entropy_by_hand() -> None:
    """Two samples of three; the classes score 1/2, 1/4, 1/4 and 1/4, 1/4, 1/2."""
    logits = torch.tensor([[2.0, 1.0, 1.0], [1.0, 1.0, 2.0], [torch.nan] * 3]).log().requires_grad_()
    share = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.0, 0.75], [torch.nan] * 3])
    weight, coded = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([True, True, False])
    plain = masked_soft_cross_entropy(logits, share, coded)
    assert plain.total.item() == pytest.approx((0.5 * 1 + 0.5 * 2 + 0.25 * 2 + 0.75 * 1) * np.log(2))
    assert plain.count.item() == pytest.approx(2)
    weighted = masked_soft_cross_entropy(logits, share, coded, weight)
    assert weighted.total.item() == pytest.approx((0.5 * 1 + 1.0 * 2 + 0.25 * 2 + 3.0 * 1) * np.log(2))
    assert weighted.count.item() == pytest.approx(0.5 + 1.0 + 0.25 + 3.0)
    plain.mean().backward()
    expected = torch.tensor([[0.5 - 0.5, 0.25 - 0.5, 0.25], [0.25 - 0.25, 0.25, 0.5 - 0.75], [0.0] * 3]) / 2
    torch.testing.assert_close(logits.grad, expected)


@settings(deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.1]))
def test_shares_of_one_class_alone_are_that_class(seed: int, smoothing: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(12, 4, generator=generator)
    target = torch.randint(-1, 4, (12,), generator=generator)
    share = torch.nn.functional.one_hot(target.clamp(min=0), 4)
    for weight in (None, torch.rand(4, generator=generator) + 0.5):
        soft = masked_soft_cross_entropy(logits, share, target >= 0, weight, smoothing)
        hard = masked_cross_entropy(logits, target, weight, smoothing)
        torch.testing.assert_close((soft.total, soft.count), (hard.total, hard.count))


def test_focal_without_focus_is_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, target, weight = torch.randn(16, 5), torch.randint(-1, 5, (16,)), torch.rand(5) + 0.5
    for factors in (None, weight):
        torch.testing.assert_close(
            masked_focal(logits, target, 0.0, class_weight=factors).mean(),
            masked_cross_entropy(logits, target, class_weight=factors).mean(),
        )


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_has_a_finite_gradient_at_certainty(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0], [0.0, 0.0]], requires_grad=True)
    loss = masked_focal(logits, torch.tensor([0, 0, -1]), gamma).mean()
    loss.backward()
    assert torch.isfinite(loss) and logits.grad is not None and torch.isfinite(logits.grad).all()
    assert (logits.grad[2] == 0).all()


def test_logit_adjustment_learns_what_suits_even_classes() -> None:
    """Features that say nothing: plain cross-entropy learns the shares, adjusted logits learn indifference."""
    target = torch.tensor([0] * 90 + [1] * 10)
    prior = torch.tensor([0.9, 0.1])
    for tau, expected in ((0.0, prior), (1.0, torch.tensor([0.5, 0.5]))):
        logits = torch.zeros(2, requires_grad=True)
        optimizer = torch.optim.LBFGS([logits], max_iter=100)

        def closure(logits: Tensor = logits, tau: float = tau, optimizer: torch.optim.LBFGS = optimizer) -> float:
            optimizer.zero_grad()
            loss = masked_cross_entropy(adjusted_logits(logits.expand(100, 2), prior, tau), target).mean()
            loss.backward()
            return loss.item()

        optimizer.step(closure)
        torch.testing.assert_close(logits.detach().softmax(0), expected, atol=1e-3, rtol=0)

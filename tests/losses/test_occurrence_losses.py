"""Losses of action units against the formulas written out in NumPy, and what is not coded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from fau.losses import clamped_cross_entropy, edge_cross_entropy, masked_bce, weighted_asymmetric, weighted_dice

Array = NDArray[np.float64]


def _reference_bce(logits: Array, target: Array, mask: NDArray[np.bool_], positive: Array, label: Array) -> float:
    """Equations 2 and 3 of the paper, over what is coded."""
    total = 0.0
    for b, i in zip(*np.nonzero(mask), strict=True):
        p = 1 / (1 + np.exp(-logits[b, i]))
        y = target[b, i]
        total += -label[i] * (positive[i] * y * np.log(p) + (1 - y) * np.log(1 - p))
    return float(total)


@st.composite
def _problems(draw: st.DrawFn) -> dict[str, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 5)))
    return {
        "logits": rng.normal(0, 4, shape),
        "target": rng.integers(0, 2, shape).astype(np.float64),
        "mask": rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.8, 1.0])),
        "positive": rng.uniform(0.2, 5, shape[1]),
        "label": rng.uniform(0.2, 2, shape[1]),
    }


@settings(deadline=None)
@given(_problems())
def test_bce_is_the_formula(problem: dict[str, Any]) -> None:
    loss = masked_bce(*(torch.from_numpy(problem[key]) for key in ("logits", "target", "mask", "positive", "label")))
    expected = _reference_bce(**problem)
    assert loss.total.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    coded = int(problem["mask"].sum())
    assert loss.count.item() == coded
    assert loss.mean().item() == pytest.approx(expected / max(coded, 1), rel=1e-9, abs=1e-12)


def test_fully_coded_is_the_mean_of_the_papers_equation() -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(7, 12)), rng.integers(0, 2, (7, 12)).astype(float)
    weight = len(target) / (2 * target.sum(axis=0).clip(1))  # equation 4
    per_sample = [
        _reference_bce(logits[[b]], target[[b]], np.ones((1, 12), bool), weight, np.ones(12)) / 12 for b in range(7)
    ]
    loss = masked_bce(*map(torch.from_numpy, (logits, target, np.ones((7, 12), bool), weight)))
    assert loss.mean().item() == pytest.approx(np.mean(per_sample))


@pytest.mark.parametrize("garbage", [-1.0, 9.0, float("nan"), float("inf")])
def test_what_is_not_coded_has_no_part(garbage: float) -> None:
    torch.manual_seed(0)
    mask = torch.rand(6, 4) < 0.5
    clean = torch.randn(6, 4)
    results = []
    for filler in (0.0, garbage):
        logits = torch.where(mask, clean, filler).requires_grad_()
        target = torch.where(mask, (clean > 0).float(), filler)
        loss = masked_bce(logits, target, mask, torch.full((4,), 2.0)).mean()
        loss.backward()
        assert logits.grad is not None
        assert torch.equal(logits.grad[~mask], torch.zeros_like(logits.grad[~mask]))
        assert (logits.grad[mask] != 0).all()
        results.append((loss.item(), logits.grad))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


def test_nothing_coded_is_zero_with_a_zero_gradient() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    for over in (None, torch.tensor(0.0), torch.tensor(2.5)):
        loss = masked_bce(logits, torch.full((3, 4), -1), torch.zeros(3, 4, dtype=torch.bool)).mean(over)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.item() == 0
        assert torch.equal(gradient, torch.zeros(3, 4))


def test_far_logits_stay_finite() -> None:
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = masked_bce(logits, torch.tensor([[0, 1]]), torch.ones(1, 2, dtype=torch.bool)).mean()
    loss.backward()
    assert loss.item() == pytest.approx(1e4)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_half_precision_logits_are_widened() -> None:
    logits = torch.randn(4, 3).bfloat16()
    arguments = (torch.ones(4, 3, dtype=torch.int8), torch.ones(4, 3, dtype=torch.bool))
    loss = masked_bce(logits, *arguments, torch.ones(3), torch.ones(3)).mean()
    assert loss.dtype == torch.float32
    assert torch.equal(loss, masked_bce(logits.float(), *arguments).mean())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_processes_agree_with_one(seed: int, world_size: int) -> None:
    """The mean of the processes' gradients is the gradient of the union batch, however unevenly it is coded."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(world_size * 4, 3, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 2, logits.shape, generator=generator)
    mask = torch.rand(logits.shape, generator=generator) < torch.rand(1, generator=generator)
    mask[:4] = False  # one process without any

    def gradient(part: Tensor, own: slice, over: Tensor | None) -> tuple[Tensor, Tensor]:
        leaf = part.clone().requires_grad_()
        loss = masked_bce(leaf, target[own], mask[own])
        (result,) = torch.autograd.grad(loss.mean(over), leaf)
        return result, loss.mean(over).detach()

    whole, whole_loss = gradient(logits, slice(None), None)
    over = mask.sum().double() / world_size
    parts = [gradient(logits[r * 4 : r * 4 + 4], slice(r * 4, r * 4 + 4), over) for r in range(world_size)]
    torch.testing.assert_close(torch.cat([part[0] for part in parts]) / world_size, whole)
    torch.testing.assert_close(torch.stack([part[1] for part in parts]).mean(), whole_loss)


@settings(deadline=None)
@given(_problems())
def test_asymmetric_is_the_formula(problem: dict[str, Any]) -> None:
    p, y, w, mask = 1 / (1 + np.exp(-problem["logits"])), problem["target"], problem["label"], problem["mask"]
    expected = -(w * (y * np.log(p) + (1 - y) * p * np.log(1 - p)))[mask].sum()
    loss = weighted_asymmetric(*(torch.from_numpy(value) for value in (p, y, mask, w)))
    assert loss.total.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert loss.count.item() == mask.sum()


@pytest.mark.parametrize("stop", [True, False])
def test_the_focus_carries_no_gradient(stop: bool) -> None:
    p = torch.tensor([[0.3, 0.8]], dtype=torch.float64, requires_grad=True)
    loss = weighted_asymmetric(p, torch.tensor([[0, 1]]), torch.ones(1, 2, dtype=torch.bool), stop_gradient=stop)
    (gradient,) = torch.autograd.grad(loss.total, p)
    # d/dp of -p log(1 - p) is p / (1 - p), less log(1 - p) where the factor takes part
    expected = 0.3 / 0.7 - (0 if stop else np.log(0.7))
    torch.testing.assert_close(gradient, torch.tensor([[expected, -1 / 0.8]], dtype=torch.float64))


def test_asymmetric_stays_finite_at_certainty_and_in_half_precision() -> None:
    p = torch.tensor([[0.0, 1.0, 1.0, 0.0]], requires_grad=True)
    mask = torch.ones(1, 4, dtype=torch.bool)
    loss = weighted_asymmetric(p, torch.tensor([[1, 0, 1, 0]]), mask).mean()
    loss.backward()
    assert loss.item() == pytest.approx(2 * 18.4207 / 4, rel=1e-4)  # -log 1e-8, which half precision would make 0
    assert p.grad is not None
    assert torch.isfinite(p.grad).all()
    assert weighted_asymmetric(p.detach().half(), torch.tensor([[1, 0, 1, 0]]), mask).mean().dtype == torch.float32


@pytest.mark.parametrize("garbage", [-1.0, 9.0, float("nan")])
def test_asymmetric_and_edges_leave_out_what_is_not_coded(garbage: float) -> None:
    torch.manual_seed(0)
    mask = torch.rand(6, 3) < 0.6
    target = torch.where(mask, (torch.rand(6, 3) < 0.5).float(), garbage)
    p = torch.where(mask, torch.rand(6, 3), garbage).requires_grad_()
    asymmetric = weighted_asymmetric(p, target, mask)
    asymmetric.mean().backward()
    assert p.grad is not None
    assert torch.equal(p.grad != 0, mask)
    logits = torch.randn(6, 9, 4, requires_grad=True)
    edges = edge_cross_entropy(logits, target, mask)
    edges.mean().backward()
    total, count = 0.0, 0
    for b, i, j in np.ndindex(6, 3, 3):
        if mask[b, i] and mask[b, j]:
            pair = int(2 * target[b, i] + target[b, j])
            total -= float(logits.detach()[b, 3 * i + j].log_softmax(0)[pair])
            count += 1
    assert edges.total.item() == pytest.approx(total, rel=1e-5)
    assert edges.count.item() == count
    assert torch.isfinite(asymmetric.total)
    nothing = weighted_asymmetric(p, target, torch.zeros_like(mask))
    assert nothing.mean().item() == 0


# JAA-Net -----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(_problems())
def test_dice_is_the_formula_of_each_coded_label(problem: dict[str, Any]) -> None:
    p, y, mask = 1 / (1 + np.exp(-problem["logits"])), problem["target"], problem["mask"]
    terms = problem["label"] * (1 - (2 * p * y + 1) / (p**2 + y**2 + 1))
    loss = weighted_dice(*map(torch.from_numpy, (p, np.where(mask, y, np.nan), mask, problem["label"])))
    assert loss.total.item() == pytest.approx(terms[mask].sum(), rel=1e-9, abs=1e-12)
    assert loss.count.item() == mask.sum()


@settings(deadline=None)
@given(_problems())
def test_dice_over_the_batch_divides_each_labels_ratio_by_its_samples(problem: dict[str, Any]) -> None:
    p, y, mask = 1 / (1 + np.exp(-problem["logits"])), problem["target"], problem["mask"]
    expected, coded = 0.0, 0
    for i in np.flatnonzero(mask.any(axis=0)):
        a, b = p[mask[:, i], i], y[mask[:, i], i]
        expected += problem["label"][i] * (1 - (2 * (a @ b) + 1) / (a @ a + b @ b + 1) / len(a))
        coded += 1
    loss = weighted_dice(*map(torch.from_numpy, (p, y, mask, problem["label"])), over_batch=True)
    assert loss.total.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert loss.count.item() == coded


def test_eac_nets_cross_entropy_is_bounded() -> None:
    """Numbers of the formula: a sure hit costs nothing, a sure miss log 21, whichever way; a coin log(1.05 / 0.55)."""
    one = torch.ones(1, 1, dtype=torch.bool)

    def loss(probability: float, label: float) -> float:
        given = torch.tensor([[probability]], dtype=torch.float64), torch.tensor([[label]])
        return clamped_cross_entropy(*given, one).mean().item()

    for label in (0.0, 1.0):
        assert loss(label, label) == pytest.approx(0, abs=1e-12)
        assert loss(1 - label, label) == pytest.approx(math.log(21))
        assert loss(0.5, label) == pytest.approx(math.log(1.05 / 0.55))
    assert loss(0.2, 1) == pytest.approx(-math.log(0.25 / 1.05))
    assert loss(0.2, 0) == pytest.approx(-math.log(0.85 / 1.05))


def test_eac_nets_cross_entropy_of_a_batch() -> None:
    """Two faces, two labels, one of them not coded; weights of positives, and of whole labels."""
    probability = torch.tensor([[0.9, 0.3], [0.2, 0.6]], dtype=torch.float64)
    target = torch.tensor([[1.0, 0.0], [1.0, float("nan")]])
    mask = torch.tensor([[True, True], [True, False]])
    terms = [-math.log(0.95 / 1.05), -math.log(0.75 / 1.05), -math.log(0.25 / 1.05)]
    made = clamped_cross_entropy(probability, target, mask)
    assert made.count.item() == 3
    assert made.total.item() == pytest.approx(sum(terms))
    weighted = clamped_cross_entropy(probability, target, mask, torch.tensor([3.0, 5.0]), torch.tensor([0.5, 1.5]))
    assert weighted.count.item() == 3
    assert weighted.total.item() == pytest.approx(1.5 * terms[0] + 1.5 * terms[1] + 1.5 * terms[2])


def test_eac_nets_cross_entropy_has_gradients() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    target, mask = torch.randint(0, 2, (3, 4)), torch.rand(3, 4) > 0.3
    assert torch.autograd.gradcheck(lambda x: clamped_cross_entropy(x.sigmoid(), target, mask).mean(), (logits,))
    gone = clamped_cross_entropy(
        torch.full((2, 2), float("nan"), requires_grad=True), target[:2, :2], mask[:2, :2] & False
    )
    assert gone.mean().item() == 0
    half = clamped_cross_entropy(torch.zeros(1, 1, dtype=torch.float16), torch.ones(1, 1), torch.ones(1, 1) > 0)
    assert half.total.dtype == torch.float32
    assert half.total.item() == pytest.approx(math.log(21), rel=1e-5)

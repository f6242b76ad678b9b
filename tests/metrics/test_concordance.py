"""CCC, RMSE, Pearson's r and SAGR against their formulas, by hand and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fau.errors import FauError
from fau.metrics import affect_metrics, group_moments, moment_scores

VA = ["valence", "arousal"]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.sampled_from([0.0, 0.4]))
def test_scores_are_the_formulas_whatever_the_groups(seed: int, number: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    label = rng.uniform(-1, 1, (number, 2))
    score = np.clip(label + rng.normal(0, 0.4, label.shape), -1, 1)
    mask = rng.random(label.shape) >= missing
    mask[:2] = True
    groups = rng.choice(["a", "b", "c"], number)
    pooled = moment_scores(group_moments(score, label, mask, groups)["moments"].sum(0))
    metrics = affect_metrics(score, label, mask, VA)
    for column, name in enumerate(VA):
        x, y = score[mask[:, column], column], label[mask[:, column], column]
        r = np.corrcoef(x, y)[0, 1]
        expected = {
            "ccc": 2 * r * x.std() * y.std() / (x.var() + y.var() + (x.mean() - y.mean()) ** 2),
            "rmse": np.sqrt(((x - y) ** 2).mean()),
            "pearson": r,
            "sagr": (np.sign(x) == np.sign(y)).mean(),
        }
        for metric, value in expected.items():
            assert metrics[f"{metric}/{name}"] == pytest.approx(value, abs=1e-9)
            assert pooled[metric][column] == pytest.approx(value, abs=1e-9)
    assert metrics["ccc_mean"] == pytest.approx((metrics["ccc/valence"] + metrics["ccc/arousal"]) / 2)


def test_by_hand() -> None:
    score, label = np.array([[0.0], [1.0]]), np.array([[0.0], [0.5]])
    metrics = affect_metrics(score, label, np.ones((2, 1), bool), ["valence"])
    # cov 1/8, var 1/4 and 1/16, means 1/4 apart: 2/8 / (4/16 + 1/16 + 1/16)
    assert metrics["ccc/valence"] == pytest.approx(2 / 3)
    assert metrics["pearson/valence"] == pytest.approx(1)
    assert metrics["rmse/valence"] == pytest.approx(np.sqrt(1 / 8))
    assert metrics["sagr/valence"] == 1


def test_what_is_not_defined_is_left_out() -> None:
    label = np.array([[0.5, 0.1], [0.5, -0.1], [0.5, 0.3]])
    alike = affect_metrics(np.full((3, 2), 0.5), label, np.ones((3, 2), bool), VA)
    assert "ccc/valence" not in alike and alike["ccc/arousal"] == 0  # one number each; scores that do not vary
    assert alike["ccc_mean"] == 0 and np.isnan(alike["pearson_mean"])
    one = affect_metrics(label, label, np.eye(3, 2, dtype=bool), VA)
    assert np.isnan(one["ccc_mean"]) and one["rmse/valence"] == 0  # one sample each
    none = affect_metrics(label, label, np.zeros((3, 2), bool), VA)
    assert all(np.isnan(value) for value in none.values())
    assert np.isnan(affect_metrics(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2), bool), VA)["ccc_mean"])


def test_labels_that_are_not_coded_may_be_anything() -> None:
    rng = np.random.default_rng(0)
    score, label, mask = rng.normal(size=(9, 2)), rng.normal(size=(9, 2)), rng.random((9, 2)) < 0.6
    strange = np.where(mask, label, np.nan)
    assert affect_metrics(score, label, mask, VA) == affect_metrics(score, strange, mask, VA)


def test_a_diverged_training_is_named() -> None:
    score = np.array([[0.0, np.nan]])
    with pytest.raises(FauError, match="diverged"):
        affect_metrics(score, np.zeros((1, 2)), np.ones((1, 2), bool), VA)
    with pytest.raises(FauError, match="one shape"):
        affect_metrics(score, np.zeros((2, 2)), np.ones((1, 2), bool), VA)

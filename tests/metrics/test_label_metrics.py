"""Metrics against naive counting and against torchmetrics, and their promises about order and absent labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_auroc,
    binary_average_precision,
    binary_f1_score,
)

from fau.errors import FauError
from fau.metrics import au_metrics, group_counts, unique_samples
from fau.metrics.labels import absent_labels

LABELS = ["AU1", "AU2", "AU4"]


@st.composite
def _epochs(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 40))
    levels = draw(st.sampled_from([2, 5, 1000]))  # few levels make ties, among them with the threshold
    score = (rng.integers(0, levels, (n, 3)) / max(levels - 1, 1)).astype(np.float32)
    label = (rng.random((n, 3)) < draw(st.sampled_from([0.0, 0.2, 0.6, 1.0]))).astype(np.int8)
    mask = rng.random((n, 3)) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    return score, label, mask


def _naive(score: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    """One label's metrics by loops over samples and pairs; what is undefined is missing."""
    samples = list(zip(score.astype(float), truth.astype(bool), strict=True))
    positives, negatives = [s for s, t in samples if t], [s for s, t in samples if not t]
    values: dict[str, float] = {}
    if samples:
        values["accuracy"] = sum((s >= 0.5) == t for s, t in samples) / len(samples)
    if positives:
        tp = sum(s >= 0.5 for s in positives)
        fp = sum(s >= 0.5 for s in negatives)
        values["f1"] = 2 * tp / (2 * tp + fp + len(positives) - tp)
        precision = [sum(q >= s for q in positives) / sum(q >= s for q, _ in samples) for s in positives]
        values["average_precision"] = sum(precision) / len(positives)
    if positives and negatives:
        pairs = [(p > q) + 0.5 * (p == q) for p in positives for q in negatives]
        values["roc_auc"] = sum(pairs) / len(pairs)
    return values


@settings(deadline=None)
@given(_epochs())
def test_metrics_are_what_naive_counting_says(epoch: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]) -> None:
    score, label, mask = epoch
    values = au_metrics(score, label, mask, LABELS)
    naive = {
        name: _naive(score[mask[:, i], i], label[mask[:, i], i]) for i, name in enumerate(LABELS)
    }  # fmt: skip
    expected = {f"{metric}/{name}": value for name, own in naive.items() for metric, value in own.items()}
    per_label = {key: value for key, value in values.items() if "/" in key}
    assert per_label == pytest.approx(expected, rel=1e-12)
    for metric in ("f1", "accuracy", "average_precision", "roc_auc"):
        present = [own[metric] for own in naive.values() if "f1" in own and metric in own]
        macro = values[f"{metric}_macro"]
        assert math.isnan(macro) if not present else macro == pytest.approx(np.mean(present), rel=1e-12)
    assert absent_labels(label, mask, LABELS) == [name for name, own in naive.items() if "f1" not in own]


@settings(deadline=None)
@given(_epochs(), st.randoms(use_true_random=False))
def test_order_and_batches_change_no_bit(epoch: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], random: Any) -> None:
    score, label, mask = epoch
    index = np.arange(len(score))
    drawn = list(index) + [random.randrange(len(score)) for _ in range(5)]  # DDP repeats some samples
    random.shuffle(drawn)
    shuffled = np.array(drawn)
    kept, *arrays = unique_samples(shuffled, score[shuffled], label[shuffled], mask[shuffled])
    assert np.array_equal(kept, index)
    expected, got = au_metrics(score, label, mask, LABELS), au_metrics(*arrays, LABELS)
    assert list(got) == list(expected)
    assert np.array_equal(list(got.values()), list(expected.values()), equal_nan=True)
    once = np.array(random.sample(list(index), len(index)))
    unsorted = au_metrics(score[once], label[once], mask[once], LABELS)
    assert np.array_equal(list(unsorted.values()), list(expected.values()), equal_nan=True)


def test_torchmetrics_agrees() -> None:
    rng = np.random.default_rng(0)
    score = rng.random((4000, 3)).astype(np.float32)
    label = (rng.random((4000, 3)) < 0.3 * score + [0.01, 0.1, 0.4]).astype(np.int8)
    mask = rng.random((4000, 3)) < 0.9
    values = au_metrics(score, label, mask, LABELS)
    functions = {
        "f1": binary_f1_score,
        "accuracy": binary_accuracy,
        "roc_auc": binary_auroc,
        "average_precision": binary_average_precision,
    }
    for i, name in enumerate(LABELS):
        own = torch.from_numpy(score[mask[:, i], i]), torch.from_numpy(label[mask[:, i], i].astype(np.int64))
        for metric, function in functions.items():
            assert values[f"{metric}/{name}"] == pytest.approx(function(*own).item(), abs=2e-6), (metric, name)


def test_by_hand() -> None:
    score = np.array([[0.9], [0.5], [0.4], [0.2], [0.7]])
    label = np.array([[1], [0], [1], [0], [-1]])
    mask = np.array([[True], [True], [True], [True], [False]])
    values = au_metrics(score, label, mask, ["AU12"])
    # 0.5 counts as positive: one hit, one false alarm, one miss, one correct rejection
    assert values["f1/AU12"] == 0.5
    assert values["accuracy/AU12"] == 0.5
    assert values["roc_auc/AU12"] == 0.75
    assert values["average_precision/AU12"] == pytest.approx((1 + 2 / 3) / 2)
    assert au_metrics(score, label, mask, ["AU12"], threshold=0.6)["f1/AU12"] == pytest.approx(2 / 3)


def test_absent_labels_are_in_no_macro_mean() -> None:
    score = np.array([[0.9, 0.9, 0.9], [0.1, 0.9, 0.1]])
    label = np.array([[1, 0, 1], [0, 0, 1]], dtype=np.int8)
    mask = np.array([[True, True, False], [True, True, False]])
    values = au_metrics(score, label, mask, LABELS)
    assert absent_labels(label, mask, LABELS) == ["AU2", "AU4"]  # no positive; none coded
    assert values["f1_macro"] == values["accuracy_macro"] == values["roc_auc_macro"] == 1
    assert values["accuracy/AU2"] == 0
    assert not {"f1/AU2", "roc_auc/AU2", "average_precision/AU2", "accuracy/AU4"} & set(values)
    none = au_metrics(score, label, np.zeros_like(mask), LABELS)
    assert set(none) == {"f1_macro", "accuracy_macro", "roc_auc_macro", "average_precision_macro"}
    assert all(math.isnan(value) for value in none.values())


def test_a_label_that_is_always_present_has_no_auc() -> None:
    values = au_metrics(np.full((3, 1), 0.7), np.ones((3, 1), np.int8), np.ones((3, 1), bool), ["AU6"])
    assert values["f1/AU6"] == values["average_precision/AU6"] == 1
    assert "roc_auc/AU6" not in values
    assert math.isnan(values["roc_auc_macro"])


@settings(deadline=None)
@given(_epochs(), st.integers(1, 5))
def test_counts_by_group(epoch: tuple[NDArray[Any], NDArray[Any], NDArray[Any]], number: int) -> None:
    score, label, mask = epoch
    groups = np.array([f"S{i % number}" for i in range(len(score))])
    counts = group_counts(score, label, mask, groups)
    assert list(counts["groups"]) == sorted(set(groups))
    for g, name in enumerate(counts["groups"]):
        for i in range(3):
            own = [(s >= 0.5, t == 1) for s, t, m, q in
                   zip(score[:, i], label[:, i], mask[:, i], groups, strict=True) if m and q == name]  # fmt: skip
            assert counts["tp"][g, i] == own.count((True, True))
            assert counts["fp"][g, i] == own.count((True, False))
            assert counts["fn"][g, i] == own.count((False, True))
            assert counts["tn"][g, i] == own.count((False, False))
    assert all(counts[key].dtype == np.int64 for key in ("tp", "fp", "fn", "tn"))
    pooled = {key: counts[key].sum(axis=0) for key in ("tp", "fp", "fn")}
    for i, name in enumerate(LABELS):
        if pooled["tp"][i] + pooled["fn"][i]:
            f1 = 2 * pooled["tp"][i] / (2 * pooled["tp"][i] + pooled["fp"][i] + pooled["fn"][i])
            assert f1 == pytest.approx(au_metrics(score, label, mask, LABELS)[f"f1/{name}"], rel=1e-15)


@pytest.mark.parametrize(
    ("score", "label", "sentence"),
    [
        (np.zeros((2, 3)), np.zeros((2, 2), int), "one shape"),
        (np.zeros((2, 3)), np.full((2, 3), 9), "0 or 1"),
        (np.full((2, 3), np.nan), np.zeros((2, 3), int), "NaN"),
    ],
)
def test_what_cannot_be_scored_is_refused(score: NDArray[Any], label: NDArray[Any], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        au_metrics(score, label, np.ones(label.shape, bool), LABELS)

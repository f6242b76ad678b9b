"""Top-1, top-2, confusion and calibration of expression runs, against the same by other means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from expression_runs import CLASSES, write_expression_run
from hypothesis import given, settings
from hypothesis import strategies as st

from fau.report.scores.classes import class_scores, count_classes
from fau.stats import ABSENT, f1_intervals, recall_intervals


def test_scores_by_hand(tmp_path: Path) -> None:
    runs = [write_expression_run(tmp_path, "a", fold, skill=0.7) for fold in (1, 2)]
    kept = [run.arrays("predictions.npz") for run in runs]
    groups = [tuple(map(str, np.unique(arrays["test/group"]))) for arrays in kept]
    everyone = tuple(sorted({str(name) for names in groups for name in names}))
    counts = [count_classes(arrays, names) for arrays, names in zip(kept, groups, strict=True)]
    parts = [(0, names, count) for names, count in zip(groups, counts, strict=True) if count is not None]
    scores = class_scores(parts, 1, everyone, 0.95)

    coded = [arrays["test/expression/mask"][:, 0] for arrays in kept]
    score = np.concatenate([arrays["test/expression/score"][m] for arrays, m in zip(kept, coded, strict=True)])
    label = np.concatenate([arrays["test/expression/label"][m] for arrays, m in zip(kept, coded, strict=True)])
    truth, called = label.argmax(1), score.argmax(1)
    for index in range(len(CLASSES)):
        of = truth == index
        assert scores.top1.labels[index].value == pytest.approx((called[of] == index).mean())
        rank = (score[of] > score[of][:, index : index + 1]).sum(1)
        assert scores.top2 is not None
        assert scores.top2.labels[index].value == pytest.approx((rank < 2).mean())
        for other in range(len(CLASSES)):
            assert scores.confusion[index, other] == pytest.approx((called[of] == other).mean())
    top1 = np.array([interval.value for interval in scores.top1.labels])
    assert scores.top1.macro.value == pytest.approx(top1.mean())
    assert scores.top1_variance == pytest.approx(((top1 - top1.mean()) ** 2).mean())

    confidence, right = score.max(1), called == truth
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & ((confidence < low + 1 / 15) | (low > 13.5 / 15))
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert scores.calibration_error == pytest.approx(error, abs=2e-3)  # a score on a bin's edge may fall on either side


def test_two_classes_have_no_top_2_and_a_class_may_be_absent(tmp_path: Path) -> None:
    run = write_expression_run(tmp_path, "two", classes=("neutral", "anger"))
    kept = run.arrays("predictions.npz")
    names = tuple(map(str, np.unique(kept["test/group"])))
    kept["test/expression/mask"][kept["test/expression/label"][:, 1] == 1] = False
    counts = count_classes(kept, names)
    assert counts is not None
    scores = class_scores([(0, names, counts)], 1, names, 0.95)
    assert scores.top2 is None
    assert np.isnan(scores.top2_variance)
    assert scores.top1.labels[1].note == ABSENT
    assert np.isnan(scores.confusion[1]).all()
    assert scores.top1_variance == 0


def test_predictions_without_groups_give_none() -> None:
    assert count_classes({"test/expression/score": np.zeros((1, 2))}, ("a",)) is None


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_recall_intervals_hold_their_value(seed: int, groups: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    cases = rng.integers(0, 20, (groups, labels))
    hits = rng.binomial(cases, rng.random(labels))
    estimate = recall_intervals(hits, cases)
    for index, interval in enumerate(estimate.labels):
        if not cases[:, index].sum():
            assert interval.note == ABSENT
            continue
        assert interval.value == pytest.approx(hits[:, index].sum() / cases[:, index].sum())
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
    # a share of hits is an F1 with as many false positives as misses
    misses = cases - hits
    assert estimate.macro.value == pytest.approx(
        f1_intervals(np.stack([hits, misses, misses], -1)).macro.value, nan_ok=True
    )


def test_no_hit_in_any_group_leaves_what_clopper_and_pearson_leave() -> None:
    """None of five groups with cases had a hit: the upper bound is that of a share of 0 in 5."""
    estimate = recall_intervals(np.zeros((5, 1)), np.full((5, 1), 7))
    assert estimate.labels[0].high == pytest.approx(1 - 0.025 ** (1 / 5))
    assert estimate.macro.high == pytest.approx(1 - 0.025 ** (1 / 5))

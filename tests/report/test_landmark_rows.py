"""Landmark errors by row: pooled over folds, intervals over subjects."""

from __future__ import annotations

import numpy as np
import pytest
from fake_runs import write_ablation, write_run
from hypothesis import given, settings
from hypothesis import strategies as st

from fau.landmarks import FAILURE
from fau.report.build import build_report
from fau.report.load import load_runs
from fau.report.scores.landmarks import ALL_FAILURES, NO_FAILURE, landmark_scores
from fau.report.tables.landmarks import landmark_table
from fau.runs import ledger
from fau.stats import ONE_GROUP


def build(root):
    return build_report(root, load_runs(root), resamples=9).experiments[0]


def stored(root):
    """Errors and subjects of all test samples with landmarks."""
    arrays = [run.arrays("predictions.npz") for run in ledger(root)]
    errors = np.concatenate([a["test/au/landmark_error"] for a in arrays]).astype(float)
    groups = np.concatenate([a["test/group"] for a in arrays])
    return errors[~np.isnan(errors)], groups[~np.isnan(errors)]


def test_they_are_pooled_over_faces_of_all_folds(tmp_path):
    for fold in (1, 2, 3):
        write_run(tmp_path, "jaa", fold, landmarks=0.08)
    errors, groups = stored(tmp_path)
    scores = build(tmp_path).reference.landmarks
    assert scores.faces == len(errors) < 480
    assert scores.error.value == pytest.approx(errors.mean())
    assert scores.failures.value == pytest.approx((errors > FAILURE).mean())
    assert scores.error.low < errors.mean() < scores.error.high
    assert 0 < scores.failures.low < scores.failures.value < scores.failures.high < 1
    # Faces of a subject are alike, so an interval over faces would be far too narrow.
    over_faces = 2 * 1.96 * errors.std() / np.sqrt(len(errors))
    assert scores.error.high - scores.error.low > 2 * over_faces
    assert len(np.unique(groups)) == 12


def test_only_rows_that_have_them_are_shown(tmp_path):
    write_ablation(tmp_path)
    assert landmark_table(build(tmp_path), 0.95) is None
    for fold in (1, 2, 3):
        write_run(tmp_path, "jaa", fold, order=9, landmarks=0.04)
    table = landmark_table(build(tmp_path), 0.95)
    assert [row[0] for row in table.rows] == ["jaa"]
    assert table.headings == ["row", "mean error", "95 % interval", "failures", "95 % interval", "faces"]


def test_a_row_of_which_one_run_lacks_them_has_none(tmp_path):
    write_run(tmp_path, "jaa", 1, landmarks=0.04)
    write_run(tmp_path, "jaa", 2)
    assert build(tmp_path).reference.landmarks is None


def test_seeds_are_pooled_apart(tmp_path):
    for seed in (0, 1):
        for fold in (1, 2, 3):
            write_run(tmp_path, "jaa", fold, seed=seed, landmarks=0.05)
    each = []
    for seed in (0, 1):
        arrays = [r.arrays("predictions.npz") for r in ledger(tmp_path) if r.read()["seed"] == seed]
        each.append(np.nanmean(np.concatenate([a["test/au/landmark_error"] for a in arrays]).astype(float)))
    assert build(tmp_path).reference.landmarks.error.value == pytest.approx(np.mean(each))


def test_the_edges():
    one = landmark_scores(np.array([[[10.0, 0.5, 1.0]]]), 0.95)
    assert one.error.note == ONE_GROUP and one.error.value == pytest.approx(0.05) and not one.error.estimable
    never = landmark_scores(np.array([[[10.0, 0.5, 0.0], [10.0, 0.4, 0.0]]]), 0.95)
    assert never.failures.value == 0 and never.failures.note == NO_FAILURE and 0.8 < never.failures.high < 0.85
    always = landmark_scores(np.array([[[10.0, 2.0, 10.0], [10.0, 3.0, 10.0]]]), 0.95)
    assert always.failures.value == 1 and 0.15 < always.failures.low < 0.2 and always.failures.note == ALL_FAILURES
    assert landmark_scores(np.zeros((1, 3, 3)), 0.95) is None
    without = np.array([[[10.0, 0.5, 1.0], [0.0, 0.0, 0.0], [10.0, 0.7, 2.0]]])
    assert landmark_scores(without, 0.95) == landmark_scores(without[:, [0, 2]], 0.95)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.95]))
def test_an_interval_holds_its_estimate(groups, seed, level):
    draw = np.random.default_rng(seed)
    faces = draw.integers(1, 200, groups).astype(float)
    failures = draw.binomial(faces.astype(int), 0.2)
    sums = np.stack([faces, faces * draw.lognormal(-3, 0.4, groups), failures], 1)[None]
    scores = landmark_scores(sums, level)
    for interval in (scores.error, scores.failures):
        assert 0 <= interval.low <= interval.value <= interval.high


def test_intervals_cover_what_they_say():
    """Of 400 rows of 20 subjects each, about 95 % of the intervals hold the mean of all subjects."""
    draw, hits = np.random.default_rng(0), np.zeros(2)
    truth = np.array([np.exp(-3 + 0.3**2 / 2), 0.1])
    for _ in range(400):
        faces = np.full(20, 50.0)
        share = draw.beta(2, 18, 20)
        sums = np.stack([faces, faces * draw.lognormal(-3, 0.3, 20), draw.binomial(50, share)], 1)[None]
        scores = landmark_scores(sums, 0.95)
        for index, interval in enumerate((scores.error, scores.failures)):
            hits[index] += interval.low <= truth[index] <= interval.high
    assert np.all(np.abs(hits / 400 - 0.95) < 0.03)

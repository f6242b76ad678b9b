"""Rows of several tasks: the sum of their scores against the metrics on all frames, intervals and the test."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runs import write_run

from fau.cli.report import main as report
from fau.metrics import group_moments, moment_scores
from fau.report.load import load_runs
from fau.report.tables.multitask import multitask_tables
from fau.report.tasks.multitask import build_multitask
from fau.runs import RunDirectory, ledger
from fau.stats import ONE_GROUP, f1_scores, macro_mean
from fau.stats.tasks import Part, score_difference, score_interval, score_swap_test

PARTS = (Part("au", 2, slice(0, 6)), Part("va", 2, slice(6, 20)))


def _sums(subjects: int, noise: float, seed: int = 0) -> np.ndarray:
    """Sums (subjects, 20) of two action units, valence and arousal; the truth depends on the subject alone."""
    rows = []
    for subject in range(subjects):
        own, error = np.random.default_rng(subject), np.random.default_rng([seed, subject])
        truth = own.random((30, 2)) < 0.4
        called = np.where(error.random((30, 2)) < noise, ~truth, truth)
        counts = np.stack([called & truth, called & ~truth, ~called & truth], -1).sum(0)
        label = np.tanh(own.normal(0, 0.4, (30, 2)))
        score = np.clip(label + error.normal(0, 2 * noise, label.shape), -1, 1)
        moments = group_moments(score, label, np.ones((30, 2), bool), np.full(30, "one"))["moments"]
        rows.append(np.concatenate([counts.ravel(), moments.ravel()]))
    return np.array(rows)


def _score(sums: np.ndarray) -> float:
    whole = sums.sum(0)
    f1 = macro_mean(f1_scores(whole[:6].reshape(2, 3)))
    return float(f1 + moment_scores(whole[6:].reshape(2, 7))["ccc"].mean())


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two rows of action units, valence and arousal over three folds of four subjects."""
    for order, (name, skill) in enumerate({"good": 1.4, "bad": 0.5}.items()):
        for fold in (1, 2, 3):
            tasks: dict[str, Any] = {"task": "au+va", "label_set": "bp4d12+va", "monitor": "val/mtl_score"}
            run = write_run(tmp_path, name, fold, experiment="both", skill=skill, order=order, **tasks)
            counts = run.arrays("counts.npz")
            label = np.random.default_rng(fold).normal(0, 0.3, (4 * 20, 2))
            error = np.random.default_rng([fold, order]).normal(0, 0.5 - 0.3 * skill, label.shape)
            moments = group_moments(label + error, label, np.ones_like(label, bool), np.repeat(counts["groups"], 20))
            kept = {f"au/{key}": value for key, value in counts.items()}
            kept |= {f"va/{key}": value for key, value in moments.items()}
            run.write_arrays("counts.npz", kept | {"va/labels": np.array(["valence", "arousal"])})
    return tmp_path


def test_the_score_is_the_sum_over_all_folds(study: Path) -> None:
    (experiment,) = build_multitask(load_runs(study))
    assert experiment.name == "both" and experiment.warnings == []
    for row in experiment.rows:
        parts = [run.arrays("counts.npz") for run in _runs(study, row.name)]
        counts = np.stack([sum(part[f"au/{key}"].sum(0) for part in parts) for key in ("tp", "fp", "fn")], -1)
        ccc = moment_scores(sum(part["va/moments"].sum(0) for part in parts))["ccc"].mean()
        assert row.tasks == pytest.approx((float(macro_mean(f1_scores(counts))), float(ccc)))
        assert row.score.value == pytest.approx(sum(row.tasks))
        assert -1 < row.score.low < row.score.value < row.score.high < 2
    good, bad = experiment.rows
    assert good.difference is None and bad.difference is not None
    assert bad.difference.value == pytest.approx(bad.score.value - good.score.value)
    assert bad.difference.high < 0 and bad.p < 0.01


def _runs(study: Path, name: str) -> list[RunDirectory]:
    return [run for run in ledger(study) if run.read()["name"] == name]


def test_every_output_shows_it(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert report([str(study), "--out", str(out), "--reference", "bad"]) == 0
    printed = capsys.readouterr().out
    assert "Score over all tasks" in printed and "P_MTL" not in printed  # which is of three tasks
    for name in ("report.html", "report.md", "report.tex"):
        assert "Score over all tasks" in (out / name).read_text(), name
    lines = (out / "report_multitask.csv").read_text().splitlines()
    assert lines[1].startswith("both,bad,") and len(lines) == 3  # the reference comes first
    (experiment,) = build_multitask(load_runs(study))
    (table,) = multitask_tables(experiment)
    assert all(len(row) == len(table.headings) for row in table.rows)


def test_damaged_counts_are_named(study: Path) -> None:
    broken = next(study.glob("both/bad*f1/counts.npz"))
    RunDirectory(broken.parent).write_arrays("counts.npz", {"au/groups": np.array(["S1"])})
    (experiment,) = build_multitask(load_runs(study))
    assert any(str(broken) in warning and "left out" in warning for warning in experiment.warnings)
    assert any("2 of 3 folds" in warning for warning in experiment.warnings)


def test_the_swap_test_enumerates_small_studies() -> None:
    good, bad = _sums(4, 0.05), _sums(4, 0.3, seed=1)
    observed = abs(_score(good) - _score(bad))
    every = []
    for swap in product([False, True], repeat=4):
        side = np.array(swap)[:, None]
        every.append(abs(_score(np.where(side, bad, good)) - _score(np.where(side, good, bad))))
    p = score_swap_test(PARTS, good[None], bad[None])
    assert p == pytest.approx(np.mean(np.array(every) >= observed - 1e-9)) and p == 0.125


def test_intervals_are_a_jackknife_within_their_bounds() -> None:
    sums = _sums(8, 0.1)[None]
    interval = score_interval(PARTS, sums)
    assert interval.value == pytest.approx(_score(sums[0])) and interval.low < interval.value < interval.high
    left_out = [_score(np.delete(sums[0], index, 0)) for index in range(8)]
    wide = score_interval(PARTS, sums, 0.99)
    assert wide.low < interval.low < min(left_out) and interval.high > max(left_out)
    perfect = score_interval(PARTS, _sums(8, 0.0)[None])
    assert perfect.value == pytest.approx(2) and perfect.high <= 2
    same = score_difference(PARTS, sums, sums)
    assert (same.value, same.low, same.high) == (0, 0, 0) and score_swap_test(PARTS, sums, sums) == 1


def test_edges_are_defined() -> None:
    one = score_interval(PARTS, _sums(1, 0.2)[None])
    assert one.note == ONE_GROUP and (one.low, one.high) == (-1, 2)
    empty = np.zeros((1, 3, 20))
    assert np.isnan(score_interval(PARTS, empty).value) and np.isnan(score_swap_test(PARTS, empty, empty))
    lacking = _sums(4, 0.1)[None]
    lacking[..., 3:6] = 0  # nobody shows the second action unit: left out of the mean, as everywhere
    f1 = f1_scores(lacking[0].sum(0)[:6].reshape(2, 3))[0]
    ccc = moment_scores(lacking[0].sum(0)[6:].reshape(2, 7))["ccc"].mean()
    assert score_interval(PARTS, lacking).value == pytest.approx(f1 + ccc)

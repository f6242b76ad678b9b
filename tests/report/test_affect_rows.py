"""Rows of valence and arousal: pooled CCC against the metric on all frames, intervals and the test."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from fake_runs import write_run

from fau.cli.report import main as report
from fau.metrics import affect_metrics, group_moments, moment_scores
from fau.report.load import load_runs
from fau.report.tables.affect import affect_tables
from fau.report.tasks.affect import build_affect
from fau.report.tasks.views import task_views
from fau.stats import ONE_GROUP
from fau.stats.ccc import UNDEFINED, ccc_difference, ccc_intervals, ccc_swap_test, rmse_intervals

VA = ("valence", "arousal")


def _frames(subjects: list[int], noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Score, label, mask and group of 30 frames a subject; labels depend on the subject alone."""
    parts = []
    for subject in subjects:
        own, error = np.random.default_rng(subject), np.random.default_rng([seed, subject])
        label = np.tanh(own.normal(0, 0.3, 2) + own.normal(0, 0.4, (30, 2)))
        score = np.clip(label + error.normal(0, noise / 2, 2) + error.normal(0, noise, label.shape), -1, 1)
        parts.append((score, label, own.random(label.shape) < 0.9, np.full(30, f"S{subject:03d}")))
    score, label, mask, group = (np.concatenate(column) for column in zip(*parts, strict=True))
    return score, label, mask, group


def _write(
    root: Path, name: str, noise: float, fold: int, subjects: list[int], prefix: str = "", **record: object
) -> None:
    run = write_run(root, name, fold, experiment="va", task="au+va" if prefix else "va", **record)  # type: ignore[arg-type]
    kept = group_moments(*_frames(subjects, noise)) | {"labels": np.array(VA)}
    run.write_arrays("counts.npz", {f"{prefix}{key}": value for key, value in kept.items()})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two rows over three folds of four subjects."""
    for order, (name, noise) in enumerate({"CCC": 0.2, "MSE": 0.5}.items()):
        for fold in (1, 2, 3):
            _write(tmp_path, name, noise, fold, list(range(4 * fold, 4 * fold + 4)), order=order)
    return tmp_path


def test_rows_pool_the_frames_of_all_folds(study: Path) -> None:
    (experiment,) = build_affect(load_runs(study))
    assert [row.name for row in experiment.rows] == ["CCC", "MSE"] and experiment.warnings == []
    for row, noise in zip(experiment.rows, (0.2, 0.5), strict=True):
        score, label, mask, _ = _frames(list(range(4, 16)), noise)
        metrics = affect_metrics(score, label, mask, VA)
        assert row.ccc.macro.value == pytest.approx(metrics["ccc_mean"])
        assert row.ccc.labels[1].value == pytest.approx(metrics["ccc/arousal"])
        assert row.rmse.macro.value == pytest.approx(metrics["rmse_mean"])
        assert row.pearson[0] == pytest.approx(metrics["pearson/valence"])
        assert row.ccc.macro.low < row.ccc.macro.value < row.ccc.macro.high
    worse = experiment.rows[1]
    assert worse.difference is not None and worse.difference.macro.high < 0 and worse.p < 0.01


def test_tables_show_what_the_rows_hold(study: Path) -> None:
    (experiment,) = build_affect(load_runs(study))
    scores, each = affect_tables(experiment)
    assert all(len(row) == len(table.headings) for table in (scores, each) for row in table.rows)
    assert scores.rows[0][0] == "CCC" and scores.rows[0][3] == "reference"
    assert scores.rows[0][1] == f"{experiment.rows[0].ccc.macro.value:.3f}"
    assert scores.rows[1][3].startswith("\N{MINUS SIGN}")


def test_a_run_of_several_tasks_has_its_part(tmp_path: Path) -> None:
    _write(tmp_path, "all", 0.3, 1, [1, 2, 3], prefix="va/")
    views = [view for run in load_runs(tmp_path) for view in task_views(run)]
    assert [view.experiment for view in views] == ["va: action units", "va: valence and arousal"]
    (experiment,) = build_affect(views)
    assert experiment.rows[0].groups == ("S001", "S002", "S003")
    assert "1 of 3 folds are finished" in experiment.warnings[0]


def test_views_have_the_names_of_a_task_alone(tmp_path: Path) -> None:
    metrics = {"test/au/f1_macro": 0.5, "test/va/ccc_mean": 0.4, "test/loss": 3.0, "test/mtl_score": 0.9}
    run = write_run(tmp_path, task="au+va", label_set="bp4d12+va", metrics=metrics)
    counts = {f"au/{name}": values for name, values in run.arrays("counts.npz").items()}
    run.write_arrays("counts.npz", counts | {"va/groups": np.array(["S1"])})
    (loaded,) = load_runs(tmp_path)
    au, va = task_views(loaded)
    assert au.labels[0] == "AU1" and au.counts.shape[1:] == (12, 4) and au["metrics"]["test/f1_macro"] == 0.5
    assert va["labels"] == list(VA) and va["metrics"] == {"test/ccc_mean": 0.4, "test/mtl_score": 0.9}
    assert "test/loss" not in au["metrics"]


def test_every_output_shows_them(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(study, "au", experiment="gla")
    out = tmp_path / "out"
    assert report([str(study), "--out", str(out), "--reference", "MSE"]) == 0
    assert "Mean CCC of valence and arousal" in capsys.readouterr().out
    for name in ("report.html", "report.md", "report.tex"):
        text = (out / name).read_text()
        assert "Mean CCC of valence and arousal" in text and "Macro F1" in text, name
    lines = (out / "report_affect.csv").read_text().splitlines()
    assert lines[1].startswith("va,MSE,") and len(lines) == 3  # the reference comes first


def test_the_swap_test_enumerates_small_studies() -> None:
    moments = [group_moments(*_frames([1, 2, 3, 4], noise))["moments"] for noise in (0.2, 0.6)]
    test = ccc_swap_test(moments[0][None], moments[1][None])
    observed, every = None, []
    for swap in product([0, 1], repeat=4):
        pooled = [sum(moments[bit ^ side][i] for i, bit in enumerate(swap)) for side in (0, 1)]
        difference = np.abs(np.subtract(*(moment_scores(total)["ccc"].mean() for total in pooled)))
        observed = difference if observed is None else observed
        every.append(difference >= observed - 1e-9)
    assert test.exact and test.macro == pytest.approx(np.mean(every))


def test_edges_are_defined() -> None:
    one = group_moments(*_frames([1], 0.2))["moments"][None]
    assert ccc_intervals(one).macro.note == ONE_GROUP and ccc_intervals(one).macro.low == -1
    assert rmse_intervals(one).macro.high == np.inf
    same = group_moments(*_frames([1, 2, 3], 0.2))["moments"][None]
    assert ccc_difference(same, same).macro.value == 0 and ccc_swap_test(same, same).macro == 1
    missing = same.copy()
    missing[..., 1, :] = 0
    estimate = ccc_intervals(missing)
    assert estimate.labels[1].note == UNDEFINED and estimate.macro.value == estimate.labels[0].value
    _, label, mask, group = _frames([1, 2, 3], 0.0)
    perfect = ccc_intervals(group_moments(label, label, mask, group)["moments"][None])
    assert perfect.macro.value == pytest.approx(1) and perfect.macro.high <= 1


def test_damaged_counts_are_named(study: Path) -> None:
    broken = next(study.glob("va/CCC*f1/counts.npz"))
    np.savez(broken, groups=np.array(["S1"]))
    (experiment,) = build_affect(load_runs(study))
    assert any(str(broken) in warning and "left out" in warning for warning in experiment.warnings)

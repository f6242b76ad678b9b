"""What lets a report over a thousand runs take seconds: ranking scores kept beside the counts, and plain curves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from fake_runs import write_run

from fau.metrics.ranking import Ranking, rank
from fau.report.build import build_report
from fau.report.figures.curves import learning_curves, precision_recall
from fau.report.formats.text import markdown
from fau.report.load import load_runs
from fau.runs import RunDirectory


def keep_ranking(run: RunDirectory) -> Ranking:
    """Write a run's counts as training does, with the ranking beside them."""
    stored = run.arrays("predictions.npz")
    ranking = rank(*(stored[f"test/au/{name}"] for name in ("score", "label", "mask")))
    run.write_arrays("counts.npz", run.arrays("counts.npz") | ranking.arrays())
    return ranking


def test_the_ranking_kept_is_that_of_the_scores(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, fold=fold, absent=("AU2",)) for fold in (1, 2, 3)]
    from_scores = markdown(build_report(tmp_path, load_runs(tmp_path), resamples=9))
    kept = [keep_ranking(run) for run in runs]
    for loaded, ranking in zip(load_runs(tmp_path), kept, strict=True):
        assert loaded.ranking is not None
        for name, values in ranking.arrays().items():
            np.testing.assert_array_equal(getattr(loaded.ranking, name), values)
    again = markdown(build_report(tmp_path, load_runs(tmp_path), resamples=9))
    assert again.splitlines()[3:] == from_scores.splitlines()[3:]  # the first lines have the time


def test_scores_are_not_read_where_the_ranking_is_kept(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    keep_ranking(run)
    run.write_arrays("predictions.npz", {"test/au/score": np.zeros(3), "test/group": np.zeros(3)})  # no scores at all
    (loaded,) = load_runs(tmp_path)
    assert loaded.ranking is not None and loaded.fault == ""
    (run.path / "predictions.npz").unlink()
    (loaded,) = load_runs(tmp_path)
    assert loaded.ranking is not None and loaded.fault == ""


def test_landmarks_are_read_all_the_same(tmp_path: Path) -> None:
    run = write_run(tmp_path, landmarks=0.04)
    (before,) = load_runs(tmp_path)
    keep_ranking(run)
    (after,) = load_runs(tmp_path)
    assert before.landmarks is not None and after.landmarks is not None
    np.testing.assert_array_equal(before.landmarks, after.landmarks)


def test_a_ranking_of_other_labels_is_a_fault_that_names_the_file(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    ranking = keep_ranking(run)
    run.write_arrays("counts.npz", run.arrays("counts.npz") | {"precision": ranking.precision[:5]})
    (loaded,) = load_runs(tmp_path)
    assert loaded.status == "done" and loaded.ranking is None
    assert "counts.npz" in loaded.fault and "left out" in loaded.fault


def test_curves_are_what_plotly_takes(ablation: Path) -> None:
    (experiment,) = build_report(ablation, load_runs(ablation), resamples=9).experiments
    views = learning_curves(experiment) + precision_recall(experiment)
    assert len(views) > 10
    for view in views:
        plain = view.plain()
        json.dumps(plain, allow_nan=False)
        figure = go.Figure(plain)  # raises at a property that it does not know
        assert len(figure.data) >= len(experiment.rows)
        assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text and not figure.layout.showlegend

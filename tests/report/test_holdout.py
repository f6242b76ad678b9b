"""The hold-out set in reports: each fold's model on the same frames, averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from expression_runs import CLASSES, write_expression_run

from fau.cli.report import main
from fau.report.build import build_report
from fau.report.load import load_runs


def test_models_are_averaged_over_the_same_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [write_expression_run(tmp_path, "a", fold, skill=0.7, holdout=True) for fold in (1, 2)]
    row = build_report(tmp_path, load_runs(tmp_path)).experiments[0].rows[0]
    assert row.holdout is not None and row.holdout.recall is not None
    recalls, right = [], []
    for run in runs:
        kept = run.arrays("predictions.npz")
        coded = kept["holdout/expression/mask"][:, 0]
        truth = kept["holdout/expression/label"][coded].argmax(1)
        called = kept["holdout/expression/score"][coded].argmax(1)
        recalls.append([(called[truth == c] == c).mean() for c in range(len(CLASSES))])
        right.append((called == truth).mean())
    assert row.holdout.models == 2 and row.holdout.f1.groups == 6
    assert row.holdout.accuracy == pytest.approx(np.mean(right))
    assert row.holdout.recall.macro.value == pytest.approx(np.mean(recalls))
    assert main([str(tmp_path), "--formats", "html,md"]) == 0
    assert "Hold-out set" in capsys.readouterr().out
    assert "Hold-out set" in (tmp_path / "report" / "report.html").read_text()


def test_without_one_there_is_no_table(tmp_path: Path) -> None:
    write_expression_run(tmp_path, "a", 1, holdout=True)
    write_expression_run(tmp_path, "a", 2)
    assert build_report(tmp_path, load_runs(tmp_path)).experiments[0].rows[0].holdout is None

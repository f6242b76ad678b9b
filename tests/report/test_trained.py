"""Runs that fau-train made, in a report: how checkpoints were chosen, and what JAA-Net's landmarks come to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fau.cli.train import main
from fau.report.build import Experiment, build_report
from fau.report.load import load_runs
from fau.report.tables.epochs import epoch_tables
from fau.report.tables.landmarks import landmark_table
from fau.report.tables.runs import run_table
from fau.report.tables.scores import score_table
from fau.report.tables.side_by_side import side_by_side
from fau.runs import ledger

ROOT = Path(__file__).parents[2]
SMALL = [
    *("--data.folds=3", "--data.batch_size=16", "--trainer.max_epochs=2", "--trainer.limit_train_batches=2"),
    *("--trainer.accelerator=cpu", "--wandb=disabled"),
]


def build(root: Path) -> Experiment:
    return build_report(root, load_runs(root), resamples=9).experiments[0]


@pytest.fixture(scope="module")
def choices(tiny_cropset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run for each way to choose the checkpoint."""
    root = tmp_path_factory.mktemp("choices")
    net = ["--model.net.input_size=32", "--model.net.widths=[4,4,8,8,8,8]", "--model.net.hidden=8"]
    for validation in ("none", "groups", "test"):
        arguments = [f"--data.validation={validation}", f"--name={validation}", f"--runs={root}", *SMALL, *net]
        assert main([f"--data.crop_set={tiny_cropset}", *arguments]) == 0
    return root


def test_the_three_ways_to_choose_a_checkpoint(choices: Path) -> None:
    records = {run.read()["name"]: run for run in ledger(choices)}
    scores = {
        name: list(run.metrics().to_dict(as_series=False).get("val/f1_macro", [])) for name, run in records.items()
    }
    assert scores["none"] == []
    assert records["none"].read()["best_epoch"] == 1  # the last
    for name in ("groups", "test"):
        assert records[name].read()["best_epoch"] == int(np.argmax(scores[name]))
    metrics = records["test"].read()["metrics"]
    assert metrics["val/f1_macro"] == metrics["test/f1_macro"]  # it was chosen by what it reports
    metrics = records["groups"].read()["metrics"]
    assert metrics["val/f1_macro"] != metrics["test/f1_macro"]


def test_the_report_marks_what_the_test_fold_chose(choices: Path) -> None:
    experiment = build(choices)
    assert {row.name: "†" in row.marks for row in experiment.rows} == {"none": False, "groups": False, "test": True}
    words = {row[0].split()[0]: row[5] for row in run_table(experiment).rows}
    assert words == {"none": "last epoch", "groups": "best, validation", "test": "best, TEST FOLD"}
    assert "ways to choose the checkpoint" in "\n".join(experiment.warnings)
    assert any(
        note.startswith("† the checkpoint was chosen on the test fold") for note in score_table(experiment, 0.95).notes
    )
    notes = {table.title: table.notes[0] for table in epoch_tables(experiment)}
    assert notes["Epochs of none"].startswith("No validation part")
    assert notes["Epochs of test"].startswith("† These scores are of the test fold")


@pytest.mark.slow
def test_jaanet_s_landmarks_are_those_of_training(tiny_cropset: Path, tmp_path: Path) -> None:
    config = ["--config", str(ROOT / "experiments/jaanet-tiny.yaml"), f"--data.crop_set={tiny_cropset}"]
    for fold in (1, 2, 3):
        arguments = [*SMALL, f"--fold={fold}", f"--runs={tmp_path}", "--model.allow_upsample=true"]
        assert main([*config, *arguments, "--trainer.max_epochs=1"]) == 0
    runs = ledger(tmp_path)
    faces = [np.isfinite(run.arrays("predictions.npz")["test/au/landmark_error"]).sum() for run in runs]
    means = [run.read()["metrics"]["test/landmark_error"] for run in runs]
    experiment = build(tmp_path)
    scores = experiment.reference.landmarks
    assert scores is not None
    assert scores.faces == sum(faces)
    assert scores.error.value == pytest.approx(np.average(means, weights=faces))
    table = landmark_table(experiment, 0.95)
    assert table is not None
    assert table.rows[0][5] == f"{sum(faces):,}"
    assert side_by_side(experiment).headings[3:5] == ["landmark error", "failures"]
    (epochs,) = epoch_tables(experiment)
    assert epochs.headings[1:] == [
        "training loss",
        "loss",
        "F1",
        "accuracy",
        "landmark error",
        "failures",
        "runs",
        "chosen",
    ]

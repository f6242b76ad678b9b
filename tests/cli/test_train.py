"""fau-train in process, on real (tiny) faces: what a run keeps, and the parts that it scores."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fau.cli.train import main
from fau.crops.store import CropSet
from fau.runs import RunDirectory, ledger, run_id

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]


def test_a_run_keeps_all_that_tables_need(trained: Path, tiny_cropset: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    assert record["status"] == "done"
    assert (record["fold"], record["folds"]) == (2, 3)
    assert record["parameters"] == 1_164_173
    assert record["run_id"] == path.name == run_id(record["deciding"])
    assert record["selection"] == "val"
    assert set(record["libraries"]) >= {"torch", "lightning", "timm"}
    predictions = RunDirectory(path).arrays("predictions.npz")
    cropset = CropSet.open(tiny_cropset)
    groups = cropset.manifest["group"].to_numpy()
    tested = predictions["test/index"]
    assert (np.diff(tested) > 0).all()
    assert set(groups[tested]) == set(record["groups"]["test"])
    assert not set(record["groups"]["test"]) & set(record["groups"]["train"] + record["groups"]["val"])
    coded = cropset.manifest["au12"].to_numpy()[tested]
    assert np.array_equal(predictions["test/au/mask"][:, 6], ~np.isnan(coded.astype(float)))


def test_counts_are_those_of_the_predictions(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    run = RunDirectory(path)
    counts, kept = run.arrays("counts.npz"), run.arrays("predictions.npz")
    score, label, mask = (kept[f"test/au/{name}"] for name in ("score", "label", "mask"))
    assert np.array_equal(counts["tp"].sum(0), ((score >= 0.5) & (label == 1) & mask).sum(0))
    assert np.array_equal(counts["fn"].sum(0), ((score < 0.5) & (label == 1) & mask).sum(0))
    tp, fp, fn = (counts[name].sum(0)[0] for name in ("tp", "fp", "fn"))
    assert record["metrics"]["test/f1/AU1"] == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=1e-6)


def test_epochs_are_logged(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    epochs = RunDirectory(path).metrics()
    assert epochs["epoch"].to_list() == [0, 1]
    assert {"train/loss", "val/loss", "val/f1_macro", "lr"} <= set(epochs.columns)
    assert record["images_per_s"] > 0


def test_a_batch_larger_than_the_data_is_all_of_it(tiny_args: list[str], tmp_path: Path, only_run: OnlyRun) -> None:
    arguments = ["--data.batch_size", "100000", "--trainer.max_epochs", "1", "--wandb", "disabled"]
    assert main([*tiny_args, *arguments, "--runs", str(tmp_path)]) == 0
    path, record = only_run(tmp_path)
    assert len(RunDirectory(path).arrays("predictions.npz")["test/index"]) == record["sizes"]["test"]


def test_validation_none_takes_the_last_epoch(tiny_args: list[str], tmp_path: Path, only_run: OnlyRun) -> None:
    arguments = ["--data.validation", "none", "--data.undersample", "classes", "--wandb", "disabled"]
    assert main([*tiny_args, "--runs", str(tmp_path), *arguments]) == 0
    path, record = only_run(tmp_path)
    assert record["selection"] == "last"
    assert record["best_epoch"] == 1
    assert record["groups"]["val"] == []
    assert not (path / "wandb").exists()
    assert record["kept"]["frames"]["kept"] < record["kept"]["frames"]["of"]
    assert not any(key.startswith("val/") for key in RunDirectory(path).arrays("predictions.npz"))
    epochs = RunDirectory(path).metrics()
    assert epochs["kept/frames"].to_list() == [record["kept"]["frames"]["kept"]] * 2


def test_epochs_between_validations_are_not_chosen(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, recwarn: pytest.WarningsRecorder
) -> None:
    arguments = ["--trainer.check_val_every_n_epoch=2", "--trainer.max_epochs=3", "--wandb=disabled"]
    assert main([*tiny_args, "--runs", str(tmp_path), *arguments]) == 0
    path, record = only_run(tmp_path)
    assert record["best_epoch"] == 1
    scores = RunDirectory(path).metrics()["val/f1_macro"].to_list()
    assert scores[1] is not None and scores[0] is None and scores[2] is None
    assert not [warning for warning in recwarn if "monitored key" in str(warning.message)]


def test_a_holdout_set_is_scored_apart(tiny_args: list[str], tmp_path: Path, only_run: OnlyRun) -> None:
    arguments = ["--data.holdout", "[S001]", "--trainer.max_epochs", "1", "--wandb", "disabled"]
    assert main([*tiny_args, "--runs", str(tmp_path), *arguments]) == 0
    path, record = only_run(tmp_path)
    assert record["groups"]["holdout"] == ["S001"]
    assert not {"S001"} & {group for part in ("train", "val", "test") for group in record["groups"][part]}
    kept = RunDirectory(path).arrays("predictions.npz")
    assert not set(kept["holdout/index"]) & set(kept["test/index"])
    assert "holdout/f1_macro" in record["metrics"] and "test/f1_macro" in record["metrics"]


def test_all_folds_are_runs_of_their_own(tiny_args: list[str], tmp_path: Path) -> None:
    arguments = ["--fold", "all", "--trainer.max_epochs", "1", "--runs", str(tmp_path)]
    assert main([*tiny_args, *arguments]) == 0
    runs = ledger(tmp_path)
    assert sorted(run.read()["fold"] for run in runs) == [1, 2, 3]
    logs = [log.name for run in runs for log in run.path.glob("wandb/offline-run-*/run-*.wandb")]
    assert sorted(logs) == sorted(f"run-{run.path.name}.wandb" for run in runs)
    tested = [group for run in runs for group in run.read()["groups"]["test"]]
    assert len(tested) == len(set(tested)) == 9


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_rate_that_falls_on_a_plateau(mode: str, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun) -> None:
    scheduler = ["--model.scheduler", "torch.optim.lr_scheduler.ReduceLROnPlateau", "--model.scheduler.mode", mode]
    assert main([*tiny_args, *scheduler, "--runs", str(tmp_path), "--wandb", "disabled"]) == 0
    assert only_run(tmp_path)[1]["epochs"] == 2


@pytest.mark.slow
def test_one_real_process(tiny_args: list[str], tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("fau-train")
    command = [str(program), *tiny_args, "--trainer.max_epochs", "1", "--runs", str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert "mean" in finished.stdout and "run directory" in finished.stdout
    assert "Warning" not in finished.stderr and "WARNING" not in finished.stderr, finished.stderr
    record = json.loads(next(tmp_path.glob("*/*/run.json")).read_text())
    assert pl.Series(record["metrics"].values()).is_finite().all()

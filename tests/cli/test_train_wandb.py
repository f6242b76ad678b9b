"""fau-train beside W&B, which may be missing or fail."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import pytest
import wandb_log

from fau.cli._main import plain_warnings
from fau.cli.train import main
from fau.runs import RunDirectory

if TYPE_CHECKING:
    from wandb_server import Server

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]


def test_the_wandb_run_is_written_offline(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    (log,) = path.glob("wandb/offline-run-*/run-*.wandb")
    assert log.name == f"run-{record['run_id']}.wandb"
    logged = wandb_log.read(log)
    assert (logged.run.run_group, logged.run.job_type) == ("full", "fold2") and logged.exit_code == 0
    assert list(logged.run.tags) == ["gla", "fold2", record["crop_set"]["name"]]
    assert logged.config["model"]["class_path"] == record["config"]["model"]["class_path"]
    assert ("*", "epoch") in [(metric.glob_name, metric.step_metric) for metric in logged.metrics]


def test_curves_are_those_of_the_run_directory_and_scores_its_summary(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    (log,) = path.glob("wandb/offline-run-*/run-*.wandb")
    logged = wandb_log.read(log)
    epochs = RunDirectory(path).metrics()
    for name in ("train/loss", "val/f1_macro", "val/f1/AU12", "lr"):
        assert logged.points(name) == [(i, pytest.approx(value, rel=1e-6)) for i, value in enumerate(epochs[name])]
    assert not [name for row in logged.history for name in row if name.startswith("test/")]
    for name, value in record["metrics"].items():
        assert logged.summary[name] == pytest.approx(value)
    assert logged.summary["best_epoch"] == record["best_epoch"]


def test_charts_and_faces_lie_whole_beside_the_log(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    (log,) = path.glob("wandb/offline-run-*/run-*.wandb")
    logged, files = wandb_log.read(log), log.parent / "files"
    for name in ("confusion", "precision_recall"):
        preset = logged.config[f"_wandb.visualize.charts/au_{name}"]["panel_config"]
        (key,) = [
            argument["value"]
            for field in preset["userQuery"]["queryFields"][0]["fields"]
            for argument in field.get("args", ())
        ]
        table = json.loads((files / logged.summary[f"{key}.path"]).read_text())
        assert set(preset["fieldSettings"].values()) == set(table["columns"]) and table["data"]
    captions, pictures = logged.summary["faces.captions"], logged.summary["faces.filenames"]
    assert 0 < len(captions) == len(pictures) <= 8
    for picture in pictures:
        drawn = cv2.imread(str(files / picture))
        assert drawn.shape == (112, 224, 3)  # the face, and beside it where the network looked
    assert not any(group in caption for caption in captions for group in record["groups"]["test"])


def test_wandb_online_without_a_key_is_one_sentence(
    tiny_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only_run: OnlyRun
) -> None:
    def init(**_: object) -> None:
        raise RuntimeError("api_key not configured (no-tty).\nUse wandb.login()")

    monkeypatch.setattr("wandb.init", init)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    arguments = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--wandb", "online"]
    with pytest.warns(UserWarning, match="W&B could not start .no key is set: run 'wandb login'") as caught:
        assert main([*tiny_args, *arguments, "--runs", str(tmp_path)]) == 0
    (said,) = [one for one in caught if "W&B" in str(one.message)]
    with plain_warnings("fau-train"):
        line = warnings.formatwarning(said.message, said.category, said.filename, said.lineno)
        other = warnings.formatwarning("x", UserWarning, "torch/y.py", 3)
    assert line == f"fau-train: warning: {said.message}\n"
    assert other == "torch/y.py:3: UserWarning: x\n"
    assert warnings.formatwarning("x", UserWarning, said.filename, 3) != "fau-train: warning: x\n"


def test_wandb_may_fail_in_the_middle_of_a_run(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the connection is gone")

    monkeypatch.setattr("wandb.sdk.wandb_run.Run.log", fail)
    with pytest.warns(UserWarning, match="W&B did not take an epoch .the connection is gone") as caught:
        assert main([*tiny_args, "--trainer.max_epochs", "1", "--runs", str(tmp_path)]) == 0
    assert len([one for one in caught if "W&B" in str(one.message)]) == 1
    assert only_run(tmp_path)[1]["status"] == "done"


@pytest.mark.slow
def test_a_run_online_brings_its_charts_and_its_model(
    wandb_server: Server, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun
) -> None:
    asked = ["--wandb_model", "true", "--wandb_pictures", "none", "--trainer.max_epochs", "1", "--fold", "1"]
    assert main([*tiny_args, *asked, "--runs", str(tmp_path)]) == 0
    path, record = only_run(tmp_path)
    (run,) = wandb_server.runs.values()
    assert run.id == record["run_id"] and run.state == "finished"
    assert run.summary["test/f1_macro"] == pytest.approx(record["metrics"]["test/f1_macro"])
    by_type: dict[str, list[Any]] = {}
    for artifact in wandb_server.artifacts.values():
        by_type.setdefault(artifact.type, []).append(artifact)
    (model,) = by_type["model"]
    assert model.name == f"model-{record['run_id']}" and "best" in model.aliases
    assert model.files["model.ckpt"] == (path / "checkpoints" / "best.ckpt").read_bytes()
    assert len(by_type["run_table"]) == 3
    assert "faces" not in run.summary and not [name for name in run.files if name.startswith("media/images")]
    assert wandb_server.unknown == []

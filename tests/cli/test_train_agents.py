"""fau-train as a W&B agent starts it: one W&B run a trial, whatever came before or goes wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import wandb
from stopping import stopped_in_epoch
from wandb_server import Run, Server

from fau.cli.train import main
from fau.modules.detection import AUDetection
from fau.tracking import agents

pytestmark = pytest.mark.slow
Train = Callable[..., int]


@pytest.fixture
def train(
    wandb_server: Server, tiny_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Train]:
    """Run fau-train with an agent's variables, in a process that remembers none of the runs before."""
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_PROJECT", "sweeping")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))  # an agent's current folder

    def run(agents_run: str, *words: str) -> int:
        monkeypatch.setattr(agents, "_begun", set())
        monkeypatch.setenv("WANDB_RUN_ID", agents_run)
        wandb.teardown()
        return main([*tiny_args, "--fold", "2", "--runs", str(tmp_path / "runs"), *words])

    yield run
    assert not wandb_server.unknown


def epochs(run: Run) -> list[int]:
    return [row["epoch"] for row in run.history if "val/f1_macro" in row]


def test_a_finished_trial_fills_the_run_of_the_agent_that_asks(
    train: Train, trained: Path, wandb_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    for _ in range(2):  # the same run of the agent's a second time gets nothing twice
        assert train("r1") == 0
        assert "done already" in capsys.readouterr().out
        (run,) = wandb_server.runs.values()
        assert (run.id, run.sweep, run.project, run.state) == ("r1", "s1", "sweeping", "finished")
        assert epochs(run) == [0, 1]
        assert 0 < run.summary["test/f1_macro"] < 1
    assert train("r2") == 0
    assert epochs(wandb_server.runs["r2"]) == [0, 1]


@pytest.mark.parametrize("other", [False, True], ids=["the same run", "another run"])
def test_an_interrupted_trial_goes_on_in_the_agents_run(other: bool, train: Train, wandb_server: Server) -> None:
    with stopped_in_epoch(1):
        assert train("r1") == 130
    assert epochs(wandb_server.runs["r1"]) == [0]
    assert wandb_server.runs["r1"].state == "failed"
    again = "r2" if other else "r1"
    assert train(again) == 0
    assert epochs(wandb_server.runs[again]) == [0, 1]
    assert wandb_server.runs[again].state == "finished"


def test_a_trial_that_is_refused_is_told_to_the_sweep(
    train: Train, wandb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train("r1", "--data.weights", "nonsense") == 2
    (run,) = wandb_server.runs.values()
    assert (run.id, run.sweep, run.state, run.exit_code) == ("r1", "s1", "failed", 1)
    assert train("r2", "--fold", "all") == 2  # one trial is one run of W&B's, and so one fold
    assert wandb_server.runs["r2"].state == "failed"
    assert train("r3", "--data.weights", "nonsense", "--wandb", "disabled") == 2
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert train("r4", "--data.weights", "nonsense") == 2
    assert set(wandb_server.runs) == {"r1", "r2"}
    assert not (tmp_path / "runs").exists()


def test_a_trial_that_breaks_fails_once(train: Train, wandb_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: AUDetection, batch: Any, batch_idx: int) -> torch.Tensor:
        raise RuntimeError("broken")

    monkeypatch.setattr(AUDetection, "training_step", step)
    with pytest.raises(RuntimeError, match="broken"):
        train("r1")
    (run,) = wandb_server.runs.values()
    assert (run.state, run.upserts) == ("failed", wandb_server.operations["UpsertBucket"])
    assert wandb_server.operations["RunResumeStatus"] == 0  # began once


def test_a_failure_without_an_agent_begins_no_run(
    train: Train, wandb_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_SWEEP_ID")
    assert train("r1", "--data.weights", "nonsense") == 2
    assert not wandb_server.runs

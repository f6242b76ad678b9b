"""Runs asked for twice, stopped, or at work elsewhere: they are found, and go on where they were."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from identities import identity
from stopping import stopped_in_epoch

from fau.cli.train import main
from fau.modules.detection import AUDetection
from fau.runs import RunDirectory

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]


def test_a_finished_run_says_so_and_rerun_trains_it_again(
    trained: Path, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    path, before = only_run(tmp_path / "runs")
    old = dict(RunDirectory(path).arrays("predictions.npz"))
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path / "runs")]
    assert main(arguments) == 0
    assert "done already" in capsys.readouterr().out
    assert only_run(tmp_path / "runs")[1] == before
    (path / "predictions.npz").unlink()
    assert main([*arguments, "--rerun"]) == 0
    assert "done already" not in capsys.readouterr().out
    new = RunDirectory(path).arrays("predictions.npz")
    assert old and all(np.array_equal(old[key], new[key]) for key in old)
    (log,) = path.glob("wandb/offline-run-*/run-*.wandb")
    assert log.name == f"run-{before['run_id']}.wandb"  # the same W&B run: reports would count a second one twice


def test_a_sweeps_rerun_trains_a_run_once(
    trained: Path, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    attempt = only_run(trained)[1]["attempt"]
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path / "runs"), "--rerun", "--wandb", "disabled"]
    monkeypatch.setenv("FAU_RERUN", "monday")
    with stopped_in_epoch(1):
        assert main(arguments) == 130
    assert "the same command without --rerun goes on" in capsys.readouterr().err
    assert main(arguments) == 0
    assert "it goes on from its last epoch" in capsys.readouterr().out
    _, record = only_run(tmp_path / "runs")
    assert (record["status"], record["rerun"], record["attempt"]) == ("done", "monday", attempt + 1)
    assert main(arguments) == 0
    assert "done already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), 130), (OSError(errno.ENOSPC, "No space left on device"), 2)]
)
def test_an_interrupted_run_ends_like_one_that_was_not(
    error: BaseException,
    status: int,
    trained: Path,
    tiny_args: list[str],
    tmp_path: Path,
    only_run: OnlyRun,
) -> None:
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path)]
    with stopped_in_epoch(1, error):
        assert main(arguments) == status
    path, _ = only_run(tmp_path)
    assert RunDirectory(path).status == "interrupted"
    assert main(arguments) == 0
    expected = RunDirectory(only_run(trained)[0])
    resumed = RunDirectory(path)
    assert resumed.status == "done"
    want, got = expected.arrays("predictions.npz"), resumed.arrays("predictions.npz")
    assert want.keys() == got.keys()
    assert all(np.array_equal(want[key], got[key]) for key in want)
    times = resumed.metrics()["time_s"].to_list()
    assert 0 < times[0] < times[1] < resumed.read()["wall_s"]  # the first epoch's is of the first attempt
    drop = [name for name in expected.metrics().columns if "time" in name]
    assert resumed.metrics().drop(drop).equals(expected.metrics().drop(drop))


def _score(monkeypatch: pytest.MonkeyPatch, *scores: float) -> None:
    """Let the validation and test parts score these, one after another, the last for good."""
    left = list(scores)

    def au_metrics(*args: Any, **kwargs: Any) -> dict[str, float]:
        return {"f1_macro": left.pop(0) if len(left) > 1 else left[0]}

    monkeypatch.setattr("fau.modules.tasks.au_metrics", au_metrics)


def test_early_stopping_is_remembered(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*tiny_args, "--trainer.max_epochs", "5", "--patience", "1", "--wandb", "disabled"]
    arguments += ["--trainer.limit_train_batches", "1", "--runs", str(tmp_path)]
    _score(monkeypatch, 0.5)
    with monkeypatch.context() as patch:
        patch.setattr("fau.training.train.load_weights", _interrupt)  # after training, before testing
        assert main(arguments) == 130
    run = RunDirectory(only_run(tmp_path)[0])
    assert run.status == "interrupted" and len(run.metrics()) == 2
    assert main(arguments) == 0
    assert len(run.metrics()) == 2 and run.read()["best_epoch"] == 0


def test_a_run_that_was_moved_remembers_its_best_epoch(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*tiny_args, "--trainer.limit_train_batches", "2", "--wandb", "disabled"]
    _score(monkeypatch, 0.9, 0.1)
    with stopped_in_epoch(1):
        assert main([*arguments, "--runs", str(tmp_path / "here")]) == 130
    (tmp_path / "here").rename(tmp_path / "there")
    assert main([*arguments, "--runs", str(tmp_path / "there")]) == 0
    assert only_run(tmp_path / "there")[1]["best_epoch"] == 0


def _interrupt(*args: object) -> None:
    raise KeyboardInterrupt


def _terminate(*args: object) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("stop", "status", "sentence"),
    [
        (_interrupt, 130, "interrupted; the same command goes on from here"),
        (_terminate, 143, "terminated; give the same command again"),
    ],
)
def test_a_run_stopped_while_it_is_tested_says_so(
    stop: Callable[..., None],
    status: int,
    sentence: str,
    tiny_args: list[str],
    tmp_path: Path,
    only_run: OnlyRun,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*tiny_args, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--wandb", "disabled"]
    monkeypatch.setattr(AUDetection, "on_test_epoch_start", stop)
    handler = signal.getsignal(signal.SIGINT)
    try:
        ended = main([*arguments, "--runs", str(tmp_path)])
    except SystemExit as error:
        ended = int(error.code or 0)
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning leaves it ignored
    assert ended == status
    assert capsys.readouterr().err.endswith(f"{sentence}\n")
    run = RunDirectory(only_run(tmp_path)[0])
    assert run.status == "interrupted"
    if status == 130:  # and then loses its checkpoint
        (run.checkpoints / "best.ckpt").unlink()
        assert main([*arguments, "--runs", str(tmp_path)]) == 2
        assert "best.ckpt' is gone; train the run from the start with --rerun" in capsys.readouterr().err


def test_a_run_that_another_process_finished_meanwhile_is_not_trained_again(
    trained: Path, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finish(*_: object, **__: object) -> None:
        shutil.copytree(trained, tmp_path, dirs_exist_ok=True)

    monkeypatch.setattr("fau.cli.train_fold.pl.seed_everything", finish)  # after the look for a finished run
    monkeypatch.setattr("fau.training.train._train", _interrupt)
    assert main([*tiny_args, "--fold", "2", "--runs", str(tmp_path)]) == 0
    assert only_run(tmp_path)[1] == only_run(trained)[1]


def test_a_run_in_use_is_left_alone(tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*tiny_args, "--runs", str(tmp_path)]
    path = tmp_path / "gla" / identity(arguments)
    path.mkdir(parents=True)
    hold = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", hold, str(path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        status = main(arguments)
        holder.kill()
    assert status == 2
    assert "another process" in capsys.readouterr().err

"""Files of a run that are damaged, or of another one: named, never trained on."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from identities import identity

from fau.cli.train import main
from fau.modules.callbacks import WholeCheckpoints
from fau.runs import RunDirectory

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]


def test_a_full_disk_leaves_the_checkpoint_that_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 1}, file)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        WholeCheckpoints().save_checkpoint({"epoch": 2}, file)
    assert torch.load(file, weights_only=True) == {"epoch": 1}
    assert list(file.parent.iterdir()) == [file]


def test_another_configurations_checkpoint_is_refused(
    trained: Path, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path), "--seed", "5"]
    target = tmp_path / "gla" / identity(arguments)
    (target / "checkpoints").mkdir(parents=True)
    shutil.copy(only_run(trained)[0] / "checkpoints" / "last.ckpt", target / "checkpoints" / "last.ckpt")
    assert main(arguments) == 2
    assert "another configuration wrote it" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, [1, 2], {"state_dict": {}}])
def test_a_damaged_checkpoint_is_named(
    content: Any, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path), "--seed", "6"]
    target = tmp_path / "gla" / identity(arguments) / "checkpoints"
    target.mkdir(parents=True)
    (target / "last.ckpt").write_bytes(b"not a checkpoint")
    if content is not None:
        torch.save(content, target / "last.ckpt")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "last.ckpt" in error and "--rerun" in error


def test_a_damaged_record_is_named_and_rerun_mends_it(
    trained: Path, tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    path, record = only_run(tmp_path / "runs")
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path / "runs"), "--wandb", "disabled"]
    (path / "run.json").write_text(json.dumps(record | {"metrics": None}))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "run.json' cannot be read ('metrics' is null); train the run again with --rerun" in error
    assert main([*arguments, "--rerun"]) == 0
    assert RunDirectory(path).read()["metrics"].keys() == record["metrics"].keys()
    # The epochs of a run that goes on
    RunDirectory(path).write(record | {"status": "running"})
    (path / "metrics.csv").write_bytes(b"")
    assert main(arguments) == 2
    assert "metrics.csv' cannot be read" in capsys.readouterr().err

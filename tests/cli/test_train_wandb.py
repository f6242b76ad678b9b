"""fau-train beside W&B, which may be missing or fail."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fau.cli._main import plain_warnings
from fau.cli.train import main

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]


def test_the_wandb_run_is_written_offline(trained: Path, only_run: OnlyRun) -> None:
    path, record = only_run(trained)
    (log,) = path.glob("wandb/offline-run-*/run-*.wandb")
    assert log.name == f"run-{record['run_id']}.wandb"
    assert log.stat().st_size > 7  # the header alone would be an empty run


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
    with pytest.warns(UserWarning, match="W&B fails .the connection is gone"):
        assert main([*tiny_args, "--runs", str(tmp_path)]) == 0
    assert only_run(tmp_path)[1]["status"] == "done"

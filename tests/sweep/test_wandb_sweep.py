"""Sweep files of fau handed to `wandb sweep`, which knows a server and no more of fau."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from wandb.cli.cli import cli
from wandb_server import Server

from fau.sweep.spec import load

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "sweeps").glob("*.yaml"))


def test_wandb_sweep_takes_every_file_as_it_stands(
    wandb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    for name in ("WANDB_ENTITY", "WANDB_PROJECT"):  # which the command sets in its process
        monkeypatch.setenv(name, "")
    for file in FILES:
        wandb_server.sweep_ids = [file.stem]
        result = CliRunner().invoke(cli, ["sweep", os.fspath(file)])
        assert result.exit_code == 0, result.output
        sweep, ours = wandb_server.sweeps[file.stem], load(file)
        assert sweep.project == "fau"
        assert list(sweep.points) == [dict(trial.values) for trial in ours.trials]
        assert sweep.config["command"] == ours.configuration["command"]
    assert len(FILES) == len(wandb_server.sweeps)
    assert not wandb_server.unknown

from __future__ import annotations

from pathlib import Path

import pytest
from wandb.sdk.lib.config_util import save_config_file_from_dict

from fau.tracking.agents import agent_row


def _agent(folder: Path, monkeypatch: pytest.MonkeyPatch, **parameters: object) -> None:
    """Write parameters as an agent does, by the client's own function."""
    file = folder / "config-x.yaml"
    save_config_file_from_dict(str(file), {key: {"value": value} for key, value in parameters.items()})
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(file))


def test_configurations_of_an_agent_are_rows_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert agent_row("full") == "full"
    varied = {"model.net.attention": False, "data.weights": "none"}
    _agent(tmp_path, monkeypatch, fold=3, seed=1, config="a.yaml", **varied)
    assert agent_row("full") == "full data.weights=none model.net.attention=False"


def test_a_sweep_over_overlays_keeps_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _agent(tmp_path, monkeypatch, fold=3, config="experiments/gla/no_attention.yaml")
    assert agent_row("no attention") == "no attention"
    _agent(tmp_path, monkeypatch, fold=3, name="mine", lr=0.1)
    assert agent_row("mine") == "mine"


def test_a_missing_parameter_file_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_PARAM_PATH", str(tmp_path / "none.yaml"))
    assert agent_row("full") == "full"

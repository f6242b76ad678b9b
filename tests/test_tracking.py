from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import wandb
from wandb.sdk.lib.config_util import save_config_file_from_dict

from fau.tracking import Tracking, agent_row, finish, going_on, make_logger

if TYPE_CHECKING:
    from wandb_server import Server

RECORD: dict[str, Any] = {
    **{"run_id": "0123456789ab", "name": "full", "experiment": "gla", "fold": 2},
    **{"crop_set": {"id": "5a11c0de", "name": "synthetic-tiny"}, "config": {"seed": 0, "model": {"net": "x"}}},
}


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


def _train(run_dir: Path, epochs: range, resumed: bool) -> None:
    logger = make_logger(run_dir, RECORD, Tracking(), resumed)
    assert logger is not None
    for epoch in epochs:
        logger.log_metrics({"epoch": epoch, "val/f1_macro": epoch / 10}, step=4 * epoch)
    logger.finalize("success")
    logger.log_metrics({"epoch": 9, "val/f1_macro": 0.5}, step=99)  # the chosen checkpoint's: no point of the curve
    finish(summary={"val/f1_macro": 0.5})


@pytest.mark.slow
def test_a_retry_lands_in_the_same_run(wandb_server: Server, tmp_path: Path) -> None:
    _train(tmp_path, range(2), resumed=False)
    (run,) = wandb_server.runs.values()
    assert (run.id, run.group, run.job_type) == (RECORD["run_id"], "full", "fold2")
    assert run.tags == ["gla", "fold2", "synthetic-tiny"] and run.config["model"] == {"net": "x"}
    assert run.config["run_id"] == RECORD["run_id"]
    _train(tmp_path, range(2, 3), resumed=True)
    assert list(wandb_server.runs) == [RECORD["run_id"]]
    assert [row["epoch"] for row in run.history] == [0, 1, 2]
    assert run.summary["val/f1_macro"] == 0.5 and run.state == "finished"
    assert wandb_server.unknown == []


def test_what_wandb_does_not_take_is_said_once() -> None:
    def fail() -> None:
        raise RuntimeError("the connection\n is gone")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for what in ("an epoch", "the charts"):
            with going_on(what):
                fail()
    (said,) = caught
    assert str(said.message).startswith("W&B did not take an epoch (the connection is gone); training goes on")
    assert said.filename == __file__  # of the caller, by which fau's own warnings are told from others


def test_no_run_no_end() -> None:
    assert wandb.run is None
    finish(summary={"a": 1})

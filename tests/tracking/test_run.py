from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import wandb

from fau.tracking.run import finish_run, going_on, make_logger
from fau.tracking.settings import Tracking

if TYPE_CHECKING:
    from wandb_server import Server

RECORD: dict[str, Any] = {
    **{"run_id": "0123456789ab", "name": "full", "experiment": "gla", "fold": 2},
    **{"crop_set": {"id": "5a11c0de", "name": "synthetic-tiny"}, "config": {"seed": 0, "model": {"net": "x"}}},
}


def _train(run_dir: Path, epochs: range, resumed: bool) -> None:
    logger = make_logger(run_dir, RECORD, Tracking(), resumed)
    assert logger is not None
    for epoch in epochs:
        logger.log_metrics({"epoch": epoch, "val/f1_macro": epoch / 10}, step=4 * epoch)
    logger.finalize("success")
    logger.log_metrics({"epoch": 9, "val/f1_macro": 0.5}, step=99)  # the chosen checkpoint's: no point of the curve
    finish_run(summary={"val/f1_macro": 0.5})


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
    finish_run(summary={"a": 1})


@pytest.mark.parametrize(
    ("key", "said"),
    [("not-a-key-at-all", "API key must have"), ("decade" * 7, "not logged in")],
    ids=["no key", "wrong"],
)
def test_a_key_that_is_refused_is_not_said(
    key: str, said: str, wandb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    wandb_server.key = "0123456789abcdef0123456789abcdef01234567"
    with pytest.warns(UserWarning, match="W&B could not start") as caught:
        assert make_logger(tmp_path, RECORD, Tracking(mode="online")) is None
    finish_run()
    assert any(said in str(one.message) for one in caught)
    printed = "".join([*(str(one.message) for one in caught), *capfd.readouterr()])
    files = [file for file in tmp_path.rglob("*") if file.is_file() and not file.is_symlink()]
    assert key not in printed
    assert not [file for file in files if key.encode() in file.read_bytes()]

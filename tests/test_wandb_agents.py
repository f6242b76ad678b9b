"""Sweeps by W&B's own commands against a server on loopback: `wandb sweep`, and agents that run fau-train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb_agents import Place
from wandb_server import FAKE_KEY, Server

from fau.cli.sweep import main as fau_sweep
from fau.runs import ledger

pytestmark = pytest.mark.slow

NETRC_KEY = "beefd00d" * 5
TINY = [
    *("--data.batch_size=32", "--data.folds=3", "--trainer.max_epochs=1", "--trainer.limit_train_batches=2"),
    *("--trainer.accelerator=cpu", "--model.net.input_size=32"),
]
Content = Callable[..., dict[str, Any]]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server
    assert not server.unknown


@pytest.fixture
def content(tiny_cropset: Path) -> Content:
    """Return the content of a sweep file whose trials are small."""

    def make(parameters: dict[str, Any], *words: str, **keys: Any) -> dict[str, Any]:
        command = ["fau-train", "${args}", f"--data.crop_set={tiny_cropset}", *TINY, *words]
        common = {"project": "fau", "program": "fau-train", "command": command, "parameters": parameters}
        return {"method": "grid"} | common | keys

    return make


def test_two_agents_share_a_grid(server: Server, content: Content, tmp_path: Path) -> None:
    place = Place(tmp_path, server)
    sweep = place.sweep(**content({"data.weights": {"values": ["balanced", "none", "nonsense"]}}, "--fold=2"))
    printed = place.agents(sweep, number=2)
    assert "setting 'data.weights' cannot be 'nonsense'" in printed
    records = {run.path.name: run.read() for run in ledger(place.runs)}
    assert {record["status"] for record in records.values()} == {"done"}, printed
    online = server.of_sweep(sweep.id)
    assert {run.id for run in online} == set(sweep.runs) == set(server.runs)
    (failed,) = [run for run in online if sweep.runs[run.id]["data.weights"] == "nonsense"]
    assert (failed.state, failed.history) == ("failed", [])
    finished = [run for run in online if run is not failed]
    assert {run.config["run_id"] for run in finished} == set(records)
    assert len(finished) == 2
    for run in finished:
        record = records[run.config["run_id"]]
        assert (run.state, run.job_type, run.project) == ("finished", "fold2", "fau")
        assert run.group == record["name"] == f"full data.weights={run.config['data']['weights']}"
        assert [row["epoch"] for row in run.history if "val/f1_macro" in row] == [0]
        assert run.summary["test/f1_macro"] == pytest.approx(record["metrics"]["test/f1_macro"])
    assert server.keys == {FAKE_KEY}
    assert place.found(FAKE_KEY) == []


def test_a_trial_on_two_processes_is_one_run(
    server: Server, content: Content, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A random search, which fau-sweep leaves to W&B, and a key that `wandb login` has left.
    server.key = NETRC_KEY
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {server.url.removeprefix('http://')}\n  login user\n  password {NETRC_KEY}\n")
    (tmp_path / "work").mkdir()
    place = Place(tmp_path / "work", server, {"WANDB_BASE_URL": server.url, "NETRC": str(netrc)})
    drawn = {"fold": {"values": [1, 2]}, "model.optimizer.lr": {"min": 0.0001, "max": 0.01}}
    words = ["--trainer.devices=2", "--trainer.strategy=ddp"]
    sweep = place.sweep(**content(drawn, *words, method="random", run_cap=1))
    printed = place.agents(sweep)
    (run,) = ledger(place.runs)
    record = run.read()
    assert (record["status"], record["processes"]) == ("done", 2), printed
    (online,) = server.runs.values()
    (values,) = sweep.runs.values()
    assert (online.sweep, online.state, online.config["run_id"]) == (sweep.id, "finished", record["run_id"])
    assert online.config["fold"] == values["fold"] == record["fold"]
    assert f"model.optimizer.lr={values['model.optimizer.lr']}" in online.group
    assert server.keys == {NETRC_KEY}
    assert place.found(NETRC_KEY) == []
    capsys.readouterr()
    assert fau_sweep([str(place.folder / "random.yaml"), "--runs", str(place.runs)]) == 2
    assert "run this file by `wandb sweep" in capsys.readouterr().err


def test_a_finished_trial_asked_for_again_is_the_same_run(
    server: Server, content: Content, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path, server)
    searched = {"fold": {"value": 2}, "seed": {"min": 0, "max": 9}}
    metric = {"name": "test/f1_macro", "goal": "maximize"}
    sweep = place.sweep(**content(searched, method="bayes", metric=metric, run_cap=1))
    first = place.agents(sweep)
    (run,) = ledger(place.runs)
    (online,) = server.of_sweep(sweep.id)
    assert (online.state, online.config["run_id"]) == ("finished", run.path.name), first
    before = (run.path / "run.json").read_bytes()
    rows, summary = list(online.history), online.summary["test/f1_macro"]
    sweep.again, online.exit_code = [online.id], None
    assert "done already" in place.agents(sweep)
    assert list(server.runs) == [online.id]
    assert (online.state, online.history, online.summary["test/f1_macro"]) == ("finished", rows, summary)
    assert (run.path / "run.json").read_bytes() == before
    assert place.found(FAKE_KEY) == []
    assert fau_sweep([str(place.folder / "bayes.yaml"), "--runs", str(place.runs)]) == 2
    assert "run this file by `wandb sweep" in capsys.readouterr().err


def test_no_key_is_left_by_a_sweep_of_which_a_trial_breaks(server: Server, content: Content, tmp_path: Path) -> None:
    place = Place(tmp_path, server)
    (tmp_path / "broken.py").write_text(
        "from fau.nets.gla import GLACNN\n\n"
        "class Broken(GLACNN):\n"
        "    def forward(self, *_):\n"
        "        raise RuntimeError('broken on purpose')\n"
    )
    place.environment["PYTHONPATH"] = str(tmp_path)
    sweep = content({"model.net": {"values": ["fau.nets.gla.GLACNN", "broken.Broken"]}})
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(sweep))
    printed = place.do("fau-sweep", "grid.yaml", "--retries", "0")
    assert sorted(run.status for run in ledger(place.runs)) == ["done", "failed"], printed
    assert sorted(run.state for run in server.runs.values()) == ["failed", "finished"]
    assert any("broken on purpose" in log.read_text() for log in place.runs.rglob("*.log"))
    assert server.keys == {FAKE_KEY}
    assert place.found(FAKE_KEY) == []

"""Two and four processes give the run directory, and so the report, that one gives of the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fau.cli.report import main as fau_report
from fau.cli.train import main
from fau.runs import RunDirectory, ledger

SIZE = 20  # of a batch: no part is a multiple of it
WORDS = ["--data.batch_size", str(SIZE), "--fold", "2", "--wandb", "disabled"]


@pytest.fixture(scope="module")
def runs(tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunDirectory]:
    """A run, the same weights on one, two and four processes, and one that two trained and one evaluated anew."""
    root = tmp_path_factory.mktemp("ranks")
    words = [*tiny_args, *WORDS]
    assert main([*words, "--runs", str(root / "whole")]) == 0
    jobs: list[dict[str, Any]] = [
        {"processes": n, "runs": str(root / str(n)), "copy": str(root / "whole")} for n in (1, 2, 4)
    ]
    # DDP itself makes statistics equal at every step: it is told not to, so that what fau does is seen.
    apart = ["--trainer.strategy", "DDPStrategy", "--trainer.strategy.broadcast_buffers", "false"]
    jobs.append({"processes": 2, "runs": str(root / "by two"), "words": apart})
    jobs.append({"processes": 1, "runs": str(root / "by two, again"), "copy": str(root / "by two")})
    script = Path(__file__).with_name("ddp_ranks.py")
    command = [sys.executable, str(script), json.dumps(jobs), *words]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=1700)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return {folder.name: ledger(folder)[0] for folder in root.iterdir()}


def assert_same(one: RunDirectory, other: RunDirectory) -> None:
    for name in ("predictions.npz", "counts.npz"):
        want, got = one.arrays(name), other.arrays(name)
        assert want.keys() == got.keys()
        for key in want:
            assert np.array_equal(want[key], got[key]), (name, key)
    assert one.read()["metrics"] == other.read()["metrics"]


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("processes", ["1", "2", "4"])
def test_the_same_weights_give_the_same_digits(
    processes: str, runs: dict[str, RunDirectory], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, many = runs["whole"], runs[processes]
    record = many.read()
    assert (record["status"], record["processes"]) == ("done", int(processes))
    assert_same(one, many)
    assert record["sizes"]["test"] % SIZE and record["sizes"]["val"] % SIZE  # the last batches were filled up
    index = many.arrays("predictions.npz")["test/index"]
    assert len(index) == len(np.unique(index)) == record["sizes"]["test"]
    tables = []
    for number, run in enumerate((one, many)):
        out = tmp_path / str(number)
        assert fau_report([str(run.path), "--out", str(out), "--formats", "csv", "--quiet"]) == 0
        tables.append({file.name: file.read_text() for file in out.rglob("*.csv")})
    capsys.readouterr()
    assert tables[0] and tables[0].keys() == tables[1].keys()
    for name, text in tables[0].items():
        assert digits(text) == digits(tables[1][name]), name


def digits(table: str) -> list[dict[str, str]]:
    """Return a table without the columns that tell times and numbers of processes."""
    header, *lines = [line.split(",") for line in table.splitlines()]
    kept = [name for name in header if not any(word in name for word in ("wall", "images_per_s", "processes", "time"))]
    return [{name: line[header.index(name)] for name in kept} for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_batch_norm_is_one_before_evaluation_and_checkpoints(runs: dict[str, RunDirectory]) -> None:
    """In training each process has statistics of its own; what chose the checkpoint is what the checkpoint gives."""
    by_two, again = runs["by two"], runs["by two, again"]
    assert by_two.read()["processes_trained"] == [2]
    assert_same(by_two, again)
    record, epochs = by_two.read(), by_two.metrics()
    best = epochs.row(record["best_epoch"], named=True)
    validated = {name: value for name, value in record["metrics"].items() if name.startswith("val/")}
    assert validated and validated == {name: best[name] for name in validated}


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_what_two_processes_trained_is_another_network(runs: dict[str, RunDirectory]) -> None:
    """Batch norm sees each process's share of a batch: the tests above would not notice, were it not so."""
    states = [
        torch.load(runs[name].checkpoints / "best.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "by two")
    ]
    assert any(not torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="SyncBatchNorm takes part on GPUs only; two are not here")
def test_synchronised_batch_norm_sees_the_union_batch(tiny_args: list[str], tmp_path: Path) -> None:
    words = [word for word in [*tiny_args, *WORDS] if word not in ("--trainer.accelerator", "cpu")]
    scores = []
    for devices in ("1", "2"):
        more = ["--trainer.accelerator", "gpu", "--trainer.devices", devices, "--trainer.sync_batchnorm", "true"]
        more += ["--trainer.strategy", "ddp"] if devices == "2" else []
        command = [str(Path(sys.executable).with_name("fau-train")), *words, *more, "--runs", str(tmp_path / devices)]
        subprocess.run(command, check=True, timeout=1700)
        scores.append(ledger(tmp_path / devices)[0].arrays("predictions.npz")["test/au/score"])
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)


def test_synchronised_batch_norm_on_the_cpu_is_refused(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.sync_batchnorm", "true"]
    assert main([*tiny_args, *WORDS, *more, "--runs", str(tmp_path)]) == 2
    assert "trainer.sync_batchnorm needs GPUs" in capsys.readouterr().err

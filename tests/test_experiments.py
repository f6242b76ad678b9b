"""Every YAML in experiments/ and sweeps/, found by itself and run for real at tiny size."""

from __future__ import annotations

from pathlib import Path

import pytest

from fau.cli.sweep import main as sweep
from fau.cli.train import main as train
from fau.runs import ledger

REPOSITORY = Path(__file__).parents[1]
EXPERIMENTS = sorted((REPOSITORY / "experiments").rglob("*.yaml"))
SWEEPS = sorted((REPOSITORY / "sweeps").rglob("*.yaml"))
TINY = [
    *("--data.batch_size=8", "--model.allow_upsample=true", "--trainer.accelerator=cpu", "--trainer.max_epochs=1"),
    *("--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1", "--trainer.limit_test_batches=2"),
]


def _name(file: Path) -> str:
    return str(file.relative_to(REPOSITORY))


def _configurations(file: Path) -> list[str]:
    """An overlay lies in a folder named after the file that it changes."""
    base = file.parent.with_suffix(".yaml")
    files = [base, file] if base.exists() else [file]
    return [word for name in files for word in ("--config", str(name))]


def _parameter(file: Path) -> object:
    """An experiment with a tiny variant beside it is of real size: minutes a run, not seconds."""
    real = file.with_name(f"{file.stem}-tiny.yaml").exists()
    return pytest.param(file, id=_name(file), marks=[pytest.mark.slow] if real else [])


@pytest.mark.parametrize("file", [_parameter(file) for file in EXPERIMENTS])
def test_every_experiment_trains(file: Path, tiny_cropset: Path, tmp_path: Path) -> None:
    arguments = [*_configurations(file), f"--data.crop_set={tiny_cropset}", *TINY, f"--runs={tmp_path}"]
    assert train([*arguments, "--wandb=disabled"]) == 0
    (run,) = ledger(tmp_path)
    record = run.read()
    assert record["status"] == "done"
    assert record["allow_upsample"] is True
    opening = file.read_text().splitlines()[0]
    assert opening.startswith("# "), "an experiment opens with what it is"


@pytest.mark.slow
@pytest.mark.parametrize("file", SWEEPS, ids=_name)
def test_every_sweep_runs_and_reports(
    file: Path, tiny_cropset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    runs, report = tmp_path / "runs", tmp_path / "report"
    arguments = [f"--data.crop_set={tiny_cropset}", *TINY, "--wandb=disabled"]
    assert sweep([str(file), "--runs", str(runs), "--report", str(report), "--jobs", "2", "--", *arguments]) == 0
    records = [run.read() for run in ledger(runs)]
    assert {record["status"] for record in records} == {"done"}
    assert len({(record["name"], record["fold"]) for record in records}) == len(records)
    assert (report / "report.html").stat().st_size > 100_000

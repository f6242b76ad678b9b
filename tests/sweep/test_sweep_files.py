"""The sweep files that come with fau: read as W&B reads them, and every row of them trained."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config

from fau.cli.sweep import main
from fau.sweep.launch import can_fork
from fau.sweep.spec import load

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "sweeps").glob("*.yaml"))

# One step of everything on the smallest corpus. Its 32 px are enlarged to whatever a row's network takes.
TINY = [
    *("--data.crop_set=synthetic-tiny", "--data.folds=3", "--data.batch_size=8", "--trainer.max_epochs=1"),
    *("--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1", "--trainer.limit_test_batches=1"),
    *("--model.init_args.allow_upsample=true", "--wandb=disabled", "--trainer.accelerator=cpu"),
    "--trainer.check_val_every_n_epoch=1",
]


def test_there_are_sweeps() -> None:
    assert {"quickstart.yaml", "gla_ablation.yaml"} <= {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_wandb_reads_the_file_alike(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sweep = load(file)
    config = load_sweep_config(str(file))
    assert config is not None
    assert config == sweep.configuration
    assert config["program"] == "fau-train"  # what W&B's pages name a sweep's runs by
    for trial in sweep.trials:
        arguments = create_sweep_command_args({"args": {k: {"value": v} for k, v in trial.values.items()}})
        words: list[str] = []
        for word in create_sweep_command(copy.copy(config["command"])):
            words += arguments["args"] if word == "${args}" else [word]
        assert tuple(words) == trial.argv[: len(words)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rows_have_names_of_their_own_and_need_no_process_of_their_own(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    sweep = load(file)
    overlays = sweep.configuration["parameters"]["config"]["values"]
    assert len(sweep.rows) == len(set(overlays))
    assert all(yaml.safe_load((ROOT / overlay).read_text())["name"] for overlay in overlays)
    assert all(can_fork(trial, gpus) for trial in sweep.trials for gpus in (0, 1))


def _has_a_tiny_one(file: Path) -> bool:
    """Whether the same rows are in a sweep of tiny networks: text000-tiny.yaml has those of text000-disfa.yaml too."""
    return file.with_name(f"{file.stem.partition('-')[0]}-tiny.yaml").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.stem.endswith("-tiny") or not _has_a_tiny_one(file)],
    ids=lambda file: file.stem,
)
def test_every_row_trains(
    file: Path, tmp_path: Path, tiny_cropset: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(ROOT)
    rows, printed = _run(file, tmp_path, capfd)
    assert rows == load(file).rows
    assert all(row in printed for row in rows)
    (page,) = (tmp_path / "runs").rglob("report/report.html")
    assert page.stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    [file for file in FILES if file.with_name(f"{file.stem}-tiny.yaml").exists() and file.stem != "text000"],
    ids=lambda file: file.stem,
)
def test_the_first_row_of_a_sweep_of_real_size_trains(
    file: Path, tmp_path: Path, tiny_cropset: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """Its other rows take two steps each in test_experiments.py; text 000's have a test of their own."""
    monkeypatch.chdir(ROOT)
    pretrained = "pretrained: true" in (ROOT / "experiments" / file.name).read_text(encoding="utf-8")
    offline = ["--model.init_args.net.init_args.pretrained=false"] if pretrained else []
    rows, _ = _run(file, tmp_path, capfd, 1, *offline)
    assert len(rows) == 1


def _run(file: Path, folder: Path, capfd: Any, rows: int | None = None, *more: str) -> tuple[list[str], str]:
    """Run fold 1 of the first rows of a sweep; return the rows and what was printed."""
    content = yaml.safe_load(file.read_text())
    parameters = content["parameters"]
    parameters |= {"fold": {"value": 1}, "config": {"values": parameters["config"]["values"][:rows]}}
    small = folder / file.name
    small.write_text(yaml.safe_dump(content))
    status = main([str(small), "--runs", str(folder / "runs"), "--jobs", "1", "--retries", "0", "--", *TINY, *more])
    printed = capfd.readouterr().out
    assert status == 0, printed
    return load(small).rows, printed

"""Settings of fau-train that cannot work: one sentence each, and no checkpoint."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
import torch
from stopping import stopped_in_epoch

from fau import heartbeat
from fau.cli.train import main
from fau.modules.detection import AUDetection
from fau.runs import RunDirectory, ledger
from fau.training.refused import Before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fold", "0"], ["fold 0", "1 to 3"]),
        (["--fold", "9"], ["fold 9", "1 to 3"]),
        (["--nonsense", "1"], ["--nonsense"]),
        (["--trainer.max_epochs", "many"], ["trainer.max_epochs", "many", "int"]),
        (["--model.net.attentoin", "true"], ["attentoin", "--print_config"]),
        (["--data.label_set", "bp4d99"], ["bp4d99", "bp4d12"]),
        (["--data.folds", "20"], ["20"]),
        (["--data.crop_set", "no/such/folder"], ["no/such/folder"]),
        (["--model.net.input_size", "8"], ["8"]),
        (["--model.net.input_size", "64"], ["64 px or more, or --model.allow_upsample true"]),
        (["--config", "no_such.yaml"], ["no_such.yaml"]),
        (["--published+=nonsense"], ["published rows 'nonsense' are unknown", "bp4d"]),
        (["--experiment", "../elsewhere"], ["../elsewhere", "--runs"]),
        (["--model.optimizer.lr", "-1"], ["model.optimizer", "-1"]),
        (["--data.validation", "none", "--patience", "3"], ["--patience", "validation"]),
        (["--seed", "5000000000"], ["seed 5000000000", "4294967295"]),
        (["--trainer.accelerator", "abacus"], ["trainer's settings", "abacus"]),
        (
            ["--trainer.accelerator", "auto", "--trainer.devices", "4096"],
            ["trainer.devices 4096", "--trainer.accelerator cpu"],
        ),
        (["--trainer.strategy", "ddp_spawn"], ["ddp_spawn", "use ddp"]),
        (["--trainer.overfit_batches", "1"], ["trainer.overfit_batches", "limit_train_batches"]),
        (["--trainer.check_val_every_n_epoch", "5"], ["check_val_every_n_epoch 5", "max_epochs 2"]),
        (["--trainer.accumulate_grad_batches", "0"], ["trainer.accumulate_grad_batches 0", "1 or more"]),
        (["--trainer.limit_test_batches", "0"], ["trainer.limit_test_batches 0", "leave it out"]),
        (["--trainer.val_check_interval", "1000"], ["`val_check_interval` (1000)"]),
        (["--model.threshold", "1.5"], ["model.threshold 1.5", "0.5"]),
        (["--model.threshold", "0"], ["model.threshold 0"]),
        (["--patience", "0"], ["--patience 0", "1 or more"]),
        (["--name", ""], ["--name is empty"]),
        (["--runs", ""], ["--runs is empty"]),
        (["--runs", "/proc/foo"], ["No such file or directory '/proc/foo", "name another path"]),
        (["--data.holdout", "[]"], ["holdout names no group", "null"]),
        (["--data.holdout", f"[{','.join(f'S00{i}' for i in range(1, 10))}]"], ["holdout names all 9 groups"]),
        (["--data.folds", "0"], ["folds 0 is too few", "2 or more"]),
        (["--trainer.max_epochs", "0"], ["best.ckpt", "trainer.max_epochs"]),
        (["--trainer.limit_val_batches", "0", "--trainer.limit_train_batches", "0"], ["limit_train_batches"]),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str],
    words: list[str],
    tiny_args: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*tiny_args, "--runs", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("fau-train: error: ")
    assert "\n" not in error and "Traceback" not in error
    for word in words:
        assert word in error
    assert not list(tmp_path.rglob("*"))  # a run of these settings would never be asked for again


def test_a_refused_call_leaves_an_interrupted_run_as_it_was(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*tiny_args, "--runs", str(tmp_path), "--wandb", "disabled"]
    with stopped_in_epoch(1):
        assert main(arguments) == 130
    (run,) = tmp_path.glob("*/*/run.json")
    held = [run, run.with_name("config.yaml"), run.with_name("checkpoints") / "last.ckpt"]
    before = [file.read_bytes() for file in held]
    assert main([*arguments, "--trainer.accelerator", "abacus"]) == 2  # decides no result, and so is the same run
    assert [file.read_bytes() for file in held] == before
    capsys.readouterr()
    assert main(arguments) == 0
    assert "goes on from its last epoch" in capsys.readouterr().out


def held(run: Path) -> dict[Path, bytes]:
    """Return the content of a run directory, without what the lock leaves."""
    files = (file for file in run.rglob("*") if file.is_file() and file.name not in heartbeat.FILES)
    return {file.relative_to(run): file.read_bytes() for file in files}


def test_a_refused_rerun_leaves_a_finished_run_as_it_was(
    trained: Path, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "runs")
    (record,) = (tmp_path / "runs").glob("*/*/run.json")
    before = held(record.parent)
    arguments = [*tiny_args, "--fold", "2", "--runs", str(tmp_path / "runs"), "--wandb", "disabled"]
    assert main([*arguments, "--rerun", "--trainer.accelerator", "abacus"]) == 2
    assert "abacus" in capsys.readouterr().err
    assert len(before) > 5 and held(record.parent) == before


@pytest.mark.parametrize("moves", range(5))
def test_a_rerun_that_is_killed_while_it_begins_can_still_be_taken_back(
    moves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path / "run")
    for name in ("run.json", "config.yaml", "checkpoints/last.ckpt", "predictions.npz"):
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_text(name)
    before, rename, done = held(run.path), Path.rename, 0

    def killed(self: Path, target: Path) -> Path:
        nonlocal done
        if done == moves:
            raise KeyboardInterrupt
        done += 1
        return rename(self, target)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed)
        Before(run, fresh=True)
    if moves:  # it says no longer that it is done; what is left of it does not count as an epoch
        assert not (run.path / "run.json").exists() and not ledger(tmp_path)
    again = Before(run, fresh=not moves)
    assert not (run.path / "checkpoints").exists()
    (run.path / "run.json").write_text("the rerun's")
    assert again.put_back() and held(run.path) == before
    # Once an epoch of the rerun has ended, that takes its place.
    again = Before(run, fresh=True)
    run.checkpoints.mkdir()
    (run.checkpoints / "last.ckpt").write_text("the rerun's")
    assert not again.put_back()
    again.forget()
    assert held(run.path) == {Path("checkpoints/last.ckpt"): b"the rerun's"}


def test_a_refusal_of_every_fold_is_said_once(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        *tiny_args,
        "--runs",
        str(tmp_path),
        "--data.folds",
        "2",
        "--fold",
        "all",
        "--trainer.strategy",
        "ddp_spawn",
    ]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("ddp_spawn") == 1 and error.endswith("fau-train: error: the same in fold 2\n")


def test_a_configuration_that_is_no_text(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    assert main([*tiny_args, "--config", str(tmp_path / "c.yaml")]) == 2
    assert f"'{tmp_path / 'c.yaml'}' is no YAML file" in capsys.readouterr().err


def test_too_little_memory_is_one_sentence(
    tiny_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(AUDetection, "training_step", full)
    assert main([*tiny_args, "--runs", str(tmp_path), "--wandb", "disabled"]) == 2
    assert "memory is too small for this batch; lower data.batch_size" in capsys.readouterr().err


def test_all_of_no_folds_is_refused(tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*tiny_args, "--data.folds", "0", "--fold", "all", "--runs", str(tmp_path)]) == 2
    assert "folds 0 is too few" in capsys.readouterr().err

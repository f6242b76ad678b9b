"""Settings of fau-train that cannot work: one sentence each, and no checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fau.cli.train import main
from fau.modules.detection import AUDetection


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
    tiny_args: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = AUDetection.training_step

    def step(self: AUDetection, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return original(self, batch, batch_idx)

    arguments = [*tiny_args, "--runs", str(tmp_path), "--wandb", "disabled"]
    with monkeypatch.context() as patch:
        patch.setattr(AUDetection, "training_step", step)
        assert main(arguments) == 130
    (run,) = tmp_path.glob("*/*/run.json")
    held = [run, run.with_name("config.yaml"), run.with_name("checkpoints") / "last.ckpt"]
    before = [file.read_bytes() for file in held]
    assert main([*arguments, "--trainer.accelerator", "abacus"]) == 2  # decides no result, and so is the same run
    assert [file.read_bytes() for file in held] == before
    capsys.readouterr()
    assert main(arguments) == 0
    assert "goes on from its last epoch" in capsys.readouterr().out


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

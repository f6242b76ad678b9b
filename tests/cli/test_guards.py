"""Trainings that can come to nothing end in one sentence, and leave no checkpoint of NaN."""

from __future__ import annotations

from pathlib import Path

import pytest

from fau.cli.train import main

ONCE = ["--fold=1", "--wandb=disabled", "--trainer.max_epochs=1", "--trainer.limit_train_batches=2"]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["--trainer.precision=16-true"], "trainer.precision 16-true has no loss scaling"),
        (["--trainer.precision=bf16-true"], "trainer.precision bf16-true keeps the weights too coarsely"),
        (
            ["--data.batch_size=1", "--model.net.pool=111110", "--model.net.allow_1x1=true"],
            "GLACNN has a batch norm that cannot train on one sample; set data.batch_size to 2 or more",
        ),
        (["--model.optimizer.lr=1e30"], "training diverged in epoch 1: "),
        (["--model.optimizer.lr=1e30", "--data.validation=none"], "training diverged in epoch 1: "),
    ],
)
def test_what_cannot_train_ends_in_a_sentence(
    settings: list[str], sentence: str, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*tiny_args, *ONCE, *settings, f"--runs={tmp_path}"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in error
    assert not list(tmp_path.rglob("*.ckpt"))


def test_one_sample_a_step_trains_what_has_more_than_one_place(tiny_args: list[str], tmp_path: Path) -> None:
    assert main([*tiny_args, *ONCE, "--data.batch_size=1", f"--runs={tmp_path}"]) == 0

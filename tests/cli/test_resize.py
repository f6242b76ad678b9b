"""Windows cut out of larger crops, from the command line to the predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fau.cli.train import main
from fau.runs import ledger


def _scores(arguments: list[str], runs: Path) -> np.ndarray:
    assert main([*arguments, "--fold=1", "--wandb=disabled", "--trainer.max_epochs=1", f"--runs={runs}"]) == 0
    (run,) = ledger(runs)
    scores: np.ndarray = run.arrays("predictions.npz")["test/au/score"]
    return scores


@pytest.mark.slow
def test_windows_change_the_training_and_workers_do_not(tiny_args: list[str], tmp_path: Path) -> None:
    settings = [*tiny_args, "--model.resize=40", "--data.augment=flip", "--model.allow_upsample=true"]
    here = _scores([*settings, "--data.num_workers=0"], tmp_path / "here")
    np.testing.assert_array_equal(here, _scores([*settings, "--data.num_workers=2"], tmp_path / "there"))
    assert not np.array_equal(here, _scores([*tiny_args, "--data.augment=flip"], tmp_path / "resized"))


def test_crops_too_small_for_the_window_are_said_before_training(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*tiny_args, "--model.resize=200", "--wandb=disabled", f"--runs={tmp_path}"]) == 2
    assert "smaller than model.resize, which is 200 px" in capsys.readouterr().err
    assert main([*tiny_args, "--model.resize=16", "--wandb=disabled", f"--runs={tmp_path}"]) == 2
    assert "model.resize 16 is below the network's input of 32 px" in capsys.readouterr().err

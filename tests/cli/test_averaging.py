"""Averaged weights through Lightning's own callback: trained, chosen, tested and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fau.cli.train import main
from fau.modules.detection import AUDetection
from fau.runs import RunDirectory

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]


def test_an_average_is_what_is_tested_and_survives_an_interruption(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = "--trainer.callbacks+=lightning.pytorch.callbacks.EMAWeightAveraging"
    arguments = [*tiny_args, "--data.undersample", "classes", "--wandb", "offline", callback]
    assert main([*arguments, "--runs", str(tmp_path / "whole")]) == 0
    whole = RunDirectory(only_run(tmp_path / "whole")[0])
    content = torch.load(whole.checkpoints / "best.ckpt", weights_only=True)
    averaged, current = content["state_dict"], content["current_model_state"]
    assert any(not torch.equal(averaged[key], current[key]) for key in averaged)
    # The score that chose the checkpoint was the average's, and so is what was tested.
    record = whole.read()
    assert record["metrics"]["val/f1_macro"] == pytest.approx(whole.metrics()["val/f1_macro"].max(), abs=1e-6)

    original = AUDetection.training_step

    def step(self: AUDetection, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 1 and batch_idx == 1:
            raise KeyboardInterrupt
        return original(self, batch, batch_idx)

    broken = [*arguments, "--runs", str(tmp_path / "broken")]
    with monkeypatch.context() as patch:
        patch.setattr(AUDetection, "training_step", step)
        assert main(broken) == 130
    assert main(broken) == 0
    want, got = (
        whole.arrays("predictions.npz"),
        RunDirectory(only_run(tmp_path / "broken")[0]).arrays("predictions.npz"),
    )
    assert all(np.array_equal(want[key], got[key]) for key in want)

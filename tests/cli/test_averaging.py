"""Averaged weights through Lightning's own callback: trained, chosen, tested and resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stopping import stopped_in_epoch

from fau.cli.train import main
from fau.modules.detection import AUDetection
from fau.nets.gla import GLACNN
from fau.runs import RunDirectory

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]


@pytest.mark.slow
def test_an_average_is_what_is_tested_and_survives_an_interruption(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun
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

    broken = [*arguments, "--runs", str(tmp_path / "broken")]
    with stopped_in_epoch(1):
        assert main(broken) == 130
    assert main(broken) == 0
    want, got = (
        whole.arrays("predictions.npz"),
        RunDirectory(only_run(tmp_path / "broken")[0]).arrays("predictions.npz"),
    )
    assert all(np.array_equal(want[key], got[key]) for key in want)


def test_constants_are_not_averaged(
    tiny_args: list[str], tmp_path: Path, only_run: OnlyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was stopped after its last epoch takes the average from its checkpoint, and all else as it is made."""
    callback = "--trainer.callbacks+=lightning.pytorch.callbacks.EMAWeightAveraging"
    arguments = [*tiny_args, "--data.weights", "balanced", "--wandb", "disabled", callback, "--runs", str(tmp_path)]
    constants: list[list[torch.Tensor]] = []
    original = AUDetection.on_test_epoch_end

    def keep(self: AUDetection) -> None:
        assert self.positive_weight is not None
        constants.append([self.transform.mean.clone(), self.transform.std.clone(), self.positive_weight.clone()])
        original(self)

    monkeypatch.setattr(AUDetection, "on_test_epoch_end", keep)
    assert main(arguments) == 0
    run = RunDirectory(only_run(tmp_path)[0])
    want = run.arrays("predictions.npz")
    run.write(run.read() | {"status": "running"})
    assert main(arguments) == 0
    got = run.arrays("predictions.npz")
    assert all(np.array_equal(want[key], got[key]) for key in want)
    assert all(torch.equal(*pair) for pair in zip(*constants, strict=True))
    assert torch.equal(constants[0][0].flatten(), 255 * torch.tensor(GLACNN(1, input_size=32).mean))

"""JAA-Net from end to end: both versions train on landmarks of the crop set, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from fau.cli.train import main
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.landmarks import interocular_distance
from fau.modules.jaa import JAADetection
from fau.nets.gla import GLACNN
from fau.nets.jaanet import JAANet, JAAOutput
from fau.runs import ledger

CONFIG = Path(__file__).parents[2] / "experiments" / "jaanet-tiny.yaml"
SMALLEST = ["--model.net.unit=1", "--data.validation=none", "--wandb=disabled"]


def _module(version: Literal[1, 2] = 2, **settings: Any) -> JAADetection:
    return JAADetection("disfa8", lambda outputs: JAANet(outputs, version, input_size=32, unit=1), **settings)


def _batch(size: int = 64) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "image": torch.zeros(4, size, size, 3, dtype=torch.uint8),
        "label": torch.randint(0, 2, (4, 8)),
        "label_mask": torch.ones(4, 8, dtype=torch.bool),
        "landmarks": size * torch.rand(4, 49, 2),
    }


@pytest.mark.parametrize("version", [1, 2])
def test_a_run_scores_aus_and_landmarks(version: int, tiny_args: list[str], tmp_path: Path) -> None:
    arguments = ["--config", str(CONFIG), *tiny_args, *SMALLEST, f"--model.net.version={version}"]
    assert main([*arguments, "--fold=1", f"--runs={tmp_path}"]) == 0
    (run,) = ledger(tmp_path)
    kept = run.arrays("predictions.npz")
    assert kept["test/au/score"].shape == (len(kept["test/au/landmark_error"]), 12)
    assert (kept["test/au/landmark_error"] > 0).all()
    assert ("test/au/local_score" in kept) == (version == 2)
    metrics = run.read()["metrics"]
    assert metrics["test/landmark_error"] == pytest.approx(kept["test/au/landmark_error"].mean(), rel=1e-5)
    assert 0 <= metrics["test/landmark_failures"] <= 1


def test_landmarks_are_scaled_with_the_crop() -> None:
    """The corner pixels' centres of 64 px lie a quarter of a pixel inside those of 32."""
    module = _module()
    batch = _batch()
    batch["landmarks"][0, 0], batch["landmarks"][0, 1] = torch.tensor([0.0, 63.0]), torch.tensor([31.5, 31.5])
    made = module._target(batch)[0]
    assert made[0].tolist() == [-0.25, 31.25]
    assert made[1].tolist() == [15.5, 15.5]


def test_the_landmark_error_is_in_distances_of_the_eyes() -> None:
    module = _module()
    batch = _batch(32)
    batch["landmarks"][:, 19:25], batch["landmarks"][:, 25:31] = torch.tensor([8.0, 9.0]), torch.tensor([24.0, 9.0])
    shifted = batch["landmarks"] + torch.tensor([0.0, 4.0])
    batch["landmarks"][1, 7] = float("nan")  # a point
    batch["landmarks"][2] = float("nan")  # a face
    module.eval()
    output = module(batch["image"])
    assert isinstance(output, JAAOutput)
    output.landmarks = shifted
    kept = {name: value.detach().numpy() for name, value in module.arrays(output, batch).items()}
    assert kept["au/landmark_error"][[0, 1, 3]] == pytest.approx(4 / 16)
    assert interocular_distance(batch["landmarks"][0].numpy(), "49") == 16
    found = module.metrics(kept)
    assert found["landmark_error"] == pytest.approx(0.25)
    assert found["landmark_failures"] == 1


def test_the_refinement_of_version_1_learns_at_twice_the_rate() -> None:
    module = _module(1)
    made = module.configure_optimizers()
    rest, refine = made["optimizer"].param_groups
    assert refine["lr"] == pytest.approx(0.02)
    assert rest["lr"] == pytest.approx(0.01)
    assert {id(p) for p in refine["params"]} == {id(p) for p in module.net.refine.parameters()}
    assert len(rest["params"]) + len(refine["params"]) == len(list(module.net.parameters()))
    assert len(_module(2).configure_optimizers()["optimizer"].param_groups) == 1


def test_what_cannot_work_is_refused_in_a_sentence(tiny_cropset: Path) -> None:
    with pytest.raises(FauError, match="trains JAANet, not GLACNN"):
        JAADetection(net=lambda outputs: GLACNN(outputs))
    with pytest.raises(FauError, match="'both' is unknown"):
        _module(dice="both")
    with pytest.raises(FauError, match="landmark_weight -1 is below 0"):
        _module(landmark_weight=-1)
    with pytest.raises(FauError, match="AU 11 has no place on the face"):
        JAADetection("1,11", lambda outputs: JAANet(outputs, input_size=32, unit=1))
    settings: dict[str, Any] = {"crop_set": str(tiny_cropset), "label_set": "disfa8", "folds": 3}
    for more, sentence in (
        ({}, "data.landmarks is none; set it to 49"),
        ({"landmarks": "49", "weights": "balanced"}, "weighs positives alone; JAA-Net takes inverse, or none"),
    ):
        data = FaceDataModule(**settings, **more)
        data.setup("fit")
        with pytest.raises(FauError, match=sentence):
            _module().use_training_data(data)


def test_landmarks_that_diverge_stop_the_run() -> None:
    module = _module()
    module.trainer = _OneProcess()  # type: ignore[assignment]
    batch = _batch(32)
    output = module(batch["image"])
    assert torch.isfinite(module.loss(output, batch))
    output.landmarks = output.landmarks * float("nan")
    with pytest.raises(FauError, match="landmarks diverged"):
        module.loss(output, batch)


class _OneProcess:
    """As much of a trainer as a loss asks for."""

    world_size = 1

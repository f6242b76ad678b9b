"""EAC-Net from end to end: its variants train on landmarks of the crop set, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fau.cli.train import main
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.losses import clamped_cross_entropy
from fau.modules.eac import EACDetection
from fau.nets.eacnet import EACNet
from fau.nets.gla import GLACNN
from fau.runs import RunDirectory, ledger

CONFIG = Path(__file__).parents[2] / "experiments" / "eacnet-tiny.yaml"
SMALLEST = ["--model.net.trunk=vgg11", "--model.net.divisor=32", "--data.validation=none", "--wandb=disabled"]


def _module(label_set: str = "disfa8", **net: Any) -> EACDetection:
    small: dict[str, Any] = {"trunk": "vgg11", "divisor": 32, "input_size": 32}
    return EACDetection(label_set, lambda outputs: EACNet(outputs, **(small | net)))


def _batch(size: int = 64) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "image": torch.randint(0, 256, (4, size, size, 3), dtype=torch.uint8),
        "label": torch.randint(0, 2, (4, 8)),
        "label_mask": torch.ones(4, 8, dtype=torch.bool),
        "landmarks": size * torch.rand(4, 49, 2),
    }


def _train(tiny_args: list[str], runs: Path, *more: str) -> RunDirectory:
    before = {run.path for run in ledger(runs)}
    arguments = ["--config", str(CONFIG), *tiny_args, *SMALLEST, *more]
    assert main([*arguments, "--fold=1", f"--runs={runs}"]) == 0
    (run,) = (run for run in ledger(runs) if run.path not in before)
    return run


def test_c_net_starts_from_a_run_of_e_net(
    tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enhanced = _train(tiny_args, tmp_path, "--model.net.variant=enet")
    kept = enhanced.arrays("predictions.npz")
    assert kept["test/au/score"].shape == (len(kept["test/au/regions_unknown"]), 12)
    assert "test/regions_unknown" not in enhanced.read()["metrics"]  # the corpus knows all landmarks
    start = f"--model.net.weights={enhanced.path}"
    cropped = _train(tiny_args, tmp_path, "--model.net.variant=cnet", start)
    assert cropped.read()["started_from"] == {
        "weights": str(enhanced.path),
        "carried over": ["trunk.0", "trunk.1", "trunk.2", "trunk.3"],
    }
    states = [torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"] for run in (enhanced, cropped)]
    for key in states[1]:  # held fixed
        if key.startswith("net.trunk."):
            assert torch.equal(states[0][key], states[1][key]), key
    # Another fold tests subjects that the first run learned from; another label set has another head.
    again = ["--config", str(CONFIG), *tiny_args, *SMALLEST, start, f"--runs={tmp_path}"]
    assert main([*again, "--fold=2"]) != 0
    assert "groups that fold 2 tests; name its run of the same fold" in capsys.readouterr().err
    other = ",".join(map(str, (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 25)))
    assert main([*again, "--model.net.variant=enet", "--fold=1", "--data.label_set", other]) != 0
    assert "are of a run with label set bp4d12, and data.label_set is 1,2,4" in capsys.readouterr().err


def test_vgg_alone_needs_no_landmarks(tiny_args: list[str], tmp_path: Path) -> None:
    run = _train(tiny_args, tmp_path, "--model.net.variant=vgg", "--data.landmarks=none")
    assert "warnings" not in run.read() or not any("EAC" in line for line in run.read()["warnings"])
    assert "test/au/regions_unknown" not in run.arrays("predictions.npz")


def test_the_loss_is_the_authors() -> None:
    module, batch = _module(), _batch()
    module.trainer = _OneProcess()  # type: ignore[assignment]
    module.eval()
    output = module(batch)
    expected = clamped_cross_entropy(output.scores, batch["label"], batch["label_mask"]).mean()
    assert module.loss(output, batch).item() == pytest.approx(expected.item())
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.SGD)
    assert (optimizer.defaults["lr"], optimizer.defaults["momentum"], optimizer.defaults["nesterov"]) == (
        1e-4,
        0.9,
        True,
    )


def test_maps_lie_where_the_landmarks_of_the_crop_are() -> None:
    """A crop of 64 px for a network of 32: the places are the same shares of the side."""
    module, batch = _module("12"), _batch()
    batch["landmarks"][:, 31], batch["landmarks"][:, 37] = torch.tensor([15.5, 31.5]), torch.tensor([47.5, 31.5])
    output: Any = module(batch)
    places = (output.maps[0, 0] == 1).nonzero().tolist()
    assert places == [[50, 25], [50, 75]]


def test_regions_that_are_not_known_are_counted() -> None:
    module, batch = _module(), _batch()
    module.eval()
    batch["landmarks"][1] = float("nan")
    batch["landmarks"][2, 31] = float("inf")  # a mouth corner: one of twenty places
    arrays = {name: value.detach().numpy() for name, value in module.arrays(module(batch), batch).items()}
    assert arrays["au/regions_unknown"].tolist() == pytest.approx([0, 1, 0.05, 0])
    assert module.metrics(arrays)["regions_unknown"] == pytest.approx(1.05 / 4)
    assert np.isfinite(arrays["au/score"]).all()


def test_aus_without_a_region_are_said() -> None:
    assert "no place of AU9 in particular" in _module().record()["warnings"][0]
    assert "warnings" not in _module("bp4d12").record()
    assert "warnings" not in _module(regions=(1, 2, 4, 6, 9, 12, 25, 17)).record()
    assert "warnings" not in _module(variant="vgg").record()


def test_what_cannot_work_is_refused_in_a_sentence(tiny_cropset: Path, tmp_path: Path) -> None:
    with pytest.raises(FauError, match="trains EACNet, not GLACNN"):
        EACDetection(net=lambda outputs: GLACNN(outputs))
    with pytest.raises(FauError, match=r"margin 0\.0 is not above 0"):
        EACDetection("disfa8", lambda outputs: EACNet(outputs, "vgg", "vgg11", divisor=32, input_size=32), margin=0.0)
    data = FaceDataModule(str(tiny_cropset), "disfa8", folds=3)
    data.setup("fit")
    with pytest.raises(FauError, match=r"data\.landmarks"):
        _module().use_training_data(data)
    (tmp_path / "run.json").write_text(json.dumps({"status": "running"}))
    with pytest.raises(FauError, match="is not done"):
        _module(weights=str(tmp_path))


class _OneProcess:
    """As much of a trainer as a loss asks for."""

    world_size = 1

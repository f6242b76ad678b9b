"""Two phases of fine-tuning through the real command: what is frozen stays, rates fall once, a stop changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from stopping import stopped_in_epoch
from torch import nn

from fau.cli.train import main
from fau.modules.base import FaceModule
from fau.modules.finetuning import TwoPhases
from fau.nets.backbone import Backbone
from fau.nets.gla import GLACNN
from fau.runs import RunDirectory

CALLBACK = "--trainer.callbacks+=fau.modules.finetuning.TwoPhases"
NET = ["--model.net", "fau.nets.backbone.Backbone", "--model.net.name", "test_resnet", "--model.net.input_size", "32"]
NET += ["--model.net.attention", "false"]

OnlyRun = Callable[[Path], tuple[Path, dict[str, Any]]]


def _arguments(tiny_cropset: Path, root: Path, *settings: str) -> list[str]:
    small = ["--data.crop_set", str(tiny_cropset), "--data.folds", "3", "--data.batch_size", "32"]
    limits = ["--trainer.accelerator", "cpu", "--trainer.limit_train_batches", "2", "--trainer.max_epochs", "3"]
    return [*small, *limits, *NET, CALLBACK, *settings, "--wandb", "disabled", "--runs", str(root)]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each epoch's end finds: weights, statistics and rates."""
    epochs: list[dict[str, Any]] = []
    before = FaceModule.on_train_epoch_end

    def note(self: FaceModule) -> None:
        state = {key: value.detach().clone() for key, value in self.net.state_dict().items()}
        rates = [group["lr"] for group in self.trainer.optimizers[0].param_groups]
        epochs.append({"state": state, "rates": rates, "body_trains": self.net.features.training})  # type: ignore[union-attr]
        before(self)

    monkeypatch.setattr(FaceModule, "on_train_epoch_end", note)
    return epochs


def _changed(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], prefix: str) -> set[str]:
    return {key for key in one if key.startswith(prefix) and not torch.equal(one[key], other[key])}


def test_the_body_stands_still_and_then_trains(tiny_cropset: Path, tmp_path: Path, seen: list[dict[str, Any]]) -> None:
    settings = ["--trainer.callbacks.head_epochs", "2", "--trainer.callbacks.rate", "0.1"]
    assert main(_arguments(tiny_cropset, tmp_path, *settings)) == 0
    first, second, third = seen
    assert _changed(first["state"], second["state"], "features") == set()  # batch-norm statistics included
    assert _changed(first["state"], second["state"], "head")
    assert not second["body_trains"] and third["body_trains"]
    moved = _changed(second["state"], third["state"], "features")
    assert any(key.startswith("features.conv1.") for key in moved) and "features.bn1.running_mean" in moved
    assert first["rates"] == second["rates"]
    np.testing.assert_allclose(third["rates"], np.multiply(second["rates"], 0.1))


def test_frozen_layers_and_norms_never_move(tiny_cropset: Path, tmp_path: Path, seen: list[dict[str, Any]]) -> None:
    settings = ["--trainer.callbacks.head_epochs", "0", "--trainer.callbacks.frozen", "[features.conv1]"]
    settings += ["--trainer.callbacks.freeze_norm", "true", "--trainer.callbacks.layer_decay", "0.5"]
    assert main(_arguments(tiny_cropset, tmp_path, *settings)) == 0
    moved = _changed(seen[0]["state"], seen[-1]["state"], "features")
    assert moved and not any("running" in key or key.startswith("features.conv1.") for key in moved)
    rates = seen[0]["rates"]
    assert len(rates) > 2
    np.testing.assert_allclose(np.divide(rates[1:], rates[:-1]), 2)  # each layer twice the one before it


@pytest.mark.slow
def test_a_run_stopped_between_the_phases_ends_as_one_that_was_not(
    tiny_cropset: Path, tmp_path: Path, only_run: OnlyRun
) -> None:
    settings = ["--trainer.callbacks.head_epochs", "1", "--trainer.callbacks.layer_decay", "0.7"]
    assert main(_arguments(tiny_cropset, tmp_path / "whole", *settings)) == 0
    for stop_in in (1, 2):
        root = tmp_path / f"stopped{stop_in}"
        with stopped_in_epoch(stop_in):
            assert main(_arguments(tiny_cropset, root, *settings)) == 130
        assert main(_arguments(tiny_cropset, root, *settings)) == 0
        whole, stopped = (
            RunDirectory(only_run(place)[0]).arrays("predictions.npz") for place in (tmp_path / "whole", root)
        )
        assert all(np.array_equal(whole[key], stopped[key]) for key in whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["head_epochs", "-1"], "below 0"),
        (["layer_decay", "1.5"], "a layer_decay above 0 and up to 1"),
        (["frozen", "[stem]"], "no layer of Backbone begins with 'stem' (frozen); it has features, head"),
        (["frozen", "[features,head]"], "names every layer"),
    ],
)
def test_settings_that_cannot_work(
    settings: list[str], message: str, tiny_cropset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, value = settings
    assert main(_arguments(tiny_cropset, tmp_path, f"--trainer.callbacks.{key}", value)) == 2
    assert message in capsys.readouterr().err


def test_an_end_in_the_first_phase_is_said(tiny_cropset: Path, tmp_path: Path, seen: list[dict[str, Any]]) -> None:
    with pytest.warns(UserWarning, match="the head alone trains"):
        assert main(_arguments(tiny_cropset, tmp_path, "--trainer.callbacks.head_epochs", "3")) == 0
    assert _changed(seen[0]["state"], seen[-1]["state"], "features") == set()


def test_two_processes_need_a_strategy_that_bears_unused_parameters() -> None:
    callback = TwoPhases(head_epochs=1)
    trainer = Trainer(accelerator="cpu", devices=2, strategy="ddp", max_epochs=3, logger=False)
    module = FaceModule(GLACNN, 2, torch.optim.Adam, None, False, False, False)
    with pytest.raises(Exception, match="ddp_find_unused_parameters_true"):
        callback.setup(trainer, module, "fit")
    finding = Trainer(
        accelerator="cpu", devices=2, strategy="ddp_find_unused_parameters_true", max_epochs=3, logger=False
    )
    callback.setup(finding, module, "fit")


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
def test_depths_go_from_the_stem_to_the_head(name: str) -> None:
    net = Backbone(3, name=name, input_size=64, attention=False)
    depths = net.depths()
    assert set(depths) == {key for key, _ in net.named_parameters()}
    head = {key for key, depth in depths.items() if depth == max(depths.values())}
    assert head == {key for key in depths if key.startswith("head.")}
    assert sorted(set(depths.values())) == list(range(max(depths.values()) + 1))
    first = next(key for key, module in net.named_modules() if isinstance(module, nn.Conv2d))
    assert depths[f"{first}.weight"] == 0

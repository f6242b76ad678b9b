"""JAA-Net from end to end: both versions train on landmarks of the crop set, and what they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
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
def test_a_run_scores_aus_and_landmarks(
    version: int, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    said = f"landmarks: mean error {100 * metrics['test/landmark_error']:.2f} % of the eyes' distance, "
    assert said in " ".join(capsys.readouterr().out.split())


def test_landmarks_are_scaled_with_the_crop() -> None:
    """The corner pixels' centres of 64 px lie a quarter of a pixel inside those of 32."""
    module = _module()
    batch = _batch()
    batch["landmarks"][0, 0], batch["landmarks"][0, 1] = torch.tensor([0.0, 63.0]), torch.tensor([31.5, 31.5])
    made = module.landmarks(batch)[0]
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
    output = module(batch)
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


@pytest.fixture(scope="module")
def trained(tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with BP4D's AUs."""
    root = tmp_path_factory.mktemp("bp4d")
    shortest = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--trainer.limit_test_batches=1"]
    assert main(["--config", str(CONFIG), *tiny_args, *SMALLEST, *shortest, f"--runs={root}"]) == 0
    (run,) = ledger(root)
    return run.path


def _run_of(path: Path, trained: Path, net: JAANet, groups: list[str]) -> Path:
    """Put a network, and whom it learned from, into a copy of a run."""
    shutil.copytree(trained, path)
    torch.save({"state_dict": {f"net.{k}": v for k, v in net.state_dict().items()}}, path / "checkpoints/last.ckpt")
    record = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(record | {"groups": record["groups"] | {"train": groups}}))
    return path


@pytest.mark.parametrize("version", [1, 2])
def test_disfa_starts_from_bp4d(version: Literal[1, 2], trained: Path, tiny_cropset: Path, tmp_path: Path) -> None:
    data = FaceDataModule(str(tiny_cropset), "disfa8", folds=3, landmarks="49", validation="none")
    data.setup()
    source = JAANet(12, version, input_size=32, unit=1)
    run = _run_of(tmp_path / "bp4d", trained, source, ["somebody else"])
    module = _module(version, start_from=str(run))
    before = {name: value.clone() for name, value in module.net.state_dict().items()}
    module.use_training_data(data)
    after, given = module.net.state_dict(), source.state_dict()
    for part in ("region", "align", "landmark_head", "whole"):
        assert all(torch.equal(after[key], given[key]) for key in given if key.startswith(f"{part}."))
    assert all(torch.equal(after[key], before[key]) for key in before if key.startswith(("head.", "local_head.")))
    # DISFA's 1, 2, 4, 6, 9, 12, 25, 26 among BP4D's 1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24; 9 is in no such place.
    places = [0, 1, 2, 3, None, 6, 10, 9]
    for key in (key for key in after if key.split(".")[0] in ("refine", "local") and after[key].ndim):
        theirs, fresh = given[key].chunk(12), before[key].chunk(8)
        for at, (got, place) in enumerate(zip(after[key].chunk(8), places, strict=True)):
            assert torch.equal(got, fresh[at] if place is None else theirs[place]), key
    started = module.record()["started_from"]
    carried = started["carried over"]
    assert started["at random"] == (["local_head"] if version == 2 else []) + ["head", "AU9"]
    assert carried[4:] == [
        f"AU{a} from AU{b}" for a, b in ((1, 1), (2, 2), (4, 4), (6, 6), (12, 12), (25, 23), (26, 17))
    ]


def test_a_start_that_does_not_fit_is_refused(trained: Path, tiny_cropset: Path, tmp_path: Path) -> None:
    data = FaceDataModule(str(tiny_cropset), "disfa8", folds=3, landmarks="49", validation="none")
    data.setup()
    net = JAANet(12, input_size=32, unit=1)
    seen = _run_of(tmp_path / "seen", trained, net, list(data.split.groups["test"])[:2])
    other = _run_of(tmp_path / "other", trained, JAANet(12, input_size=32, unit=2), [])
    fewer = _run_of(tmp_path / "fewer", trained, JAANet(8, input_size=32, unit=1), [])
    for start, sentence in (
        (tmp_path / "none", "is no folder; name a run"),
        (seen, "learned from 2 groups that fold 1 tests"),
        (other, r"region\.0\.conv\.weight is \[8, 3, 3, 3\] and not \[4, 3, 3, 3\]"),
        (fewer, "holds no JAA-Net whose action units are known"),
    ):
        with pytest.raises(FauError, match=sentence):
            _module(start_from=str(start)).use_training_data(data)


def test_faces_without_landmarks_are_said(tiny_cropset: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_cropset, tmp_path / "blind"))
    data = FaceDataModule(str(copy), "disfa8", folds=3, landmarks="49", validation="none")
    data.setup()
    rows = data.split.train
    some = copy / "landmarks-00000.npy"
    points = np.load(some)
    points[rows[rows < len(points)][:2]] = np.nan
    np.save(some, points)
    module = _module()
    module.use_training_data(_fresh(data))
    (sentence,) = module.record()["warnings"]
    assert sentence == f"about {200 / len(rows):.2g} % of the training crops have no landmarks, which JAANet uses"
    for file in copy.glob("landmarks-*.npy"):
        np.save(file, np.full_like(np.load(file), np.nan))
    with pytest.raises(FauError, match=r"JAANet needs landmarks, and no crop of the training part of .* has any"):
        _module().use_training_data(_fresh(data))


def _fresh(data: FaceDataModule) -> FaceDataModule:
    """The same data, read anew."""
    again = FaceDataModule(data.crop_set, data.label_set, folds=3, landmarks="49", validation="none")
    again.setup()
    return again


def test_landmarks_that_diverge_stop_the_run() -> None:
    module = _module()
    module.trainer = _OneProcess()  # type: ignore[assignment]
    batch = _batch(32)
    output = module(batch)
    assert torch.isfinite(module.loss(output, batch))
    output.landmarks = output.landmarks * float("nan")
    with pytest.raises(FauError, match="landmarks diverged"):
        module.loss(output, batch)


class _OneProcess:
    """As much of a trainer as a loss asks for."""

    world_size = 1

"""ME-GraphAU from end to end: stage 1, stage 2 from its run, and what stage 2 refuses to start from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from identities import resolved

from fau.cli.train import main
from fau.data.datamodule import FaceDataModule
from fau.errors import FauError
from fau.identity import find_place
from fau.modules.graph import GraphDetection
from fau.nets.gla import GLACNN
from fau.nets.megraphau import MEGraphAUStage1, MEGraphAUStage2
from fau.runs import RunDirectory, ledger

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SMALLEST = ["--model.net.trunk=test_resnet", "--model.net.width=8", "--data.validation=none", "--wandb=disabled"]


def _train(stage: int, arguments: list[str], *more: str) -> int:
    config = EXPERIMENTS / f"megraphau_stage{stage}-tiny.yaml"
    return main(["--config", str(config), *arguments, *SMALLEST, *more])


@pytest.fixture(scope="module")
def stage1(tiny_args: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of stage 1, fold 2."""
    root = tmp_path_factory.mktemp("stage1")
    assert _train(1, tiny_args, "--fold=2", f"--runs={root}") == 0
    return root / "megraphau-tiny"


def test_stage_2_takes_the_fold_s_run(
    stage1: Path, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(2, tiny_args, "--fold=2", f"--model.stage1={stage1}", f"--runs={tmp_path}") == 0
    (run,) = ledger(tmp_path)
    (source,) = ledger(stage1)
    record = run.read()
    assert record["started_from"]["stage1"] == str(source.path)
    carried = record["started_from"]["carried over"]
    assert [part.split(":")[0] for part in carried] == ["trunk", "project", "features", "classify"]
    assert "weights carried over: trunk: " in capsys.readouterr().err
    scores = run.arrays("predictions.npz")["test/au/score"]
    assert scores.min() >= 0 and scores.max() <= 1


def test_stage_2_looks_among_the_runs_of_its_own_experiment(
    stage1: Path, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--fold=2", "--experiment=both", "--trainer.max_epochs=1", f"--runs={tmp_path}")
    assert _train(2, tiny_args, *arguments) == 2
    assert "both' is no folder; name a run's folder" in capsys.readouterr().err
    (tmp_path / "both").mkdir()
    assert _train(2, tiny_args, *arguments) == 2
    assert "both' holds no finished run of stage 1 with" in capsys.readouterr().err
    assert not list((tmp_path / "both").iterdir())  # said before anything is written
    shutil.copytree(stage1, tmp_path / "both", dirs_exist_ok=True)
    assert _train(2, tiny_args, *arguments) == 0
    (source,) = ledger(stage1)
    (run,) = [run for run in ledger(tmp_path / "both") if run.path.name != source.path.name]
    assert run.read()["started_from"]["stage1"] == str(tmp_path / "both" / source.path.name)


def test_what_stage_2_starts_from_decides_its_id_and_no_folder_does(
    stage1: Path, tiny_args: list[str], tmp_path: Path
) -> None:
    (source,) = ledger(stage1)
    shutil.copytree(stage1, tmp_path / "moved")
    config = ["--config", str(EXPERIMENTS / "megraphau_stage2-tiny.yaml"), *tiny_args, *SMALLEST, "--fold=2"]

    def place(folder: Path) -> RunDirectory:
        return find_place(*resolved([*config, f"--model.stage1={folder}", f"--runs={tmp_path / 'runs'}"]))[1]

    first = place(stage1)
    assert place(tmp_path / "moved").path == first.path
    named = place(source.path).path
    assert place(tmp_path / "moved" / source.path.name).path == named
    moved = RunDirectory(tmp_path / "moved" / source.path.name)
    moved.write(moved.read() | {"run_id": "0" * 12})  # that of other settings
    assert place(tmp_path / "moved").path != first.path


def test_the_rate_falls_to_zero_step_by_step(stage1: Path) -> None:
    (run,) = ledger(stage1)
    (schedule,) = torch.load(run.checkpoints / "last.ckpt", weights_only=True)["lr_schedulers"]
    assert schedule["T_max"] == schedule["last_epoch"] > 2
    assert schedule["_last_lr"] == [pytest.approx(0, abs=1e-12)]


def test_a_stage_1_of_another_fold_is_refused(
    stage1: Path, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source,) = ledger(stage1)
    assert _train(2, tiny_args, "--fold=1", f"--model.stage1={stage1}", f"--runs={tmp_path}") == 2
    assert "no finished run of stage 1 with" in capsys.readouterr().err
    assert _train(2, tiny_args, "--fold=1", f"--model.stage1={source.path}", f"--runs={tmp_path}") == 2
    assert "has fold 2 and not 1" in capsys.readouterr().err
    file = source.checkpoints / "last.ckpt"  # the same run by another name
    assert _train(2, tiny_args, "--fold=1", f"--model.stage1={file}", f"--runs={tmp_path}") == 2
    assert "has fold 2 and not 1" in capsys.readouterr().err


def test_weights_of_a_run_of_other_labels_or_folds_are_refused(
    stage1: Path, tiny_args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twelve other labels have the same shapes, so that only the run's record can tell."""
    (source,) = ledger(stage1)
    other = ",".join(map(str, (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 25)))
    for path in (source.path, source.checkpoints / "last.ckpt"):
        start = (f"--model.net.weights={path}", f"--runs={tmp_path}")
        assert _train(1, tiny_args, "--fold=2", f"--data.label_set={other}", *start) == 2
        assert "are of a run with label set bp4d12, and data.label_set is 1,2,4" in capsys.readouterr().err
        assert _train(1, tiny_args, "--fold=1", *start) == 2
        assert "groups that fold 1 tests; name its run of the same fold" in capsys.readouterr().err


def test_two_runs_that_fit_are_not_chosen_between(stage1: Path, tiny_cropset: Path, tmp_path: Path) -> None:
    (source,) = ledger(stage1)
    for name in ("a", "b"):
        shutil.copytree(source.path, tmp_path / name)
    data = FaceDataModule(crop_set=str(tiny_cropset), folds=3, fold=2, weights="inverse", validation="none")
    data.setup()
    module = GraphDetection(
        net=lambda n: MEGraphAUStage2(n, "test_resnet", input_size=32, width=8), stage1=str(tmp_path)
    )
    with pytest.raises(FauError, match=r"2 runs of stage 1 with .*: a, b; name the folder of one"):
        module.use_training_data(data)


def test_settings_that_contradict_each_other_are_refused(tiny_cropset: Path) -> None:
    def first(outputs: int) -> MEGraphAUStage1:
        return MEGraphAUStage1(outputs, "test_resnet", input_size=32, width=8)

    with pytest.raises(FauError, match="not GLACNN"):
        GraphDetection(net=lambda outputs: GLACNN(outputs))
    with pytest.raises(FauError, match=r"model\.stage1 is what stage 2 starts from"):
        GraphDetection(net=first, stage1="runs")
    with pytest.raises(FauError, match="both set the learning rate"):
        GraphDetection(net=first, scheduler=lambda made: torch.optim.lr_scheduler.ConstantLR(made))
    with pytest.raises(FauError, match="below 0"):
        GraphDetection(net=first, edge_weight=-1)
    data = FaceDataModule(crop_set=str(tiny_cropset), folds=3, weights="balanced")
    data.setup()
    with pytest.raises(FauError, match="takes inverse, or none"):
        GraphDetection(net=first).use_training_data(data)


def test_stage_2_from_nothing_is_said(tiny_args: list[str], tmp_path: Path) -> None:
    assert _train(2, tiny_args, "--trainer.max_epochs=1", "--model.stage1=null", f"--runs={tmp_path}") == 0
    (run,) = ledger(tmp_path)
    assert "without a stage 1" in run.read()["warnings"][0]

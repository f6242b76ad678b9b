"""validation: rotating, another fold each epoch, which leaks and says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import ModelCheckpoint
from test_lightning import Recorder, data, read, trainer, training

from fau.crops.store import CropSet
from fau.data.protocols import protocol
from fau.data.sampling import EpochDraw, RotatingDraw, RotatingSampler
from fau.data.split import split_fold
from fau.errors import FauError


@pytest.mark.parametrize("name", ["kfold", "consecutive"])
def test_the_other_folds_take_turns_in_their_order(cropset: CropSet, name: str) -> None:
    folds = protocol(name, 4)
    parts = split_fold(cropset, folds, 2, 0, "rotating", holdout=0.2)
    tested = [split_fold(cropset, folds, other, 0, "none", holdout=0.2).test for other in (1, 3, 4)]
    assert [turn.tolist() for turn in parts.rotation] == [rows.tolist() for rows in tested]
    np.testing.assert_array_equal(parts.train, np.sort(np.concatenate(tested)))
    np.testing.assert_array_equal(parts.val, parts.train)
    assert not set(parts.train) & (set(parts.test) | set(parts.holdout))
    assert len(parts.train) + len(parts.test) + len(parts.holdout) == len(cropset)
    assert "leaks" in parts.notes[-1]
    assert not split_fold(cropset, folds, 2, 0, "groups").rotation


def test_always_trained_groups_never_validate(cropset: CropSet, tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text('{"folds": [["S000"], ["S001", "S002"], ["S003"]], "rest": "train"}')
    parts = split_fold(cropset, protocol(str(file)), 1, 0, "rotating")
    assert parts.groups["val"] == ("S001", "S002", "S003")
    assert len(parts.groups["train"]) == 14


def test_two_folds_are_too_few(cropset: CropSet) -> None:
    with pytest.raises(FauError, match=r"rotating needs 3 folds or more, .* 'kfold' has 2; set validation: groups"):
        split_fold(cropset, protocol("kfold", 2), 1, 0, "rotating")


def test_every_turn_s_fold_must_have_a_label(cropset_path: Path) -> None:
    expressions = data(cropset_path, label_set="basic7", validation="rotating", folds=3, undersample="none")
    expressions.setup()
    coded = expressions.targets.coded.max(1)
    assert all(coded[turn].all() for turn in expressions.split.rotation)


@given(
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=5),
    world=st.integers(1, 3),
    per_rank=st.integers(1, 7),
    epoch=st.integers(0, 9),
)
def test_each_epoch_validates_its_part_in_equally_many_batches(
    sizes: list[int], world: int, per_rank: int, epoch: int
) -> None:
    parts = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    keys = []
    for rank in range(world):
        sampler = RotatingSampler(parts, per_rank, rank, world)
        sampler.set_epoch(epoch)
        keys.append(list(sampler))
        assert len(keys[-1]) == len(RotatingSampler(parts, per_rank, 0, world))
    assert len({len(key.indices) for rank in keys for key in rank}) == 1
    seen = np.concatenate([key.indices for rank in keys for key in rank])
    np.testing.assert_array_equal(np.unique(seen), parts[epoch % len(parts)])


def test_epochs_are_equally_long_and_leave_their_turn_out() -> None:
    rows = np.arange(60)
    parts = (rows[:10], rows[10:30], rows[30:60])
    turns = tuple(EpochDraw(np.setdiff1d(rows, part), 1, 1) for part in parts)
    draw = RotatingDraw(rows, turns)
    assert draw.size == 30
    for epoch in range(6):
        order = draw.order(epoch)
        assert len(order) == len(set(order)) == 30
        assert not set(order) & set(parts[epoch % 3])
        np.testing.assert_array_equal(draw.chosen(epoch), np.sort(order))
    assert draw.share.sum() == pytest.approx(30)
    drawn = np.bincount(np.concatenate([draw.order(epoch) for epoch in range(3000)]), minlength=60) / 3000
    np.testing.assert_allclose(drawn, draw.share, atol=0.05)


def _epochs(batches: np.ndarray) -> list[tuple[set[int], set[int]]]:
    """Rows trained on and validated, epoch for epoch; validation rows are marked -1 and follow their epoch's."""
    found: list[tuple[set[int], set[int]]] = []
    for before, (code, _, row, _) in zip([-1, *batches[:-1, 0]], batches, strict=True):
        if code >= 0 and before < 0:
            found.append((set(), set()))
        found[-1][int(code < 0)].add(int(row))
    return found


@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_run_goes_on_with_the_turns_of_an_uninterrupted_one(
    cropset_path: Path, tmp_path: Path, workers: int
) -> None:
    settings = {"validation": "rotating", "folds": 4, "num_workers": workers}
    folders = [tmp_path / name for name in ("whole", "first", "rest")]
    for folder in folders:
        folder.mkdir()
    source = data(cropset_path, **settings)
    trainer(max_epochs=5).fit(Recorder(folders[0]), datamodule=source)
    keep = ModelCheckpoint(tmp_path, save_last=True)
    first = trainer(max_epochs=2, callbacks=[keep], enable_checkpointing=True)
    first.fit(Recorder(folders[1]), datamodule=data(cropset_path, **settings))
    trainer(max_epochs=5).fit(
        Recorder(folders[2]), datamodule=data(cropset_path, **settings), ckpt_path=str(tmp_path / "last.ckpt")
    )
    whole, *halves = (read(folder, "fit") for folder in folders)
    assert training(whole) == training(halves[0]) + training(halves[1])
    epochs = _epochs(whole)
    assert epochs == _epochs(halves[0]) + _epochs(halves[1])
    assert len(epochs) == 5
    for epoch, (trained, validated) in enumerate(epochs):
        assert validated == set(source.split.rotation[epoch % 3].tolist())
        assert not trained & validated
    source.validated_epoch = 4
    loader = source.val_dataloader()
    assert not isinstance(loader, list)
    assert set(np.concatenate([batch["index"].numpy() for batch in loader]).tolist()) == epochs[4][1]


@pytest.mark.slow
def test_two_processes_validate_and_train_what_one_does(cropset_path: Path, tmp_path: Path) -> None:
    seen = []
    for processes in (1, 2):
        (folder := tmp_path / str(processes)).mkdir()
        source = data(cropset_path, validation="rotating", folds=4, batch_size=22)
        source.setup()  # before the fork: polars' threads do not survive it
        fitter = trainer(max_epochs=3, devices=processes, strategy="auto" if processes == 1 else "ddp_fork")
        fitter.fit(Recorder(folder), datamodule=source)
        ranks = [_epochs(read(folder, "fit", rank)) for rank in range(processes)]
        seen.append(
            [tuple(set().union(*parts) for parts in zip(*rank, strict=True)) for rank in zip(*ranks, strict=True)]
        )
    assert seen[0] == seen[1]


def test_the_run_says_that_it_leaks(
    tiny_cropset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fau.cli.report import main as report
    from fau.cli.train import main
    from fau.runs import ledger

    arguments = ["--data.crop_set", str(tiny_cropset), "--data.validation=rotating", "--data.folds=3"]
    arguments += [
        "--data.label_set=bp4d12",
        "--data.batch_size=8",
        "--trainer.max_epochs=3",
        "--trainer.accelerator=cpu",
    ]
    arguments += ["--model.net.input_size=32", "--wandb=disabled", f"--runs={tmp_path}"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "CHOSEN ON FOLDS TRAINED ON BY TURNS" in printed
    assert "warning: validation: rotating leaks" in printed
    (run,) = ledger(tmp_path)
    record = run.read()
    assert record["selection"] == "rotating"
    monitored = run.metrics()["val/f1_macro"].to_list()
    assert record["metrics"]["val/f1_macro"] == pytest.approx(monitored[record["best_epoch"]], abs=1e-6)
    assert report([str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "rotating leaks" in " ".join(shown.split())
    assert "◊ rotating validation chose the checkpoint" in " ".join(shown.split())

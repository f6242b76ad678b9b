from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fau.crops.store import CropSet
from fau.data.fixed_folds import FixedFolds
from fau.data.groups import GroupTable
from fau.data.protocols import protocol
from fau.data.split import Split, split_fold
from fau.errors import FauError


def split(cropset: CropSet, fold: int = 1, seed: int = 0, folds: int = 3, **settings: object) -> Split:
    return split_fold(cropset, protocol("kfold", folds), fold, seed, **settings)  # type: ignore[arg-type]


def test_parts_are_disjoint_in_groups_and_cover_all(cropset: CropSet) -> None:
    for fold in (1, 2, 3):
        parts = split(cropset, fold, holdout=0.2)
        rows = np.concatenate([parts.train, parts.val, parts.test, parts.holdout])
        np.testing.assert_array_equal(np.sort(rows), np.arange(len(cropset)))
        names = [set(cropset.manifest["group"].to_numpy()[getattr(parts, name)]) for name in parts.groups]
        assert sum(map(len, names)) == 15
        assert names == [set(groups) for groups in parts.groups.values()]


def test_every_group_outside_the_holdout_is_tested_once(cropset: CropSet) -> None:
    folds = [split(cropset, fold, holdout=0.2) for fold in (1, 2, 3)]
    assert len({f.groups["holdout"] for f in folds}) == 1
    tested = [g for f in folds for g in f.groups["test"]]
    assert len(tested) == len(set(tested)) == 12


def test_validation_is_a_fifth_of_the_training_groups_and_two_at_least(
    cropset: CropSet, tmp_path: Path, write_cropset: Callable[..., Path]
) -> None:
    parts = split(cropset)
    assert (len(parts.groups["train"]), len(parts.groups["val"]), len(parts.groups["test"])) == (8, 2, 5)
    assert len(split(cropset, validation_share=0.4).groups["val"]) == 4
    small = CropSet.open(write_cropset(tmp_path / "small", groups=4, frames=4))
    assert [len(g) for g in split(small, folds=4).groups.values()] == [1, 2, 1, 0]


def test_validation_groups_follow_from_seed_and_fold(cropset: CropSet) -> None:
    assert split(cropset, seed=3).groups == split(cropset, seed=3).groups
    drawn = {split(cropset, seed=seed).groups["val"] for seed in range(10)}
    assert len(drawn) > 3
    assert len({split(cropset, seed=seed).groups["test"] for seed in range(10)}) == 1, "folds do not follow the seed"


def test_validation_groups_have_even_label_counts(tmp_path: Path, write_cropset: Callable[..., Path]) -> None:
    cropset = CropSet.open(write_cropset(tmp_path / "many", groups=60, frames=12, size=8))
    table = GroupTable.of(cropset)
    shares = dict(zip(table.names, table.shares()[:, :13], strict=True))  # size and the 12 AUs
    off = []
    for seed in range(20):
        parts = split(cropset, seed=seed).groups
        held = sum(shares[g] for g in parts["val"])
        off.append(np.abs(held / (held + sum(shares[g] for g in parts["train"])) - 0.2).mean())
    assert np.mean(off) < 0.02


def test_other_ways_to_validate(cropset: CropSet) -> None:
    none = split(cropset, validation="none")
    assert len(none.val) == 0
    assert len(none.groups["train"]) == 10
    tested = split(cropset, validation="test")
    np.testing.assert_array_equal(tested.val, tested.test)
    assert tested.groups["train"] == none.groups["train"]


def test_holdout_may_be_named(cropset: CropSet) -> None:
    parts = split(cropset, holdout=["S004", "S002", "S004"])
    assert parts.groups["holdout"] == ("S002", "S004")


def test_too_few_groups_are_said(tmp_path: Path, write_cropset: Callable[..., Path]) -> None:
    few = CropSet.open(write_cropset(tmp_path / "few", groups=3, frames=4))
    with pytest.raises(FauError, match="leaves 2 training groups, too few to cut 2 validation groups"):
        split(few)
    assert len(split(few, validation="none").train)
    with pytest.raises(FauError, match="4 folds need 4 groups or more, but there are only 3"):
        split(few, folds=4)
    with pytest.raises(FauError, match="leaves none to train on"):
        split_fold(few, protocol("kfold", 3), 1, 0, "none", holdout=0.9)
    everything = FixedFolds("everything", [["S000", "S001", "S002"]])
    with pytest.raises(FauError, match="fold 1 of protocol 'everything' leaves no group to train on"):
        split_fold(few, everything, 1, 0, "none")

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fau.crops.store import CropSet
from fau.data import dealing, protocols
from fau.data.groups import GroupTable
from fau.data.protocols import ConsecutiveFolds, StratifiedFolds, protocol, register
from fau.errors import FauError


def table(groups: int, labels: int = 12, seed: int = 0) -> GroupTable:
    """Groups whose rates differ as those of subjects do; the last labels are rare."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(150, 300, groups)
    rates = np.linspace(0.6, 0.05, labels) * rng.lognormal(0, 0.6, (groups, labels))
    return GroupTable(
        tuple(f"S{i:03d}" for i in range(groups)), sizes, rng.binomial(sizes[:, None], np.clip(rates, 0, 1))
    )


@settings(max_examples=30, deadline=None)
@given(groups=st.integers(5, 60), folds=st.integers(2, 5), seed=st.integers(0, 99))
def test_folds_divide_all_groups_evenly(groups: int, folds: int, seed: int) -> None:
    for kind in (StratifiedFolds, ConsecutiveFolds):
        assigned = kind(folds).assign(table(groups, seed=seed))
        assert set(assigned) == set(range(1, folds + 1))
        counts = np.bincount(assigned)[1:]
        assert counts.max() - counts.min() <= 1


def test_stratified_folds_have_even_label_counts() -> None:
    groups = table(41)
    spread = {}
    for kind in (StratifiedFolds, ConsecutiveFolds):
        assigned = kind(5).assign(groups)
        shares = np.stack([groups.shares()[assigned == fold].sum(0) for fold in range(1, 6)])
        spread[kind] = np.abs(shares * 5 - 1).max()
    assert spread[StratifiedFolds] < 0.15, "every fold holds a fifth of each label, within 15 %"
    assert spread[ConsecutiveFolds] > 3 * spread[StratifiedFolds]


def test_stratified_folds_follow_from_counts_and_not_from_names() -> None:
    groups = table(20)
    renamed = GroupTable(tuple(f"P{i}" for i in range(20)), groups.sizes, groups.counts)
    np.testing.assert_array_equal(StratifiedFolds(4).assign(groups), StratifiedFolds(4).assign(renamed))


def test_many_groups_are_dealt_quickly_and_evenly() -> None:
    groups = table(5000, labels=8)
    assigned = StratifiedFolds(5).assign(groups)
    shares = np.stack([groups.shares()[assigned == fold].sum(0) for fold in range(1, 6)])
    assert np.abs(shares * 5 - 1).max() < 0.02


def test_swapping_evens_the_folds() -> None:
    """Whatever dealing leaves, no swap of two groups may lower the sum of squared loads any more."""
    groups = table(14, labels=4)
    assigned = StratifiedFolds(3).assign(groups)
    shares = groups.shares()

    def squares(part: np.ndarray) -> float:
        return float(sum((shares[part == p].sum(0) ** 2).sum() for p in (1, 2, 3)))

    least = squares(assigned)
    for g in range(14):
        for h in range(g):
            swapped = assigned.copy()
            swapped[[g, h]] = swapped[[h, g]]
            assert squares(swapped) > least - 1e-9


def test_consecutive_folds_keep_manifest_order() -> None:
    np.testing.assert_array_equal(ConsecutiveFolds(3).assign(table(8)), [1, 1, 1, 2, 2, 2, 3, 3])


def test_groups_are_counted_from_the_manifest(cropset: CropSet) -> None:
    groups = GroupTable.of(cropset)
    assert groups.names[:2] == ("S000", "S001")
    assert groups.sizes.sum() == len(cropset)
    assert groups.counts[:, 0].sum() == cropset.manifest["au01"].sum()
    assert groups.counts.shape[1] == 12 + cropset.manifest["expression"].drop_nulls().n_unique()


def write(path: Path, **content: object) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def test_a_file_lists_the_groups_of_each_fold(tmp_path: Path) -> None:
    parts = [["S000", "S003"], ["S001"], ["S002", "S009"]]
    fixed = protocol(write(tmp_path / "mine.json", folds=parts))
    assert (fixed.name, fixed.folds) == ("mine", 3)
    np.testing.assert_array_equal(fixed.assign(table(4)), [1, 2, 3, 1])
    official = protocol(write(tmp_path / "official.json", folds=[["S001"]], rest="train"))
    np.testing.assert_array_equal(official.assign(table(4)), [0, 1, 0, 0])
    assert fixed.describe() != official.describe()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"folds": [["S000"], ["S001"]]}, "has no fold for group 'S002'"),
        ({"folds": [["S000"], ["S000"]]}, "names group 'S000' twice"),
        ({"folds": [["S000", "S001", "S002", "S003"], ["S009"]]}, "none of the groups of fold 2"),
        ({"parts": []}, "is not valid"),
        ({"folds": 3}, "is not valid"),
        ({"folds": []}, "is not valid: its list 'folds' is empty"),
        ({"folds": ["S000", "S001"]}, "is not valid: it needs a JSON object with 'folds', lists of groups"),
        ({"folds": [["S000"]], "rest": "drop"}, "has rest 'drop'"),
        ({"folds": ["S000"]}, "is not valid"),
        ({"folds": [{"validation": ["S000"]}]}, "is not valid"),
        ({"folds": [{"test": ["S000"], "validation": ["S000"]}]}, "both tests and validates group 'S000' in fold 1"),
        ({"folds": [["a"]], "parts": {"a": ["S000"], "b": ["S000"]}}, "has group 'S000' in two parts"),
        ({"folds": [["a"]], "parts": {"a": ["S000"], "b": ["S001"]}}, "has no fold for group 'S002'"),
    ],
)
def test_a_bad_file_is_said(tmp_path: Path, content: dict[str, object], sentence: str) -> None:
    with pytest.raises(FauError, match=sentence):
        protocol(write(tmp_path / "bad.json", **content)).assign(table(4))


def test_a_published_division_has_its_own_number_of_folds(tmp_path: Path) -> None:
    with pytest.raises(FauError, match=r"protocol 'mine' has 2 folds, not 5; leave the number of folds out"):
        protocol(write(tmp_path / "mine.json", folds=[["a"], ["b"]]), 5)
    with pytest.raises(FauError, match=r"protocol file '.*none\.json' cannot be read"):
        protocol(str(tmp_path / "none.json"))


def test_a_new_protocol_registers_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "_REGISTRY", dict(protocols._REGISTRY))

    @register("reversed")
    class Reversed(ConsecutiveFolds):
        def assign(self, table: GroupTable) -> np.ndarray:
            return super().assign(table)[::-1]

    np.testing.assert_array_equal(protocol("reversed", 2).assign(table(4)), [2, 2, 1, 1])
    with pytest.raises(FauError, match=r"choose one of kfold, .*official, reversed, "):
        protocol("unknown")


@settings(max_examples=30, deadline=None)
@given(groups=st.integers(12, 150), parts=st.integers(2, 7), seed=st.integers(0, 99))
def test_what_goes_round_in_turn_leaves_even_numbers_of_every_kind(groups: int, parts: int, seed: int) -> None:
    """Beyond the groups that are dealt singly; here ten, so that a test need not deal thousands."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, groups)
    shares = np.eye(4)[kinds] / groups
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dealing, "_SINGLY", 10)
        part = dealing.deal(shares, parts)
    counts = np.bincount(part, minlength=parts)
    assert counts.sum() == groups and counts.max() - counts.min() <= 1
    rest = np.argsort(-shares.max(1), kind="stable")[10:]
    for kind in range(4):
        own = np.bincount(part[rest][kinds[rest] == kind], minlength=parts)
        assert own.max() - own.min() <= 1

"""Train, validation, test and hold-out parts of a crop set, disjoint in groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fau.crops.store import CropSet
from fau.data.protocols import FoldProtocol, GroupTable
from fau.errors import FauError

Validation = Literal["groups", "none", "test"]

MIN_VALIDATION_GROUPS = 2
_CANDIDATES = 64
_MAX_CELLS = 2_000_000  # of the candidates' index table, so that a million single-image groups still fit
# Constants that keep the random streams of unrelated decisions apart.
_VALIDATION_STREAM = 0x76616C
_HOLDOUT_STREAM = 0x686F6C


@dataclass(frozen=True)
class Split:
    """The parts of one fold, as manifest row numbers in manifest order, int64.

    Attributes:
        train: What is trained on.
        val: What chooses the checkpoint; empty with ``validation: none``, the test part with ``validation: test``.
        test: The fold's test part.
        holdout: The fixed set outside all folds; empty without one.
        groups: Names of the groups of each part, in manifest order.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    holdout: NDArray[np.int64]
    groups: dict[str, tuple[str, ...]]


def split_fold(
    cropset: CropSet,
    protocol: FoldProtocol,
    fold: int,
    seed: int,
    validation: Validation = "groups",
    validation_share: float = 0.2,
    holdout: float | Sequence[str] | None = None,
) -> Split:
    """Divide the groups of a crop set for one fold.

    Args:
        cropset: What to divide.
        protocol: Which groups are tested in which fold.
        fold: The fold, counted from 1.
        seed: Draws the validation groups, together with ``fold``; it moves neither test nor hold-out groups.
        validation: ``groups`` cuts validation groups from the training groups, ``none`` trains on all of them, and
            ``test`` selects on the test part, as published results sometimes do.
        validation_share: Share of the training groups that validate, at least two groups.
        holdout: Groups outside all folds: their share of all groups, drawn with even label counts and the same for
            every seed and fold, or their names.

    Raises:
        FauError: If the fold does not exist, the groups are too few, a share is out of range, or a hold-out group is
            unknown.
    """
    table = GroupTable.of(cropset)
    kept_out = _holdout_groups(table, holdout)
    pool = np.setdiff1d(np.arange(len(table.names)), kept_out)
    test = pool[protocol.test_groups(table.take(pool), fold)]
    train = np.setdiff1d(pool, test)
    val = np.array([], np.int64)
    if validation == "test":
        val = test
    elif validation == "groups":
        val = _validation_groups(table, train, validation_share, seed, fold, protocol)
        train = np.setdiff1d(train, val)
    if not len(train):
        raise FauError(f"fold {fold} of protocol '{protocol.name}' leaves no group to train on; use more groups")
    parts = {"train": train, "val": val, "test": test, "holdout": kept_out}
    position = {name: i for i, name in enumerate(table.names)}
    row_group = np.array([position[g] for g in cropset.manifest["group"]], dtype=np.int64)
    rows = {part: np.flatnonzero(np.isin(row_group, groups)) for part, groups in parts.items()}
    return Split(**rows, groups={part: tuple(table.names[i] for i in groups) for part, groups in parts.items()})


def _validation_groups(
    table: GroupTable, train: NDArray[np.int64], share: float, seed: int, fold: int, protocol: FoldProtocol
) -> NDArray[np.int64]:
    if not 0 < share < 1:
        raise FauError(f"validation_share {share} is outside 0..1; 0.2 is usual, validation: none trains on all groups")
    if len(train) <= MIN_VALIDATION_GROUPS:
        raise FauError(
            f"fold {fold} of protocol '{protocol.name}' leaves {len(train)} training groups, too few to cut "
            f"{MIN_VALIDATION_GROUPS} validation groups from them; use fewer folds, more groups or validation: none"
        )
    number = min(max(MIN_VALIDATION_GROUPS, round(share * len(train))), len(train) - 1)
    rng = np.random.default_rng([_VALIDATION_STREAM, seed, fold])
    return train[_even_draw(table.take(train).shares(), number, rng)]


def _holdout_groups(table: GroupTable, holdout: float | Sequence[str] | None) -> NDArray[np.int64]:
    if holdout is None:
        return np.array([], np.int64)
    if isinstance(holdout, int | float):
        if not 0 < holdout < 1:
            raise FauError(f"holdout {holdout} is outside 0..1; give the share of groups to hold out, or their names")
        number = max(1, round(holdout * len(table.names)))
        if number >= len(table.names):
            raise FauError(f"holdout {holdout} of {len(table.names)} groups leaves none to train on")
        return _even_draw(table.shares(), number, np.random.default_rng(_HOLDOUT_STREAM))
    position = {name: i for i, name in enumerate(table.names)}
    for name in holdout:
        if name not in position:
            raise FauError(f"holdout group '{name}' is not in the crop set; its first group is '{table.names[0]}'")
    return np.unique(np.array([position[name] for name in holdout], dtype=np.int64))


def _even_draw(shares: NDArray[np.float64], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw groups at random such that they hold about the same share of crops and of every label.

    Of some random draws the most even one is taken; a draw that leaves a label without positives on the other side
    loses against any that does not.
    """
    count = len(shares)
    # Of few groups few draws are compared, else the one best draw would come out for every seed.
    candidates = min(_CANDIDATES, max(4, math.comb(count, number) // 4))
    candidates = max(1, min(candidates, _MAX_CELLS // (number * shares.shape[1])))
    draws = np.stack([rng.permutation(count)[:number] for _ in range(candidates)])
    held = shares[draws].sum(1)
    uneven = ((held - number / count) ** 2).sum(1) + 1e6 * (held > 1 - 1e-9).sum(1)
    return np.sort(draws[uneven.argmin()])

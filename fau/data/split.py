"""Train, validation, test and hold-out parts of a crop set, disjoint in groups and covering all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fau.crops.store import CropSet
from fau.data.fold_protocol import FoldProtocol
from fau.data.groups import GroupTable, pick, read_groups
from fau.errors import FauError

Validation = Literal["groups", "rotating", "none", "test"]

MIN_VALIDATION_GROUPS = 2
LEAK = (
    "validation: rotating leaks: another fold validates each epoch, and the network trains on it in the other epochs, "
    "so validation scores and the checkpoint that they choose reward learning by heart; the test fold is untouched"
)
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
        val: What chooses the checkpoint; empty with ``validation: none``, the test part with ``validation: test``, all
            that ever validates, which is trained on too, with ``validation: rotating``.
        test: The fold's test part.
        holdout: The fixed set outside all folds; empty without one.
        groups: Names of the groups of each part, in manifest order.
        notes: What a reader of the results should know of the division, one sentence each.
        rotation: With ``validation: rotating``, the parts of ``val`` that validate one epoch each, in turn; an epoch
            trains on ``train`` without its own.
    """

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    holdout: NDArray[np.int64]
    groups: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    rotation: tuple[NDArray[np.int64], ...] = ()


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
        validation: ``groups`` takes the protocol's own validation groups, where it has some, else cuts them from the
            training groups; ``rotating`` takes another of the folds that are not tested each epoch, and trains on the
            others; ``none`` trains on all that is not tested; ``test`` does so too and selects on the test part, as
            published results sometimes do.
        validation_share: Share of the training groups that validate, at least two groups.
        holdout: Groups outside all folds: their share of all groups, drawn with even label counts and the same for
            every seed and fold, or their names.

    Raises:
        FauError: If the fold does not exist, the groups are too few, a share is out of range, a hold-out group is
            unknown, or the protocol puts a group into two parts.
    """
    table, position = read_groups(cropset, protocol.by_split)
    kept_out = _holdout_groups(table, holdout)
    pool = _without(np.arange(len(table.names)), kept_out)
    dealt = table.take(pool) if len(kept_out) else table
    test = pool[protocol.test_groups(dealt, fold)]
    train = _without(pool, test)
    val = np.array([], np.int64)
    turns: list[NDArray[np.int64]] = []
    if validation == "test":
        val = test
    elif validation == "rotating":
        turns = [pool[groups] for groups in _other_folds(protocol, dealt, fold)]
        val = np.sort(np.concatenate(turns))
    elif validation == "groups":
        own = protocol.validation_groups(dealt, fold)
        cut = _validation_groups(table, train, validation_share, seed, fold, protocol) if own is None else pool[own]
        val = np.sort(cut)
        train = _without(train, val)
    if not len(train):
        raise FauError(f"fold {fold} of protocol '{protocol.name}' leaves no group to train on; use more groups")
    parts = {"train": train, "val": val, "test": test, "holdout": kept_out}
    twice = validation in ("test", "rotating")  # what validates is in another part too
    _check(table, {name: part for name, part in parts.items() if name != "val" or not twice}, protocol)

    def rows_of(groups: NDArray[np.int64]) -> NDArray[np.int64]:
        member = np.zeros(len(table.names), bool)
        member[groups] = True
        return np.flatnonzero(member[position])

    rows = {name: rows_of(groups) for name, groups in parts.items()}
    names = {part: pick(table.names, groups) for part, groups in parts.items()}
    notes = (*protocol.notes(dealt), *([LEAK] if turns else []))
    return Split(**rows, groups=names, notes=notes, rotation=tuple(map(rows_of, turns)))


def fold_parts(cropset: CropSet, protocol: FoldProtocol) -> dict[str, NDArray[np.int64]]:
    """Return the manifest rows of the parts that a protocol makes, to count what is in them.

    Returns:
        By name, what each fold tests; for a protocol of a single fold, what it trains, validates and tests. Validation
        groups that the protocol does not fix are in the training part.
    """
    table, position = read_groups(cropset, protocol.by_split)
    fold = protocol.assign(table)
    if protocol.folds > 1:
        names = [protocol.fold_name(k) for k in range(1, protocol.folds + 1)]
        titles = [f"fold {k}" if name == str(k) else f"fold {k} ({name})" for k, name in enumerate(names, 1)]
        parts = {title: fold == k for k, title in enumerate(titles, 1)}
        if (fold == 0).any():
            parts["always trained on"] = fold == 0
    else:
        own = protocol.validation_groups(table, 1)
        validates = np.isin(np.arange(len(fold)), [] if own is None else own)
        parts = {"train": (fold == 0) & ~validates, "validation": validates, "test": fold == 1}
    return {name: np.flatnonzero(member[position]) for name, member in parts.items() if member.any()}


def _without(groups: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups that are not among others; neither has one twice."""
    return np.setdiff1d(groups, others, assume_unique=True)


def _check(table: GroupTable, parts: dict[str, NDArray[np.int64]], protocol: FoldProtocol) -> None:
    """Make sure that every entry of the table is in one part, and that no group is in two unless the owner split it."""
    times = np.bincount(np.concatenate(list(parts.values())), minlength=len(table.names))
    if (times != 1).any():
        name = table.names[int((times != 1).argmax())]
        raise FauError(
            f"protocol '{protocol.name}' puts group '{name}' into {times[times != 1][0]} parts instead of one"
        )


def _other_folds(protocol: FoldProtocol, table: GroupTable, fold: int) -> list[NDArray[np.int64]]:
    """Return the groups of each fold but one, in order."""
    if protocol.folds < 3:
        raise FauError(
            "validation: rotating needs 3 folds or more, one to test, one to validate and one to train on, but "
            f"protocol '{protocol.name}' has {protocol.folds}; set validation: groups, or another protocol"
        )
    assigned = protocol.assign(table)
    return [np.flatnonzero(assigned == other) for other in range(1, protocol.folds + 1) if other != fold]


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
    if not holdout:
        raise FauError("holdout names no group; leave it out, or null, where there is no hold-out set")
    position = {name: i for i, name in enumerate(table.names)}
    for name in holdout:
        if name not in position:
            raise FauError(f"holdout group '{name}' is not in the crop set; its first group is '{table.names[0]}'")
    if len(set(holdout)) == len(position):
        raise FauError(f"holdout names all {len(position)} groups and leaves none to train on")
    return np.unique(np.array([position[name] for name in holdout], dtype=np.int64))


def _even_draw(shares: NDArray[np.float64], number: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw groups at random such that they hold about the same share of crops and of every label.

    Of some random draws the most even one is taken; a draw that leaves a label without positives on the other side
    loses against any that does not.
    """
    count = len(shares)
    # Of few groups few draws are compared, else the one best draw would come out for every seed.
    possible = math.comb(count, number) if count < 4 * _CANDIDATES else count  # a huge number takes long to compute
    candidates = min(_CANDIDATES, max(4, possible // 4))
    candidates = max(1, min(candidates, _MAX_CELLS // (number * shares.shape[1])))
    draws = np.stack([rng.permutation(count)[:number] for _ in range(candidates)])
    held = shares[draws].sum(1)
    uneven = ((held - number / count) ** 2).sum(1) + 1e6 * (held > 1 - 1e-9).sum(1)
    return np.sort(draws[uneven.argmin()])

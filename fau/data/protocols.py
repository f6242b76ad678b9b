"""Protocols: which groups are tested in which fold.

A group is what must never be split: a subject, else a cluster of duplicates, else an image. Folds count from 1.

A protocol is one of

* a registered name: ``kfold`` (folds with even label counts) or ``consecutive`` (folds of consecutive groups);
* a published division, one JSON file in ``fau/assets/protocols/``, by its name without ``.json``;
* the path of such a JSON file of one's own: ``{"folds": [["S001", ...], ["S004", ...]], "rest": "train"}``. ``rest``
  says what happens to groups that no fold names: ``error`` (the default) or ``train``, that is, they are in the
  training part of every fold.

A new protocol in code registers itself with ``@register("name")``; no list is edited.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fau.crops.store import CropSet
from fau.errors import FauError
from fau.labels import EXPRESSIONS, au_column

DEFAULT_FOLDS = 5
_SWAP_LIMIT = 400  # groups; beyond it single groups weigh so little that dealing alone balances


@dataclass(frozen=True)
class GroupTable:
    """The groups of a crop set in manifest order, and what each holds.

    Attributes:
        names: G group names.
        sizes: int64 (G,), crops of each group.
        counts: int64 (G, C), positives of each group, one column a label that occurs at all: every action unit of
            the crop set and every expression. Folds therefore stay the same whatever label set is trained.
    """

    names: tuple[str, ...]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, cropset: CropSet) -> GroupTable:
        """Count the groups of a crop set."""
        sums = [pl.col(au_column(au)).cast(pl.Int64).sum() for au in cropset.info.aus]
        sums += [(pl.col("expression") == e).cast(pl.Int64).sum().alias(f"expression_{e}") for e in EXPRESSIONS]
        table = cropset.manifest.group_by("group", maintain_order=True).agg(pl.len().cast(pl.Int64), *sums)
        counts = table.drop("group", "len").to_numpy().astype(np.int64)
        return cls(tuple(table["group"]), table["len"].to_numpy().copy(), counts[:, counts.sum(0) > 0])

    def take(self, positions: NDArray[np.int64]) -> GroupTable:
        """Return the table of some groups, in the order of ``positions``."""
        return GroupTable(tuple(self.names[i] for i in positions), self.sizes[positions], self.counts[positions])

    def shares(self) -> NDArray[np.float64]:
        """Return each group's share of all crops and of each label's positives, float64 (G, 1 + C)."""
        columns = np.column_stack([self.sizes, self.counts]).astype(np.float64)
        total = columns.sum(0)
        shares: NDArray[np.float64] = columns[:, total > 0] / total[total > 0]
        return shares


class FoldProtocol(ABC):
    """Says in which fold each group is tested.

    Attributes:
        name: How tables and run records call it.
        folds: Number of folds.
    """

    name: str
    folds: int

    @abstractmethod
    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Return the fold, counted from 1, in which each group is tested, int64 (G,); 0 = in none, always trained on.

        Raises:
            FauError: If the groups do not fit the protocol.
        """

    def test_groups(self, table: GroupTable, fold: int) -> NDArray[np.int64]:
        """Return the positions in ``table`` of the groups that ``fold`` tests.

        Raises:
            FauError: If there is no such fold or the groups do not fit the protocol.
        """
        if not 1 <= fold <= self.folds:
            raise FauError(f"fold {fold} does not exist: protocol '{self.name}' has folds 1 to {self.folds}")
        return np.flatnonzero(self.assign(table) == fold)

    def describe(self) -> dict[str, Any]:
        """Return what decides the folds, as plain JSON values, for the run id."""
        return {"name": self.name, "folds": self.folds}


Builder = Callable[[int | None], FoldProtocol]
_REGISTRY: dict[str, Builder] = {}


def register(name: str) -> Callable[[Builder], Builder]:
    """Make a protocol known by name; for a class or function that takes the wanted number of folds or None."""

    def keep(builder: Builder) -> Builder:
        _REGISTRY[name] = builder
        return builder

    return keep


def protocol(name: str, folds: int | None = None) -> FoldProtocol:
    """Return a protocol by its name or by the path of its JSON file.

    Args:
        name: A registered name, a published division, or a path that ends in ``.json``.
        folds: The number of folds; None takes the protocol's own.

    Raises:
        FauError: If the protocol is unknown, cannot be read, or has another number of folds.
    """
    if name in _REGISTRY:
        return _REGISTRY[name](folds)
    if name.endswith(".json"):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise FauError(f"protocol file '{name}' cannot be read: {error.strerror}") from error
        return FixedFolds.parse(Path(name).stem, text, folds)
    published = _published()
    if name in published:
        return FixedFolds.parse(name, published[name], folds)
    raise FauError(
        f"protocol '{name}' is unknown; choose one of {', '.join([*_REGISTRY, *published])}, or give a .json file"
    )


def _published() -> dict[str, str]:
    folder = files("fau") / "assets" / "protocols"
    if not folder.is_dir():
        return {}
    found = {f.name.removesuffix(".json"): f for f in folder.iterdir() if f.name.endswith(".json")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def _check_folds(table: GroupTable, folds: int) -> None:
    if folds < 2:
        raise FauError(f"folds {folds} is too few: k-fold cross-validation needs 2 or more")
    if len(table.names) < folds:
        raise FauError(f"{folds} folds need {folds} groups or more, but there are only {len(table.names)}; lower folds")


@register("kfold")
class StratifiedFolds(FoldProtocol):
    """k folds of whole groups with even numbers of groups, crops and positives of every label.

    The division follows from the label counts alone, not from a seed: runs with several seeds are tested on the same
    folds. Groups are dealt one by one, the one with the largest share of any label first, each to the fold that has
    least of what it brings; then pairs of groups change places while that evens the folds further.
    """

    def __init__(self, folds: int | None = None) -> None:
        self.name = "kfold"
        self.folds = DEFAULT_FOLDS if folds is None else folds

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Deal the groups; the number of groups differs by at most one between folds."""
        _check_folds(table, self.folds)
        shares = table.shares()
        part = _deal(shares, self.folds)
        if len(table.names) <= _SWAP_LIMIT:
            _even_out(shares, part, self.folds)
        return part + 1


@register("consecutive")
class ConsecutiveFolds(FoldProtocol):
    """k folds of consecutive groups in manifest order, as in the older practice; labels may be uneven between them."""

    def __init__(self, folds: int | None = None) -> None:
        self.name = "consecutive"
        self.folds = DEFAULT_FOLDS if folds is None else folds

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Cut the list of groups into k runs; their numbers of groups differ by at most one."""
        _check_folds(table, self.folds)
        runs = np.array_split(np.arange(len(table.names)), self.folds)
        return np.repeat(np.arange(1, self.folds + 1), [len(run) for run in runs])


class FixedFolds(FoldProtocol):
    """A published division: the groups of each fold by name."""

    def __init__(self, name: str, groups: list[list[str]], rest: str = "error") -> None:
        self.name = name
        self.folds = len(groups)
        self._rest = rest
        self._fold_of = {group: fold for fold, part in enumerate(groups, 1) for group in part}
        if len(self._fold_of) != sum(len(part) for part in groups):
            twice = sorted(g for g in self._fold_of if sum(part.count(g) for part in groups) > 1)
            raise FauError(f"protocol '{name}' names group '{twice[0]}' twice; a group is tested in one fold")
        if rest not in ("error", "train"):
            raise FauError(f"protocol '{name}' has rest '{rest}'; choose error or train")

    @classmethod
    def parse(cls, name: str, text: str, folds: int | None) -> FixedFolds:
        """Read a division from the text of its JSON file.

        Raises:
            FauError: If the text is no such division, or has another number of folds than ``folds``.
        """
        try:
            content = json.loads(text)
            groups = [[str(group) for group in part] for part in content["folds"]]
            rest = str(content.get("rest", "error"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FauError(f"protocol '{name}' is not valid: it needs a JSON object with a list 'folds'") from error
        if folds is not None and folds != len(groups):
            raise FauError(f"protocol '{name}' has {len(groups)} folds, not {folds}; leave folds out")
        return cls(name, groups, rest)

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Look every group up; groups that the crop set lacks are passed over."""
        if self._rest == "error":
            for group in table.names:
                if group not in self._fold_of:
                    raise FauError(f"protocol '{self.name}' has no fold for group '{group}' of the crop set")
        fold = np.array([self._fold_of.get(group, 0) for group in table.names], dtype=np.int64)
        for k in range(1, self.folds + 1):
            if not (fold == k).any():
                raise FauError(f"none of the groups of fold {k} of protocol '{self.name}' is in the crop set")
        return fold

    def describe(self) -> dict[str, Any]:
        """Return name, number of folds and a hash of the division."""
        content = json.dumps([self._fold_of, self._rest], sort_keys=True)
        return super().describe() | {"groups": hashlib.sha256(content.encode()).hexdigest()[:16]}


def _deal(shares: NDArray[np.float64], parts: int) -> NDArray[np.int64]:
    """Deal groups one by one to the part that has least of what the group brings; even numbers of groups."""
    count = len(shares)
    part = np.empty(count, np.int64)
    load = np.zeros((parts, shares.shape[1]))
    filled = np.zeros(parts, np.int64)
    least, spare = divmod(count, parts)
    for group in np.argsort(-shares.max(1), kind="stable"):
        room = filled < (least + 1 if spare else least)
        # The smaller the product, the less the sum of squared loads grows; a tie goes to the emptier part.
        cost = np.where(room, load @ shares[group], np.inf)
        chosen = int(np.lexsort((filled, cost))[0])
        part[group] = chosen
        load[chosen] += shares[group]
        filled[chosen] += 1
        spare -= int(filled[chosen] > least)
    return part


def _even_out(shares: NDArray[np.float64], part: NDArray[np.int64], parts: int) -> None:
    """Swap pairs of groups between parts, the best pair first, while the sum of squared loads falls; in place."""
    load = np.stack([shares[part == p].sum(0) for p in range(parts)])
    square = (shares**2).sum(1)
    gram = shares @ shares.T
    distance = square[:, None] + square[None] - 2 * gram
    for _ in range(100 * parts):
        # With d = shares[h] - shares[g]: the squares change by 2 d.(load[part g] - load[part h]) + 2 d.d
        own = shares @ load.T
        mine, other = own[:, part], own[np.arange(len(part)), part]
        change = 2 * ((mine.T - other[:, None]) - (other[None] - mine)) + 2 * distance
        change[part[:, None] == part[None]] = 0.0
        g, h = np.unravel_index(int(change.argmin()), change.shape)
        if change[g, h] > -1e-12:
            return
        step = shares[h] - shares[g]
        load[part[g]] += step
        load[part[h]] -= step
        part[g], part[h] = part[h], part[g]

"""Protocols: which groups are tested in which fold.

A group is what must never be split: a subject, else a cluster of duplicates, else an image. Folds count from 1.

A protocol is one of

* a registered name: ``kfold`` (folds with even label counts), ``consecutive`` (folds of consecutive groups), ``loso``
  (leave one group out), ``ckplus10`` (CK+'s ten folds) or ``official`` (the owner's own split, fold 1 of 1);
* a published division, one JSON file in ``fau/assets/protocols/``, by its name without ``.json``;
* the path of such a JSON file of one's own, ``{"folds": [["S001", ...], ["S004", ...]], "rest": "train"}``:

  * ``folds``: for each fold the groups that it tests, or ``{"test": [...], "validation": [...]}`` where the validation
    groups are fixed too instead of being cut from the training groups;
  * ``parts``: names for lists of groups, which ``folds`` may use instead of the groups;
  * ``rest``: what happens to groups that neither ``folds`` nor ``parts`` name: ``error`` (the default) or ``train``,
    that is, they are in the training part of every fold. Groups of a part that a fold does not test, train it;
  * ``source``: where the division comes from.

A new protocol in code registers itself with ``@register("name")``; no list is edited.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fau.data.dealing import deal, even_out
from fau.data.groups import GroupTable
from fau.errors import FauError
from fau.labels import SPLITS

__all__ = ["ConsecutiveFolds", "FixedFolds", "FoldProtocol", "GroupTable", "StratifiedFolds", "protocol", "register"]

DEFAULT_FOLDS = 5
_SWAP_LIMIT = 400  # groups; beyond it single groups weigh so little that dealing alone balances


class FoldProtocol(ABC):
    """Says in which fold each group is tested.

    Attributes:
        name: How tables and run records call it.
        folds: Number of folds.
        by_split: Whether it needs entries of the table told apart by the owner's split; see ``read_groups``.
    """

    name: str
    folds: int
    by_split: bool = False

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

    def validation_groups(self, table: GroupTable, fold: int) -> NDArray[np.int64] | None:
        """Return the positions in ``table`` of the groups that validate ``fold``; None: any of the training groups."""
        return None

    def fold_name(self, fold: int) -> str:
        """Return what ``fold`` tests by its published name, such as ``part3``; without one, the fold's number."""
        return str(fold)

    def notes(self, table: GroupTable) -> list[str]:
        """Return what a reader of the results should know of how the groups fit, one sentence each."""
        return []

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


def _at_least_two(folds: int) -> int:
    if folds < 2:
        raise FauError(f"folds {folds} is too few: k-fold cross-validation needs 2 or more")
    return folds


def _check_folds(table: GroupTable, folds: int) -> None:
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
        self.folds = _at_least_two(DEFAULT_FOLDS if folds is None else folds)

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Deal the groups; the number of groups differs by at most one between folds."""
        _check_folds(table, self.folds)
        shares = table.shares()
        part = deal(shares, self.folds)
        if len(table.names) <= _SWAP_LIMIT:
            even_out(shares, part, self.folds)
        return part + 1


@register("consecutive")
class ConsecutiveFolds(FoldProtocol):
    """k folds of consecutive groups in manifest order, as in the older practice; labels may be uneven between them."""

    def __init__(self, folds: int | None = None) -> None:
        self.name = "consecutive"
        self.folds = _at_least_two(DEFAULT_FOLDS if folds is None else folds)

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Cut the list of groups into k runs; their numbers of groups differ by at most one."""
        _check_folds(table, self.folds)
        runs = np.array_split(np.arange(len(table.names)), self.folds)
        return np.repeat(np.arange(1, self.folds + 1), [len(run) for run in runs])


@register("loso")
class LeaveOneOut(FoldProtocol):
    """Leave one group out: fold k tests the k-th group in manifest order. ``folds`` must be the number of groups."""

    def __init__(self, folds: int | None = None) -> None:
        if folds is None:
            raise FauError("protocol 'loso' has one fold a group; set folds to the number of groups of the crop set")
        self.name = "loso"
        self.folds = folds

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Number the groups."""
        if len(table.names) != self.folds:
            raise FauError(f"protocol 'loso' has one fold a group: set folds to {len(table.names)}, not {self.folds}")
        return np.arange(1, self.folds + 1)


@register("ckplus10")
class SteppedFolds(FoldProtocol):
    """The ten folds usual with CK+: subjects in ascending order, every tenth from the k-th in fold k.

    Subjects who show an expression other than neutral are dealt first, so that the 118 of them fall into the same folds
    whether or not the crop set has the five who have action units alone; those are dealt after them in the same way.
    Source: Liu, Han, Meng and Tong (CVPR 2014), followed by most later work.
    """

    def __init__(self, folds: int | None = None) -> None:
        if folds not in (None, 10):
            raise FauError(f"protocol 'ckplus10' has 10 folds, not {folds}; leave data.folds out or set it to null")
        self.name = "ckplus10"
        self.folds = 10

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Deal the sorted groups in steps of ten."""
        _check_folds(table, self.folds)
        order = np.lexsort((np.array(table.names), ~table.has_emotion()))
        fold = np.empty(len(order), np.int64)
        fold[order] = np.arange(len(order)) % self.folds + 1
        return fold


@register("official")
class OfficialSplit(FoldProtocol):
    """The owner's own division, the manifest's column ``split``: fold 1 of 1.

    Tested is the test part; where there is none, as with AffectNet, or with Aff-Wild2, whose test labels are withheld,
    the validation part is tested. What validates is the validation part where it is not tested, as FER2013's PublicTest
    beside PrivateTest; else validation groups are cut from the training part as in every other protocol, never from
    what is tested. The owner splits rows, not groups: a group that is in two parts, such as an image that was delivered
    twice, stays where the owner put it, and the run record says how many there are. To do without, take ``kfold``.
    """

    by_split = True

    def __init__(self, folds: int | None = None) -> None:
        if folds not in (None, 1):
            raise FauError(
                f"protocol 'official' is fold 1 of 1, not of {folds}; leave data.folds out or set it to null"
            )
        self.name = "official"
        self.folds = 1

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Look the owner's split up."""
        tested, _ = self._parts(table)
        return np.array([int(split == tested) for split in table.splits], dtype=np.int64)

    def validation_groups(self, table: GroupTable, fold: int) -> NDArray[np.int64] | None:
        """Return the validation part, unless it is tested or there is none."""
        _, validates = self._parts(table)
        if validates is None:
            return None
        return np.flatnonzero([split == validates for split in table.splits])

    def fold_name(self, fold: int) -> str:
        """Return the protocol's name, since there is one fold."""
        return self.name

    def notes(self, table: GroupTable) -> list[str]:
        """Count the groups that the owner put into more than one part."""
        counts = Counter(table.names)
        split = [name for name, count in counts.items() if count > 1]
        if not split:
            return []
        what = "1 group is" if len(split) == 1 else f"{len(split)} groups are"
        return [f"{what} in more than one part of the owner's split, such as '{split[0]}'; kept as the owner has it"]

    def _parts(self, table: GroupTable) -> tuple[str, str | None]:
        """Return the parts that are tested and that validate."""
        present = {split for split in table.splits if split is not None}
        if not present:
            raise FauError("protocol 'official' needs the owner's split, which the crop set lacks; use kfold")
        missing = int(table.sizes[[split is None for split in table.splits]].sum())
        if missing:
            what = "1 crop is" if missing == 1 else f"{missing} crops are"
            raise FauError(f"protocol 'official' does not fit: {what} in no part of the owner's split; use kfold")
        train, val, test = SPLITS
        if test in present:
            return test, val if val in present else None
        if val in present:
            return val, None
        raise FauError(
            f"protocol 'official' has nothing to test: all crops are in the owner's part '{train}'; use kfold"
        )


class FixedFolds(FoldProtocol):
    """A published division: the groups of each fold by name.

    Args:
        name: How tables call it.
        groups: The groups that each fold tests.
        rest: What happens to groups that are named nowhere: ``error`` or ``train``.
        validation: The groups that validate each fold; an empty list cuts them from the training groups.
        trained: Groups that are known although no fold tests them.
        fold_names: What each fold tests, by name.
    """

    def __init__(
        self,
        name: str,
        groups: list[list[str]],
        rest: str = "error",
        validation: list[list[str]] | None = None,
        trained: Iterable[str] = (),
        fold_names: list[str] | None = None,
    ) -> None:
        self.name = name
        self.folds = len(groups)
        self._rest = rest
        self._fold_of = {group: fold for fold, part in enumerate(groups, 1) for group in part}
        self._validation = validation or [[] for _ in groups]
        self._trained = frozenset(trained)
        self._fold_names = fold_names
        if len(self._fold_of) != sum(len(part) for part in groups):
            twice = sorted(g for g in self._fold_of if sum(part.count(g) for part in groups) > 1)
            raise FauError(f"protocol '{name}' names group '{twice[0]}' twice; a group is tested in one fold")
        for fold, part in enumerate(self._validation, 1):
            both = sorted(group for group in part if self._fold_of.get(group) == fold)
            if both:
                raise FauError(f"protocol '{name}' both tests and validates group '{both[0]}' in fold {fold}")
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
            parts = {str(key): [str(group) for group in part] for key, part in content.get("parts", {}).items()}
            entries = [fold if isinstance(fold, dict) else {"test": fold} for fold in content["folds"]]
            tested = [_expand(entry["test"], parts) for entry in entries]
            validation = [_expand(entry.get("validation", []), parts) for entry in entries]
            names = ["+".join(map(str, e["test"])) if parts.keys() >= set(e["test"]) else "" for e in entries]
            rest = str(content.get("rest", "error"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FauError(
                f"protocol '{name}' is not valid: it needs a JSON object with 'folds', lists of groups"
            ) from error
        if not tested:
            raise FauError(f"protocol '{name}' is not valid: its list 'folds' is empty")
        if folds is not None and folds != len(tested):
            raise FauError(
                f"protocol '{name}' has {len(tested)} folds, not {folds}; leave data.folds out or set it to null"
            )
        counts = Counter(group for part in parts.values() for group in part)
        twice = sorted(group for group, count in counts.items() if count > 1)
        if twice:
            raise FauError(f"protocol '{name}' has group '{twice[0]}' in two parts; a group is in one")
        return cls(name, tested, rest, validation, counts, names)

    def assign(self, table: GroupTable) -> NDArray[np.int64]:
        """Look every group up; groups that the crop set lacks are passed over."""
        if self._rest == "error":
            known = self._known()
            for group in table.names:
                if group not in known:
                    raise FauError(f"protocol '{self.name}' has no fold for group '{group}' of the crop set")
        fold = np.array([self._fold_of.get(group, 0) for group in table.names], dtype=np.int64)
        for k in range(1, self.folds + 1):
            if not (fold == k).any():
                raise FauError(f"none of the groups of fold {k} of protocol '{self.name}' is in the crop set")
        return fold

    def validation_groups(self, table: GroupTable, fold: int) -> NDArray[np.int64] | None:
        """Return the fold's own validation groups, where it has some."""
        wanted = set(self._validation[fold - 1])
        if not wanted:
            return None
        positions = np.flatnonzero([group in wanted for group in table.names])
        if not len(positions):
            raise FauError(f"no validation group of fold {fold} of protocol '{self.name}' is in the crop set")
        return positions

    def fold_name(self, fold: int) -> str:
        """Return the names of the parts that ``fold`` tests."""
        return (self._fold_names[fold - 1] if self._fold_names else "") or str(fold)

    def notes(self, table: GroupTable) -> list[str]:
        """Name the groups of the division that the crop set lacks."""
        known = self._known()
        missing = sorted(known.difference(table.names))
        if not missing:
            return []
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        return [f"the crop set lacks {len(missing)} of the {len(known)} groups of protocol '{self.name}': {some}"]

    def describe(self) -> dict[str, Any]:
        """Return name, number of folds and a hash of the division."""
        decides: list[Any] = [self._fold_of, self._rest]
        if any(self._validation):
            decides.append([sorted(part) for part in self._validation])
        content = json.dumps(decides, sort_keys=True)
        return super().describe() | {"groups": hashlib.sha256(content.encode()).hexdigest()[:16]}

    def _known(self) -> frozenset[str]:
        """Return every group that the division names."""
        return self._trained.union(self._fold_of, *self._validation)


def _expand(items: list[str], parts: dict[str, list[str]]) -> list[str]:
    """Replace names of parts by their groups."""
    if not isinstance(items, list):
        raise TypeError("a fold is a list")
    return [group for item in items for group in parts.get(str(item), [str(item)])]

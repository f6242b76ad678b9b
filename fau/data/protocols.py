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

from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fau.data.dealing import deal, even_out
from fau.data.fixed_folds import FixedFolds
from fau.data.fold_protocol import FoldProtocol
from fau.data.groups import GroupTable
from fau.errors import FauError
from fau.labels import SPLITS

DEFAULT_FOLDS = 5
_SWAP_LIMIT = 400  # groups; beyond it single groups weigh so little that dealing alone balances


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
            raise FauError(f"protocol file '{name}' cannot be read: {error.strerror}; check the path") from error
        return FixedFolds.parse(Path(name).stem, text, folds)
    published = _published()
    if name in published:
        return FixedFolds.parse(name, published[name], folds)
    raise FauError(f"protocol '{name}' is unknown; choose one of {', '.join(names())}, or give a .json file")


def names() -> list[str]:
    """Return the names of all protocols that are known without a file."""
    return [*_REGISTRY, *_published()]


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
            raise FauError(f"protocol 'ckplus10' has 10 folds, not {folds}; leave the number of folds out")
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
            raise FauError(f"protocol 'official' is fold 1 of 1, not of {folds}; leave the number of folds out")
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
